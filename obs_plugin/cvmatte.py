"""CVMatte for OBS Studio. Add this file in Tools → Scripts.

Only the callbacks that OBS looks for are here; what they do is in cvmatte_obs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import obspython

_FOLDER = Path(__file__).resolve().parent
for _folder in (_FOLDER.parent, _FOLDER):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))

from cvmatte_obs import libobs, properties  # noqa: E402
from cvmatte_obs.automation.automation import Automation  # noqa: E402
from cvmatte_obs.panel import Panel, description, set_defaults  # noqa: E402
from cvmatte_obs.scene_clearing import Clearing  # noqa: E402
from cvmatte_obs.session import Session  # noqa: E402

from cvmatte_core.localization.texts import Texts, language_of  # noqa: E402


class _Script:
    """What lives between script_load and script_unload."""

    def __init__(self, data):
        libobs.take_logs()
        self.session = Session(_texts(), data)
        properties.serve(self.session)
        self.panel = Panel(self.session, data)
        self.automation = Automation(self.session)
        self.clearing = Clearing(self.session.let_go)


_script = None


def _texts():
    return Texts(language_of(obspython.obs_get_locale()))


def script_description():
    return description(_texts())


def script_defaults(settings):
    set_defaults(int(settings))


def script_load(settings):
    global _script
    script_unload()
    _script = _Script(int(settings))


def script_unload():
    global _script
    script, _script = _script, None
    if script is not None:
        script.automation.close()
        script.panel.close()
        properties.end()
        script.session.close()
        script.clearing.close()


def script_update(settings):
    if _script is not None:
        _script.panel.update()


def script_save(settings):
    if _script is not None:
        _script.session.save(int(settings))


def script_properties():
    made = obspython.obs_properties_create()
    if _script is not None:
        _script.panel.fill(int(made))
    return made
