"""What a live process makes of frames as OBS sends them: colours and alpha of the same moment, and rest."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from development import made_clips
from PIL import Image

from cvmatte_core.filesystem import paths
from cvmatte_core.live.shared_frames import FrameReader
from cvmatte_core.settings import MatteSettings

SIZE = (320, 180)
COUNT = 60


@pytest.fixture(scope="module")
def made(photo: Path) -> dict[bool, list[made_clips.MadeFrame]]:
    """Of somebody who moves by two pixels a frame, and of one who stands still; both with noise."""
    background = np.array(Image.open(photo).convert("RGB").crop((0, 0, 90, 60)).resize((900, 600)))
    cutout = made_clips.cut_by_an_ellipse(photo)
    return {still: list(made_clips.frames(cutout, background, SIZE, COUNT, still=still)) for still in (False, True)}


class Fed:
    """A live process, and frames that it gets as OBS sends them."""

    def __init__(self, folder: Path, made: list[made_clips.MadeFrame]) -> None:
        self._made = made
        self._enough = threading.Event()
        self._reader: FrameReader | None = None
        pipe = subprocess.PIPE
        # It never looks again at what doesn't move, unless something else has changed.
        program = "from cvmatte_core.live import process, rest\nrest._LONGEST_SECONDS = 3600\nprocess.main()"
        command = [sys.executable, "-c", program, str(folder / "frames")]
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=paths.ROOT)

    def order(self, **settings: Any) -> None:
        chosen = MatteSettings(quality="fast", decontaminate=False, **settings).as_dict()
        order = {"source": {"obs": "Webcam", "rate": 30}, "settings": chosen, "rate": 30}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()

    def told(self) -> Iterator[tuple[str, Any]]:
        """What it tells; of a frame, its layer: uint8 RGBA, shape (H, W, 4)."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            ((kind, value),) = json.loads(line).items()
            if kind == "listening":
                threading.Thread(target=self._send, args=value).start()
            elif kind == "file":
                self._reader = FrameReader(Path(value))
            elif kind == "frame" and self._reader is not None:
                shown = self._reader.frame(value)
                if shown is not None:
                    rows = bytes(self._reader.mapping[shown.offset : shown.offset + 4 * shown.width * shown.height])
                    if self._reader.frame(value) is not None:  # not written over meanwhile
                        yield "layer", np.frombuffer(rows, np.uint8).reshape(shown.height, shown.width, 4)
            else:
                yield kind, value

    def _send(self, port: int, secret: str) -> None:
        frames = [as_obs_sends_it(frame.picture) for frame in self._made]
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(f"POST /{secret}/{SIZE[0]}x{SIZE[1]}/50 HTTP/1.1\r\n\r\n".encode())
            for frame in itertools.cycle(frames):
                if self._enough.is_set():
                    return
                peer.sendall(frame)
                time.sleep(1 / 30)

    def close(self) -> None:
        self._enough.set()
        if self._reader is not None:
            self._reader.close()
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()


def as_obs_sends_it(picture: np.ndarray) -> bytes:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    sent: bytes = frame.reformat(format="nv12", dst_colorspace="itu601").to_ndarray().tobytes()
    return sent


@pytest.fixture
def fed(request: pytest.FixtureRequest, made: Any, tmp_path: Path) -> Iterator[Fed]:
    begun = Fed(tmp_path, made[request.param])
    yield begun
    begun.close()


@pytest.mark.parametrize("fed", [False], indirect=True)
def test_colours_and_alpha_are_of_the_same_frame(fed: Fed, made: Any) -> None:
    """However much the network lags behind. Which frame a layer's colours are of tells their noise, and its alpha fits
    that one's true alpha best."""
    pictures = np.stack([frame.picture for frame in made[False]]).astype(np.int16)
    alphas = np.stack([frame.alpha for frame in made[False]])
    fed.order()
    worse, of_others = [], []
    layers = (layer for kind, layer in fed.told() if kind == "layer")
    for layer in itertools.islice(layers, 12, 37):
        inside = layer[..., 3] > 250
        of = np.abs(pictures[:, inside] - layer[inside][:, :3]).mean(axis=(1, 2)).argmin()
        errors = np.abs(alphas - layer[..., 3] / 255).mean(axis=(1, 2))
        near = np.argsort(np.abs(np.arange(COUNT) - of))[:9]  # elsewhere in the clip people may stand alike
        worse.append(errors[of] / errors[near].min())
        of_others.append(errors[near[-1]] / errors[of])
    assert len(worse) == 25 and max(worse) < 1.15, worse
    assert np.median(of_others) > 1.15, of_others  # what the alpha of another frame would be like


@pytest.mark.parametrize("fed", [True], indirect=True)
def test_nobody_moves_and_the_network_rests_while_controls_still_act(fed: Fed) -> None:
    fed.order()
    rests = (value for kind, value in fed.told() if kind == "state" and value["rate"] > 3 * value["cut"])
    assert len(list(itertools.islice(rests, 3))) == 3
    fed.order(background="colour", background_colour="#0000ff")
    layers = (layer for kind, layer in fed.told() if kind == "layer")
    assert any((layer[3, 3] == (0, 0, 255, 255)).all() for layer in layers)
