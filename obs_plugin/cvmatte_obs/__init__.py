"""CVMatte inside OBS: standard library, obspython and ctypes only.

What holds everywhere here: OBS calls into Python while it holds locks, and runs Python timers on its graphics thread.
So there is no per-frame callback, no signal handler and no timer; one background thread (session.py) polls the
portraits' settings and does all that may wait, through ctypes, which lets go of the GIL.

What becomes of a portrait is decided in photo_lifecycle.py and live_lifecycle.py, which know nothing of OBS;
photo_view.py and live_view.py do that in OBS.
"""
