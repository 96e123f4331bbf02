"""The Python that OBS itself loads on Windows and macOS: which file it opens, and where there is one that it can.

OBS is told a folder, and opens one file in it by name, the newest of the versions that it knows first; what isn't there
or isn't for its processor it passes over (shared/obs-scripting/obs-scripting-python-import.c, OBS 29 to 32). Whatever
Python the matting process runs on is another matter. Standard library only: install.py runs it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import ntpath
import os
import shutil
import struct
import sys
import tempfile
import urllib.request
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

MINOR_VERSIONS = range(12, 5, -1)  # of Python 3 that OBS looks for, in its order
X64, ARM64, X86 = "x64", "arm64", "x86"
# As Windows' programs name them, and macOS's
_PROCESSORS = {0x8664: X64, 0xAA64: ARM64, 0x014C: X86, 0x0100_0007: X64, 0x0100_000C: ARM64, 0x0000_0007: X86}
_PYTHONS = r"SOFTWARE\Python\PythonCore"  # as PEP 514 has it
_VIEW = 0x2_0019 | 0x0100  # KEY_READ and KEY_WOW64_64KEY: also a Python of 32 bits sees what those of 64 have entered
_MACS_LIBRARY = "Python.framework/Versions/3.{0}/lib/libpython3.{0}.dylib"
_STORE = "WindowsApps"  # packages there may be run, but not loaded by another program


def library_in(folder: Path, system: str, processor: str = "") -> Path | None:
    """The file that OBS loads when it is told this folder; None where it would find none. system: as sys.platform.
    processor: OBS's own; without one, any will do."""
    for minor in MINOR_VERSIONS:
        path = folder / (f"python3{minor}.dll" if system == "win32" else _MACS_LIBRARY.format(minor))
        if path.is_file() and (not processor or processor in processors_of(path)):
            return path
    return None


def processors_of(path: Path) -> set[str]:
    """What a program or library was built for, by its head: of a Mac's there may be several."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return set()
    numbers: list[int] = []
    with contextlib.suppress(struct.error):
        if head[:2] == b"MZ":
            (at,) = struct.unpack_from("<I", head, 0x3C)
            if head[at : at + 4] == b"PE\0\0":
                numbers += struct.unpack_from("<H", head, at + 4)
        elif head[:4] in (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe"):  # Mach-O for one
            numbers += struct.unpack_from("<I", head, 4)
        elif head[:4] in (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"):  # for several
            (count,) = struct.unpack_from(">I", head, 4)
            entry = 20 if head[3] == 0xBE else 32
            numbers += [struct.unpack_from(">I", head, 8 + entry * n)[0] for n in range(count)]
    return {_PROCESSORS[number] for number in numbers if number in _PROCESSORS}


@dataclass(frozen=True)
class Computer:
    """What the look-up needs to know of a computer. root: where its disk is: elsewhere in tests. registered: the
    folders that Windows's registry names for Python, PEP 514, in its order."""

    system: str
    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    registered: tuple[str, ...] = ()
    obs_folders: tuple[str, ...] = ()
    root: Path = Path("/")

    @classmethod
    def this(cls) -> Computer:
        return cls(sys.platform, Path.home(), dict(os.environ), *_registered())

    def at(self, path: str) -> Path:
        return Path(path) if Path(path).is_relative_to(self.root) else self.root / path.lstrip("/")

    def in_variable(self, name: str, path: str) -> list[Path]:
        """A path below the folder that an environment variable names; none without it."""
        return [self.at(self.environ[name]) / path] if self.environ.get(name) else []


def processor_of_obs(computer: Computer) -> str:
    """What this computer's OBS was built for; empty where that isn't known."""
    if computer.system == "win32":
        programs = [computer.at(folder) / "bin" / "64bit" / "obs64.exe" for folder in computer.obs_folders]
        programs += computer.in_variable("ProgramFiles", "obs-studio/bin/64bit/obs64.exe")
    else:
        folders = computer.at("/Applications"), computer.home / "Applications"
        programs = [folder / "OBS.app" / "Contents" / "MacOS" / "OBS" for folder in folders]
    for program in programs:
        processors = processors_of(program)
        if len(processors) == 1:
            return processors.pop()
    return ""


def candidates(computer: Computer, own: Path) -> Iterator[Path]:
    """The folders in which a person may have a Python that OBS loads, the likeliest first: `own` is where install.py
    puts one that it has fetched for OBS."""
    yield own
    if computer.system == "win32":
        there = [folder for folder in computer.registered if _STORE not in ntpath.normpath(folder).split("\\")]
        yield from map(computer.at, there)
        for minor in MINOR_VERSIONS:
            yield from computer.in_variable("LOCALAPPDATA", f"Programs/Python/Python3{minor}")
            yield from computer.in_variable("ProgramFiles", f"Python3{minor}")
    else:
        yield computer.at("/Library/Frameworks")  # python.org's
        for brew in ("/opt/homebrew", "/usr/local"):
            yield computer.at(brew) / "Frameworks"
            for minor in MINOR_VERSIONS:
                yield computer.at(brew) / "opt" / f"python@3.{minor}" / "Frameworks"


def find(computer: Computer, own: Path) -> Path | None:
    """The folder to name to OBS; None where no Python is there that it loads."""
    processor = processor_of_obs(computer)
    there = (folder for folder in candidates(computer, own) if library_in(folder, computer.system, processor))
    return next(there, None)


def works(computer: Computer, folder: str) -> bool:
    """Whether OBS finds a Python in a folder that it has been told."""
    return library_in(computer.at(folder), computer.system, processor_of_obs(computer)) is not None


# One that is fetched


@dataclass(frozen=True)
class Embeddable:
    """python.org's Python for programs that bring their own. sha256: of the archive; None where it isn't known."""

    url: str
    sha256: str | None


EMBEDDABLE = {
    X64: Embeddable(
        "https://www.python.org/ftp/python/3.12.10/python-3.12.10-embed-amd64.zip",
        "4acbed6dd1c744b0376e3b1cf57ce906f9dc9e95e68824584c8099a63025a3c3",
    ),
    ARM64: Embeddable("https://www.python.org/ftp/python/3.12.10/python-3.12.10-embed-arm64.zip", None),
}
_LARGEST = 50_000_000  # bytes of an archive: it has 11 million
_SECONDS = 60.0  # without a byte from the server
# What tells a whole one: what OBS loads, what ctypes needs, and some of the modules that the script imports.
_LIBRARY = "python312.dll"
_FILES = {_LIBRARY, "python312.zip", "_ctypes.pyd"}
_MODULES = {f"{name}.pyc" for name in ("encodings/__init__", "ctypes/__init__", "json/__init__", "threading", "queue")}


class Unusable(Exception):
    """What was fetched is no Python for OBS."""


def fetch(embeddable: Embeddable, folder: Path) -> None:
    """Put the embeddable Python into a folder, whole or not at all. Raises OSError, Unusable."""
    if embeddable.sha256 is None and not embeddable.url.startswith("https://"):
        raise Unusable("neither a checksum nor HTTPS")
    with urllib.request.urlopen(embeddable.url, timeout=_SECONDS) as response:
        data = response.read(_LARGEST + 1)
    if embeddable.sha256 not in (None, hashlib.sha256(data).hexdigest()):
        raise Unusable("another checksum")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unpacked = Path(tempfile.mkdtemp(prefix=".cvmatte-", dir=folder.parent))
    try:
        _unpack(data, unpacked)
        if folder.exists():
            shutil.rmtree(folder)
        unpacked.rename(folder)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _unpack(data: bytes, folder: Path) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _ensure(archive, _FILES)
            with zipfile.ZipFile(io.BytesIO(archive.read("python312.zip"))) as modules:
                _ensure(modules, _MODULES)
            archive.extractall(folder)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise Unusable(str(error)) from error
    if not processors_of(folder / _LIBRARY):
        raise Unusable(f"{_LIBRARY} is no library")


def _ensure(archive: zipfile.ZipFile, names: set[str]) -> None:
    missing = names - set(archive.namelist())
    damaged = archive.testzip()
    if missing or damaged:
        raise Unusable(f"without {sorted(missing)}, damaged: {damaged}")


# Windows's registry


def _registered() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The folders of the Pythons that are installed for the person or for all, the newest first; and of OBS."""
    if sys.platform != "win32":
        return (), ()
    import winreg

    def value(root: int, key: str) -> str:
        """The key's default; empty without one."""
        with contextlib.suppress(OSError), winreg.OpenKey(root, key, 0, _VIEW) as there:
            return str(winreg.QueryValueEx(there, "")[0])
        return ""

    pythons, obs = [], []
    for root in (winreg.HKEY_CURRENT_USER, winreg.HKEY_LOCAL_MACHINE):
        obs.append(value(root, r"SOFTWARE\OBS Studio"))
        with contextlib.suppress(OSError), winreg.OpenKey(root, _PYTHONS, 0, _VIEW) as there:
            for version in [winreg.EnumKey(there, number) for number in range(winreg.QueryInfoKey(there)[0])]:
                pythons.append((_number(version), value(root, rf"{_PYTHONS}\{version}\InstallPath")))
    pythons.sort(key=lambda each: each[0], reverse=True)
    return tuple(folder for _, folder in pythons if folder), tuple(filter(None, obs))


def _number(version: str) -> list[int]:
    """Of "3.12-arm64", 3 and 12."""
    return [int(part) for part in version.partition("-")[0].split(".") if part.isdigit()]
