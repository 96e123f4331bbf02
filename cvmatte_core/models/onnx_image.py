"""Any ONNX network that answers a picture with alpha: matting or segmentation, described by its entry's options."""

from __future__ import annotations

import dataclasses
from typing import Any, Sequence

import numpy as np

from ..localization.errors import ModelError
from .catalogue import ModelEntry
from .network_description import described
from .onnx_session import OnSession
from .single_image import SingleLook, in_words

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxImageMatting(OnSession, SingleLook):
    """A loaded network; see models.network.Network, and network_description.Description for its entry's options."""

    def __init__(self, entry: ModelEntry, threads: int, device: str) -> None:
        self._description = described(entry.options, entry.title)
        super().__init__(entry, threads, device)
        self._input = self._chosen_input()
        self._output = self._chosen_output()

    def look(self, picture: np.ndarray) -> np.ndarray:
        source = self.source(picture)[None]
        if not self._last_is_channels:
            source = source.transpose(0, 3, 1, 2)
        feed = {self._input.name: np.ascontiguousarray(source, _TYPES[self._input.type])}
        (values,) = self.run([self._output], feed)
        return self.answer(values, picture, self._outputs)

    def _chosen_input(self) -> Any:
        """The input that takes the picture. What its shape says of the picture's size is described, if it wasn't."""
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or self._description.input not in ("", inputs[0].name):
            raise ModelError("model_inputs", model=self._model, inputs=", ".join(value.name for value in inputs))
        (value,) = inputs
        shape = [side if isinstance(side, int) else None for side in value.shape]
        self._last_is_channels = len(shape) == 4 and shape[3] == 3 and shape[1] != 3
        tall, wide = (side or "?" for side in self._description.size)
        given = [1, tall, wide, 3] if self._last_is_channels else [1, 3, tall, wide]
        if value.type not in _TYPES or not _fits(shape, given):
            takes = in_words([value.type, *shape] if value.type not in _TYPES else shape)
            raise ModelError("model_shape", model=self._model, takes=takes, given=in_words(given))
        sides = shape[1:3] if self._last_is_channels else shape[2:]
        if all(sides):
            self._description = dataclasses.replace(self._description, size=(int(sides[0] or 0), int(sides[1] or 0)))
        return value

    def _chosen_output(self) -> str:
        names, wanted = [str(value.name) for value in self._session.get_outputs()], self._description.output
        self._outputs = ", ".join(names)
        if isinstance(wanted, str) and wanted in names:
            return wanted
        if isinstance(wanted, int) and -len(names) <= wanted < len(names):
            return names[wanted]
        raise ModelError("model_output_name", model=self._model, output=str(wanted), outputs=self._outputs)


def _fits(takes: Sequence[int | None], given: Sequence[object]) -> bool:
    return len(takes) == len(given) and all(side is None or other in (side, "?") for side, other in zip(takes, given))
