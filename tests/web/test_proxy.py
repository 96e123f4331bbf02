"""Below a path of a proxy that calls the server by another name; and pages of other sites that may call it."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from development.brush import CHROMIUM, Brush, browser

from cvmatte_core.web.guard import origin_of

from .conftest import TOKEN, Address, serving
from .proxy import proxied

SITE = "https://photos.example"


def origin(address: str) -> str:
    return "/".join(address.split("/")[:3])


def cut_out(address: str, small: bytes, **headers: str) -> httpx.Response:
    return httpx.post(f"{address}remove_background", files={"image": ("me.jpg", small)}, headers=headers, timeout=60)


def test_behind_a_proxy_its_own_page_may_post_where_its_origin_is_told(address: Address, small: bytes) -> None:
    with proxied(address.port) as below:
        assert cut_out(below, small, Origin=origin(below)).json()["error"] == "origin_foreign"
    with _served_below() as below:
        headers = {"Origin": origin(below), "Sec-Fetch-Site": "same-origin", "Authorization": f"Bearer {TOKEN}"}
        assert cut_out(below, small, **headers).status_code == 200


def test_several_origins_may_call_and_no_other(small: bytes) -> None:
    with serving(origins=[SITE, "https://other.example:8443"]) as told:
        for name in (SITE, "https://other.example:8443"):
            assert cut_out(f"{told.url}/", small, Origin=name, Host=name.partition("//")[2]).status_code == 200
        for name in ("https://other.example", "http://photos.example", "https://photos.example.evil.example", "null"):
            assert cut_out(f"{told.url}/", small, Origin=name).json()["error"] == "origin_foreign"


def test_an_allowed_site_s_page_reads_answers_and_needs_the_token(small: bytes) -> None:
    with serving(origins=[SITE], token=TOKEN, only_loopback=False) as told:
        asks = {"Origin": SITE, "Access-Control-Request-Method": "POST", "Sec-Fetch-Site": "cross-site"}
        preflight = httpx.options(f"{told.url}/jobs", headers=asks)
        assert preflight.status_code == 204
        assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        headers = {"Origin": SITE, "Sec-Fetch-Site": "cross-site"}
        refused = cut_out(f"{told.url}/", small, **headers)
        assert refused.json()["error"] == "token_missing"
        answered = cut_out(f"{told.url}/", small, **headers, Authorization=f"Bearer {TOKEN}")
        assert answered.status_code == 200
        for response in (preflight, refused, answered):
            assert response.headers["access-control-allow-origin"] == SITE
            assert response.headers["vary"] == "Origin"
            assert "access-control-allow-credentials" not in response.headers
        foreign = httpx.options(f"{told.url}/jobs", headers={**asks, "Origin": "https://evil.example"})
        assert foreign.status_code == 403 and "access-control-allow-origin" not in foreign.headers


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://photos.example", SITE),
        ("https://PHOTOS.example:443/", SITE),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:80", "http://[::1]"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_told_as_browsers_tell_it(given: str, meant: str) -> None:
    assert origin_of(given) == meant


@pytest.mark.parametrize(
    "given", ["photos.example", "*", "null", "https://", "ftp://a.example", f"{SITE}/path", f"{SITE}?a", f"{SITE}#a",
              "https://me@photos.example", "https://photos.example:99999", "https://a..example", ""],
)  # fmt: skip
def test_what_is_no_origin_is_refused(given: str) -> None:
    with pytest.raises(ValueError):
        origin_of(given)


@contextlib.contextmanager
def _served_below() -> Iterator[str]:
    """Where a server is found by a proxy whose origin it was told: whoever made the proxy knew its address before."""
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with serving(origins=[f"http://localhost:{port}"], token=TOKEN) as told, proxied(told.port, port) as below:
        yield below


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_whole_page_works_below_a_path(photo: Path, tmp_path: Path) -> None:
    with _served_below() as below, browser() as page:
        missing: list[str] = []

        def look(answer: Any) -> None:
            if not answer.url.startswith((below, "blob:", "data:")) or answer.status >= 400:
                missing.append(f"{answer.status} {answer.url}")

        page.on("response", look)
        page.goto(f"{below}?token={TOKEN}")
        page.wait_for_selector("body[data-ready]")
        assert page.url == below
        assert [cookie["path"] for cookie in page.context.cookies()] == ["/cvmatte"]
        # A photo, and a touch-up of it
        page.set_input_files("#photo", photo)
        page.locator("#download").wait_for(timeout=60_000)
        page.locator("#touch-up").click()
        brush = Brush(page, "#editor")
        brush.stroke([(60, 60), (100, 60)], (512, 512))
        page.keyboard.press("Escape")
        page.locator("#editor").wait_for(state="hidden", timeout=60_000)
        # Many
        page.get_by_role("tab", name="Many").click()
        page.set_input_files("#photos", [photo])
        page.locator("#start").click()
        page.locator("#archive").wait_for(timeout=60_000)
        with page.expect_download() as download:
            page.locator("#archive").click()
        assert Path(download.value.path()).read_bytes()[:2] == b"PK"
        assert page.locator("#list img.thumbnail").evaluate("image => image.decode().then(() => image.naturalWidth)")
        # About, and the documents
        page.get_by_role("tab", name="About").click()
        page.locator("#models li").first.wait_for()
        page.get_by_role("link", name="API").click()
        page.wait_for_selector("body[data-ready]")
        assert re.search(rf'"{re.escape(below)}remove_background"', page.locator("#operations").inner_text())
        assert not missing
