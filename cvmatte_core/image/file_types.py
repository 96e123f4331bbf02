"""The endings of the files that are read as photos: what folders are searched for, and dialogs offer.

Standard library only: OBS's dialogs are among them. Of which kind a file is, its content says: see images.py.
"""

from __future__ import annotations

from pathlib import Path

PHOTOS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".heic", ".heif", ".hif", ".avif", ".bmp", ".tif", ".tiff")
_RAW = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2")
# Pictures that people have, and that aren't read: said where they are left out.
OTHER_PICTURES = (".svg", ".jxl", ".jp2", ".psd", ".xcf", *_RAW)
CLIPS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv")
CLIP_KINDS = (".webm", ".mov", ".mp4")  # that a clip becomes
GIF = ".gif"
ANIMATION_KINDS = (GIF, ".webp", ".apng")  # animated pictures that it can become, too
MOVING_KINDS = (*CLIP_KINDS, *ANIMATION_KINDS)
ANIMATIONS = (*ANIMATION_KINDS, ".png")  # that may have more than one frame, and then are clips where one is wanted

# What computers and network drives keep for themselves, in lower case: thumbnails, versions, deleted files.
SYSTEM_FOLDERS = ("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "$recycle.bin", "lost+found")


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is none that a person put there to be looked at."""
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def is_clip(name: str) -> bool:
    """By the ending of a file's name."""
    return Path(name).suffix.lower() in CLIPS


def may_move(name: str) -> bool:
    """Whether it is an animated picture, by the ending of a file's name; it may also have a single frame."""
    return Path(name).suffix.lower() in ANIMATIONS


def clip_before(background: str) -> str:
    """The ending of what a clip becomes where nobody says it, by the control "background"."""
    return ".webm" if background == "transparent" else ".mp4"
