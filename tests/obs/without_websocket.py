"""A script that comes before CVMatte's and makes it believe that this build of OBS has no obs-websocket."""

import sys
from pathlib import Path

for folder in (Path(__file__).parents[2], Path(__file__).parents[2] / "obs_plugin"):
    sys.path.insert(0, str(folder))

from cvmatte_obs import websocket  # noqa: E402

websocket.handler = lambda: None
