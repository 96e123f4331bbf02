"""Builds CVMatte-VERSION.zip from the commit that is checked out: what a person needs, and no tests.

The default model is in it, so that a set-up doesn't depend on somebody else's package. The same commit gives the same
bytes: git orders the files, and dates them as the commit. A clone of GitHub's says so, for those who want to ask there
for a newer one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cvmatte_core import __version__
from cvmatte_core.filesystem.paths import ROOT
from cvmatte_core.localization.texts import prepare_console
from cvmatte_core.models.catalogue import DEFAULT, entry_of
from cvmatte_core.models.fetch import fetch
from cvmatte_core.system import releases

CONTENT = (
    *("install.py", "install.cmd", "install.command", "pyproject.toml", "requirements"),
    *("LICENSE", "README.md", "README.zh-CN.md", "CHANGELOG.md", "docs"),
    *("cvmatte_core", "obs_plugin", "scripts/demo", ":(glob)scripts/*.py"),
)


def main() -> int:
    prepare_console()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path.cwd(), help="to save it into [here]")
    print(build(parser.parse_args().folder))
    return 0


def build(folder: Path) -> Path:
    """The archive's path. Raises CalledProcessError where this is no checkout, CvmatteError without the model."""
    model = fetch(entry_of(DEFAULT))
    path = folder.resolve() / f"CVMatte-{__version__}.zip"
    of_model = [f"--prefix={path.stem}/{model.parent.relative_to(ROOT)}/", f"--add-file={model}"]
    options = ["--format=zip", "-9", *of_model, f"--prefix={path.stem}/", f"--output={path}"]
    if releases.repository():  # so that it can be asked for a newer one
        options.append(f"--add-virtual-file={path.stem}/{releases.NOTED}:{releases.repository()}")
    subprocess.run(["git", "-C", ROOT, "archive", *options, "HEAD", "--", *CONTENT], check=True)
    return path


if __name__ == "__main__":
    sys.exit(main())
