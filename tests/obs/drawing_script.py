"""Another script in the same OBS: like those that load pictures, it enters OBS's graphics, on every frame."""

import time

import obspython as obs


def script_tick(seconds):
    until = time.monotonic() + 0.01
    while time.monotonic() < until:
        obs.obs_enter_graphics()
        obs.obs_leave_graphics()
