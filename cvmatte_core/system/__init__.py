"""The computer that this runs on: its devices, its memory, the sandbox that OBS may be in."""
