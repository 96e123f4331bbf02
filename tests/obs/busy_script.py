"""Another script in the same OBS: like many, it looks a source up on every frame."""

import time

import obspython as obs


def script_tick(seconds):
    until = time.monotonic() + 0.02
    while time.monotonic() < until:
        source = obs.obs_get_source_by_name("background")
        if source is not None:
            obs.obs_source_release(source)
