"""scripts/matte.py FOLDER --ray ADDRESS, on a real cluster: as without it, whatever ends in the middle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from demo.throwaway_obs import free_port
from PIL import Image

from cvmatte_core.filesystem import paths
from tests.conftest import make_team

from .conftest import ENVIRONMENT, Node, RayCluster, wait_for

QUICK = ("--quality", "fast", "--longest-side", "64")
SLOW = ("--quality", "best")  # slow enough to be met in the middle


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(paths.ROOT / "scripts" / "matte.py"), *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, env=ENVIRONMENT, cwd=paths.ROOT, timeout=400
    )


STARTED: list[subprocess.Popen[str]] = []


def start(*arguments: object) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    STARTED.append(subprocess.Popen(command(*arguments), env=ENVIRONMENT, **pipes))  # type: ignore[call-overload]
    return STARTED[-1]


@pytest.fixture(autouse=True)
def nothing_goes_on(cluster: RayCluster) -> Iterator[None]:
    yield
    while STARTED:
        STARTED.pop().kill()
    wait_for(lambda: not cluster.engines())


@pytest.fixture
def folder(tmp_path: Path, photo: Path) -> Path:
    """Eight photos, one of them in a subfolder."""
    return make_team(tmp_path / "team", photo, 7)


def content(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("[!.]*.png")}


def report(out: Path) -> list[dict[str, Any]]:
    """What doesn't depend on who did it."""
    photos = json.loads((out / "batch_report.json").read_text())["photos"]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in photos]


def layers(out: Path) -> int:
    return len([path for path in out.glob("[!.]*.png") if "mask" not in path.name])


def lines(text: str) -> list[str]:
    return sorted(text.splitlines())


def test_a_cluster_gives_what_this_computer_gives(
    folder: Path, tmp_path: Path, photo: Path, cluster: RayCluster
) -> None:
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "damaged.png").write_bytes(photo.read_bytes()[:9000])
    (folder / "empty.jpg").touch()
    Image.new("RGB", (512, 512), "grey").save(tmp_path / "room.png")
    pictures = ("--background", "image", "--background-image", photo, "--room", tmp_path / "room.png")
    options = ("--recursive", *pictures, *QUICK)
    here = run(folder, "-o", tmp_path / "here", "--threads", "1", *options)
    there = run(folder, "-o", tmp_path / "there", "--ray", cluster.address, *options)
    assert (there.returncode, lines(there.stderr)) == (here.returncode, lines(here.stderr)) == (1, lines(here.stderr))
    assert there.stdout == here.stdout.replace("here", "there")
    assert len(content(tmp_path / "there")) == 16
    assert content(tmp_path / "there") == content(tmp_path / "here")
    assert report(tmp_path / "there") == report(tmp_path / "here")
    # Actors work with what was sent to them, not with what is here.
    assert not any((paths.ROOT / name).exists() for name in ("backgrounds", "rooms"))
    wait_for(lambda: not cluster.engines())
    again = run(folder, "-o", tmp_path / "there", "--ray", cluster.address, *options)
    assert "Done: 0, unchanged: 8, failed: 3" in again.stdout


@pytest.mark.parametrize("what", ["all of it", pytest.param("its raylet", marks=pytest.mark.slow)])
def test_a_node_that_dies_costs_no_photo(
    folder: Path, tmp_path: Path, cluster: RayCluster, second_node: Node, what: str
) -> None:
    process = start(folder, "-o", tmp_path / "there", "--recursive", "--ray", cluster.address, *SLOW)
    wait_for(lambda: second_node.processes("ray::Engine.cut_out"))
    if what == "all of it":
        second_node.kill()
    else:
        for raylet in second_node.processes("/raylet/raylet"):
            os.kill(raylet, signal.SIGKILL)
    output, errors = process.communicate(timeout=400)
    assert (process.returncode, errors) == (0, "")
    assert "Done: 8, unchanged: 0, failed: 0, left: 0" in output
    assert "raylet" not in output  # Ray's own word of the node
    run(folder, "-o", tmp_path / "here", "--recursive", "--threads", "1", *SLOW)
    assert content(tmp_path / "there") == content(tmp_path / "here")
    assert report(tmp_path / "there") == report(tmp_path / "here")


def test_a_photo_that_ends_two_actors_is_left_out(tmp_path: Path, photo: Path, cluster: RayCluster) -> None:
    (tmp_path / "team").mkdir()
    shutil.copy(photo, tmp_path / "team")
    process = start(tmp_path / "team", "-o", tmp_path / "out", "--ray", cluster.address, *SLOW)
    killed: set[int] = set()
    for _ in range(2):
        wait_for(lambda: set(cluster.engines(at_work=True)) - killed)
        for engine in set(cluster.engines(at_work=True)) - killed:
            os.kill(engine, signal.SIGKILL)
            killed.add(engine)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 3
    assert "made the cut-out process end twice" in errors


@pytest.mark.slow
def test_an_actor_that_ends_once_costs_no_photo(folder: Path, tmp_path: Path, cluster: RayCluster) -> None:
    process = start(folder, "-o", tmp_path / "out", "--ray", cluster.address, *SLOW)
    wait_for(lambda: layers(tmp_path / "out") and cluster.engines(at_work=True))
    for engine in cluster.engines(at_work=True):
        os.kill(engine, signal.SIGKILL)
    output, errors = process.communicate(timeout=200)
    assert (process.returncode, errors) == (0, "")
    assert "Done: 7, unchanged: 0, failed: 0" in output


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_ended_by_the_person_it_keeps_what_is_finished(
    folder: Path, tmp_path: Path, cluster: RayCluster, number: int
) -> None:
    out = tmp_path / "out"
    process = start(folder, "-o", out, "--ray", cluster.address, *SLOW)
    wait_for(lambda: layers(out))
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    assert f"Done: {layers(out)}," in output
    wait_for(lambda: not cluster.engines(), timeout=20)
    done = layers(out)
    again = run(folder, "-o", out, "--ray", cluster.address, *SLOW)
    assert again.returncode == 0
    assert f"Done: {7 - done}, unchanged: {done}," in again.stdout


def test_killed_time_and_again_it_goes_on_and_blames_no_photo(
    folder: Path, tmp_path: Path, cluster: RayCluster
) -> None:
    out = tmp_path / "out"
    for _ in range(3):
        process = start(folder, "-o", out, "--ray", cluster.address, *SLOW)
        wait_for(lambda: cluster.engines(at_work=True))
        process.kill()
        process.communicate()
        wait_for(lambda: not cluster.engines())
    finished = content(out)
    last = run(folder, "-o", out, "--ray", cluster.address, *SLOW)
    assert (last.returncode, last.stderr) == (0, "")
    assert "failed: 0, left: 0" in last.stdout
    assert layers(out) == 7
    assert finished.items() <= content(out).items()


def test_no_cluster_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    for address in (f"127.0.0.1:{free_port()}", "nowhere", "local", ""):
        done = run(folder, "-o", tmp_path / "out", "--ray", address)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
        assert "can't be used" in done.stderr
        assert not (tmp_path / "out").exists()


def test_one_that_ray_finds_itself_and_that_has_gone_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        command(folder, "-o", tmp_path / "out", "--ray", "auto"),
        env={**ENVIRONMENT, "RAY_ADDRESS": f"127.0.0.1:{free_port()}"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "refused" in done.stderr


def test_a_cluster_without_room_is_a_sentence(folder: Path, tmp_path: Path, cluster: RayCluster) -> None:
    program = (
        "import sys; from cvmatte_core.batch import cluster; cluster._PATIENCE = 3\n"
        "from cvmatte_core.commands import matte; sys.exit(matte.main())"
    )
    arguments = (folder, "-o", tmp_path / "out", "--threads", "200", "--ray", cluster.address)
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**ENVIRONMENT, "PYTHONPATH": str(paths.ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "no processors left" in done.stderr
    assert {row["status"] for row in report(tmp_path / "out")} == {"waiting"}


def test_the_cluster_that_ray_finds_itself(folder: Path, tmp_path: Path, cluster: RayCluster) -> None:
    noted = tmp_path / "of ray" / "ray" / "ray_current_cluster"  # as `ray start` does, where it isn't told a folder
    noted.parent.mkdir(parents=True)
    noted.write_text(cluster.address)
    for number, where in enumerate(({"RAY_ADDRESS": cluster.address}, {"RAY_TMPDIR": str(tmp_path / "of ray")})):
        done = subprocess.run(
            command(folder, "-o", tmp_path / f"out {number}", "--ray", "auto", *QUICK),
            env={**ENVIRONMENT, **where},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_watched_folder_keeps_its_actors(folder: Path, tmp_path: Path, cluster: RayCluster) -> None:
    out = tmp_path / "out"
    process = start(folder, "-o", out, "--watch", "--ray", cluster.address, *QUICK)
    wait_for(lambda: layers(out) == 7)
    engines = cluster.engines()
    shutil.copy(folder / "0.png", folder / "late.png")
    wait_for(lambda: layers(out) == 8)
    assert cluster.engines() == engines
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
