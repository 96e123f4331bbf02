"""A real Ray cluster of several nodes on this computer. Its tests need the dependency group ray."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from demo.throwaway_obs import free_port, wait_until

if importlib.util.find_spec("ray") is None:
    collect_ignore_glob = ["test_*.py"]

WITHOUT_RAY_S = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
ENVIRONMENT = {**WITHOUT_RAY_S, "LC_ALL": "en_US.UTF-8", "CVMATTE_ENTERED": "1", "RAY_USAGE_STATS_ENABLED": "0"}


wait_for = partial(wait_until, timeout=120)


class Node:
    """`ray start`, and all the processes that it starts: a session of the system's."""

    def __init__(self, *options: str) -> None:
        ray = str(Path(sys.executable).with_name("ray"))
        worker_ports = ("--min-worker-port=0", "--max-worker-port=0")
        sizes = ("--num-cpus=1", "--num-gpus=0", "--object-store-memory=100000000")
        self.starter = subprocess.Popen(
            [ray, "start", *options, *worker_ports, *sizes, "--disable-usage-stats"],
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self.starter.wait(120) == 0

    def processes(self, title: str = "") -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                session = (folder / "stat").read_text().rpartition(")")[2].split()[3]
                command = (folder / "cmdline").read_bytes().decode(errors="replace")
                if int(session) == self.starter.pid and command and title in command:
                    found.append(int(folder.name))
        return found

    def kill(self) -> None:
        """As a computer that loses its power."""
        while processes := self.processes():
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.05)


class RayCluster:
    """Nodes with a processor each."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="cvm", dir="/tmp")  # sockets' paths have to be short
        self.address = f"127.0.0.1:{free_port()}"
        port = self.address.partition(":")[2]
        self.nodes = [Node("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self.folder}")]

    def add(self) -> Node:
        self.nodes.append(Node(f"--address={self.address}"))
        return self.nodes[-1]

    def engines(self, at_work: bool = False) -> list[int]:
        """Processes in which photos are cut out."""
        title = "ray::Engine.cut_out" if at_work else "ray::Engine"
        return [process for node in self.nodes for process in node.processes(title)]

    def end(self) -> None:
        for node in reversed(self.nodes):
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster() -> Iterator[RayCluster]:
    made = RayCluster()
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def second_node(cluster: RayCluster) -> Iterator[Node]:
    node = cluster.add()
    yield node
    node.kill()
    cluster.nodes.remove(node)
