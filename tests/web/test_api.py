"""The HTTP API, as programs use it, against a real server."""

from __future__ import annotations

import asyncio
import io
import json
import mimetypes
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from demo.throwaway_obs import wait_until
from PIL import Image

from cvmatte_core.filesystem import paths
from cvmatte_core.localization.texts import Texts
from cvmatte_core.matting.matter import Matter
from cvmatte_core.models.catalogue import catalogue, is_there
from cvmatte_core.settings import CONTROLS, MatteSettings
from cvmatte_core.web import job_routes, jobs, parameters
from cvmatte_core.web.jobs import Item, Jobs, WebJob
from cvmatte_core.web.threads import Engine

from .conftest import PATIENCE, TOKEN, Address, serving

FAST = {"quality": "fast"}


@pytest.fixture
def client(address: Address) -> Any:
    with httpx.Client(base_url=address.url, timeout=PATIENCE) as client:
        yield client


def post(client: httpx.Client, content: bytes, name: str = "me.jpg", **fields: Any) -> httpx.Response:
    return client.post("/remove_background", files={"image": (name, content)}, data={**FAST, **fields})


def decoded(response: httpx.Response) -> Image.Image:
    assert response.status_code == 200, response.text
    return Image.open(io.BytesIO(response.content))


def refusal(response: httpx.Response, status: int, key: str) -> str:
    """The sentence of an answer that has to be this refusal."""
    assert (response.status_code, response.json()["error"]) == (status, key), response.text
    sentence = response.json()["message"]
    for part in ("/tmp", str(paths.ROOT), "Traceback", "cvmatte-web", "site-packages"):
        assert part not in response.text
    return sentence


def ended(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        job = client.get(f"/jobs/{job['id']}").json()
        if job["state"] not in ("waiting", "running"):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def left_behind() -> list[Path]:
    """What the tests' servers keep of requests; their own folders apart."""
    return [
        Path(path, name)
        for folder in Path(tempfile.gettempdir()).glob("cvmatte-web-*")
        for path, folders, files in os.walk(folder)  # which bears that they vanish meanwhile
        if Path(path) != folder
        for name in (*folders, *files)
    ]


def huge_png() -> bytes:
    """A PNG that says it is 60,000 x 60,000."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def zip_file() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "a" * 100)
    return file.getvalue()


# One photo


def test_the_curl_line_works_as_it_is_written(address: Address, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(photo.read_bytes())
    line = 'curl -F "image=@photo.jpg" http://localhost:7860/remove_background > result.png'
    subprocess.run(line.replace("7860", str(address.port)), shell=True, cwd=tmp_path, check=True, capture_output=True)
    with Image.open(tmp_path / "result.png") as layer:
        assert (layer.format, layer.mode, layer.size) == ("PNG", "RGBA", (512, 512))
        alpha = np.asarray(layer)[..., 3]
    assert alpha[5, 5] == 0
    assert alpha[400, 220] == 255


@pytest.mark.parametrize("format", ["png", "webp", "jpeg"])
def test_the_format_is_a_parameter(client: httpx.Client, small: bytes, format: str) -> None:
    response = post(client, small, format=format)
    assert decoded(response).format == format.upper()
    assert response.headers["content-type"] == f"image/{format}"


def test_the_mask_and_the_photo_fit_the_layer(client: httpx.Client, small: bytes) -> None:
    layer = np.asarray(decoded(post(client, small, crop="true")))
    mask = np.asarray(decoded(post(client, small, crop="true", output="mask")))
    photo = decoded(post(client, small, crop="true", output="photo"))
    assert layer.shape[1] < 256
    assert np.array_equal(layer[..., 3], mask)
    assert photo.size == (layer.shape[1], layer.shape[0])
    assert np.asarray(photo.convert("RGBA"))[..., 3].min() == 255


def test_every_control_is_a_parameter_of_the_form_and_of_the_query(client: httpx.Client, small: bytes) -> None:
    wall = io.BytesIO()
    Image.new("RGB", (20, 20), (1, 2, 200)).save(wall, format="PNG")
    values: dict[str, Any] = {control.name: control.default for control in CONTROLS}
    del values["output_folder"], values["save_mask"], values["background_image"]
    values = {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}
    values |= {"background": "image", "mirror": "true", "longest_side": 100, "quality": "fast"}
    files = {"image": ("me.jpg", small), "background_image": ("wall.png", wall.getvalue())}
    in_form = client.post("/remove_background", files=files, data=values)
    in_query = client.post("/remove_background", files=files, params=values)
    assert decoded(in_form).size == (100, 100)
    assert np.asarray(decoded(in_form))[0, 0].tolist() == [1, 2, 200, 255]
    assert in_form.content == in_query.content


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"erosion": "999"}, "erosion takes a whole number from 0 to 50."),
        ({"erosion": "١"}, "erosion takes a whole number from 0 to 50."),
        ({"erosion": ""}, "erosion takes a whole number from 0 to 50."),
        ({"erosion": " 1"}, "erosion takes a whole number from 0 to 50."),
        ({"erosion": "1.0"}, "erosion takes a whole number from 0 to 50."),
        ({"erosion": "9" * 5000}, "field"),
        ({"mirror": "yes"}, "mirror takes one of these: true, false."),
        ({"mirror": "1"}, "mirror takes one of these: true, false."),
        ({"model": "nobody"}, "model takes one of these: auto, rvm-mobilenetv3"),
        ({"quality": "perfect"}, "quality takes one of these: fast, balanced, best."),
        ({"background_colour": "reddish"}, "background_colour takes one of these: #rrggbb"),
        ({"preset": "nope"}, "preset takes one of these: virtual_meeting"),
        ({"background": "image"}, "Choose a background image"),
        ({"background_image": "/etc/passwd"}, "There is no control called background_image."),
        ({"output_folder": "/tmp"}, "There is no control called output_folder."),
        ({"save_mask": "true"}, "There is no control called save_mask."),
        ({"output": "everything"}, "output takes one of these: layer, mask, photo."),
        ({"colour": "red"}, "There is no control called colour."),
    ],
)
def test_a_wrong_parameter_is_one_sentence(
    client: httpx.Client, small: bytes, fields: dict[str, str], sentence: str
) -> None:
    response = client.post("/remove_background", files={"image": ("me.jpg", small)}, data=fields)
    if sentence == "field":  # the form itself is refused
        refusal(response, 400, "request_malformed")
    else:
        assert response.status_code == 422
        assert sentence in response.json()["message"]


@pytest.mark.parametrize("wrong", [{"erosion": "null"}, {"quality": "perfect"}, {"output": "everything"}])
def test_a_wrong_parameter_of_the_query_is_one_too_where_the_form_says_it_right(
    client: httpx.Client, small: bytes, wrong: dict[str, str]
) -> None:
    right = {"erosion": "1", "quality": "fast", "output": "mask"}
    response = client.post("/remove_background", files={"image": ("me.jpg", small)}, data=right, params=wrong)
    assert response.status_code == 422


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "表单"),
        ("en;q=0.5, zh;q=0.4", "form field"),
        ("it, zh;q=0.4", "表单"),
        ("it", "form"),
    ],
)
def test_errors_are_in_the_language_that_is_asked_for(client: httpx.Client, wanted: str, part: str) -> None:
    response = client.post("/remove_background", headers={"Accept-Language": wanted})
    assert part in refusal(response, 400, "upload_missing")


def test_the_body_may_be_the_photo_itself(client: httpx.Client, small: bytes) -> None:
    in_form = post(client, small, background="colour", background_colour="#ff0000")
    for media in ("image/jpeg", "application/octet-stream"):
        raw = client.post(
            "/remove_background", content=small, headers={"Content-Type": media},
            params={**FAST, "background_colour": "red"},
        )  # fmt: skip
        assert raw.status_code == 200 and raw.content == in_form.content
    refusal(client.post("/remove_background", content=b"", headers={"Content-Type": "image/png"}), 422, "image_empty")
    broken = client.post("/remove_background", content=small[:500], headers={"Content-Type": "image/png"})
    refusal(broken, 422, "image_damaged")


def test_a_preset_is_a_field_and_what_is_said_besides_goes_before_it(client: httpx.Client, small: bytes) -> None:
    made = decoded(post(client, small, preset="id_photo", background_colour="#f00"))
    assert (made.format, made.getpixel((2, 2))) == ("JPEG", pytest.approx((254, 0, 0), abs=4))
    assert decoded(post(client, small, preset="id_photo", id_photo="off", format="png")).size == (256, 256)


def test_an_outline_makes_the_layer_larger_and_its_colour_says_that_there_is_one(
    client: httpx.Client, small: bytes
) -> None:
    for fields, width in (
        ({"outline": "7", "outline_colour": "#00ff00"}, 7),
        ({"outline_colour": "lime"}, 12),
        ({"preset": "sticker_outline", "crop": "false", "outline_colour": "#0f0"}, 12),
        ({"preset": "thumbnail_glow", "crop": "false", "outline_colour": "#0f0"}, 40),
    ):
        layer = np.asarray(decoded(post(client, small, **fields)))
        assert layer.shape == (256 + 2 * width, 256 + 2 * width, 4)
        assert ((layer[..., :3] == (0, 255, 0)).all(axis=2) & (layer[..., 3] > 100)).sum() > 250 * width
    limited = decoded(post(client, small, outline="20", longest_side="100"))
    assert limited.size == (100, 100)
    refusal(post(client, small, outline="201"), 422, "setting_range")


def test_a_room_that_is_another_is_set_aside_and_said(client: httpx.Client, small: bytes, clip: Path) -> None:
    noise, file = np.random.default_rng(1).integers(0, 255, (256, 256, 3), np.uint8), io.BytesIO()
    Image.fromarray(noise).save(file, format="PNG")
    room = ("room", ("empty.png", file.getvalue()))
    with_room = client.post("/remove_background", files=[("image", ("me.jpg", small)), room], data=FAST)
    assert decoded(with_room).tobytes() == decoded(post(client, small)).tobytes()
    assert [said["note"] for said in json.loads(with_room.headers["CVMatte-Notes"])] == ["note.room_other"]
    broken = client.post("/remove_background", files=[("image", ("me.jpg", small)), ("room", ("b.png", b"no"))])
    assert "b.png" in refusal(broken, 415, "image_not_a_picture")
    files = [("images", ("me.jpg", small)), ("images", ("me.mp4", clip.read_bytes())), room]
    job = ended(client, client.post("/jobs", files=files, data=FAST).json())
    assert [[said["note"] for said in item["notes"]] for item in job["items"]] == [["note.room_other"]] * 2
    client.delete(f"/jobs/{job['id']}")


@pytest.mark.parametrize("field", ["room", "background_image"])
def test_a_file_that_goes_with_all_of_a_job_is_named_as_it_was_sent(
    client: httpx.Client, small: bytes, clip: Path, field: str
) -> None:
    photos = [("images", ("me.jpg", small)), ("images", ("me.mp4", clip.read_bytes()))]
    job = ended(client, client.post("/jobs", files=[*photos, (field, ("b.png", b"no"))], data=FAST).json())
    client.delete(f"/jobs/{job['id']}")
    for item in job["items"]:
        assert (item["error"], "b.png" in item["message"]) == ("image_not_a_picture", True), item


def test_nobody_in_the_photo_is_said(client: httpx.Client, small: bytes) -> None:
    sky = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 120, 200)).save(sky, format="PNG")
    said = "Nobody was found in sky.png: choose a photo of a person."  # no word of a brush, which isn't here
    assert refusal(post(client, sky.getvalue(), "sky.png"), 422, "nobody_found") == said
    files = [("images", ("sky.png", sky.getvalue())), ("images", ("me.jpg", small))]
    job = ended(client, client.post("/jobs", files=files, data=FAST).json())
    assert [item["state"] for item in job["items"]] == ["failed", "done"]
    assert (job["items"][0]["error"], job["items"][0]["message"]) == ("nobody_found", said)
    client.delete(f"/jobs/{job['id']}")


def test_the_page_s_sample_is_cut_as_well_as_the_photo_that_it_is_made_of(client: httpx.Client) -> None:
    sample = client.get("/static/sample.jpg").content
    alpha = np.asarray(decoded(client.post("/remove_background", files={"image": sample})))[..., 3]
    assert alpha[385:500, 340:470].max() < 10  # the helmet, which more compression leaves as a smudge
    assert len(sample) < 150_000


# What is refused


@pytest.mark.parametrize(
    ("content", "status", "key"),
    [
        (huge_png(), 413, "image_too_many_pixels"),
        (zip_file(), 415, "image_not_a_picture"),
        (b"", 422, "image_empty"),
        (b"\xff\xd8\xff\xe0" + b"x" * 100, 422, "image_damaged"),
    ],
)
def test_what_is_no_photo_is_refused_by_its_own_name(
    client: httpx.Client, content: bytes, status: int, key: str
) -> None:
    assert "holiday.jpg" in refusal(post(client, content, "holiday.jpg"), status, key)
    assert not left_behind()


def test_a_truncated_photo_is_refused(client: httpx.Client, small: bytes) -> None:
    refusal(post(client, small[: len(small) // 2]), 422, "image_damaged")


def test_a_photo_that_lacks_its_last_bytes_is_cut_out_and_said(client: httpx.Client, small: bytes) -> None:
    cut = client.post(
        "/remove_background?language=de", files={"image": ("me.jpg", small[:-5])}, data={**FAST, "output": "photo"}
    )
    assert decoded(cut).size == decoded(post(client, small)).size
    (note,) = json.loads(cut.headers["CVMatte-Notes"])
    assert note["note"] == "note.cut_off" and note["message"].startswith("Die Datei des Fotos endet zu früh")
    assert "CVMatte-Notes" not in post(client, small).headers
    started = client.post("/jobs", files=[("images", ("me.jpg", small[:-5]))], data=FAST)
    job = ended(client, started.json())
    (item,) = job["items"]
    assert item["state"] == "done" and [note["note"] for note in item["notes"]] == ["note.cut_off"]
    client.delete(f"/jobs/{job['id']}")


@pytest.mark.parametrize("body", [b"", b"--", b"--x\r\nnonsense"])
def test_a_body_without_a_photo_is_refused(client: httpx.Client, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = client.post("/remove_background", content=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["message"]


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "..\\..\\me.jpg", "/etc/me.jpg", "a\x00b.jpg", "é" * 400, ".."]
)
def test_no_name_of_an_upload_becomes_a_path(client: httpx.Client, small: bytes, name: str, root: Path) -> None:
    before = sorted(path for path in root.rglob("*"))
    response = client.post("/jobs", files=[("images", (name, small)), ("images", (name, small))], data=FAST)
    job = ended(client, response.json())
    assert job["done"] == 2, job
    with zipfile.ZipFile(io.BytesIO(client.get(job["archive"]).content)) as archive:
        names = archive.namelist()
    assert len(set(names)) == 2
    assert all(Path(each).name == each and not re.search(r"[\\/\x00]", each) and len(each) < 256 for each in names)
    assert sorted(path for path in root.rglob("*")) == before
    assert client.delete(f"/jobs/{job['id']}").status_code == 204


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(address: Address) -> None:
    with socket.create_connection(("127.0.0.1", address.port)) as connection:
        connection.sendall(b"POST /remove_background HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000000\r\n\r\n")
        answered = connection.recv(100)
    assert answered.startswith(b"HTTP/1.1 413")


def test_a_body_of_unknown_length_is_refused_at_the_limit(client: httpx.Client) -> None:
    def body() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
        for _ in range(500):
            yield bytes(1_000_000)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    refusal(client.post("/remove_background", content=body(), headers=headers), 413, "upload_too_large")
    assert not left_behind()


def test_a_whole_body_that_is_too_large_gets_its_answer(client: httpx.Client) -> None:
    assert "4 MB" in refusal(post(client, bytes(30_000_000)), 413, "upload_too_large")


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "1.2.3.4", "", "[", "localhost@evil.example:1"]
)
def test_a_foreign_host_is_refused(client: httpx.Client, host: str) -> None:
    response = client.get("/health", headers={"Host": host})
    if response.headers["content-type"] == "application/json":
        refusal(response, 421, "host_foreign")
    else:
        assert response.status_code == 400  # no request at all to the server


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:7860", "127.0.0.1:1", "[::1]:7860"])
def test_this_computer_s_own_names_are_answered(client: httpx.Client, host: str) -> None:
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_pages_are_refused(client: httpx.Client, small: bytes, headers: dict[str, str]) -> None:
    for response in (
        client.post("/remove_background", files={"image": ("a.jpg", small)}, headers=headers),
        client.get("/models", headers=headers),
        client.post("/models/cv-unet/install", headers=headers),
    ):
        refusal(response, 403, "origin_foreign")
        assert "access-control-allow-origin" not in response.headers


def test_a_link_on_another_page_may_lead_here(client: httpx.Client) -> None:
    response = client.get("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_where_a_token_is_needed_nothing_goes_without(photo: Path) -> None:
    with serving(token=TOKEN) as address, httpx.Client(base_url=address.url, timeout=PATIENCE) as client:
        for path in ("/", "/models", "/openapi.json", "/static/script.js", "/jobs/x", "/page"):
            refusal(client.get(path), 401, "token_missing")
        refusal(client.post("/remove_background"), 401, "token_missing")
        refusal(client.get("/", params={"token": "another"}), 401, "token_missing")
        refusal(client.get("/", headers={"Authorization": "Bearer another"}), 401, "token_missing")
        assert client.get("/health").status_code == 200
        assert client.get("/models", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        entrance = client.get("/", params={"token": TOKEN})
        assert (entrance.status_code, entrance.headers["location"]) == (303, "./")
        cookie = entrance.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert client.get("/models").status_code == 200  # with the cookie


# Many clients


def test_a_person_without_the_token_reads_a_page_and_a_program_json(photo: Path) -> None:
    with (
        serving(token=TOKEN, only_loopback=False) as address,
        httpx.Client(base_url=address.url, timeout=PATIENCE) as client,
    ):
        page = client.get("/", headers={"Accept": "text/html,*/*", "Accept-Language": "de"})
        assert page.status_code == 401 and page.headers["content-type"].startswith("text/html")
        assert '<html lang="de">' in page.text and "Token" in page.text and "{" not in page.text
        assert client.get("/models").json()["error"] == "token_missing"


def test_sixteen_clients_at_once_lose_nothing(address: Address, photo: Path) -> None:
    sizes = [200 + 8 * number for number in range(16)]

    def one(size: int) -> tuple[int, np.ndarray]:
        file = io.BytesIO()
        Image.open(photo).convert("RGB").resize((size, size)).save(file, format="PNG")
        with httpx.Client(base_url=address.url, timeout=PATIENCE) as client:
            return size, np.asarray(decoded(post(client, file.getvalue(), f"{size}.png")))

    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(one, sizes))
    for size, layer in answers:
        assert layer.shape == (size, size, 4)
        assert layer[size // 100, size // 100, 3] == 0
        assert layer[int(size * 0.78), int(size * 0.43), 3] == 255
    assert not left_behind()


def test_beyond_the_line_clients_are_told_when_to_come_back(small: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, queued = threading.Event(), threading.Semaphore(0)
    run = Engine.run

    def wait(self: Engine, work: Callable[[Matter], Any]) -> Future[Any]:
        queued.release()
        return run(self, lambda matter: (go_on.wait(PATIENCE), work(matter))[1])

    monkeypatch.setattr(Engine, "run", wait)
    with (
        serving(waiting=1) as address,
        httpx.Client(base_url=address.url, timeout=PATIENCE) as client,
        ThreadPoolExecutor(2) as clients,
    ):
        first = [clients.submit(post, client, small) for _ in range(2)]
        assert all(queued.acquire(timeout=PATIENCE) for _ in first)
        response = post(client, small)
        refusal(response, 503, "server_busy")
        assert int(response.headers["retry-after"]) >= 1
        go_on.set()
        assert [each.result().status_code for each in first] == [200, 200]
        assert post(client, small).status_code == 200


def test_what_takes_too_long_is_given_up(small: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    run = Engine.run
    monkeypatch.setattr(Engine, "run", lambda self, work: run(self, lambda matter: (go_on.wait(20), work(matter))[1]))
    with serving(seconds=0.5) as address, httpx.Client(base_url=address.url, timeout=PATIENCE) as client:
        refusal(post(client, small), 504, "took_too_long")
        go_on.set()
    assert not left_behind()


@pytest.mark.parametrize("media", ["image/png", "multipart/form-data; boundary=x"])
def test_an_upload_that_does_not_arrive_is_given_up(media: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "_UPLOAD_SECONDS", 0.3)
    lines = ["POST /remove_background HTTP/1.1", "Host: localhost", f"Content-Type: {media}", "Content-Length: 1000"]
    with serving() as address, socket.create_connection(("127.0.0.1", address.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", "--x"]).encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 504")
    assert not left_behind()


# Jobs


def test_many_uploads_become_a_job_with_an_archive(client: httpx.Client, small: bytes) -> None:
    files = [("images", (name, small)) for name in ("a.jpg", "A.JPG", "小明.jpg")]
    files.append(("images", ("broken.jpg", small[:500])))
    started = client.post("/jobs", files=files, data={**FAST, "format": "webp", "save_mask": "true"})
    assert started.status_code == 202
    job = ended(client, started.json())
    assert (job["state"], job["total"], job["done"], job["failed"]) == ("done", 4, 3, 1)
    assert "broken.jpg" in job["items"][3]["message"]
    assert job["items"][3]["result"] is None
    result = client.get(job["items"][0]["result"])
    assert decoded(result).format == "WEBP"
    assert decoded(client.get(job["items"][0]["mask"])).mode == "L"
    with zipfile.ZipFile(io.BytesIO(client.get(job["archive"]).content)) as archive:
        names = set(archive.namelist())
        assert archive.testzip() is None
    assert names == {"a.webp", "a-mask.png", "A-2.webp", "A-2-mask.png", "小明.webp", "小明-mask.png"}
    assert client.delete(f"/jobs/{job['id']}").status_code == 204
    refusal(client.get(f"/jobs/{job['id']}"), 404, "job_unknown")
    refusal(client.get(job["items"][0]["result"]), 404, "job_unknown")
    assert not left_behind()


@pytest.mark.parametrize(("background", "name"), [("transparent", "me.webm"), ("colour", "me.mp4")])
def test_a_clip_becomes_a_clip(
    client: httpx.Client, clip: Path, small: bytes, tmp_path: Path, background: str, name: str
) -> None:
    files = [("images", ("me.mov", clip.read_bytes())), ("images", ("a.jpg", small)), ("images", ("b.mp4", b"none"))]
    job = ended(client, client.post("/jobs", files=files, data={**FAST, "background": background}).json())
    assert [(item["kind"], item["state"]) for item in job["items"]] == [
        ("clip", "done"), ("photo", "done"), ("clip", "failed"),
    ]  # fmt: skip
    assert "b.mp4 is not a clip" in job["items"][2]["message"]
    result = client.get(job["items"][0]["result"])
    assert result.headers["content-type"] == ("video/webm" if name.endswith("webm") else "video/mp4")
    (tmp_path / name).write_bytes(result.content)
    with av.open(str(tmp_path / name)) as made:
        assert sum(1 for _ in made.decode(video=0)) == 30
    with zipfile.ZipFile(io.BytesIO(client.get(job["archive"]).content)) as archive:
        assert set(archive.namelist()) == {name, "a.png"}
    client.delete(f"/jobs/{job['id']}")


def test_a_clip_that_is_cancelled_is_one_that_plays(client: httpx.Client, long_clip: Path, tmp_path: Path) -> None:
    files = [("images", ("me.mp4", long_clip.read_bytes()))]
    job = client.post("/jobs", files=files, data=FAST).json()
    while client.get(f"/jobs/{job['id']}").json()["items"][0]["progress"] < 0.05:
        time.sleep(0.02)
    client.delete(f"/jobs/{job['id']}")
    job = ended(client, job)
    assert job["state"] == job["items"][0]["state"] == "cancelled"
    (tmp_path / "me.webm").write_bytes(client.get(job["items"][0]["result"]).content)
    with av.open(str(tmp_path / "me.webm")) as made:
        assert 0 < sum(1 for _ in made.decode(video=0)) < 900
    client.delete(f"/jobs/{job['id']}")


def test_a_folder_of_the_server_becomes_a_job_and_stays_as_it_is(client: httpx.Client, root: Path) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert client.get("/folders").json() == {"open": True, "folders": [".", "team"]}
    job = ended(client, client.post("/jobs", data={**FAST, "folder": "team"}).json())
    assert [item["name"] for item in job["items"]] == ["broken.jpg", "me.png"]  # not the link that leads out
    assert (job["done"], job["failed"]) == (1, 1)
    whole = ended(client, client.post("/jobs", data={**FAST, "folder": ".", "recursive": "true"}).json())
    assert [item["name"] for item in whole["items"]] == ["broken.jpg", "me.png"]
    assert client.post("/jobs", data={"folder": "team", "recursive": "perhaps"}).status_code == 422
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("folder", ["..", "../outside", "/etc", "out", "team/..", "nowhere", "team/me.png", "a\x00b"])
def test_no_other_folder_of_the_server_is_read(client: httpx.Client, folder: str) -> None:
    refusal(client.post("/jobs", data={"folder": folder}), 404, "folder_unknown")


def test_without_a_root_no_folder_is_read(small: bytes) -> None:
    with serving() as address, httpx.Client(base_url=address.url, timeout=PATIENCE) as client:
        refusal(client.post("/jobs", data={"folder": "."}), 403, "folders_closed")
        assert client.get("/folders").json() == {"open": False, "folders": []}


def test_events_tell_each_photo_s_progress_until_the_end(client: httpx.Client, small: bytes) -> None:
    files = [("images", (f"{number}.jpg", small)) for number in range(3)]
    job = client.post("/jobs", files=files, data=FAST).json()
    with client.stream("GET", f"/jobs/{job['id']}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: ")]
    assert len(events[0]["items"]) == 3
    assert events[-1]["state"] == "done"
    last = {item["number"]: item["state"] for event in events for item in event["items"]}
    assert last == {0: "done", 1: "done", 2: "done"}


def test_the_last_event_tells_the_end_also_to_whoever_looks_just_as_it_comes() -> None:
    async def followed() -> list[str]:
        job, told = WebJob("photos", "", Path()), []
        async for event in job_routes._events(job, Texts("en")):
            told.append(event)
            job.state = jobs.DONE  # what WebJob.change counts only then
        return told

    assert json.loads(asyncio.run(followed())[-1].removeprefix("data: "))["state"] == "done"


@pytest.mark.usefixtures("waits_for_cancel")
def test_a_cancelled_job_keeps_what_is_finished(client: httpx.Client, small: bytes) -> None:
    files = [("images", (f"{number}.jpg", small)) for number in range(40)]
    job = client.post("/jobs", files=files, data=FAST).json()
    refusal(client.get(f"/jobs/{job['id']}/archive"), 409, "job_unfinished")
    while client.get(f"/jobs/{job['id']}").json()["done"] < 2:
        time.sleep(0.02)
    assert client.delete(f"/jobs/{job['id']}").status_code == 204
    job = ended(client, job)
    assert job["state"] == "cancelled"
    assert 2 <= job["done"] < 40
    with zipfile.ZipFile(io.BytesIO(client.get(job["archive"]).content)) as archive:
        assert len(archive.namelist()) == job["done"]


def test_one_photo_doesn_t_wait_for_a_whole_job(
    client: httpx.Client, small: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, cut_out = threading.Event(), Jobs._photo

    def wait(self: Jobs, job: WebJob, to: Path, item: Item, settings: MatteSettings) -> None:
        assert job.items.index(item) < 10 or answered.wait(PATIENCE)
        cut_out(self, job, to, item, settings)

    monkeypatch.setattr(Jobs, "_photo", wait)
    files = [("images", (f"{number}.jpg", small + bytes([number]))) for number in range(40)]
    job = client.post("/jobs", files=files, data=FAST).json()
    assert post(client, small).status_code == 200
    done = client.get(f"/jobs/{job['id']}").json()["done"]
    answered.set()
    assert done <= 10
    client.delete(f"/jobs/{job['id']}")
    ended(client, job)


def test_a_photo_of_a_job_that_is_too_large_doesn_t_stop_the_others(client: httpx.Client, small: bytes) -> None:
    files = [("images", ("big.jpg", bytes(5_000_000))), ("images", ("me.jpg", small))]
    job = ended(client, client.post("/jobs", files=files, data=FAST).json())
    assert [item["error"] for item in job["items"]] == ["upload_too_large", None]


def test_jobs_are_found_by_their_ids_alone_which_nobody_guesses(client: httpx.Client, small: bytes) -> None:
    ids = {client.post("/jobs", files=[("images", ("a.jpg", small))], data=FAST).json()["id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(len(id) >= 22 for id in ids)
    refusal(client.get("/jobs"), 405, "method_unknown")
    refusal(client.get("/jobs/1"), 404, "job_unknown")
    for id in ids:
        ended(client, {"id": id})


@pytest.mark.usefixtures("waits_for_cancel")
def test_too_many_jobs_are_told_to_come_back(small: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_UNFINISHED_LIMIT", 1)
    with serving() as address, httpx.Client(base_url=address.url, timeout=PATIENCE) as client:
        files = [("images", (f"{number}.jpg", small)) for number in range(20)]
        job = client.post("/jobs", files=files, data=FAST).json()
        response = client.post("/jobs", files=files, data=FAST)
        refusal(response, 503, "server_busy")
        assert "retry-after" in response.headers
        client.delete(f"/jobs/{job['id']}")


def test_jobs_that_ended_long_ago_are_gone_with_their_files(
    client: httpx.Client, small: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ended(client, client.post("/jobs", files=[("images", ("a.jpg", small))], data=FAST).json())
    assert left_behind()
    monkeypatch.setattr(jobs, "_KEPT_SECONDS", 0.0)
    refusal(client.get(f"/jobs/{job['id']}"), 404, "job_unknown")
    wait_until(lambda: not left_behind())  # nobody waits for that


# Models and the rest


def test_models_and_versions_are_told_without_the_server_s_folders(client: httpx.Client, small: bytes) -> None:
    models = {model["name"]: model for model in client.get("/models").json()}
    assert models["rvm-mobilenetv3"]["installed"]
    assert models["modnet"]["good_at"] == "Portraits; the smallest download."
    assert models["modnet"]["costs"].startswith("26 MB to download.")
    decoded(post(client, small))  # a model is loaded by now
    told = client.get("/diagnose")
    assert told.json()["device"] == "CPUExecutionProvider"
    assert str(paths.ROOT) not in told.text


def test_installing_a_model_is_a_job(client: httpx.Client) -> None:
    job = client.post("/models/rvm-mobilenetv3/install")
    assert job.status_code == 202
    assert ended(client, job.json())["state"] == "done"
    refusal(client.post("/models/nothing/install"), 404, "model_unknown")


def test_nothing_else_is_there(client: httpx.Client) -> None:
    for path in ("/redoc", "/etc/passwd", "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"):
        refusal(client.get(path), 404, "nothing_here")
    response = client.put("/remove_background")
    refusal(response, 405, "method_unknown")
    assert response.headers["allow"] == "POST"


# The script


def started(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """scripts/serve.py, and the address that it printed."""
    environment = {**os.environ, "CVMATTE_PYTHON": sys.executable, "LC_ALL": "en_US.UTF-8"}
    command = [sys.executable, str(paths.ROOT / "scripts" / "serve.py"), "--port=0", *arguments]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert server.stdout is not None
    found = re.search(r"http://\S+", server.stdout.readline())
    if not found:
        server.kill()
        raise AssertionError(server.communicate()[1])
    return server, found[0]


def answers(url: str) -> httpx.Response:
    for _ in range(100):
        try:
            return httpx.get(url, timeout=PATIENCE)
        except httpx.ConnectError:
            time.sleep(0.1)
    raise AssertionError(url)


def resident(process: subprocess.Popen[str]) -> float:
    """Megabytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found
    return int(found[1]) / 1000


def test_the_script_serves_ends_with_ctrl_c_and_holds_its_memory(photo: Path) -> None:
    server, url = started()
    try:
        assert answers(url).status_code == 200

        def one(number: int) -> int:
            file = io.BytesIO()
            Image.open(photo).convert("RGB").resize((200 + number, 200)).save(file, format="JPEG")
            with httpx.Client(base_url=url, timeout=PATIENCE) as client:
                return post(client, file.getvalue()).status_code

        with ThreadPoolExecutor(16) as clients:
            assert set(clients.map(one, range(16))) == {200}
            early = resident(server)
            assert set(clients.map(one, range(16, 32))) == {200}
        late = resident(server)
        assert late < early + 100, (early, late)
    finally:
        server.send_signal(signal.SIGINT)
        error = server.communicate(timeout=PATIENCE)[1]
    assert "Traceback" not in error, error
    assert server.returncode in (0, -signal.SIGINT)
    assert not left_behind()


def test_beyond_this_computer_the_script_makes_a_token() -> None:
    server, url = started("--host=0.0.0.0")
    try:
        token = url.partition("?token=")[2]
        assert len(token) >= 30
        port = re.findall(r":(\d+)/", url)[0]
        assert answers(f"http://127.0.0.1:{port}/").status_code == 401
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"http://127.0.0.1:{port}/models", headers=headers, timeout=PATIENCE).status_code == 200
        headers["Host"] = "evil.example"
        foreign = httpx.get(f"http://127.0.0.1:{port}/models", headers=headers, timeout=PATIENCE)
        refusal(foreign, 421, "host_foreign")
    finally:
        server.terminate()
        server.communicate(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--root", "/nowhere"], "not a folder"),
        (["--host", "203.0.113.1"], "can't listen"),
        (["--queue", "0"], "queue"),
        (["--port", "99999"], "99999 is not a port"),
        (["--port", "-1"], "port"),
    ],
)
def test_the_script_s_mistakes_are_one_sentence(arguments: list[str], part: str) -> None:
    environment = {**os.environ, "CVMATTE_PYTHON": sys.executable, "LC_ALL": "en_US.UTF-8"}
    command = [sys.executable, str(paths.ROOT / "scripts" / "serve.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=PATIENCE)
    assert done.returncode != 0
    assert part in done.stderr
    assert "Traceback" not in done.stderr


def test_the_page_is_served_as_what_it_is_whatever_a_registry_says() -> None:
    """On Windows any program may have said there that JavaScript is plain text, which no browser runs."""
    kinds = {"script.js": "text/javascript", "style.css": "text/css", "icon.svg": "image/svg+xml"}
    mimetypes.init()
    for name in kinds:
        mimetypes.add_type("text/plain", Path(name).suffix)
    with serving() as address, httpx.Client(base_url=address.url, timeout=PATIENCE) as client:
        served = {name: client.get(f"/static/{name}").headers["content-type"].partition(";")[0] for name in kinds}
    assert served == kinds


@pytest.mark.skipif(
    any(entry.general and is_there(entry) for entry in catalogue().values()), reason="a model for things is installed"
)
def test_keeping_what_people_hold_says_which_model_it_takes(client: httpx.Client, photo: Path) -> None:
    response = client.post("/remove_background", files={"image": photo.read_bytes()}, data={"subject": "held"})
    assert "install isnet-general-use" in refusal(response, 409, "held_needs_model")
