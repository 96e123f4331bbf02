"""A script that writes down whether something shows the source "camera" when OBS has just removed all its scenes."""

import os
from pathlib import Path

import obspython as obs


def script_load(settings):
    obs.obs_frontend_add_event_callback(on_event)


def on_event(event):
    if event == obs.OBS_FRONTEND_EVENT_SCENE_COLLECTION_CLEANUP:
        camera = obs.obs_get_source_by_name("camera")
        with Path(os.environ["LEAVING_FILE"]).open("a", encoding="utf-8") as file:
            file.write(f"{camera is not None and obs.obs_source_showing(camera)} ")
        obs.obs_source_release(camera)
