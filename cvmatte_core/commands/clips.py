"""What scripts/matte.py does with a clip: a progress bar with the time that is left, and a clean end."""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm import tqdm

from ..image.file_types import GIF
from ..localization.notes import sentences
from ..localization.texts import Texts
from ..models.catalogue import needs_packages
from ..settings import MatteSettings
from ..system import devices
from .folders import ended_by_signals
from .program import INTERRUPTED


def is_animated(picture: Path) -> bool:
    """Whether a picture is made to move: a GIF, or one of another kind with more than one frame.

    Not where what it takes to cut that out isn't installed.
    """
    try:
        from ..video import animation
    except ImportError:
        return False
    return picture.suffix.lower() == GIF or animation.count(picture) > 1


def cut_out(
    source: Path, target: Path, settings: MatteSettings, texts: Texts, threads: int | None, device: str | None
) -> int:
    """Cut out a clip, and return the exit code. Raises CvmatteError; Cancelled where Ctrl+C left nothing.

    An ID photo in the settings is a preset's: given as an option, it is refused before.
    """
    with needs_packages("clips_need_packages", "video"):
        from ..video import clips
    clip = clips.look_at(source)
    if settings.id_photo != "off":
        print(texts("clip.no_id_photo", name=source.name), file=sys.stderr)
    with (
        ended_by_signals() as ended,
        tqdm(total=clip.frames or None, unit=texts("clip.unit"), disable=None, dynamic_ncols=True) as bar,
    ):
        count = threads or devices.threads()
        made = clips.cut_out(source, target, settings, count, device, lambda done: bar.update(done - bar.n), ended)
    if made.notes:
        print(f"{source.name}: {sentences(made.notes, texts)}", file=sys.stderr)
    print(texts("clip.saved" if made.whole else "clip.saved_part", path=made.path, frames=made.frames))
    return 0 if made.whole else INTERRUPTED
