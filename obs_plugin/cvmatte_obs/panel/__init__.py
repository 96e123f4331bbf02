"""The script's panel in Tools → Scripts, a module for each of its groups."""

from .panel import Panel, description, set_defaults

__all__ = ["Panel", "description", "set_defaults"]
