"""What install.py does to a person's OBS and says of it. Standard library only.

registration.py enters the script and takes it back; obs_python.py finds a Python that OBS can load.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Callable

import obs_python
import registration

from cvmatte_core.filesystem import paths, sandbox
from cvmatte_core.localization.errors import Refused
from cvmatte_core.localization.texts import system_texts

say = system_texts()


def register() -> int:
    """Add the script to OBS. Returns the exit code. Raises Refused, CvmatteError."""
    outcome = _change(registration.register, "install.collection_unreadable")
    if _is_without_python(outcome) and _fetch_python():
        outcome = _change(registration.register, "install.collection_unreadable")
    snap, flatpak = map(registration.has_obs_in, (sandbox.SNAP, sandbox.FLATPAK))
    if outcome.changed or outcome.unchanged:
        print(say("install.registered"))
    elif snap and not flatpak and not registration.obs_of_the_system():
        raise Refused(say("install.sandboxed", sandbox=sandbox.SNAP))
    elif not outcome.unreadable and not flatpak:
        print(say("install.add_by_hand", script=registration.SCRIPT))
    if snap:
        print(say("install.sandboxed_too", sandbox=sandbox.SNAP))
    left = _tell_of_python(outcome) or (flatpak and _tell_of_flatpak())
    return 1 if left or outcome.unreadable else 0


def unregister() -> int:
    """Take the script out of OBS. Returns the exit code. Raises Refused, CvmatteError."""
    outcome = _change(registration.unregister, "install.collection_left")
    if outcome.unreadable:
        return 1
    told = "install.unregistered" if outcome.changed else "install.nothing_registered"
    print(say(told, folder=paths.ROOT, data=paths.data_folder()))
    return 0


def refuse_while_obs_runs() -> None:
    """Raises Refused: OBS overwrites its files when it quits."""
    if registration.obs_is_running():
        raise Refused(say("install.obs_running"))


def _change(change: Callable[[Path], registration.Outcome], unreadable: str) -> registration.Outcome:
    """Register or unregister, and name each file that was left alone since it can't be read, by the text `unreadable`.
    Raises Refused, CvmatteError."""
    refuse_while_obs_runs()
    outcome = change(paths.data_folder() / "registered.json")
    for path in outcome.unreadable:
        print(say(unreadable, path=path), file=sys.stderr)
    return outcome


def _is_without_python(outcome: registration.Outcome) -> bool:
    """Whether OBS needs to be told of a Python, and none is there that it can load."""
    return sys.platform in ("win32", "darwin") and not outcome.python


def _fetch_python() -> bool:
    """On Windows, fetch a Python for OBS if there is none and the person wants it. Returns whether it is there now."""
    folder = paths.obs_python_folder()
    computer = obs_python.Computer.this()
    if sys.platform != "win32" or obs_python.find(computer, folder) is not None:
        return False
    embeddable = obs_python.EMBEDDABLE[obs_python.processor_of_obs(computer) or obs_python.X64]
    question = say("install.obs_python_ask", url=embeddable.url)
    if not sys.stdin.isatty() or input(question).strip().lower().startswith("n"):
        return False
    print(say("install.obs_python_fetching"), flush=True)
    try:
        obs_python.fetch(embeddable, folder)
    except (OSError, obs_python.Unusable) as error:
        print(say("install.obs_python_failed", reason=error), file=sys.stderr)
        return False
    return True


def _tell_of_flatpak() -> bool:
    """Tell what the person has to do so that an OBS from Flatpak runs CVMatte. Returns whether there is anything."""
    if registration.flatpak_hides_us():
        print(say("install.flatpak_hides", folder=paths.ROOT), file=sys.stderr)
        return True
    lacking = registration.lacking_in_flatpak()
    if lacking:
        print(say("error.worker_not_allowed", command=sandbox.override(lacking)), file=sys.stderr)
    return bool(lacking)


def _tell_of_python(outcome: registration.Outcome) -> bool:
    """Tell what the person has to do so that OBS loads a Python. Returns whether there is anything to do."""
    if not _is_without_python(outcome):
        return False
    found = obs_python.find(obs_python.Computer.this(), paths.obs_python_folder())
    if found is not None and outcome.useless_python:
        print(say("install.obs_python_useless", told=outcome.useless_python, folder=found))
    elif found is not None:  # OBS has never been started: nowhere to write it
        print(say("install.obs_python_choose", folder=found))
    else:
        print(say("install.obs_python_missing_mac" if sys.platform == "darwin" else "install.obs_python_missing"))
    return found is None or bool(outcome.useless_python)
