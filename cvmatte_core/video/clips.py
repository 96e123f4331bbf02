"""A clip cut out into another: frame by frame, with its sound, in bounded memory, whatever its length.

The frames keep their times, so that variable rates stay what they are.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from ..filesystem import files
from ..image import geometry
from ..image.file_types import ANIMATIONS, CLIP_KINDS
from ..localization.errors import Cancelled, CvmatteError, ImageError, OutputError
from ..localization.notes import Note
from ..matting.video_matter import VideoMatter
from ..settings import MatteSettings
from . import animation, source
from .animation import Animation
from .checkpoints import Done, Parts, Pictures
from .decoding import Picture
from .encoding import FRAMES, MP4
from .source import Clip, Film

logger = logging.getLogger(__name__)

_REMEMBERED = 6  # frames before a seam, of which the network sees what it would remember


@dataclass(frozen=True)
class Made:
    """path: of the clip, or of the folder of frames. whole: it wasn't ended early. notes: about the source."""

    path: Path
    frames: int
    whole: bool
    notes: tuple[Note, ...] = ()


def look_at(path: Path) -> Clip:
    """Raises ImageError where it is no clip."""
    with _opened(path) as film:
        return film.told()


def frame_at(path: Path, seconds: float) -> np.ndarray:
    """What a clip shows so long after it begins: uint8 RGB, shape (H, W, 3). Raises ImageError."""
    found = _shown_at(path, seconds, by_seeking=True)
    found = found if found is not None else _shown_at(path, seconds, by_seeking=False)
    if found is None:
        raise ImageError("room_at_beyond", name=path.name)
    return np.ascontiguousarray(found.pixels[..., :3])


def _shown_at(path: Path, seconds: float, by_seeking: bool) -> Picture | None:
    """None where the clip is shorter, or can't be gone to."""
    shown: Picture | None = None
    with _opened(path) as film:
        wanted = film.start + float(seconds / film.time_base)
        for picture in film.pictures(round(wanted) if by_seeking else None):
            if picture.pts is not None and picture.pts > wanted:
                return picture if shown is None and not by_seeking else shown
            shown = picture
        a_frame = float(1 / (film.rate * film.time_base))
    is_last = shown is not None and shown.pts is not None and shown.pts + a_frame >= wanted
    return shown if is_last else None


def cut_out(
    path: Path,
    target: Path,
    settings: MatteSettings,
    threads: int,
    device: str | None = None,
    on_frame: Callable[[int], None] = lambda done: None,
    ended: threading.Event | None = None,
    kept: Path | None = None,
    room: np.ndarray | None = None,
) -> Made:
    """Cut the people out of a clip. target: ends in one of file_types.MOVING_KINDS; a folder of PNGs in none.

    on_frame: called with the number of frames done, after each and repeatedly while they are joined with the sound.
    Once `ended` is set, what is done becomes a clip that plays. An existing target is never replaced: the new one is
    numbered. kept: a folder from which the same job goes on if the process ends. room: see VideoMatter. Raises
    ImageError, ModelError, OutputError; Cancelled if nothing is done yet.
    """
    ending = target.suffix.lower()
    if ending == MP4 and settings.background == "transparent":
        raise CvmatteError("clip_needs_background", endings=", ".join(kind for kind in CLIP_KINDS if kind != MP4))
    ended = ended or threading.Event()
    with _opened(path) as film:
        clip = film.told()
        moving = VideoMatter(settings, threads, device, room)
        parts: Parts | Pictures | None = None
        try:
            parts = Pictures(target) if ending == FRAMES else Parts(target, kept, film.rate, film.time_base, film.start)
            moving.has_seen_somebody = parts.done.somebody
            done = before = parts.done.frames
            if done:
                logger.info("%s: goes on after frame %d", path.name, done)
            for picture in _after(path, film, parts.done, moving):
                layer = moving.layer(geometry.reduced(picture.pixels, settings.picture_side))
                parts.picture(layer, picture.pts, moving.has_seen_somebody)
                done += 1
                on_frame(done)
                if ended.is_set():
                    break
            if not done and ended.is_set():
                raise Cancelled
            if not done:
                raise source.unreadable(path, "clip_empty")
            if not moving.has_seen_somebody and not ended.is_set():
                parts.discard()
                raise ImageError("clip_nobody", name=path.name)
            sound_of = path if clip.has_sound and ending in CLIP_KINDS else None
            made = parts.finish(moving.has_seen_somebody, sound_of, not ended.is_set(), lambda: on_frame(done))
        except BaseException as error:
            if parts is not None:
                parts.give_up()
            # FFmpeg's are of the target: the source explains its own. Not all of them are OSErrors.
            if isinstance(error, (av.error.FFmpegError, OSError)):
                key = "disk_full" if getattr(error, "errno", None) in files.DISK_FULL else "cannot_write"
                raise OutputError(key, folder=str(target.parent)) from error
            raise
    logger.info("%s: %d frames of %d", path.name, done, clip.frames)
    notes = [Note("note.clip_cut_off")] if not ended.is_set() and source.is_cut_off(path) else []
    return Made(made, done, not ended.is_set(), (*notes, *_without_room(moving.without_room, done - before)))


def _without_room(frames: Counter[str], of: int) -> list[Note]:
    """What to say of frames that were cut without their room."""
    if not frames:
        return []
    if frames.total() < of:
        return [Note("note.room_partly", {"frames": frames.total(), "of": of})]
    return [Note(reason) for reason, _ in frames.most_common(1)]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Film | Animation]:
    """Raises ImageError."""
    if path.suffix.lower() in ANIMATIONS and files.is_file(path):
        with animation.opened(path) as animated:
            yield animated
        return
    with source.opened(path) as container:
        yield Film(path, container)


def _after(path: Path, film: Film | Animation, done: Done, moving: VideoMatter) -> Iterator[Picture]:
    """The pictures that aren't done yet. Of those before, the network sees what it would remember."""
    if not done.frames:
        yield from film.pictures()
        return
    pictures = film.pictures(done.last)
    first = next(pictures, None)
    if first is None or first.pts is None or done.last is None or first.pts > done.last:  # it can't go there
        with _opened(path) as anew:
            yield from itertools.islice(anew.pictures(), done.frames, None)
        return
    before = deque([first], _REMEMBERED)
    for picture in pictures:
        if picture.pts is None or picture.pts > done.last:
            for remembered in before:
                moving.alpha(remembered.pixels)
            yield picture
            break
        before.append(picture)
    yield from pictures
