"""Make the tiny networks of tests/data/onnx: PYTHON tests/data/make_onnx.py, with a Python that has onnx.

Each weighs what it is fed of red, green and blue by 0.5, 0.25 and 0.125, so that alpha tells what it was fed and in
which order.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).with_name("onnx")
WEIGHTS = np.array([0.5, 0.25, 0.125], np.float32)
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def write(
    name: str,
    inputs: dict[str, tuple[int, list]],
    nodes: list[onnx.NodeProto],
    outputs: dict[str, tuple[int, list]],
    constants: dict[str, np.ndarray],
    operators: int = 17,
) -> None:
    """operators: the version of ONNX's that is meant."""
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", operators)])
    onnx.checker.check_model(model)
    onnx.save(model, str(FOLDER / f"{name}.onnx"))


def weighing(name: str, shape: list, kind: int = FLOAT, channels: int = 3, **more: tuple[int, list]) -> None:
    """Alpha, shape (1, 1, H, W), of a picture, shape (1, channels, H, W)."""
    weights = np.resize(WEIGHTS, (1, channels, 1, 1)).astype(np.float16 if kind == HALF else np.float32)
    nodes = [helper.make_node("Conv", ["picture", "weights"], ["alpha"])]
    outputs: dict[str, tuple[int, list]] = {"alpha": (kind, [1, 1, *shape[2:]])}
    write(name, {"picture": (kind, shape), **more}, nodes, outputs, {"weights": weights})


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    weighing("free", [1, 3, "h", "w"])
    weighing("fixed", [1, 3, 24, 32])
    weighing("half", ["n", 3, "h", "w"], HALF)
    weighing("four_channels", [1, 4, "h", "w"], channels=4)
    weighing("two_inputs", [1, 3, "h", "w"], state=(FLOAT, [1]))
    by_pixel = {"weights": WEIGHTS.reshape(3, 1)}
    node = helper.make_node("MatMul", ["picture", "weights"], ["alpha"])
    write(
        "last_is_channels",
        {"picture": (FLOAT, [1, "h", "w", 3])},
        [node],
        {"alpha": (FLOAT, [1, "h", "w", 1])},
        by_pixel,
    )
    # Several outputs: three channels, what isn't as large as the picture, alpha at half its size, the logit of alpha.
    write(
        "several",
        {"picture": (FLOAT, [1, 3, "h", "w"])},
        [
            helper.make_node("Relu", ["picture"], ["features"]),
            helper.make_node("GlobalAveragePool", ["picture"], ["classes"]),
            helper.make_node("Conv", ["picture", "weights"], ["alpha"]),
            helper.make_node("AveragePool", ["alpha"], ["smaller"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Sub", ["one", "alpha"], ["rest"]),
            helper.make_node("Div", ["alpha", "rest"], ["odds"]),
            helper.make_node("Log", ["odds"], ["logit"]),
        ],
        {
            "features": (FLOAT, [1, 3, "h", "w"]),
            "classes": (FLOAT, [1, 3, 1, 1]),
            "smaller": (FLOAT, [1, 1, "h2", "w2"]),
            "logit": (FLOAT, [1, 1, "h", "w"]),
        },
        {"weights": WEIGHTS.reshape(1, 3, 1, 1), "one": np.ones(1, np.float32)},
    )
    # Alpha of each pixel is that of the next to the right, half as strong: the operator of BiRefNet's newer exports.
    write(
        "deformed",
        {"picture": (FLOAT, [1, 3, 24, 32])},
        [helper.make_node("DeformConv", ["picture", "weights", "offsets", "", "mask"], ["alpha"], kernel_shape=[1, 1])],
        {"alpha": (FLOAT, [1, 1, 24, 32])},
        {
            "weights": WEIGHTS.reshape(1, 3, 1, 1),
            "offsets": np.stack([np.zeros((24, 32)), np.ones((24, 32))])[None].astype(np.float32),
            "mask": np.full((1, 1, 24, 32), 0.5, np.float32),
        },
        operators=19,
    )
    # The signature of CV-UNet's converted graph.
    write(
        "portrait_graph",
        {"input_image:0": (FLOAT, ["h", "w", 3])},
        [
            helper.make_node("MatMul", ["input_image:0", "weights"], ["alpha"]),
            helper.make_node("Concat", ["input_image:0", "alpha"], ["rgba"], axis=2),
            helper.make_node("Round", ["rgba"], ["rounded"]),
            helper.make_node("Cast", ["rounded"], ["output_png:0"], to=TensorProto.UINT8),
        ],
        {"output_png:0": (TensorProto.UINT8, ["h", "w", 4])},
        by_pixel,
    )
