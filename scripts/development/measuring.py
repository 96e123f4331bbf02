"""What the measurements share: pictures to measure, and tables in Markdown, printed row by row."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from cvmatte_core.filesystem import paths
from cvmatte_core.matting.matter import Matte, Matter
from cvmatte_core.image import encoders, file_types, images
from cvmatte_core.settings import MatteSettings
from PIL import Image, ImageEnhance, ImageOps

SAMPLE = paths.ROOT / "scripts" / "demo" / "astronaut.png"


# Pictures


def make_photos(
    folder: Path, sizes: Iterable[tuple[int, int]], portrait: Path = SAMPLE, formats: Sequence[str] = ("jpg",)
) -> list[Path]:
    """Photos of one portrait, no two alike, so that none finds another's layer.

    sizes: (width, height) of each. formats: they take turns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    picture = Image.open(portrait).convert("RGB")
    photos = []
    for number, size in enumerate(sizes):
        path = folder / f"{number:04}.{formats[number % len(formats)]}"
        fitted = ImageOps.fit(picture, size, centering=(0.5, 0.2))
        changed = ImageEnhance.Brightness(fitted).enhance(0.5 + 5 / (10 + number))
        (ImageOps.mirror(changed) if number % 2 else changed).save(path, quality=92)
        photos.append(path)
    return photos


def cutouts(dataset: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The name and the pixels (uint8 RGBA, straight) of each person in a data set."""
    for path in sorted((dataset / "cutouts").glob("*.png")):
        yield path.stem, images.read_layer(path)


def backgrounds(dataset: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The name and the pixels (uint8 RGB) of each background in a data set."""
    for path in sorted((dataset / "backgrounds").iterdir()):
        if path.suffix.lower() in file_types.PHOTOS:
            yield path.stem, images.decode(images.read(path), path.name).rgb


def out_of_focus(background: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The background at another picture's height and width, resized (cubic) and blurred (sigma 2), in 0..1."""
    resized = cv2.resize(background, shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return cv2.GaussianBlur(resized, (0, 0), 2).astype(np.float32) / 255


def in_bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(values * 255).clip(0, 255).astype(np.uint8)


def matted(matter: Matter, picture: np.ndarray, settings: MatteSettings) -> tuple[Matte, float]:
    """The matte of pixels (uint8 RGB) in a file, as of any photo, and the seconds it took. Raises CvmatteError."""
    with tempfile.TemporaryDirectory(prefix="cvmatte-measuring-") as folder:
        photo = Path(folder) / "photo.png"
        photo.write_bytes(encoders.png(picture))
        begun = time.perf_counter()
        return matter(photo, settings, may_be_empty=True), time.perf_counter() - begun


# Tables


def table(title: str, *columns: str) -> None:
    print(f"\n**{title}**\n\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)


def row(*cells: object) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def milliseconds(seconds: list[float]) -> str:
    """The median, and the least and most of several."""
    return _median([second * 1000 for second in seconds], 0, " ms")


def ratio(values: list[float]) -> str:
    return _median(values, 2, "")


def _median(values: list[float], digits: int, unit: str) -> str:
    spread = f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ""
    return f"{statistics.median(values):.{digits}f}{unit}{spread}"
