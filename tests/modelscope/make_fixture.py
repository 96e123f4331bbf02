"""Make a model folder of the signature of damo/cv_unet_image-matting: configuration.json and a frozen tf_graph.pb.

input_image:0, float32 RGB in 0..255, shape (H, W, 3), H and W free; output_png:0, uint8 RGBA of the same size.

A small U-Net: two stages down (stride 2, batch norm, ReLU), two up (resize to the size of the skipped features, concat,
convolution, batch norm, ReLU), its weights random but seeded. What it draws is only a ripple; alpha itself is ruled by
the colours: a bright red area is the person, green counts half as much against it, blue not at all. So a picture with
its channels swapped gives an alpha that is plainly another one.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tensorflow.compat.v1 as tf

CONFIGURATION = {"framework": "tensorflow", "task": "portrait-matting", "pipeline": {"type": "unet-image-matting"}}
_CHANNELS = 8


def write(folder: Path, seed: int = 1) -> None:
    """Write the model folder; the same seed gives the same network."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "configuration.json").write_text(json.dumps(CONFIGURATION, indent=4), encoding="utf-8")
    graph = _graph(np.random.default_rng(seed))
    (folder / "tf_graph.pb").write_bytes(graph.SerializeToString(deterministic=True))


def _graph(rng: np.random.Generator) -> tf.GraphDef:
    graph = tf.Graph()
    with graph.as_default():
        photo = tf.placeholder(tf.float32, (None, None, 3), "input_image")
        size = tf.shape(photo)[:2]
        looked_at = (size + 15) // 16 * 16  # such networks take multiples only
        batch = tf.image.resize_bilinear(photo[None], looked_at, half_pixel_centers=True) / 255

        first = _layer(rng, batch, _CHANNELS)
        second = _layer(rng, first, _CHANNELS * 2, stride=2)
        third = _layer(rng, second, _CHANNELS * 4, stride=2)
        up = _layer(rng, _joined(third, second), _CHANNELS * 2)
        up = _layer(rng, _joined(up, first), _CHANNELS)
        ripple = _convolution(rng, up, 1)

        red, green, _ = tf.unstack(batch, axis=-1)
        logit = 8 * (red - 0.5 * green - 0.3)[..., None] + 0.3 * ripple
        alpha = tf.sigmoid(tf.image.resize_bilinear(logit, size, half_pixel_centers=True))[0]
        rgba = tf.concat([photo, alpha * 255], axis=-1)
        tf.cast(tf.clip_by_value(tf.round(rgba), 0, 255), tf.uint8, name="output_png")
    return graph.as_graph_def()


def _joined(small: tf.Tensor, skipped: tf.Tensor) -> tf.Tensor:
    enlarged = tf.image.resize_bilinear(small, tf.shape(skipped)[1:3], half_pixel_centers=True)
    return tf.concat([enlarged, skipped], axis=-1)


def _layer(rng: np.random.Generator, value: tf.Tensor, channels: int, stride: int = 1) -> tf.Tensor:
    def numbers(low: float, high: float) -> tf.Tensor:
        return tf.constant(rng.uniform(low, high, channels).astype(np.float32))

    value = _convolution(rng, value, channels, stride)
    value, *_ = tf.nn.fused_batch_norm(
        value, numbers(0.7, 1.3), numbers(-0.1, 0.1), numbers(-0.1, 0.1), numbers(0.5, 1.5), is_training=False
    )
    return tf.nn.relu(value)


def _convolution(rng: np.random.Generator, value: tf.Tensor, channels: int, stride: int = 1) -> tf.Tensor:
    inputs = value.shape[-1]
    weights = rng.normal(0, np.sqrt(2 / (9 * inputs)), (3, 3, inputs, channels)).astype(np.float32)
    return tf.nn.conv2d(value, tf.constant(weights), strides=(1, stride, stride, 1), padding="SAME")
