"""The colours and the alpha of a live frame are of the same moment, however much the network lags behind."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import numpy as np
from development import made_clips
from PIL import Image

from cvmatte_core.filesystem import paths
from cvmatte_core.live.shared_frames import FrameReader
from cvmatte_core.settings import MatteSettings

SIZE = (320, 180)


def as_obs_sends_it(picture: np.ndarray) -> bytes:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    sent: bytes = frame.reformat(format="nv12", dst_colorspace="itu601").to_ndarray().tobytes()
    return sent


def send(port: int, secret: str, frames: list[bytes], enough: threading.Event) -> None:
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.sendall(f"POST /{secret}/{SIZE[0]}x{SIZE[1]} HTTP/1.1\r\n\r\n".encode())
        for frame in itertools.cycle(frames):
            if enough.is_set():
                return
            peer.sendall(frame)
            time.sleep(1 / 30)


def test_colours_and_alpha_are_of_the_same_frame(photo: Path, tmp_path: Path) -> None:
    """Somebody who moves by two pixels a frame, sent as OBS sends it: which frame a layer's colours are of tells their
    noise, and its alpha fits that one's true alpha best."""
    background = np.array(Image.open(photo).convert("RGB").crop((0, 0, 90, 60)).resize((900, 600)))
    made = list(made_clips.frames(made_clips.cut_by_an_ellipse(photo), background, SIZE, 60))
    pictures = np.stack([frame.picture for frame in made]).astype(np.int16)
    alphas = np.stack([frame.alpha for frame in made])
    settings = {**MatteSettings(quality="fast", decontaminate=False).as_dict()}
    order = {"source": {"obs": "Webcam", "rate": 30}, "settings": settings, "rate": 30}
    pipe, enough = subprocess.PIPE, threading.Event()
    command = [sys.executable, "-m", "cvmatte_core.live.process", str(tmp_path / "frames")]
    apart: list[int] = []
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=paths.ROOT) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        reader: FrameReader | None = None
        for line in process.stdout:
            message = json.loads(line)
            if "listening" in message:
                frames = [as_obs_sends_it(frame.picture) for frame in made]
                threading.Thread(target=send, args=(*message["listening"], frames, enough)).start()
            elif "file" in message:
                reader = FrameReader(Path(message["file"]))
            elif "frame" in message and reader is not None and message["frame"] > 12:
                shown = reader.frame(message["frame"])
                if shown is None:
                    continue
                rows = bytes(reader.mapping[shown.offset : shown.offset + 4 * shown.width * shown.height])
                layer = np.frombuffer(rows, np.uint8).reshape(shown.height, shown.width, 4)
                inside = layer[..., 3] > 250
                colours = np.abs(pictures[:, inside] - layer[inside][:, :3]).mean(axis=(1, 2))
                errors = np.abs(alphas - layer[..., 3] / 255).mean(axis=(1, 2))
                nearest = np.argsort(np.abs(np.arange(60) - colours.argmin()))[:9]  # elsewhere it may stand alike
                apart.append(int(nearest[errors[nearest].argmin()] - colours.argmin()))
                if len(apart) == 25:
                    break
        enough.set()
        if reader is not None:
            reader.close()
        process.stdin.close()
    assert len(apart) == 25 and np.abs(apart).max() <= 1 and abs(np.mean(apart)) < 0.5, apart
