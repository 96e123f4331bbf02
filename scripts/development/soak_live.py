"""What soak.py does to a portrait that cuts out another source live, and what it has OBS do beside it."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable

import av
from development.soak_processes import live_ones
from development.soak_world import CAMERAS, LIVE, OWN_PROFILE, PROFILES, SCENES, SHAPE, World, must, plays_or_rests
from obsws_python.error import OBSSDKRequestError
from demo.throwaway_obs import PATIENCE, free_port, wait_until

_SHAPES = [(0, 0), (1, 1), (641, 359), (30, 2000), (7680, 4320)]
_SAID_BY_STRANGERS = (b"", b"GET / HTTP/1.1\r\n\r\n", b"POST /0/640x360/50 HTTP/1.1\r\n\r\n" + bytes(1 << 20))


def can_spoil_clip(world: World) -> object:
    return world.clip not in world.changing and live_ones(world)


def goes_on(world: World, _portrait: str) -> None:
    def does() -> bool:
        world.do_what_is_due()
        is_in_trouble = world.disk.is_in_trouble or world.clip in world.changing
        return is_in_trouble or plays_or_rests(world.says(LIVE))

    must(does, PATIENCE, lambda: f"{LIVE} only says {world.says(LIVE)}", 0.5)


def watch_another_source(world: World) -> None:
    """Mostly in the middle of another one; a scene is watched too, and one that is in no scene on screen."""
    pause = world.random.choice([0, 0.1])
    for _ in range(world.random.choice([1, 1, 8, 40])):
        world.change(LIVE, input="source_live", source=world.random.choice([*CAMERAS, SCENES[2], SHAPE]))
        time.sleep(pause)
    if world.random.random() < 0.2:
        world.change(LIVE, input="video")


def change_its_size(world: World) -> None:
    world.change(LIVE, input="source_live", source=SHAPE)
    for width, height in [*world.random.sample(_SHAPES, 3), (640, 360)]:
        world.requests.set_input_settings(SHAPE, {"width": width, "height": height}, True)
        time.sleep(world.random.random())


def connect_as_a_stranger(world: World) -> None:
    """Where it waits for OBS."""
    world.change(LIVE, input="source_live", source=world.random.choice(CAMERAS))
    until = time.monotonic() + 3
    with contextlib.ExitStack() as kept:
        while time.monotonic() < until:
            for port in [port for process in live_ones(world) for port in world.obs.ports(process)]:
                with contextlib.suppress(OSError):
                    stranger = kept.enter_context(socket.create_connection(("127.0.0.1", port), timeout=1))
                    stranger.sendall(world.random.choice(_SAID_BY_STRANGERS))
            time.sleep(0.05)


def output_beside_it(begin: str, end: str, status: str) -> Callable[[World], None]:
    """Of OBS's own; requests of obs-websocket. Another source is chosen meanwhile."""

    def act(world: World) -> None:
        def is_active() -> bool:
            return bool(getattr(world.requests, status)().output_active)

        getattr(world.requests, begin)()
        must(is_active, 20, lambda: f"no success of {begin}")
        watch_another_source(world)
        time.sleep(world.random.random() * 2)
        getattr(world.requests, end)()
        must(lambda: not is_active(), 20, lambda: f"no success of {end}")

    return act


def stream(world: World) -> None:
    """To this process, which takes everything and shows nothing."""
    port = free_port()
    server = f"rtmp://127.0.0.1:{port}/live"
    threading.Thread(target=take_all, args=(f"{server}/key",), daemon=True).start()
    wait_until(lambda: port in world.obs.ports(os.getpid()), 20)
    world.leaks_of_obs = 1 if world.obs.version < 32 else 0  # however often it streams
    world.requests.set_stream_service_settings("rtmp_custom", {"server": server, "key": "key"})
    output_beside_it("start_stream", "stop_stream", "get_stream_status")(world)


def take_all(url: str) -> None:
    with contextlib.suppress(av.error.FFmpegError), av.open(url, options={"listen": "1"}, timeout=30) as streamed:
        for _ in streamed.demux():
            pass


def can_encode(world: World) -> bool:
    """OBS refuses colours of 10 bit."""
    profile = world.requests.get_profile_list().current_profile_name
    return "10" not in PROFILES.get(profile, {}).get("ColorFormat", "")


record = output_beside_it("start_record", "stop_record", "get_record_status")
show_virtual_camera = output_beside_it("start_virtual_cam", "stop_virtual_cam", "get_virtual_cam_status")


def has_virtual_camera(world: World) -> bool:
    with contextlib.suppress(OBSSDKRequestError):
        return world.requests.get_virtual_cam_status() is not None
    return False


def switch_profile(world: World) -> None:
    """For some seconds to one with another canvas; the portraits go on."""

    def switch(name: str) -> None:
        with world.watch.changing_canvas:  # it answers once OBS has switched
            world.requests.set_current_profile(name)

    switch(world.random.choice(list(PROFILES)))
    world.later_in(world.random.uniform(2, 8), lambda: switch(OWN_PROFILE))


def turn_studio_mode(world: World) -> None:
    is_on = world.requests.get_studio_mode_enabled().studio_mode_enabled
    world.requests.set_studio_mode_enabled(not is_on)
