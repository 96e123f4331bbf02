"""CV-UNet portrait matting, damo/cv_unet_image-matting: as ModelScope runs it, and converted, on ONNX Runtime."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np

from . import hub, onnx_session, single_image
from .catalogue import ModelEntry, missing

INPUT, OUTPUT = "input_image:0", "output_png:0"  # float32 RGB in 0..255, shape (H, W, 3); uint8 RGBA, shape (H, W, 4)


class ModelscopeMatting(single_image.SingleLook):
    """ModelScope's pipeline, on CPU; see models.network.Network. It sees a reduced photo: 12 megapixels take 4 GB."""

    def __init__(self, entry: ModelEntry, threads: int, device: str) -> None:
        self._model, self._threads = entry.title, threads
        self.device, self.fallback = "TensorFlow, CPU", onnx_session.fallback(onnx_session.title(device), "CPU")
        self._running = threading.Lock()
        self._pipeline = _pipeline(hub.folder_of(entry.source["id"]), entry, threads)

    def look(self, picture: np.ndarray) -> np.ndarray:
        # Arrays are BGR to the pipeline, and its result is BGRA.
        with self._running:
            result = self._pipeline(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))["output_img"]
        return _alpha(result)


class PortraitGraphMatting(onnx_session.OnSession, single_image.SingleLook):
    """The converted graph (see convert.py); see models.network.Network."""

    def look(self, picture: np.ndarray) -> np.ndarray:
        (rgba,) = self.run([OUTPUT], {INPUT: np.ascontiguousarray(picture, np.float32)})
        return _alpha(rgba)


def _alpha(rgba: np.ndarray) -> np.ndarray:
    return rgba[..., 3].astype(np.float32) / 255


def _pipeline(folder: Path, entry: ModelEntry, threads: int) -> Callable[[np.ndarray], dict[str, Any]]:
    """Raises ModelError where the model's files or the packages that run them aren't there or won't do."""
    if not hub.is_complete(folder):  # ModelScope would take the folder for a model's name, and go and look for it
        raise missing(entry)
    # TensorFlow reads these as it is imported, and at no other time.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(threads))
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    with single_image.failures_explained(entry.title, "model_unreadable"):
        try:
            import tensorflow
            from modelscope.pipelines import pipeline
            from modelscope.utils.constant import Tasks

            # It loads a graph into the process's own: without another, a second model would run the first one's.
            with tensorflow.Graph().as_default():
                return pipeline(Tasks.portrait_matting, model=str(folder), device="cpu")
        except ImportError as error:
            raise single_image.packages_missing(entry.title) from error
