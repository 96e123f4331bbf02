"""What Flatpak makes of the system for OBS, played with another release of Debian in a folder; see obs_versions.py.

As in its sandbox, /usr, Python, /tmp, /run, /dev/shm and the processes are others than outside, while the person's
files and the network are shared; and flatpak-spawn starts what belongs outside, by Flatpak's own session helper.
Needs root.
"""

from __future__ import annotations

import os
import pwd
import secrets
import subprocess
import time
from pathlib import Path

from cvmatte_core.filesystem.sandbox import CONFIGURATIONS, FLATPAK, OBS

RELEASE = "CVMATTE_FLATPAK_RELEASE"  # the variables that name the release's folder,
HELPER = "CVMATTE_FLATPAK_HELPER"  # and flatpak-session-helper, outside
SPAWN_FOLDER = Path("/usr/libexec/flatpak-xdg-utils")  # of flatpak-spawn, in Debian's package
RUNTIME = Path("/run/user", str(os.getuid()))
_INFO = f"""[Application]
name={OBS}
[Context]
shared=network;ipc;
sockets=x11;wayland;pulseaudio;fallback-x11;
devices=all;
filesystems=host;xdg-run/pipewire-0;
[Session Bus Policy]
org.freedesktop.Flatpak=talk
"""
# In a namespace for mounts and processes of its own; $FLATPAK_ID and $INFO are in its environment.
_ENTER = """
release="$1" place="$2" bus="$3" home="$4" runtime="$5"; shift 5
mount -t tmpfs tmpfs "$place"
mkdir "$place/upper" "$place/work" "$place/root"
mount -t overlay overlay -o "lowerdir=$release,upperdir=$place/upper,workdir=$place/work" "$place/root"
cd "$place/root"
share() { mkdir -p ".$1"; mount --rbind "$1" ".$1"; }
share "$home"
for folder in /*/; do
    case "$folder" in
    /app/|/bin/|/boot/|/dev/|/efi/|/etc/|/lib*/|/proc/|/root/|/run/|/sbin/|/sys/|/tmp/|/usr/|/var/|/lost+found/) ;;
    *) share "${folder%/}" ;;
    esac
done
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs tmpfs run
mkdir -p run/flatpak ".$runtime/app/$FLATPAK_ID" "$runtime/app/$FLATPAK_ID"
mount --bind "$runtime/app/$FLATPAK_ID" ".$runtime/app/$FLATPAK_ID"
touch run/flatpak/bus
mount --bind "$bus" run/flatpak/bus
mkdir -p /tmp/.X11-unix
mount -t tmpfs tmpfs tmp
mkdir tmp/.X11-unix
mount --bind /tmp/.X11-unix tmp/.X11-unix
printf %s "$INFO" >.flatpak-info
cd /
exec chroot "$place/root" env --chdir="$HOME" --unset=INFO "$@"
"""


class FlatpakStandIn:
    """One person's session: the bus and the helper outlive OBS, as they do outside of tests."""

    def __init__(self, home: Path, shared: Path) -> None:
        """shared: a folder that both sides see, beside those that Flatpak shares."""
        self._home, self._shared = home, shared
        self._daemon: subprocess.Popen[bytes] | None = None
        self._helper: subprocess.Popen[bytes] | None = None
        self._socket = RUNTIME / f"bus-{secrets.token_hex(8)}"  # whose path may not be long
        self.bus = f"unix:path={self._socket}"

    @classmethod
    def asked_for(cls, home: Path) -> FlatpakStandIn | None:
        """None unless the environment names a release."""
        # As the system knows it: the environment may name another, which is in it
        shared = Path(pwd.getpwuid(os.getuid()).pw_dir)
        return cls(home, shared) if os.environ.get(RELEASE) else None

    @property
    def configuration(self) -> Path:
        """Where OBS keeps its own."""
        return self._home / CONFIGURATIONS[FLATPAK]

    @property
    def starter(self) -> int:
        """The process whose children run outside."""
        assert self._helper is not None
        return self._helper.pid

    def start(self, environment: dict[str, str]) -> None:
        """The bus and the helper. environment: of the person's session."""
        if self._helper is not None:
            return
        quiet = subprocess.DEVNULL
        command = ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={self.bus}"]
        self._daemon = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
        environment = {**environment, "XDG_RUNTIME_DIR": str(RUNTIME), "DBUS_SESSION_BUS_ADDRESS": self.bus}
        self._wait_for(["dbus-send", f"--bus={self.bus}", "--print-reply", "--dest=org.freedesktop.DBus",
                        "/", "org.freedesktop.DBus.GetId"])  # fmt: skip
        self._helper = subprocess.Popen([os.environ[HELPER]], env=environment, stdout=quiet)
        self._wait_for(["dbus-send", f"--bus={self.bus}", "--print-reply", "--dest=org.freedesktop.DBus", "/",
                        "org.freedesktop.DBus.GetNameOwner", "string:org.freedesktop.Flatpak"])  # fmt: skip

    @staticmethod
    def _wait_for(command: list[str]) -> None:
        for _ in range(100):
            if subprocess.run(command, capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        raise TimeoutError(" ".join(command))

    def command(self, *inside: str) -> list[str]:
        """What runs a command in the sandbox, as a process's only child; in the environment of `environment`."""
        place = self._home / "sandbox"
        place.mkdir(exist_ok=True)
        enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", _ENTER, "enter"]
        return [*enter, os.environ[RELEASE], str(place), str(self._socket), str(self._shared), str(RUNTIME), *inside]

    def environment(self, outside: dict[str, str]) -> dict[str, str]:
        """What Flatpak makes of the environment that it is run from."""
        own = self._home / ".var" / "app" / OBS
        changed = {
            "FLATPAK_ID": OBS,
            "INFO": outside.get("INFO", _INFO),  # of permissions that somebody has taken away
            "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/flatpak/bus",
            "XDG_RUNTIME_DIR": str(RUNTIME),
            "XDG_DATA_HOME": str(own / "data"),
            "XDG_CONFIG_HOME": str(own / "config"),
            "XDG_CACHE_HOME": str(own / "cache"),
            "PATH": f"/usr/bin:/bin:/usr/sbin:/sbin:{SPAWN_FOLDER}",
        }
        return {name: value for name, value in outside.items() if name != "TMPDIR"} | changed

    def close(self) -> None:
        for process in (self._helper, self._daemon):
            if process is not None:
                process.kill()
                process.wait()
        self._helper = self._daemon = None
