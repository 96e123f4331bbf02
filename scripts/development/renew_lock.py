"""Renews requirements/: by dependency group, what install.py installs, with the hashes of all its files.

Each group has the same version of a package, on each system and Python the newest that has files for it within the
ranges of pyproject.toml. Needs the internet, and Python 3.11 or newer; uv, which resolves them, gets an environment of
its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from cvmatte_core.filesystem.paths import python_of
from cvmatte_core.localization.texts import prepare_console
from cvmatte_core.system import requirements

UV = "uv>=0.9,<1"
PIP = "pip>=25.1"
OLDEST = ">=3.10"  # Python
LINUX, LINUX_ARM, WINDOWS, MAC, INTEL_MAC = (
    f"sys_platform == '{system}' and platform_machine == '{machine}'"
    for system, machine in (
        ("linux", "x86_64"), ("linux", "aarch64"), ("win32", "AMD64"), ("darwin", "arm64"), ("darwin", "x86_64"),
    )
)  # fmt: skip
COMPUTERS = (LINUX, LINUX_ARM, WINDOWS, MAC, INTEL_MAC)
# Groups whose packages have files for some computers only; install.py refuses them elsewhere.
SOME = {
    "onnx-cuda": (LINUX, WINDOWS),
    "onnx-directml": (WINDOWS,),
    "onnx-openvino": (LINUX, WINDOWS),
    "modelscope": (LINUX, WINDOWS, MAC),
    "modelscope-test": (LINUX,),
}
HEADER = "# Made by scripts/development/renew_lock.py\n"


def main() -> int:
    prepare_console()
    argparse.ArgumentParser(description=__doc__).parse_args()
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    declared[requirements.INSTALLER] = [PIP]
    with tempfile.TemporaryDirectory(prefix="cvmatte-lock-") as folder:
        uv = Uv(Path(folder))
        found = uv.lock({name: of for name, of in declared.items() if name not in SOME})
        pins = sorted({line for text in found.values() for line in requirements.pinned_in(text)})
        for name, computers in SOME.items():
            found |= uv.lock({name: declared[name]}, computers, pins)
    for name, text in found.items():
        (requirements.FOLDER / f"{name}.txt").write_text(HEADER + text, encoding="utf-8", newline="\n")
    print(f"{len(found)} groups, {len(pins)} packages that all computers may have")
    return 0


class Uv:
    """uv, and the project that it sees: dependency groups alone."""

    def __init__(self, folder: Path) -> None:
        self._project = folder / "project"
        self._project.mkdir()
        venv.create(folder / "uv", with_pip=True)
        self._python = python_of(folder / "uv")
        subprocess.run([self._python, "-m", "pip", "install", "--quiet", UV], check=True)

    def lock(
        self, groups: dict[str, list[object]], only: Sequence[str] = (), pins: Sequence[str] = ()
    ) -> dict[str, str]:
        """By group, its requirements. only: the computers that they are for; all if empty. pins: of what is locked
        already. Raises CalledProcessError."""
        uv = {
            "package": False,
            "required-environments": list(only or COMPUTERS),
            "constraint-dependencies": list(pins),
            **({"environments": list(only)} if only else {}),
        }
        project = {"name": "cvmatte", "version": "0", "requires-python": OLDEST}
        tables: dict[str, dict[str, Any]] = {"project": project, "tool.uv": uv, "dependency-groups": groups}
        text = "".join(f"[{name}]\n{''.join(map(_line, table.items()))}" for name, table in tables.items())
        (self._project / "pyproject.toml").write_text(text, encoding="utf-8")
        self.run("lock", "--quiet")
        export = ("export", "--quiet", "--frozen", "--no-emit-project", "--format=requirements-txt", "--no-header")
        return {name: self.run(*export, "--no-annotate", f"--only-group={name}") for name in groups}

    def run(self, *arguments: str) -> str:
        """What it prints. Raises CalledProcessError."""
        command = [str(self._python), "-m", "uv", "--no-config", *arguments]
        return subprocess.run(command, cwd=self._project, check=True, stdout=subprocess.PIPE, text=True).stdout


def _line(entry: tuple[str, object]) -> str:
    """Of a table of TOML."""
    name, value = entry
    if isinstance(value, list):
        return f"{name} = [{', '.join(map(_value, value))}]\n"
    return f"{name} = {_value(value)}\n"


def _value(value: object) -> str:
    """JSON's texts and truths are TOML's, too."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {_value(of)}' for name, of in value.items())} }}"
    return json.dumps(value)


if __name__ == "__main__":
    sys.exit(main())
