"""Where OBS finds its Python, played through over made-up folders, as OBS's own source looks."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import json
import struct
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import obs_python
import pytest
import registration
from obs_python import ARM64, X64, X86, Computer, Embeddable

from cvmatte_core.filesystem import paths


def pe(machine: int) -> bytes:
    return (
        b"MZ" + bytes(0x3A) + struct.pack("<I", 0x80) + bytes(0x40) + b"PE\0\0" + struct.pack("<H", machine) + bytes(64)
    )


def mach(*processors: int) -> bytes:
    if len(processors) == 1:
        return struct.pack("<II", 0xFEEDFACF, processors[0]) + bytes(64)
    entries = b"".join(struct.pack(">IIIII", processor, 0, 4096, 64, 12) for processor in processors)
    return struct.pack(">II", 0xCAFEBABE, len(processors)) + entries


INTEL, ARM = 0x0100_0007, 0x0100_000C
FOR = {X64: pe(0x8664), ARM64: pe(0xAA64), X86: pe(0x014C)}


def put(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def windows(root: Path, registered: tuple[str, ...] = (), obs: str = X64) -> Computer:
    put(root, {"Programs/obs-studio/bin/64bit/obs64.exe": FOR[obs]} if obs else {})
    environ = {"ProgramFiles": "/Programs", "LOCALAPPDATA": "/Users/me/AppData/Local"}
    return Computer("win32", root / "Users/me", environ, registered, root=root)


def mac(root: Path, processor: int | None = ARM) -> Computer:
    put(root, {"Applications/OBS.app/Contents/MacOS/OBS": mach(processor)} if processor else {})
    return Computer("darwin", root / "Users/me", root=root)


PER_USER = "Users/me/AppData/Local/Programs/Python"
FRAMEWORK = "Python.framework/Versions/3.{0}/lib/libpython3.{0}.dylib"


@pytest.mark.parametrize(
    ("registered", "there", "obs", "expected"),
    [
        # python.org's, for one person or for all
        (("/py/312",), {"py/312/python312.dll": FOR[X64]}, X64, "py/312"),
        ((), {f"{PER_USER}/Python312/python312.dll": FOR[X64]}, X64, f"{PER_USER}/Python312"),
        ((), {"Programs/Python39/python39.dll": FOR[X64]}, X64, "Programs/Python39"),
        # one that is too new stands first in the registry, and beside it one that isn't
        (
            ("/py/314", "/py/311"),
            {"py/314/python314.dll": FOR[X64], "py/314/python3.dll": FOR[X64], "py/311/python311.dll": FOR[X64]},
            X64,
            "py/311",
        ),
        (("/py/313",), {"py/313/python313.dll": FOR[X64]}, X64, None),
        (("/py/35",), {"py/35/python35.dll": FOR[X64]}, X64, None),
        # the wrong processor
        (("/py/32",), {"py/32/python312.dll": FOR[X86]}, X64, None),
        (("/py/32", "/py/64"), {"py/32/python312.dll": FOR[X86], "py/64/python310.dll": FOR[X64]}, X64, "py/64"),
        (("/py/arm",), {"py/arm/python312.dll": FOR[ARM64]}, X64, None),
        (("/py/x", "/py/arm"), {"py/x/python312.dll": FOR[X64], "py/arm/python312.dll": FOR[ARM64]}, ARM64, "py/arm"),
        (("/py/any",), {"py/any/python312.dll": FOR[ARM64]}, "", "py/any"),  # OBS isn't found
        # the Store's, which another program can't load
        (
            ("/Programs/WindowsApps/PythonSoftwareFoundation.Python.3.12_x64",),
            {"Programs/WindowsApps/PythonSoftwareFoundation.Python.3.12_x64/python312.dll": FOR[X64]},
            X64,
            None,
        ),
        # uninstalled, but still in the registry; damaged
        (("/py/gone",), {}, X64, None),
        (("/py/312",), {"py/312/python312.dll": b""}, X64, None),
        # the one that was fetched goes first
        (("/py/312",), {"own/python312.dll": FOR[X64], "py/312/python312.dll": FOR[X64]}, X64, "own"),
    ],
)
def test_on_windows(
    tmp_path: Path, registered: tuple[str, ...], there: dict[str, bytes], obs: str, expected: str | None
) -> None:
    put(tmp_path, there)
    found = obs_python.find(windows(tmp_path, registered, obs), tmp_path / "own")
    assert found == (tmp_path / expected if expected else None)


@pytest.mark.parametrize(
    ("there", "obs", "expected"),
    [
        ({"Library/Frameworks/" + FRAMEWORK.format(12): mach(INTEL, ARM)}, ARM, "Library/Frameworks"),
        ({"Library/Frameworks/" + FRAMEWORK.format(12): mach(INTEL, ARM)}, INTEL, "Library/Frameworks"),
        ({"Library/Frameworks/" + FRAMEWORK.format(14): mach(INTEL, ARM)}, ARM, None),
        ({"opt/homebrew/Frameworks/" + FRAMEWORK.format(11): mach(ARM)}, ARM, "opt/homebrew/Frameworks"),
        (
            {"opt/homebrew/opt/python@3.12/Frameworks/" + FRAMEWORK.format(12): mach(ARM)},
            ARM,
            "opt/homebrew/opt/python@3.12/Frameworks",
        ),
        ({"usr/local/Frameworks/" + FRAMEWORK.format(10): mach(INTEL)}, INTEL, "usr/local/Frameworks"),
        # OBS for Intel on Apple silicon, and the other way round
        ({"opt/homebrew/Frameworks/" + FRAMEWORK.format(12): mach(ARM)}, INTEL, None),
        (
            {
                "usr/local/Frameworks/" + FRAMEWORK.format(12): mach(INTEL),
                "opt/homebrew/opt/python@3.9/Frameworks/" + FRAMEWORK.format(9): mach(ARM),
            },
            ARM,
            "opt/homebrew/opt/python@3.9/Frameworks",
        ),
        # of two versions in one folder the newest that is for OBS's processor
        (
            {
                "Library/Frameworks/" + FRAMEWORK.format(12): mach(INTEL),
                "Library/Frameworks/" + FRAMEWORK.format(9): mach(INTEL, ARM),
            },
            ARM,
            "Library/Frameworks",
        ),
        # Apple's own has another name, and what install.py named before lies inside a framework
        (
            {
                "Library/Developer/CommandLineTools/Library/Frameworks/Python3.framework/Versions/3.9/lib/"
                "libpython3.9.dylib": mach(INTEL, ARM)
            },
            ARM,
            None,
        ),
        ({}, ARM, None),
        ({"Library/Frameworks/" + FRAMEWORK.format(8): mach(ARM)}, None, "Library/Frameworks"),
    ],
)
def test_on_macos(tmp_path: Path, there: dict[str, bytes], obs: int | None, expected: str | None) -> None:
    put(tmp_path, there)
    found = obs_python.find(mac(tmp_path, obs), tmp_path / "own")
    assert found == (tmp_path / expected if expected else None)


def test_the_file_is_the_one_that_obs_opens(tmp_path: Path) -> None:
    put(tmp_path, {FRAMEWORK.format(12): mach(INTEL), FRAMEWORK.format(9): mach(INTEL, ARM)})
    assert obs_python.library_in(tmp_path, "darwin", ARM64) == tmp_path / FRAMEWORK.format(9)
    assert obs_python.library_in(tmp_path, "darwin", X64) == tmp_path / FRAMEWORK.format(12)
    assert not obs_python.works(mac(tmp_path), "/Python.framework/Versions/3.12")  # as install.py once named it


@pytest.mark.parametrize(
    "content", [b"", b"MZ", b"\xca\xfe\xba\xbe\xff\xff\xff\xff", b"\xcf\xfa\xed\xfe", b"#!/bin/sh"]
)
def test_what_is_no_library_is_for_no_processor(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert obs_python.processors_of(tmp_path / "file") == set()


# What is written into OBS's settings


@pytest.fixture
def computer(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    """A Mac with an OBS that has been started, and python.org's Python 3.12."""
    computer = mac(tmp_path)
    put(tmp_path, {"Library/Frameworks/" + FRAMEWORK.format(12): mach(INTEL, ARM)})
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(Computer, "this", classmethod(lambda cls: computer))
    return computer


def settings_of(home: Path) -> Path:
    return home / ".config" / "obs-studio" / "user.ini"


GENERAL = "[General]\nFirstRun=true\n"


@pytest.mark.parametrize(
    "before", [GENERAL, GENERAL + "\n[Python]\n", GENERAL + "\n[Python]\nPath64bit=\n[Other]\na=b\n"]
)
def test_a_python_is_named_to_obs_and_that_is_taken_back(
    tmp_path: Path, home: Path, computer: Computer, before: str
) -> None:
    settings, record = settings_of(home), tmp_path / "record.json"
    settings.write_text(before)
    outcome = registration.register(record)
    folder = (tmp_path / "Library/Frameworks").as_posix()
    assert outcome.python == folder
    assert settings.read_text().count(f"Path64bit={folder}\n") == 1
    again = registration.register(record)
    assert (again.python, settings.read_text().count("Path64bit")) == (folder, 1)
    registration.unregister(record)
    assert settings.read_text().replace("\n\n", "\n") == before.replace("Path64bit=\n", "").replace("\n\n", "\n")


def test_what_the_person_chose_stays_and_what_can_not_work_is_told(
    tmp_path: Path, home: Path, computer: Computer
) -> None:
    settings, record = settings_of(home), tmp_path / "record.json"
    put(tmp_path, {"mine/" + FRAMEWORK.format(10): mach(ARM)})
    for chosen, works in ((tmp_path / "mine", True), (tmp_path / "nowhere", False)):
        text = f"{GENERAL}\n[Python]\nPath64bit={chosen.as_posix()}\n"
        settings.write_text(text)
        outcome = registration.register(record)
        assert settings.read_text() == text
        expected = (chosen.as_posix(), "") if works else ("", chosen.as_posix())
        assert (outcome.python, outcome.useless_python) == expected


def test_what_an_older_version_named_in_vain_is_mended(
    tmp_path: Path, home: Path, computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, record = settings_of(home), tmp_path / "record.json"
    line = "Path64bit=/Library/Frameworks/Python.framework/Versions/3.12"
    settings.write_text(f"{GENERAL}\n[Python]\n{line}\n")
    record.write_text(json.dumps({"collections": [], "python": {settings.as_posix(): f"\n[Python]\n{line}"}}))
    outcome = registration.register(record)
    assert outcome.python == (tmp_path / "Library/Frameworks").as_posix()
    assert line + "\n" not in settings.read_text()
    assert settings.read_text().count("Path64bit=") == 1


# One that is fetched


def archive(library: bytes = FOR[X64], leave_out: str = "", damaged: bool = False) -> bytes:
    modules = io.BytesIO()
    with zipfile.ZipFile(modules, "w") as inner:
        for name in obs_python._MODULES - {leave_out}:
            inner.writestr(name, b"code")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as outer:
        files = {"python312.dll": library, "python312.zip": modules.getvalue(), "_ctypes.pyd": b"", "python.exe": b""}
        for name in set(files) - {leave_out}:
            outer.writestr(name, files[name])
    data = file.getvalue()
    return data[: len(data) // 2] if damaged else data


@contextlib.contextmanager
def shelf(data: bytes, status: int = 200) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/python.zip"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_python_for_obs_is_fetched_whole(tmp_path: Path) -> None:
    data = archive()
    own = tmp_path / "data" / "python-for-obs"
    put(own, {"python311.dll": b"of before"})
    with shelf(data) as url:
        obs_python.fetch(Embeddable(url, hashlib.sha256(data).hexdigest()), own)
    assert obs_python.find(windows(tmp_path), own) == own
    assert not (own / "python311.dll").exists()
    assert [path.name for path in own.parent.iterdir()] == [own.name]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (archive(leave_out="python312.dll"), 200),
        (archive(leave_out="python312.zip"), 200),
        (archive(leave_out="ctypes/__init__.pyc"), 200),
        (archive(damaged=True), 200),
        (archive(library=b"<html>"), 200),
        (b"<html>Sign in to the network</html>", 200),
        (archive(), 404),
    ],
    ids=["no library", "no modules", "no ctypes", "damaged", "another library", "a page", "gone"],
)
def test_what_is_no_python_for_obs_leaves_everything_as_it_was(tmp_path: Path, data: bytes, status: int) -> None:
    own = tmp_path / "data" / "python-for-obs"
    put(own, {"python311.dll": b"of before"})
    with shelf(data, status) as url, pytest.raises((obs_python.Unusable, OSError)):
        obs_python.fetch(Embeddable(url, hashlib.sha256(data).hexdigest()), own)
    assert [path.name for path in own.parent.rglob("*")] == [own.name, "python311.dll"]


def test_another_archive_than_the_one_that_is_known_is_refused(tmp_path: Path) -> None:
    with shelf(archive()) as url, pytest.raises(obs_python.Unusable, match="checksum"):
        obs_python.fetch(Embeddable(url, "0" * 64), tmp_path / "own")
    with pytest.raises(obs_python.Unusable, match="HTTPS"):
        obs_python.fetch(replace(obs_python.EMBEDDABLE[ARM64], url="http://127.0.0.1/"), tmp_path / "own")
    assert not (tmp_path / "own").exists()


def test_what_is_fetched_lies_in_cvmatte_s_own_folder(home: Path) -> None:
    assert paths.obs_python_folder().parent == paths.data_folder()
