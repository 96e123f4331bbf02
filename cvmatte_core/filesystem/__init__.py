"""Files, locks and folders. Standard library only."""
