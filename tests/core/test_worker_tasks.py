"""What the plugin asks of the worker beside mattes, and what it keeps of a folder that isn't done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cvmatte_obs.worker_tasks import Unfinished, WorkerTask

PARAMS = {"folder": "/photos/\udce4", "settings": {"crop": True}, "output_folder": "/outputs/photos"}


class Client:
    def submit(self, method: str, params: dict[str, Any], listener: Any) -> int:
        self.listener = listener
        return 1


def test_an_unfinished_folder_is_kept_until_it_is_done(tmp_path: Path) -> None:
    file = tmp_path / "data" / "unfinished.json"
    Unfinished.folder(file).save(PARAMS)
    assert Unfinished.folder(file).load() == PARAMS
    Unfinished.folder(file).forget()
    assert Unfinished.folder(file).load() == {}
    Unfinished.folder(file).forget()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"5", b'"folder"', b"\xff", b"[" * 100_000, json.dumps({**PARAMS, "settings": 5}).encode()],
    ids=lambda content: repr(content[:20]),
)
def test_a_file_that_holds_anything_else_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "unfinished.json").write_bytes(content)
    assert Unfinished.folder(tmp_path / "unfinished.json").load() == {}


def test_a_clip_s_is_kept_beside_it(tmp_path: Path) -> None:
    params = {"clip": "/clips/me.mp4", "settings": {"crop": True}}
    kept = Unfinished.clip(tmp_path / "clip.json")
    kept.save({**params, "more": 1})
    assert kept.load() == params and Unfinished.folder(tmp_path / "clip.json").load() == {}


def test_where_nothing_can_be_written_nothing_happens(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    nowhere = Unfinished.folder(tmp_path / "file" / "unfinished.json")
    nowhere.save(PARAMS)
    nowhere.forget()
    assert nowhere.load() == {}


def test_a_resumption_is_told_once() -> None:
    told: list[Any] = []
    client: Any = Client()
    WorkerTask(client, "batch", on_resume=told.append).start()
    for resume in ("a", "a", "", "b"):
        client.listener("progress", {"done": 1, **({"resume": {"output_folder": resume}} if resume else {})})
    assert told == [{"output_folder": "a"}, {"output_folder": "b"}]
