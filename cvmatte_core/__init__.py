"""CVMatte's core: from a portrait photo to a transparent layer. Knows nothing of OBS."""

__version__ = "0.1.0"
