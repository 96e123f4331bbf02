"""Cuts out photos on a Ray cluster: a Cutter (see pipeline.py) whose matting runs in actors on the cluster's nodes.

A node needs the Ray and Python of this computer, and the packages of the group `worker` and of ONNX Runtime. This code,
the model's file, the background image, photos and layers go through Ray: nothing has to be shared. A model that
ModelScope itself runs must be installed on each node. This computer must be a node too.

An actor takes a processor for each thread; on a CUDA device, a graphics card as well. It has one photo at work and one
waiting. When it ends, others do its photos again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, Iterator

from ..filesystem import paths
from ..image import images
from ..localization.errors import Cancelled, ClusterError, CvmatteError, ImageError, WorkerError
from ..models.catalogue import entry_of, files_of, install_packages_command, verify
from ..settings import MatteSettings
from ..system import devices
from .cluster_node import Engine, Equipment, content_of
from .pipeline import Line, Made, explained

_AT_AN_ACTOR = 2  # photos: one at work, and one that is there already when that is done
_LOOK_SECONDS = 0.2  # in which Ctrl+C is noticed
_HIRE_SECONDS = 1.0  # between two looks at what the cluster has room for
_PATIENCE = 120.0  # seconds without a single actor after which the cluster is given up
_CONNECT_SECONDS = 5.0
_FIND_SECONDS = 30.0
_FIND = (
    "import logging, ray; ray.init('auto', log_to_driver=False, logging_level=logging.CRITICAL);"
    "print(ray.get_runtime_context().gcs_address)"
)
_HEAD_PATIENCE = 20.0  # seconds without the head node; after 60 Ray ends this process
# What counts against the photo that was at work when an actor ended: a node that dies is hardly its fault.
_ENDED_ALONE, _ENDED_WITH_ITS_NODE, _BLAMED = 2, 1, 4


@contextlib.contextmanager
def connected(address: str, threads: int | None = None, device: str | None = None) -> Iterator[Cluster]:
    """The cluster at "host:port"; "auto": the one that Ray itself finds. Its actors end with it.

    threads, device: of each actor. Raises ClusterError where Ray isn't installed, or can't be reached.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of what it will do one day
    try:
        import ray
    except ImportError as error:
        raise ClusterError("cluster_no_ray", command=install_packages_command("ray")) from error
    try:
        if address == "auto":
            address = os.environ.get("RAY_ADDRESS") or _address_of_the_running_one()
        _knock(address, _CONNECT_SECONDS)
        with tempfile.TemporaryDirectory() as code:
            package = paths.ROOT / "cvmatte_core"
            shutil.copytree(package, Path(code, package.name), ignore=shutil.ignore_patterns("__pycache__"))
            ray.init(
                address=address,
                # Not as a module: actors on this computer would look for it in the driver's folders first.
                runtime_env={"working_dir": code},
                log_to_driver=False,
                logging_level=logging.CRITICAL,
            )
    except Exception as error:  # of many types, by what is wrong
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ClusterError("cluster_unreachable", address=address, reason=reason) from error
    cluster = Cluster(ray, address, threads or 1, device or devices.AUTO)
    printed: Any = _OfThisThread(sys.stdout)
    with contextlib.redirect_stdout(printed):
        try:
            yield cluster
        finally:
            cluster.dismiss()
            ray.shutdown()


class _OfThisThread:
    """What this thread prints alone: one of Ray's own tells there, past every logger, of nodes that die."""

    def __init__(self, output: Any) -> None:
        self._output, self._thread = output, threading.get_ident()

    def write(self, text: str) -> int:
        return int(self._output.write(text)) if threading.get_ident() == self._thread else len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._output, name)


def _address_of_the_running_one() -> str:
    """As Ray finds it: in a process, since it waits for minutes for a cluster that has gone. Raises ConnectionError."""
    command = [sys.executable, "-c", _FIND]
    try:
        found = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_FIND_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ConnectionError(f"no answer within {_FIND_SECONDS:.0f} s") from error
    if found.returncode:
        raise ConnectionError((found.stderr.strip() or "?").splitlines()[-1].partition(": ")[2])
    return found.stdout.split()[-1]


def _knock(address: str, seconds: float) -> None:
    """Where nobody is there, Ray itself takes minutes to say so. Raises OSError, ValueError."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        raise ValueError("host:port")
    socket.create_connection((host.strip("[]"), int(port)), seconds).close()


@dataclass
class _Actor:
    """An actor as it is seen from here. starting: what is there once it is ready. photos: in the order it has them."""

    handle: Any
    starting: Any
    node: str = ""
    photos: dict[Any, Path] = field(default_factory=dict)

    @property
    def has_room(self) -> bool:
        return self.node != "" and len(self.photos) < _AT_AN_ACTOR


class Cluster:
    """A Cutter; see `connected`."""

    in_this_process = False

    def __init__(self, ray: Any, address: str, threads: int, device: str) -> None:
        self._ray, self._address = ray, address
        self._threads, self._device = threads, device
        self._on_graphics_cards = device in (devices.CUDA, devices.TENSORRT)
        self._actors: list[_Actor] = []
        self._equipped_for: object = None
        self._equipment: Any = None
        self._failures: list[CvmatteError] = []  # why actors couldn't begin

    def prepare(self, settings: MatteSettings, room: Path | None = None) -> None:
        """Give the cluster what its actors need. Raises ModelError, ImageError where the room can't be read."""
        entry = entry_of(settings.model)
        if self._equipped_for == (settings, entry, room):
            return
        verify(entry)
        self.dismiss()
        content = {path.name: path.read_bytes() for path in files_of(entry)}
        background = None
        if settings.background == "image" and settings.background_image:
            with contextlib.suppress(ImageError):  # which the photos will tell of
                background = content_of(Path(settings.background_image))
        named = dataclasses.replace(settings, model=entry.name)  # a node has its own notion of "auto"
        empty = content_of(room) if room is not None else None
        self._equipment = self._ray.put(Equipment(named, entry, content, background, empty))
        self._equipped_for = (settings, entry, room)
        self._failures.clear()

    def dismiss(self) -> None:
        """End all actors."""
        while self._actors:
            self._end(self._actors[-1])

    def cut_out(self, photos: Iterable[Path], cancelled: threading.Event, *, alone: bool = False) -> Line:
        """Photos come out as they are done. alone: no difference, as no photo can end this process. Raises Cancelled;
        ClusterError or ModelError if the cluster can't go on."""
        remaining, again = iter(photos), deque[Path]()
        ended: Counter[Path] = Counter()
        self._look_at = 0.0
        self._head_at = self._manned_at = time.monotonic()  # when the head node was last seen, and an actor
        photo = next(remaining, None)
        try:
            while not cancelled.is_set() and (photo is not None or self._under_way()):
                self._look_after_the_cluster(more=photo is not None)
                while photo is not None and (free := [actor for actor in self._actors if actor.has_room]):
                    actor = min(free, key=lambda actor: len(actor.photos))
                    try:
                        actor.photos[actor.handle.cut_out.remote(photo.name, images.read(photo))] = photo
                    except Exception as error:  # it can't be read
                        yield Made(photo, error=explained(error, photo.name))
                    photo = again.popleft() if again else next(remaining, None)
                yield from self._news(again, ended, _LOOK_SECONDS)
                if photo is None and again:
                    photo = again.popleft()
            if cancelled.is_set():
                while self._under_way() and (finished := list(self._news(again, ended, 0))):
                    yield from finished
                raise Cancelled
        finally:
            for actor in [actor for actor in self._actors if actor.photos]:  # nobody wants what they are doing
                self._end(actor)

    def _under_way(self) -> bool:
        return any(actor.photos for actor in self._actors)

    def _look_after_the_cluster(self, more: bool) -> None:
        """Notice its end, and hire actors while there are more photos. Raises CvmatteError."""
        now = time.monotonic()
        if any(actor.node for actor in self._actors):
            self._manned_at = now
        if now < self._look_at:
            return
        self._look_at = now + _HIRE_SECONDS
        try:
            _knock(self._address, _HIRE_SECONDS)
        except OSError as error:
            if now - self._head_at > _HEAD_PATIENCE:
                raise ClusterError("cluster_gone", address=self._address) from error
            return  # what asks it anything now waits for its answer
        self._head_at = now
        if not more:
            return
        # As many as the cluster has room for now, as nodes come and go.
        resources = self._ray.cluster_resources()
        room = resources.get("GPU", 0) if self._on_graphics_cards else resources.get("CPU", 0) // self._threads
        wanted = max(1, int(room)) - len(self._failures)  # one that there is no room for yet may make it grow
        if wanted <= 0 and not self._actors:
            raise self._failures[-1]
        if now - self._manned_at > _PATIENCE:
            raise ClusterError("cluster_no_actor")
        kind = self._ray.remote(num_cpus=self._threads, num_gpus=int(self._on_graphics_cards), max_restarts=0)(Engine)
        for _ in range(wanted - len(self._actors)):
            handle = kind.remote(self._equipment, self._threads, self._device)
            self._actors.append(_Actor(handle, handle.started.remote()))

    def _news(self, again: deque[Path], ended: Counter[Path], seconds: float) -> Iterator[Made]:
        """What is done, within so many seconds. Photos that were lost with an actor are added to `again`."""
        awaited = {ref: actor for actor in self._actors for ref in (actor.photos if actor.node else [actor.starting])}
        if not awaited:
            time.sleep(seconds)
            return
        done, _ = self._ray.wait(list(awaited), num_returns=1, timeout=seconds)
        for ref in done:
            actor = awaited[ref]
            if ref is actor.starting:
                self._begin(actor)
            else:
                yield from self._outcomes(actor, ref, again, ended)

    def _begin(self, actor: _Actor) -> None:
        errors, failure = self._ray.exceptions, None
        try:
            actor.node, failure = self._ray.get(actor.starting)
        except errors.RayError as error:  # where that says no more, its node is gone
            if getattr(error, "actor_init_failed", False) or not isinstance(error, errors.RayActorError):
                failure = ClusterError("cluster_node", reason=str(error).strip().splitlines()[-1].rstrip("."))
        if failure is not None:
            self._failures.append(failure)
        if failure is not None or not actor.node:
            self._end(actor)

    def _outcomes(self, actor: _Actor, ref: Any, again: deque[Path], ended: Counter[Path]) -> Iterator[Made]:
        """What became of the photo that `ref` stands for; of all that an actor had, where it has ended."""
        errors = self._ray.exceptions
        photo = actor.photos[ref]
        try:
            made = self._ray.get(ref)
        except errors.RayTaskError as error:
            made = Made(photo, error=explained(error, photo.name))
        except errors.RayError as error:  # else what was made is gone with the node that had it
            alone = isinstance(error, errors.ActorDiedError) and self._is_alive(actor.node)
            yield from self._lost(actor, again, ended, _ENDED_ALONE if alone else _ENDED_WITH_ITS_NODE)
            return
        del actor.photos[ref]
        yield dataclasses.replace(made, photo=photo)

    def _lost(self, actor: _Actor, again: deque[Path], ended: Counter[Path], weight: int) -> Iterator[Made]:
        self._end(actor)
        for ref, photo in actor.photos.items():
            try:
                made = self._ray.get(ref, timeout=_LOOK_SECONDS)
            except self._ray.exceptions.RayError:
                ended[photo] += weight
                weight = 0  # only the first of them was at work
                if ended[photo] >= _BLAMED:
                    yield Made(photo, error=WorkerError("worker_died_twice"))
                else:
                    again.append(photo)
            else:
                yield dataclasses.replace(made, photo=photo)

    def _is_alive(self, node: str) -> bool:
        with contextlib.suppress(OSError):
            _knock(self._address, _HIRE_SECONDS)
            return any(known["NodeID"] == node and known["Alive"] for known in self._ray.nodes())
        return False

    def _end(self, actor: _Actor) -> None:
        self._actors.remove(actor)
        with contextlib.suppress(Exception):  # it has ended already, or the cluster has
            self._ray.kill(actor.handle)
