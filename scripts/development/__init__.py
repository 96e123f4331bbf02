"""What developers measure CVMatte with, and wear it out: nothing that a person needs."""
