"""The `options` of an entry whose backend is "onnx" or "torchscript": what a person tells of a network of their own,
and what is known of some families. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Mapping

from ..localization.errors import ModelError

_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_HALF = {"mean": [0.5, 0.5, 0.5]}

# As their authors feed MODNet (onnx/inference_onnx.py), IS-Net (Inference.py; rembg feeds it ImageNet's mean), BiRefNet
# and RMBG 1.4, and as rembg feeds U²-Net and RMBG 2.0. U²-Net's authors divide by the picture's greatest value, which
# is 255 in nearly every photo.
PRESETS: dict[str, dict[str, Any]] = {
    "modnet": {"shortest_side": 512, "multiple": 32, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    "isnet": {"size": 1024, **_HALF, "normalise": True},
    "u2net": {"size": 320, **_IMAGENET, "normalise": True},
    "birefnet": {"size": 1024, **_IMAGENET, "sigmoid": True, "output": -1},
    "rmbg-1.4": {"size": 1024, **_HALF, "normalise": True},
    "rmbg-2.0": {"size": 1024, **_IMAGENET, "normalise": True},
}


@dataclass(frozen=True)
class Description:
    """How a network that looks at one picture is fed, and what it answers.

    size: (height, width) in pixels, or one number for both; (0, 0) is free, as far as the network's file leaves it so.
    longest_side, shortest_side: where the size is free, that side is brought to so many pixels, whatever the quality;
    with neither, the quality decides. multiple: of which both sides of a free size are made.
    It is fed (picture / scale - mean) / std, float, channels in the order "rgb" or "bgr".
    input, output: their names; or the output's place, -1 the last. sigmoid: it answers logits. normalise: its answer is
    stretched from its least to its greatest value.
    """

    size: tuple[int, int] = (0, 0)
    longest_side: int = 0
    shortest_side: int = 0
    multiple: int = 1
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    scale: float = 255.0
    channels: str = "rgb"
    input: str = ""
    output: str | int = 0
    sigmoid: bool = False
    normalise: bool = False


def described(options: Mapping[str, Any], model: str) -> Description:
    """The description that an entry's options are. model: its title. Raises ModelError where one of them won't do."""
    values = dict(options)
    if isinstance(values.get("size"), int):
        values["size"] = [values["size"]] * 2
    for name, value in values.items():
        if name not in _FITS or not _FITS[name](value):
            raise ModelError("model_option", model=model, option=name, value=str(value))
        if isinstance(value, list):
            values[name] = tuple(value)
    return Description(**values)


def _is_count(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= 8192


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _are(length: int, kind: Callable[[Any], bool], value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == length and all(map(kind, value))


_FITS: dict[str, Callable[[Any], bool]] = {
    "size": lambda value: _are(2, _is_count, value),
    "longest_side": _is_count,
    "shortest_side": _is_count,
    "multiple": lambda value: _is_count(value, 1),
    "mean": lambda value: _are(3, _is_number, value),
    "std": lambda value: _are(3, _is_number, value) and all(value),
    "scale": lambda value: _is_number(value) and value > 0,
    "channels": lambda value: value in ("rgb", "bgr"),
    "input": lambda value: isinstance(value, str),
    "output": lambda value: isinstance(value, str) or _is_count(value, -100),
    "sigmoid": lambda value: isinstance(value, bool),
    "normalise": lambda value: isinstance(value, bool),
}
