"""A process of ours beside OBS, spoken to in lines: the side of the one that starts it, and its own."""
