"""What several tests begin with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

COLLECTION = {
    "name": "Mine",
    "sources": [{"name": "场景"}],
    "modules": {"scripts-tool": [{"path": "/mine.lua", "settings": {}}]},
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home folder with two scene collections of an OBS that doesn't run."""
    scenes = tmp_path / ".config" / "obs-studio" / "basic" / "scenes"
    scenes.mkdir(parents=True)
    (scenes / "Mine.json").write_text(json.dumps(COLLECTION, ensure_ascii=False), encoding="utf-8")
    (scenes / "Bare.json").write_text("{}", encoding="utf-8")
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CVMATTE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    return tmp_path
