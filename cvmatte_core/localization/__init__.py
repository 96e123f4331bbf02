"""Every sentence that a person reads. Standard library only."""
