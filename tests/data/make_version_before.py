"""Make tests/data/version_before, what a person has whose CVMatte is the version that this runs with.

PYTHON tests/data/make_version_before.py, with the Python of install.py's environment, on a Linux that has OBS and Xvfb.
tests/version_before.py says how the files are put back into place.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "obs_plugin"), str(ROOT / "scripts")]

import numpy as np  # noqa: E402
from cvmatte_obs.worker_tasks import Unfinished  # noqa: E402
from demo.throwaway_obs import SCENE, wait_until  # noqa: E402
from development import made_clips  # noqa: E402
from PIL import Image  # noqa: E402

from cvmatte_core.batch.folders import FolderBatch  # noqa: E402
from cvmatte_core.batch.pipeline import Pipeline  # noqa: E402
from cvmatte_core.filesystem import paths  # noqa: E402
from cvmatte_core.layers.store import LayerStore  # noqa: E402
from cvmatte_core.layers.touch_ups import TouchUps  # noqa: E402
from cvmatte_core.localization.errors import Cancelled  # noqa: E402
from cvmatte_core.matting.matter import Matter  # noqa: E402
from cvmatte_core.models import catalogue  # noqa: E402
from cvmatte_core.presets import PresetStore  # noqa: E402
from cvmatte_core.settings import MatteSettings  # noqa: E402
from cvmatte_core.video import checkpoints, clips  # noqa: E402
from tests.conftest import SAMPLE  # noqa: E402
from tests.obs.conftest import Studio, open_studio  # noqa: E402
from tests.version_before import (  # noqa: E402
    CLIP_FRAMES,
    FAST,
    FOLDER,
    MANIFEST,
    OF_PRESET,
    PORTRAITS,
    PRESET,
    SETTINGS_IN_PANEL,
    TARGET,
    TEXTS,
    Portrait,
)

SIDE, CLIP_SIZE = 44, (80, 46)
KEPT = ("photos", "data/layers", "data/stills", "data/touch-ups", "data/unfinished-clips", "team", "cut out", "models")
KEPT_FILES = ("presets.json", "unfinished_clip.json", "unfinished_folder.json")
hashed: dict[str, str] = {}  # by their SHA-256, the texts with the folder's path that names of files are made of


def note_what_is_hashed(folder: Path) -> None:
    real: Callable[..., Any] = hashlib.sha256

    def sha256(data: bytes = b"", **more: Any) -> Any:
        if str(folder).encode() in data and len(data) < 10_000:
            hashed[real(data).hexdigest()] = data.decode("utf-8").replace(str(folder), FOLDER)
        return real(data, **more)

    hashlib.sha256 = sha256  # type: ignore[assignment]


def make_photos(folder: Path) -> None:
    photos = folder / "photos"
    photos.mkdir()
    small = Image.open(SAMPLE).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    small.save(photos / "me.png")
    small.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photos / "painted.png")
    Image.linear_gradient("L").resize((SIDE, SIDE)).convert("RGB").save(photos / "beach.png")
    behind = np.full((60, 90, 3), (90, 110, 130), np.uint8)
    cutout = made_clips.cut_by_an_ellipse(SAMPLE)
    made_clips.write(photos / "clip.mp4", made_clips.frames(cutout, behind, CLIP_SIZE, CLIP_FRAMES), sound="")
    strokes = Image.new("L", (SIDE, SIDE), 128)
    strokes.paste(255, (32, 36, 40, 42))
    strokes.save(folder / "strokes.png")
    painted = photos / "painted.png"
    digest = hashlib.sha256(painted.read_bytes()).hexdigest()
    TouchUps().save(digest, (folder / "strokes.png").read_bytes(), painted)
    (folder / "team").mkdir()
    for number in range(3):
        small.crop((0, 0, SIDE, SIDE - 2 * number)).save(folder / "team" / f"{number}.jpg")


def make_models(folder: Path, in_use: Path) -> None:
    """A model of the person's own, and what is noted of one that was fetched."""
    paths.models_folder = lambda: folder / "models"
    kind, options = {"kind": "file"}, {"size": 320, "sigmoid": True}
    catalogue.add_own(catalogue.ModelEntry("mine", "Mine", "MIT", "onnx", "mine.onnx", "0" * 64, kind, 5, options))
    fetched = next(entry for entry in catalogue.catalogue().values() if "md5" in entry.source)
    catalogue.record_of(fetched.path).write_text(json.dumps({"sha256": "f" * 64}), encoding="utf-8")
    paths.models_folder = lambda: in_use


def make_unfinished(folder: Path) -> None:
    """A folder of three photos of which one is left, and a clip that was ended in the middle."""
    matter, ended = Matter(), threading.Event()
    with FolderBatch(folder / "team", FAST, folder / "cut out") as batch:
        try:
            for number, _ in enumerate(batch.run(batch.scan(), Pipeline(matter, lambda photo: None), ended)):
                if number == 1:
                    ended.set()
        except Cancelled:
            batch.write_archive(threading.Event())
        assert list(batch.counts.values()) == [2, 0, 0, 1]
    ways = {"folder": str(folder / "team"), "output_folder": str(folder / "cut out")}
    Unfinished.folder().save({**ways, "settings": FAST.as_dict()})

    def on_frame(done: int) -> None:
        time.sleep(0.8)  # so that there are several parts
        if done == CLIP_FRAMES // 2:
            raise Cancelled

    clip = folder / "photos" / "clip.mp4"
    try:
        with checkpoints.kept_for(clip, FAST) as kept:
            clips.cut_out(clip, folder / "clip.webm", FAST, 2, on_frame=on_frame, kept=kept)
    except Cancelled:
        Unfinished.clip().save({"clip": str(clip), "settings": FAST.as_dict()})


def make_scenes(folder: Path) -> dict[str, str]:
    """A scene collection that OBS itself has saved. The key of each portrait's layer."""
    keys = {}
    PresetStore().save(PRESET, MatteSettings(**OF_PRESET))
    with open_studio(folder) as studio:
        studio.requests.create_input(SCENE, "picture", "image_source", {"file": str(folder / "photos/me.png")}, True)
        wait_until(lambda: studio.size("picture")[0] == SIDE)
        for portrait in PORTRAITS:
            if portrait.by_preset:
                studio.panel(**SETTINGS_IN_PANEL)
            add(studio, folder, portrait)
            if portrait.settings is not None:
                keys[portrait.name] = key_of(studio, folder, portrait)
            if portrait.name == "of a later version":
                studio.set(portrait.name, quality="ultra")
                studio.wait_for_state(portrait.name, "The last good layer stays.")
        time.sleep(2)
        studio.quit()
        give_hotkeys(studio)
        studio.start()
        studio.wait_for_state("photo", "Ready")
        studio.quit()
        shutil.copy(collection_of(studio), folder / "scenes.json")
    frames = {path.stem: path.read_bytes() for path in (folder / "data/layers").glob("*.frame")}
    assert set(keys.values()) == set(frames)
    assert all(255 in rows[35::4] for rows in frames.values())  # somebody is seen
    return keys


def add(studio: Studio, folder: Path, portrait: Portrait) -> None:
    values = portrait.in_obs(folder)
    studio.add(portrait.name, values.pop("image", ""), **values)
    if portrait.input == "source":
        studio.wait_for_state(portrait.name, "Choose a source")
        studio.press(portrait.name, "take_still")
    studio.wait_for_state(portrait.name, portrait.says)


def key_of(studio: Studio, folder: Path, portrait: Portrait) -> str:
    values = studio.requests.get_input_settings(portrait.name).input_settings
    settings = portrait.matte_settings(folder).resolved()
    return LayerStore.key(values["still" if portrait.input == "source" else "image"], settings)


def collection_of(studio: Studio) -> Path:
    return studio.obs.config / "basic" / "scenes" / "Untitled.json"


def give_hotkeys(studio: Studio) -> None:
    content = json.loads(collection_of(studio).read_text())
    for source in content["sources"]:
        for portrait in PORTRAITS:
            if source["name"] == portrait.name:
                source["hotkeys"] |= portrait.hotkeys
    collection_of(studio).write_text(json.dumps(content))


def kept_files(folder: Path, keys: dict[str, str]) -> Iterator[Path]:
    """Of the previews one only: they are large."""
    kept = LayerStore().preview_path(keys[PORTRAITS[0].name])
    for name in KEPT:
        for path in (folder / name).rglob("*"):
            if path.is_file() and path.suffix != ".lock" and (path == kept or not path.match("*.preview.png")):
                yield path
    yield from (folder / "data" / name for name in KEPT_FILES)
    for record in (folder / "data/layers").glob("*.json"):
        yield Path(json.loads(record.read_text())["saved"])
    yield folder / "scenes.json"


def keep(folder: Path, keys: dict[str, str]) -> None:
    """Put everything into TARGET, with what to know of it in MANIFEST."""
    shutil.rmtree(TARGET, ignore_errors=True)
    times, content = {}, ""
    for path in sorted(set(kept_files(folder, keys))):
        name = path.relative_to(folder).as_posix()
        times[name] = path.stat().st_mtime_ns
        target = TARGET / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in TEXTS:
            text = path.read_text(encoding="utf-8").replace(str(folder), FOLDER).replace(str(ROOT), "@ROOT@")
            target.write_text(text, encoding="utf-8")
            content += text
        else:
            shutil.copyfile(path, target)
        content += name
    used = re.findall("[0-9a-f]{12,64}", content)
    names = {digest: text for digest, text in hashed.items() if any(digest.startswith(part) for part in used)}
    manifest = {"hashed": names, "modified": times, "layers": keys}
    (TARGET / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    print(sum(path.stat().st_size for path in TARGET.rglob("*") if path.is_file()), "bytes")


def main() -> None:
    models = paths.models_folder()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.environ["CVMATTE_DATA"] = str(folder / "data")
        note_what_is_hashed(folder)
        make_photos(folder)
        make_models(folder, models)
        make_unfinished(folder)
        keep(folder, make_scenes(folder))


if __name__ == "__main__":
    main()
