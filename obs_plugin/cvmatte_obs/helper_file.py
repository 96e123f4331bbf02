"""The one file that a portrait's helper stands for in OBS's dialog of missing files; see source_type.py."""

from __future__ import annotations

from . import controls, layers, libobs
from .file_watch import GONE, FileWatch
from .weak_source import WeakSource


class HelperFile:
    """Of one portrait: of several files that it needs the first that is missing."""

    def __init__(self, source: WeakSource, helper: int, watch: FileWatch) -> None:
        self._source, self._helper, self._watch = source, helper, watch
        self._path: str | None = None

    def begin(self, data: int) -> None:
        """data: the portrait's settings, which say what the helper was made with."""
        if self._path is None:
            self._path = layers.helper_image(data)

    def follow(self, values: controls.Values) -> None:
        """Let OBS know of another file where that is called for."""
        paths, state = list(values.needed.values()), self._watch.state
        if self._path in paths and state(self._path) is None:
            return  # OBS may just be asking for it
        path = next((path for path in paths if state(path) == GONE), paths[0] if paths else "")
        if self._path != path:
            self._path = path
            with self._source.alive() as source:
                if source:
                    layers.set_helper_image(source, self._helper, libobs.source_name(source), path)

    def relink(self, values: controls.Values) -> None:
        """Take over the file that the person chose in that dialog."""
        data = libobs.obs_source_get_settings(self._helper)
        chosen = controls.get_string(data, layers.HELPER_FILE)
        libobs.obs_data_release(data)
        if chosen and chosen != self._path:
            found_again = {key: chosen for key, path in values.needed.items() if path == self._path}
            self._path = chosen
            self._source.change(found_again)
