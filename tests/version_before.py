"""What a person has from the version before: tests/data/version_before, made by tests/data/make_version_before.py."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cvmatte_core.filesystem import paths
from cvmatte_core.layers.store import Frame, LayerStore
from cvmatte_core.settings import MatteSettings

TARGET = Path(__file__).parent / "data" / "version_before"
MANIFEST = "manifest.json"
FOLDER = "@FOLDER@"  # stands for the folder that everything was in
TEXTS = (".json", ".jsonl", ".last")

FAST = MatteSettings(quality="fast")
CLIP_FRAMES = 12
PRESET = "Meeting"
OF_PRESET: dict[str, Any] = {"background": "colour", "background_colour": "#204060", "feather": 2}
SETTINGS_IN_PANEL: dict[str, Any] = {
    "new_preset": PRESET,
    "still_source": "picture",
    "still_delay": 3,
    "placement": "left_third",
    "keep": 7,
    "device": "cpu",
}


@dataclass(frozen=True)
class Portrait:
    """One in the scene. image: the photo's name. settings: what it is cut out with; None where no layer is kept of it.

    more: what else its settings in OBS have. by_preset: it got its settings from the preset that the panel has chosen.
    says: in its properties, once it is ready.
    """

    name: str
    image: str = ""
    settings: dict[str, Any] | None = None
    input: str = "file"
    more: dict[str, Any] = field(default_factory=dict)
    hotkeys: dict[str, Any] = field(default_factory=dict)
    by_preset: bool = False
    says: str = "Ready"

    def matte_settings(self, folder: Path) -> MatteSettings:
        return MatteSettings(**_placed_values(self.settings or {}, folder))

    def in_obs(self, folder: Path) -> dict[str, Any]:
        values = {"input": self.input, **self.more, **({} if self.by_preset else self.settings or {})}
        if self.image:
            values["image"] = f"{FOLDER}/photos/{self.image}"
        return _placed_values(values, folder)


PORTRAITS = (
    Portrait("photo", "me.png", {"erosion": 1}, hotkeys={"cvmatte.portrait.rematte": [{"key": "OBS_KEY_F8"}]}),
    Portrait("cropped", "me.png", {"crop": True, "mirror": True}),
    Portrait("before a beach", "me.png", {"background": "image", "background_image": f"{FOLDER}/photos/beach.png"}),
    Portrait("touched up", "painted.png", {}),
    Portrait("of a later version", "me.png", {"threshold": 20}),
    Portrait("still", "", {}, "source", {"source": "picture"}),
    Portrait(
        "video", input="video", more={"video": f"{FOLDER}/photos/clip.mp4", "limit": 50}, says="frames per second"
    ),
    Portrait(
        "camera",
        input="camera",
        more={"device": "/dev/video77", "device_size": "640x480", "rate": 15},
        hotkeys={"cvmatte.portrait.freeze": [{"key": "OBS_KEY_F9"}]},
        says="can't be found",
    ),
    Portrait("by a preset", "me.png", OF_PRESET, by_preset=True),
)


def put(folder: Path) -> dict[str, np.ndarray]:
    """Put everything into a new folder, as if it had been made there. The layer of each portrait: uint8 RGBA.

    Names of files that stand for paths are those that the version before would have given them there.
    """
    manifest = json.loads((TARGET / MANIFEST).read_text(encoding="utf-8"))
    renamed = {
        digest: hashlib.sha256(text.replace(FOLDER, str(folder)).encode()).hexdigest()
        for digest, text in manifest["hashed"].items()
    }

    def placed(text: str) -> str:
        def new(found: re.Match[str]) -> str:
            part = found[0]
            return next((name[: len(part)] for digest, name in renamed.items() if digest.startswith(part)), part)

        text = text.replace(FOLDER, str(folder)).replace("@ROOT@", str(paths.ROOT))
        return re.sub("[0-9a-f]{12,64}", new, text)

    for name, modified in manifest["modified"].items():
        target = folder / placed(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix in TEXTS:
            target.write_text(placed((TARGET / name).read_text(encoding="utf-8")), encoding="utf-8")
        else:
            shutil.copyfile(TARGET / name, target)
        os.utime(target, ns=(modified, modified))
    store = LayerStore(folder / "data" / "layers")
    return {name: _pixels(store.frame_path(placed(key))) for name, key in manifest["layers"].items()}


def _pixels(path: Path) -> np.ndarray:
    frame = Frame(path)
    pixels = np.frombuffer(frame.pixels, np.uint8, offset=frame.offset).reshape(frame.height, frame.width, 4).copy()
    frame.close()
    return pixels


def _placed_values(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {
        name: value.replace(FOLDER, str(folder)) if isinstance(value, str) else value for name, value in values.items()
    }


def portrait_id(folder: Path) -> str:
    """That the portrait has whose last layer is kept; see layers/store.py."""
    collection = json.loads((folder / "scenes.json").read_text(encoding="utf-8"))
    settings = [source["settings"] for source in collection["sources"]]
    (found,) = [values["portrait_id"] for values in settings if "portrait_id" in values]
    return str(found)
