"""The finished layers: those kept for OBS, and those saved for the person. Standard library only."""
