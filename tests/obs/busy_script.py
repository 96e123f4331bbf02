"""Another script in the same OBS: like many, it looks a source up on every frame.

One that isn't there: from OBS 30 on, OBS gives one that is just being destroyed without a reference, and may crash when
that is released (get_context_by_name in libobs's obs.c doesn't heed whether it got one).
"""

import time

import obspython as obs


def script_tick(seconds):
    until = time.monotonic() + 0.02
    while time.monotonic() < until:
        source = obs.obs_get_source_by_name("none of this name")
        if source is not None:
            obs.obs_source_release(source)
