"""A TorchScript network that answers a picture with alpha, described by its entry's options. PyTorch is optional."""

from __future__ import annotations

import logging
import threading
from typing import Any

import numpy as np

from ..localization.errors import ModelError
from . import onnx_session, single_image
from .catalogue import ModelEntry
from .network_description import described

logger = logging.getLogger(__name__)


class TorchscriptMatting(single_image.SingleLook):
    """A loaded network; see models.network.Network, and network_description.Description for its entry's options. It
    takes float32, shape (1, 3, H, W), and answers a tensor, or several of which `output` is the number."""

    def __init__(self, entry: ModelEntry, threads: int, device: str) -> None:
        self._model, self._threads = entry.title, threads
        self._description = described(entry.options, self._model)
        try:
            import torch
        except ImportError as error:
            raise single_image.packages_missing(self._model) from error
        self._torch = torch
        self._running = threading.Lock()
        torch.set_num_threads(threads)
        on_gpu = device in ("auto", "cuda", "tensorrt") and torch.cuda.is_available()
        self.device = "cuda" if on_gpu else "cpu"
        self._wanted = "CUDA" if on_gpu else onnx_session.title(device)
        with single_image.failures_explained(self._model, "model_unreadable"):
            self._network: Any = torch.jit.load(str(entry.path), map_location="cpu").eval()

    @property
    def fallback(self) -> dict[str, str] | None:
        return onnx_session.fallback(self._wanted, self.device.upper())

    def look(self, picture: np.ndarray) -> np.ndarray:
        source = np.ascontiguousarray(self.source(picture).transpose(2, 0, 1)[None])
        try:
            answered = self._run(source)
        except Exception as error:
            if self.device == "cpu":
                raise
            logger.warning("%s on %s: %s", self._model, self.device, error)
            self.device = "cpu"
            answered = self._run(source)
        several = list(answered) if isinstance(answered, (tuple, list)) else [answered]
        names, wanted = ", ".join(map(str, range(len(several)))), self._description.output
        if not isinstance(wanted, int) or not -len(several) <= wanted < len(several):
            raise ModelError("model_output_name", model=self._model, output=str(wanted), outputs=names)
        if not isinstance(several[wanted], self._torch.Tensor):
            raise ModelError("model_output", model=self._model, shape=type(several[wanted]).__name__, outputs=names)
        values = several[wanted].float().cpu().numpy()
        return self.answer(values, picture, names)

    def _run(self, source: np.ndarray) -> Any:
        with self._running, self._torch.inference_mode():
            return self._network.to(self.device)(self._torch.from_numpy(source).to(self.device))
