"""From a photo to a matte: the one entry (matter.py), and what happens after the network has seen it."""
