"""Runs the tests in OBS on each version of OBS that Debian's releases have: one sentence of result for each.

Needs Debian, root, debootstrap and the internet. A release is put up once, in a folder of its own, and entered with
chroot; nothing outside of that folder is changed. Arguments that aren't named here go to pytest.

With --flatpak it is OBS 32 in what Flatpak's sandbox makes of a system, beside the tests of this one, whose environment
install.py --test has made.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from development import flatpak_like

RELEASES = {"29": "bookworm", "30": "trixie", "32": "sid"}  # the version of OBS, and the release that has it
INSIDE = Path("root/cvmatte")  # of this project, in a release
KEPT = (".venv", "models")  # there, from one run to the next
RUN = Path("root/cvmatte-run")  # a second copy of the project, for --run: the tests may be begun beside it
RESULT = "result.xml"  # of pytest, there
# A namespace of its own for mounts and processes: both end with the tests, whichever way those end.
ENTER = 'mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"; exec chroot "$0" env "$@"'
# Of the host, to reach the internet as it does. Its bundle gets another name: a package in the release writes its own.
FROM_THE_HOST = {
    "etc/resolv.conf": "etc/resolv.conf",
    "etc/hosts": "etc/hosts",
    "etc/ssl/certs/ca-certificates.crt": "etc/ssl/host.crt",
}
ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LC_ALL=C.UTF-8",
    "SSL_CERT_FILE=/etc/ssl/host.crt",
    "PIP_CERT=/etc/ssl/host.crt",
    "REQUESTS_CA_BUNDLE=/etc/ssl/host.crt",  # which an older pip puts first
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="VERSIONS", help=f"of {','.join(RELEASES)}, comma between [all]")
    parser.add_argument(
        "--folder", type=Path, default=Path("~/.cache/cvmatte/releases"), help="of the releases [%(default)s]"
    )
    parser.add_argument("--anew", action="store_true", help="put the releases up anew: sid's OBS moves on")
    parser.add_argument("--tests", metavar="PATH", default="tests/obs", help="run these tests [%(default)s]")
    parser.add_argument(
        "--run",
        metavar="SCRIPT",
        help="instead of the tests, run this script there with the arguments that aren't named",
    )
    parser.add_argument("--flatpak", action="store_true", help="OBS 32 as if it were from Flatpak")
    chosen, arguments = parser.parse_known_args()
    if chosen.flatpak:
        chosen.only = "32"
    versions = chosen.only.split(",") if chosen.only else list(RELEASES)
    if unknown := [version for version in versions if version not in RELEASES]:
        parser.error(f"no Debian release is known for OBS {unknown[0]}: choose of {', '.join(RELEASES)}")
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        sys.exit("This needs root and debootstrap: sudo apt-get install debootstrap, then run this as root.")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # what runs in a release ends with this
    results = []
    for version in versions:
        release = chosen.folder.expanduser() / RELEASES[version]
        if chosen.anew and release.exists():
            shutil.rmtree(release)
        begun = time.monotonic()
        try:
            put_up(release)
            if chosen.flatpak:
                what = [chosen.run] if chosen.run else ["-m", "pytest", chosen.tests]
                flatpak_like.put_up(release, enter, release.with_name("flatpak"))
                code = flatpak_like.run(release, release.with_name("flatpak"), *what, *arguments)
                results.append((code, f"as Flatpak: {what[-1]}, {time.monotonic() - begun:.0f} s"))
                continue
            if chosen.run:
                code = run(release, chosen.run, arguments)
                results.append((code, f"{release.name}: {chosen.run}, {time.monotonic() - begun:.0f} s"))
                continue
            copy_project(release / INSIDE)
            code = enter(release, "python3", f"/{INSIDE}/install.py", "--test", chosen.tests,
                         f"--junitxml=/{INSIDE}/{RESULT}", *arguments).returncode  # fmt: skip
            results.append((code, f"{told(release)}, {time.monotonic() - begun:.0f} s"))
        except subprocess.CalledProcessError as error:
            results.append((1, f"{release.name}: could not be put up: {error}"))
    print()
    for code, result in results:
        print("passed " if code == 0 else "FAILED ", result)
    return max(code for code, _ in results)


def put_up(release: Path) -> None:
    """Raises CalledProcessError."""
    if release.exists():
        return
    partial = release.with_name(f"{release.name}.partial")  # a run that was interrupted leaves nothing by halves
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["debootstrap", "--variant=minbase", "--include=python3", release.name, partial], check=True)
    partial.rename(release)


def run(release: Path, script: str, arguments: list[str]) -> int:
    """The exit code of a script there. The environment is the one that the tests have made."""
    copy_project(release / RUN)
    for name in KEPT:
        if not (release / RUN / name).is_symlink():
            (release / RUN / name).symlink_to(Path("/", INSIDE, name))
    return enter(release, f"/{RUN}/.venv/bin/python", f"/{RUN}/{script}", *arguments).returncode


def copy_project(inside: Path) -> None:
    """What git knows or would add, as it stands."""
    inside.mkdir(parents=True, exist_ok=True)
    for entry in inside.iterdir():
        if entry.name in KEPT:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in names.strip("\0").split("\0"):
        if (ROOT / name).exists():
            (inside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, inside / name)


def enter(release: Path, *command: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a release, to its end."""
    for host, inside in FROM_THE_HOST.items():
        (release / inside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path("/", host), release / inside)
    namespace = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    return subprocess.run([*namespace, "sh", "-ec", ENTER, release, *ENVIRONMENT, *command], check=False)


def told(release: Path) -> str:
    """The release's OBS and Python, and what pytest says of the tests."""
    shown = "--showformat=${Package} ${source:Upstream-Version} "
    asked = ["chroot", str(release), "dpkg-query", "--show", shown, "obs-studio", "python3"]
    versions = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    try:
        suites = ElementTree.parse(release / INSIDE / RESULT).iter("testsuite")
        counts = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
        for suite in suites:
            for name in counts:
                counts[name] += int(suite.get(name, 0))
        result = ", ".join(f"{count} {name}" for name, count in counts.items())
    except (OSError, ElementTree.ParseError):
        result = "no test ran"
    return f"{release.name}: {versions}: {result}"


if __name__ == "__main__":
    sys.exit(main())
