"""Touch-ups that people painted, each kept by its photo's content: so one that was moved or copied finds it again.

They are a person's work: nothing removes one but that person, and even then it is kept until the next is removed.
Standard library only: OBS looks here whether a layer is still the one to show.

    DIGEST.png           what is to be kept and removed; see matting/touch_up.py. DIGEST: SHA-256 of the photo's bytes
    DIGEST.removed.png   the one that was removed
    photo-KEY.json       which content the file at a path had when it was touched up
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path

from ..filesystem import files, paths

_DIGEST = re.compile("[0-9a-f]{64}")


class TouchUps:
    """A folder of touch-ups. Reading never raises: what can't be read counts as absent."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or paths.touch_ups_folder()

    def load(self, digest: str) -> bytes | None:
        """The PNG of a photo's touch-up."""
        return _content(self._path(digest))

    def stamp(self, digest: str) -> str:
        """What tells a photo's touch-up from others of it; empty where it has none."""
        data = self.load(digest) if _DIGEST.fullmatch(digest) else None
        return stamp_of(data) if data else ""

    def save(self, digest: str, png: bytes, photo: Path | None = None) -> None:
        """photo: the file that it was painted on. Raises OutputError."""
        files.write(self._path(digest), png)
        if photo is not None and self._digest_at(photo) != digest:
            files.write_texts(self._photo_path(photo), digest=digest)

    def remove(self, digest: str) -> None:
        """Set a touch-up aside. Raises OutputError."""
        try:
            with contextlib.suppress(FileNotFoundError):
                self._path(digest).replace(self._path(f"{digest}.removed"))
        except OSError as error:
            raise files.output_error(error, self.folder) from error

    def removed(self, digest: str) -> bytes | None:
        """The PNG of the touch-up that was removed last."""
        return _content(self._path(f"{digest}.removed"))

    def is_outdated(self, photo: Path, digest: str) -> bool:
        """Whether the file at this path was touched up with other content, and this content has no touch-up."""
        before = self._digest_at(photo)
        return before != digest and bool(self.stamp(before)) and not self.stamp(digest)

    def stamp_at(self, photo: Path) -> str:
        """As `stamp`, of the content that the file at a path had when it was touched up."""
        return self.stamp(self._digest_at(photo))

    def _digest_at(self, photo: Path) -> str:
        return files.read_texts(self._photo_path(photo)).get("digest", "")

    def _path(self, digest: str) -> Path:
        return self.folder / f"{digest}.png"

    def _photo_path(self, photo: Path) -> Path:
        name = hashlib.sha256(str(photo.absolute()).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self.folder / f"photo-{name}.json"


def _content(path: Path) -> bytes | None:
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return None


def stamp_of(png: bytes) -> str:
    """Of a touch-up's PNG."""
    return hashlib.sha256(png).hexdigest()[:16]
