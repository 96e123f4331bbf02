"""What soak.py does to OBS, to CVMatte's worker and to the files: small functions in a table."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from development.soak_world import (
    BLANK_COLLECTION,
    CAMERAS,
    LIVE,
    OTHER_COLLECTION,
    OWN_COLLECTION,
    SCENES,
    Fault,
    World,
)
from cvmatte_core.settings import CONTROLS, INTEGER
from cvmatte_core.child_process.child import SILENCE_SECONDS
from obsws_python.error import OBSSDKRequestError
from PIL import Image, ImageEnhance
from demo.throwaway_obs import SCENE, wait_until

_MOST_PORTRAITS = 12  # beside the canary and those without a photo
_SLIDERS = tuple(control.name for control in CONTROLS if control.kind == INTEGER and 0 < control.maximum <= 255)
_CHOICES: dict[str, tuple[Any, ...]] = {
    "quality": ("fast", "fast", "balanced", "best"),
    "subject": ("everyone", "main"),
    "crop": (True, False),
    "mirror": (True, False),
    "feather_direction": ("centre", "inward", "outward"),
    "decontaminate": (True, False),
    "background": ("transparent", "colour", "blur"),
    "background_colour": (0xFF00B140, 0xFFFFFFFF),
    "longest_side": (0, 200, 2160),
    "format": ("png", "webp", "jpeg"),
    "save_mask": (True, False),
}


@dataclass(frozen=True)
class Action:
    """Something a person, or bad luck, does.

    weight: how often it comes in a deck of all of them. possible: whether it can be done now. act: does it, and
    returns what it was done to. holds: raises Fault where afterwards isn't true what must be.
    """

    name: str
    weight: int
    act: Callable[[World], Any]
    possible: Callable[[World], Any] = lambda world: True
    holds: Callable[[World, Any], None] = lambda world, subject: None


# What can be done


def has_portrait(world: World) -> bool:
    return bool(world.names())


def has_room(world: World) -> bool:
    return len(world.names()) < _MOST_PORTRAITS


def can_copy(world: World) -> bool:
    return has_portrait(world) and has_room(world)


def worker_may_end(world: World) -> bool:
    return world.hung is None


def can_switch_collection(world: World) -> bool:
    """Newer ones end themselves where anything still holds a source then, be it a screenshot or their own fade to a
    scene; also with plain images and without any script.
    """
    return worker_may_end(world) and world.obs.version < 30


def has_worker(world: World) -> bool:
    return worker_may_end(world) and bool(world.obs.worker_ids())


def may_hang(world: World) -> bool:
    """Once in a run, and only where there is time to see the end of it."""
    time_left = world.until - time.monotonic()
    return not world.hung_once and has_worker(world) and has_portrait(world) and time_left > SILENCE_SECONDS + 60


def has_quiet_photo(world: World) -> bool:
    return bool(world.quiet_photos())


def disk_is_whole(world: World) -> bool:
    return not world.disk.is_in_trouble


def can_fill(world: World) -> bool:
    return world.disk.is_mounted and disk_is_whole(world)


# What must hold


def is_as_given(world: World, name: str) -> None:
    present = world.settings(name)
    for key, value in world.portraits[name].items():
        if present.get(key) != value:
            raise Fault(f"{name}: {key} is {present.get(key)!r}, not {value!r}")


def is_gone(world: World, name: str) -> None:
    try:
        wait_until(lambda: name not in world.inputs(), 30)
    except TimeoutError:
        raise Fault(f"{name} was removed and is still there: something holds on to it") from None


def all_is_there(world: World, _subject: Any) -> None:
    world.await_settings()
    world.await_canary(60)


def canary_stays(world: World, _subject: Any) -> None:
    world.await_canary(20)


# Portraits


def random_settings(world: World) -> dict[str, Any]:
    random = world.random
    names = random.sample(sorted(_CHOICES), random.randrange(3))
    return {"quality": "fast"} | {name: random.choice(_CHOICES[name]) for name in names}


def random_photo(world: World) -> str:
    return str(world.random.choice([*world.photos, *world.photos, world.rubbish, Path("/nowhere/none.png")]))


def some(world: World) -> str:
    return world.random.choice(world.names())


def add(world: World) -> str:
    name = world.new_name("portrait")
    world.add(name, image=random_photo(world), **random_settings(world))
    return name


def add_from_panel(world: World) -> str:
    before = world.inputs()
    photo = world.random.choice(world.photos)
    world.requests.set_current_program_scene(SCENE)
    world.probe({"set": {"images": [{"value": str(photo)}], "new_preset": ""}, "press": "add", "states": True})
    (name,) = world.inputs() - before
    world.portraits[name] = {"image": str(photo)}
    return name


def change_photo(world: World) -> str:
    name = some(world)
    world.change(name, image=random_photo(world), input="file")
    return name


def change_choice(world: World) -> str:
    name = some(world)
    choice = world.random.choice(sorted(_CHOICES))
    world.change(name, **{choice: world.random.choice(_CHOICES[choice])})
    return name


def drag(world: World) -> str:
    """A slider on the move, sixty changes a second."""
    name, slider = some(world), world.random.choice(_SLIDERS)
    (control,) = [control for control in CONTROLS if control.name == slider]
    highest = min(control.maximum, 60)
    for value in np.linspace(control.minimum, highest, world.random.randrange(30, 120)):
        world.change(name, **{slider: int(value)})
        time.sleep(1 / 60)
    world.change(name, **{slider: world.random.randint(control.minimum, min(highest, 12))})
    return name


def copy(world: World) -> str:
    """A second portrait with the same settings: its layer is there already."""
    original, name = some(world), world.new_name("copy")
    world.add(name, **world.portraits[original])
    return name


def duplicate(world: World) -> str:
    """As OBS's own Paste (Duplicate) does."""
    original, name = some(world), world.new_name("duplicate")
    world.requests.set_current_program_scene(SCENE)
    world.probe({"duplicate": [original, name], "states": True})
    world.portraits[name] = dict(world.portraits[original])
    return name


def remove(world: World) -> str:
    name = some(world)
    world.requests.set_current_program_scene(SCENE)  # a scene lets go of what was removed when it is drawn
    world.requests.remove_input(name)
    del world.portraits[name]
    return name


def rename(world: World) -> str:
    name = some(world)
    new_name = world.new_name("renamed")
    world.requests.set_input_name(name, new_name)
    world.portraits[new_name] = world.portraits.pop(name)
    return new_name


def blink(world: World) -> None:
    """Hide a portrait, and show it again."""
    name = some(world)
    (item,) = [item for item in world.requests.get_scene_item_list(SCENE).scene_items if item["sourceName"] == name]
    for visible in (False, True):
        world.requests.set_scene_item_enabled(SCENE, item["sceneItemId"], visible)
        time.sleep(world.random.random() * 0.3)


def rematte(world: World) -> None:
    press_rematte(world, some(world))


def press_rematte(world: World, name: str) -> None:
    """The button is there with a photo, from when CVMatte has seen it."""
    settings = world.settings(name)
    if not settings.get("still" if settings.get("input") == "source" else "image"):
        return

    def pressed() -> bool:
        try:
            world.requests.press_input_properties_button(name, "rematte")
        except OBSSDKRequestError:
            return False
        return True

    try:
        wait_until(pressed, 10, 0.2)
    except TimeoutError:
        raise Fault(f"{name} has a photo and no button to re-matte it") from None


def press_hotkey(world: World) -> None:
    world.requests.trigger_hot_key_by_name(world.random.choice(["cvmatte.rematte_all", "cvmatte.portrait.rematte"]))


def tidy(world: World) -> None:
    world.probe({"set": {"keep": world.random.choice([1, 5])}, "press": "tidy", "states": True})


def take_still(world: World) -> str:
    name, delay = some(world), world.random.choice([0, 0, 0, 3])
    world.change(name, input="source", source=world.random.choice(CAMERAS), delay=delay)
    world.requests.press_input_properties_button(name, "take_still")
    return name


def look_at_properties(world: World) -> None:
    """The dialog stands open while its portrait is cut out anew."""
    name = some(world)
    world.requests.open_input_properties_dialog(name)
    dialog = world.obs.window("^Properties for")
    try:
        press_rematte(world, name)
        if world.random.random() < 0.5:
            world.change(name, erosion=world.random.randint(0, 6))
        time.sleep(1 + world.random.random())
    finally:
        world.obs.dismiss(dialog)  # left open, it would ask what to do at the next switch of the collection


# Scenes, collections, the script, OBS


def switch_scene(world: World) -> None:
    for _ in range(world.random.randrange(1, 6)):
        world.requests.set_current_program_scene(world.random.choice(SCENES))
        time.sleep(world.random.random() * 0.2)


def show_in_another_scene(world: World) -> None:
    scene = world.random.choice(SCENES[1:])
    item = world.requests.create_scene_item(scene, some(world), True).scene_item_id
    world.requests.set_current_program_scene(scene)
    time.sleep(world.random.random())
    world.requests.remove_scene_item(scene, item)


def switch_collection(world: World) -> None:
    """To a collection with a portrait of its own, or to one without the script, and back."""
    other = world.random.choice([OTHER_COLLECTION, BLANK_COLLECTION])
    slow = world.obs.connect(timeout=60)
    with contextlib.closing(slow.base_client.ws):
        slow.set_current_scene_collection(other)
        if other == OTHER_COLLECTION and world.random.random() < 0.5 and not world.disk.is_in_trouble:
            wait_for_other(world)
        else:
            time.sleep(world.random.random() * 2)
        slow.set_current_scene_collection(OWN_COLLECTION)


def wait_for_other(world: World) -> None:
    try:
        wait_until(lambda: world.states().get("other", ("", False))[0].startswith("Ready"), 120, 0.3)
    except TimeoutError:
        raise Fault(f"in the other collection: {world.states()}") from None


def reload_script(world: World) -> None:
    """Tools → Scripts → Reload, with the mouse."""

    def unloaded() -> int:
        return world.obs.log().count("Unloaded python script: cvmatte.py")

    before = unloaded()
    script = "second script" if world.is_busy_script_there else "first script"  # OBS lists them by name
    dialog = world.obs.open_scripts()
    try:
        for _ in range(world.random.randrange(1, 4)):
            world.obs.click_on(script)
            world.obs.click_on("reload scripts")
            time.sleep(world.random.random())
        wait_until(lambda: unloaded() > before, 20)
    finally:
        world.obs.dismiss(dialog)


def restart_obs(world: World) -> None:
    world.restart()


# The worker


def kill_worker(world: World) -> None:
    signal_workers(world.obs.worker_ids(), signal.SIGKILL)


def stop_worker(world: World) -> None:
    """It stands still for some seconds."""
    workers = world.obs.worker_ids()
    signal_workers(workers, signal.SIGSTOP)
    world.later_in(world.random.uniform(1, 8), lambda: signal_workers(workers, signal.SIGCONT))


def hang_worker(world: World) -> None:
    """It stands still until CVMatte gives it up; meanwhile ever more is asked of it."""
    (worker,) = world.obs.worker_ids()
    name = some(world)
    signal_workers([worker], signal.SIGSTOP)
    world.hung, world.hung_once = worker, True
    world.change(name, image=str(world.photos[0]), input="file", threshold=world.random.randrange(100, 250))

    def was_ended() -> None:
        world.hung = None
        if worker in world.obs.worker_ids():
            signal_workers([worker], signal.SIGKILL)
            raise Fault(f"a worker that stood still for {SILENCE_SECONDS + 45:.0f} s was not ended")

    world.later_in(SILENCE_SECONDS + 45, was_ended, patient=True)


def signal_workers(workers: list[int], number: int) -> None:
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, number)


def starve_worker(world: World) -> None:
    """It gets no more memory than it has, for some seconds."""
    workers = world.obs.worker_ids()
    for worker in workers:
        with contextlib.suppress(OSError, KeyError):
            pages = int(Path(f"/proc/{worker}/statm").read_text().split()[0])
            size = pages * resource.getpagesize() + world.random.choice([0, 4, 32]) * (1 << 20)
            limit_memory(worker, size)

    def feed() -> None:
        for worker in workers:
            limit_memory(worker, -1)

    world.later_in(world.random.uniform(2, 8), feed)


def limit_memory(process: int, size: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(process, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


# Files


def write_slowly(world: World) -> None:
    """Another picture is saved over a photo: half of it, and the rest when whoever reads has seen that."""
    photo = world.random.choice(world.quiet_photos())
    written = io.BytesIO()
    changed = ImageEnhance.Contrast(Image.open(photo).convert("RGB")).enhance(world.random.uniform(0.8, 1.2))
    changed.save(written, Image.open(photo).format, quality=95)
    whole = written.getvalue()
    file = photo.open("wb")
    file.write(whole[: len(whole) // 2])
    file.flush()

    def finish() -> None:
        with file:
            file.write(whole[len(whole) // 2 :])

    change_back_later(world, photo, finish)


def spoil(world: World) -> None:
    """Something that is no picture takes a photo's place for some seconds."""
    photo = world.random.choice(world.quiet_photos())
    good = photo.read_bytes()
    photo.write_bytes(world.random.choice([b"", b"not a picture", good[:4000]]))
    change_back_later(world, photo, lambda: photo.write_bytes(good))


def take_away(world: World) -> None:
    """A photo is away for some seconds, as on a disk that is pulled out, and asked for meanwhile."""
    photo = world.random.choice(world.quiet_photos())
    away = photo.rename(photo.with_suffix(".away"))
    change_back_later(world, photo, lambda: away.rename(photo))


def change_back_later(world: World, photo: Path, act: Callable[[], object]) -> None:
    world.changing.add(photo)

    def change_back() -> None:
        act()
        world.changing.discard(photo)

    world.later_in(world.random.uniform(0.5, 6), change_back)


def fill_disk(world: World) -> None:
    world.disk.fill()
    world.later_in(world.random.uniform(2, 10), world.disk.free)


def lock_disk(world: World) -> None:
    world.disk.lock()
    world.later_in(world.random.uniform(2, 10), world.disk.unlock)


def has_live(world: World) -> bool:
    return bool(world.obs.live_ids())


def kill_live(world: World) -> None:
    for process in world.obs.live_ids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def spoil_clip(world: World) -> None:
    """Something else takes the place of the clip that plays, for some seconds."""
    if world.clip in world.changing:
        return
    good = world.clip.read_bytes()
    world.clip.write_bytes(world.random.choice([b"", b"no clip", good[: len(good) // 2]]))
    change_back_later(world, world.clip, lambda: world.clip.write_bytes(good))


def live_goes_on(world: World, _subject: Any) -> None:
    if world.disk.is_in_trouble:
        return
    try:
        wait_until(lambda: world.states()[LIVE][0].startswith(("Live:", "Hidden:")), 60, 0.5)
    except (TimeoutError, KeyError):
        raise Fault(f"{LIVE} doesn't go on; it says {world.states().get(LIVE)}") from None


def settle(world: World) -> None:
    faults = world.settle()
    if faults:
        raise Fault("; ".join(faults))


ACTIONS = (
    Action("add a portrait", 5, add, has_room, is_as_given),
    Action("add a photo from the panel", 2, add_from_panel, has_room, is_as_given),
    Action("change the photo", 5, change_photo, has_portrait, is_as_given),
    Action("change a control", 5, change_choice, has_portrait, is_as_given),
    Action("drag a slider", 5, drag, has_portrait, is_as_given),
    Action("copy a portrait", 2, copy, can_copy, is_as_given),
    Action("duplicate a portrait", 2, duplicate, can_copy, is_as_given),
    Action("remove a portrait", 4, remove, has_portrait, is_gone),
    Action("rename a portrait", 1, rename, has_portrait, is_as_given),
    Action("hide and show", 2, blink, has_portrait),
    Action("re-matte", 2, rematte, has_portrait),
    Action("press a hotkey", 2, press_hotkey),
    Action("tidy the outputs", 1, tidy, holds=canary_stays),
    Action("take a still", 4, take_still, has_portrait, is_as_given),
    Action("look at the properties", 1, look_at_properties, has_portrait),
    Action("switch scenes", 3, switch_scene),
    Action("show in another scene", 2, show_in_another_scene, has_portrait),
    Action("switch the collection", 2, switch_collection, can_switch_collection, all_is_there),
    Action("reload the script", 2, reload_script, worker_may_end, all_is_there),
    Action("restart OBS", 2, restart_obs, worker_may_end),
    Action("kill the worker", 1, kill_worker, has_worker),
    Action("stop the worker for a while", 1, stop_worker, has_worker, canary_stays),
    Action("stop the worker for good", 1, hang_worker, may_hang),
    Action("starve the worker of memory", 1, starve_worker, has_worker),
    Action("save a photo slowly", 2, write_slowly, has_quiet_photo),
    Action("spoil a photo", 2, spoil, has_quiet_photo, canary_stays),
    Action("take a photo away", 2, take_away, has_quiet_photo),
    Action("kill the live process", 1, kill_live, has_live, live_goes_on),
    Action("spoil the clip that plays", 1, spoil_clip, has_live),
    Action("fill the disk", 1, fill_disk, can_fill, canary_stays),
    Action("make the disk read-only", 1, lock_disk, disk_is_whole, canary_stays),
    Action("settle and look at everything", 1, settle, worker_may_end),
)
