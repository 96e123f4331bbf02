"""What the scripts of a person share."""
