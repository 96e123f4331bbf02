"""CV-UNet from ModelScope's TensorFlow graph to ONNX, kept only where both give the same alpha.

Converted it needs neither TensorFlow nor PyTorch, and runs on whatever ONNX Runtime does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import tempfile
from pathlib import Path
from typing import Callable

import numpy as np

from ..filesystem import files, paths
from ..image import geometry
from ..localization.errors import ModelError
from . import cv_unet, hub, single_image
from .catalogue import ModelEntry, record_of

logger = logging.getLogger(__name__)

_OPSET = 18
_SIDES = (640, 333)  # longest sides of what is compared: the converted graph's sizes must be free
_STEP = 1 / 255  # of alpha, which both give as bytes
_EQUAL = 0.999  # of the pixels may differ by no more than a step


def convert(
    entry: ModelEntry,
    picture: np.ndarray,
    on_progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
    threads: int = 1,
) -> Path:
    """Convert an installed model of ModelScope's, and return the ONNX file in the models folder.

    picture: uint8 RGB, shape (H, W, 3), to compare both on, best with a person. on_progress("convert", done, total) is
    called before each step and after the last. Takes half a minute or more. Raises ModelError if that fails or alpha
    differs, OutputError: then what was there stays.
    """
    on_progress("convert", 0, 3)
    # It checks the files, and that the packages are there.
    original = cv_unet.ModelscopeMatting(entry, threads, "cpu")
    on_progress("convert", 1, 3)
    target = paths.models_folder() / entry.converted["file"]
    with tempfile.TemporaryDirectory(prefix="cvmatte-") as folder:
        made = Path(folder) / target.name
        with single_image.failures_explained(entry.title, "model_conversion"):
            try:
                _write_onnx(hub.folder_of(entry.source["id"]) / "tf_graph.pb", made)
            except ImportError as error:
                raise single_image.packages_missing(entry.title) from error
        on_progress("convert", 2, 3)
        data = made.read_bytes()
        with single_image.failures_explained(entry.title, "model_conversion"):
            # An absolute path is its own in any folder.
            converted = cv_unet.PortraitGraphMatting(dataclasses.replace(entry, file=str(made)), threads, "cpu")
            for side in _SIDES:
                _compare(original.look, converted.look, geometry.reduced(picture, side), entry.title)
        del converted  # on Windows nothing removes a file that is open
    # The record comes last: without it, or with another file's, nobody takes the file for proven.
    files.write(target, data)
    files.write_texts(record_of(target), sha256=hashlib.sha256(data).hexdigest())
    on_progress("convert", 3, 3)
    return target


def _write_onnx(graph_file: Path, target: Path) -> None:
    """Raises what TensorFlow and tf2onnx raise."""
    import onnx
    import tensorflow
    import tf2onnx

    graph = tensorflow.compat.v1.GraphDef()
    graph.ParseFromString(graph_file.read_bytes())
    model, _ = tf2onnx.convert.from_graph_def(
        graph, input_names=[cv_unet.INPUT], output_names=[cv_unet.OUTPUT], opset=_OPSET
    )
    onnx.checker.check_model(model)
    onnx.save(model, str(target))


def _compare(
    original: Callable[[np.ndarray], np.ndarray],
    converted: Callable[[np.ndarray], np.ndarray],
    picture: np.ndarray,
    model: str,
) -> None:
    """Raises ModelError unless both give the same alpha of a picture, but for rounding."""
    expected, alpha = original(picture), converted(picture)
    if expected.shape == alpha.shape:
        difference = np.abs(expected - alpha)
        equal = float((difference <= 1.01 * _STEP).mean())
        logger.info("converted %s: %.5f of %s equal, most %.4f", model, equal, alpha.shape, difference.max())
        if equal >= _EQUAL:
            return
    raise ModelError("model_conversion_differs", model=model)
