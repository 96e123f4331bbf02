"""What runs inside OBS needs nothing but the standard library, down to Python 3.9."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cvmatte_core.disk import paths

VERMIN = str(Path(sys.executable).with_name("vermin"))

CORE = paths.ROOT / "cvmatte_core"
STANDARD_LIBRARY_ONLY = [
    *(path for room in ("disk", "layers", "system", "words") for path in sorted((CORE / room).rglob("*.py"))),
    *(CORE / f"{name}.py" for name in ("presets", "settings")),
    *(CORE / "models" / f"{name}.py" for name in ("catalogue", "descriptions", "fetch", "hub")),
    CORE / "pictures" / "endings.py",
    *(CORE / "worker" / f"{name}.py" for name in ("client", "protocol")),
    *sorted((paths.ROOT / "obs_plugin").rglob("*.py")),
]

IMPORT_EVERYTHING = """
import sys, types, ctypes, importlib
sys.path[:0] = {folders!r}
sys.modules["obspython"] = types.ModuleType("obspython")
ctypes.CDLL("libobs.so.0", mode=ctypes.RTLD_GLOBAL)  # OBS itself has it in its process
for name in {modules!r}:
    importlib.import_module(name)
ours = ("cvmatte", "cvmatte_core", "cvmatte_obs", "obs_python", "registration", "obspython", "__main__")
foreign = {{name.partition(".")[0] for name in sys.modules}} - set(sys.stdlib_module_names) - set(ours)
sys.exit(f"imported from outside: {{sorted(foreign)}}" if foreign else 0)
"""


def module_name(path_parts: tuple[str, ...]) -> str:
    parts = [part.removesuffix(".py") for part in path_parts if part != "__init__.py"]
    return ".".join(parts[1:] if parts[0] == "obs_plugin" else parts)


@pytest.mark.whole
def test_what_obs_imports_is_the_standard_library_alone() -> None:
    modules = [module_name(path.relative_to(paths.ROOT).parts) for path in STANDARD_LIBRARY_ONLY]
    folders = [str(paths.ROOT), str(paths.ROOT / "obs_plugin")]
    program = IMPORT_EVERYTHING.format(folders=folders, modules=modules)
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_obs_imports_runs_on_python_3_9() -> None:
    command = [VERMIN, "--target=3.9-", "--no-tips", "--violations"]
    # annotations are never evaluated: each module postpones them
    done = subprocess.run([*command, *map(str, STANDARD_LIBRARY_ONLY)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    for path in STANDARD_LIBRARY_ONLY:
        text = path.read_text(encoding="utf-8")
        assert "from __future__ import annotations" in text or "def " not in text, path


def test_the_check_for_python_3_9_would_notice(tmp_path: Path) -> None:
    newer = tmp_path / "newer.py"
    newer.write_text("match 1:\n    case 1:\n        pass\n")
    done = subprocess.run([VERMIN, "--target=3.9-", str(newer)], capture_output=True)
    assert done.returncode != 0
