"""What soak.py does to OBS, to CVMatte's worker and to the files: small functions in a table."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from development import soak_live as live
from development.soak_processes import hang_worker, kill, live_ones, may_hang, starve, stop, worker_may_end, workers
from development.soak_world import BLANK_COLLECTION, CAMERAS, OTHER_COLLECTION, OWN_COLLECTION, SCENES
from development.soak_world import Disk, World, must, photo_of
from cvmatte_core.settings import CONTROLS, INTEGER
from obsws_python.error import OBSSDKRequestError
from PIL import Image, ImageEnhance
from demo.throwaway_obs import SCENE, screenshot, wait_until

_MOST_PORTRAITS = 12  # beside the canary and those without a photo
_SLIDERS = tuple(control for control in CONTROLS if control.kind == INTEGER and 0 < control.maximum <= 255)
_HOTKEYS = ("cvmatte.rematte_all", "cvmatte.portrait.rematte")
SETTLE = "settle and look at everything"
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
    returns the portrait that it was done to. holds: raises Fault where afterwards isn't true what must be.
    """

    name: str
    weight: int
    act: Callable[[World], Any]
    possible: Callable[[World], object] = lambda world: True
    holds: Callable[[World, str], None] = lambda world, portrait: None


def quiet_photo(world: World) -> Path:
    return world.random.choice(world.quiet_photos())


def some(world: World) -> str:
    """A portrait that actions may change."""
    return world.random.choice(world.names())


# What can be done


def has_room(world: World) -> bool:
    return len(world.names()) < _MOST_PORTRAITS


def can_switch_collection(world: World) -> bool:
    """Newer ones end themselves where anything still holds a source then, be it a screenshot or their own fade to a
    scene; also with plain images and without any script.
    """
    return worker_may_end(world) and world.obs.version < 30


def disk_is_whole(world: World) -> bool:
    return world.disk.is_mounted and not world.disk.is_in_trouble


# What must hold


def is_gone(world: World, name: str) -> None:
    def lets_go() -> bool:
        screenshot(world.requests, SCENE, 160, 90)  # a scene lets go of what was removed when it is drawn
        return name not in world.inputs()

    must(lets_go, 30, lambda: f"{name} was removed and is still there: something holds on to it")


def all_is_there(world: World, _portrait: str) -> None:
    world.await_settings()
    world.await_canary(60)


def canary_stays(world: World, _portrait: str) -> None:
    world.await_canary(20)


# Portraits


def random_photo(world: World) -> str:
    return str(world.random.choice([*world.photos, *world.photos, world.rubbish, Path("/nowhere/none.png")]))


def add(world: World) -> str:
    name, photo = world.new_name("portrait"), random_photo(world)
    names = world.random.sample(sorted(_CHOICES), world.random.randrange(3))
    world.add(name, image=photo, **{"quality": "fast"} | {one: world.random.choice(_CHOICES[one]) for one in names})
    return name


def go_to_first_scene(world: World) -> None:
    """In studio mode OBS doesn't heed it in the midst of a change of scenes; what is added goes into the preview's."""

    def is_there() -> bool:
        world.requests.set_current_program_scene(SCENE)
        with contextlib.suppress(OBSSDKRequestError):  # there is no studio mode
            world.requests.set_current_preview_scene(SCENE)
        return bool(world.requests.get_current_program_scene().current_program_scene_name == SCENE)

    must(is_there, 20, lambda: "OBS doesn't change its scene", 0.2)


def add_from_panel(world: World) -> str:
    before = world.inputs()
    photo = str(world.random.choice(world.photos))
    go_to_first_scene(world)
    world.probe({"set": {"images": [{"value": photo}], "new_preset": ""}, "press": "add"})
    (name,) = world.inputs() - before
    world.portraits[name] = {"image": photo}
    return name


def change_photo(world: World) -> str:
    name = some(world)
    world.change(name, image=random_photo(world), input="file")
    return name


def change_choice(world: World) -> str:
    name, choice = some(world), world.random.choice(sorted(_CHOICES))
    world.change(name, **{choice: world.random.choice(_CHOICES[choice])})
    return name


def drag(world: World) -> str:
    """Sixty changes a second."""
    name, slider = some(world), world.random.choice(_SLIDERS)
    highest = min(slider.maximum, 60)
    for value in np.linspace(slider.minimum, highest, world.random.randrange(30, 120)):
        world.change(name, **{slider.name: int(value)})
        time.sleep(1 / 60)
    world.change(name, **{slider.name: world.random.randint(slider.minimum, min(highest, 12))})
    return name


def copy(world: World) -> str:
    """A second portrait with the same settings: its layer is there already."""
    original, name = some(world), world.new_name("copy")
    world.add(name, **world.portraits[original])
    return name


def duplicate(world: World) -> str:
    """As OBS's own Paste (Duplicate) does."""
    original, name = some(world), world.new_name("duplicate")
    go_to_first_scene(world)
    world.probe({"duplicate": [original, name]})
    world.portraits[name] = dict(world.portraits[original])
    return name


def remove(world: World) -> str:
    name = some(world)
    world.requests.remove_input(name)
    del world.portraits[name]
    return name


def rename(world: World) -> str:
    name, new_name = some(world), world.new_name("renamed")
    world.requests.set_input_name(name, new_name)
    world.portraits[new_name] = world.portraits.pop(name)
    return new_name


def blink(world: World) -> None:
    name = some(world)
    (item,) = [item for item in world.requests.get_scene_item_list(SCENE).scene_items if item["sourceName"] == name]
    for visible in (False, True):
        world.requests.set_scene_item_enabled(SCENE, item["sceneItemId"], visible)
        time.sleep(world.random.random() * 0.3)


def press_rematte(world: World, name: str) -> None:
    """The button is there with a photo, from when CVMatte has seen it."""

    def pressed() -> bool:
        with contextlib.suppress(OBSSDKRequestError):
            world.requests.press_input_properties_button(name, "rematte")
            return True
        return False

    if photo_of(world.settings(name)):
        must(pressed, 10, lambda: f"{name} has a photo and no button to re-matte it", 0.2)


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
            must(lambda: world.says("other").startswith("Ready"), 120, lambda: f"other says {world.says('other')}", 0.3)
        else:
            time.sleep(world.random.random() * 2)
        slow.set_current_scene_collection(OWN_COLLECTION)


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
    """With the busy script, if it was without, and the other way round."""
    world.quit()
    world.change_scripts()
    world.start()


# Files and their disk


def trouble(begin: Callable[[Disk], None]) -> Callable[[World], None]:
    """The disk is in trouble for some seconds."""

    def act(world: World) -> None:
        begin(world.disk)
        world.later_in(world.random.uniform(2, 10), world.disk.repair)

    return act


def change_back_later(world: World, photo: Path, act: Callable[[], object]) -> None:
    world.changing.add(photo)

    def change_back() -> None:
        act()
        world.changing.discard(photo)

    world.later_in(world.random.uniform(0.5, 6), change_back)


def spoil(world: World, path: Path) -> None:
    """Nothing, something else, or the file's beginning takes its place for some seconds."""
    good = path.read_bytes()
    path.write_bytes(world.random.choice([b"", b"no picture and no clip", good[: len(good) // 2]]))
    change_back_later(world, path, lambda: path.write_bytes(good))


def write_slowly(world: World) -> None:
    """Another picture is saved over a photo: half of it, and the rest when whoever reads has seen that."""
    photo = quiet_photo(world)
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


def take_away(world: World) -> None:
    """For some seconds, as on a disk that is pulled out."""
    photo = quiet_photo(world)
    away = photo.rename(photo.with_suffix(".away"))
    change_back_later(world, photo, lambda: away.rename(photo))


ACTIONS = (
    Action("add a portrait", 5, add, has_room, World.is_as_given),
    Action("add a photo from the panel", 2, add_from_panel, has_room, World.is_as_given),
    Action("change the photo", 5, change_photo, World.names, World.is_as_given),
    Action("change a control", 5, change_choice, World.names, World.is_as_given),
    Action("drag a slider", 5, drag, World.names, World.is_as_given),
    Action("copy a portrait", 2, copy, lambda world: world.names() and has_room(world), World.is_as_given),
    Action("duplicate a portrait", 2, duplicate, lambda world: world.names() and has_room(world), World.is_as_given),
    Action("remove a portrait", 4, remove, World.names, is_gone),
    Action("rename a portrait", 1, rename, World.names, World.is_as_given),
    Action("hide and show", 2, blink, World.names),
    Action("re-matte", 2, lambda world: press_rematte(world, some(world)), World.names),
    Action("press a hotkey", 2, lambda world: world.requests.trigger_hot_key_by_name(world.random.choice(_HOTKEYS))),
    Action(
        "tidy the outputs", 1,
        lambda world: world.probe({"set": {"keep": world.random.choice([1, 5])}, "press": "tidy"}), holds=canary_stays,
    ),
    Action("take a still", 4, take_still, World.names, World.is_as_given),
    Action("look at the properties", 1, look_at_properties, World.names),
    Action("switch scenes", 3, switch_scene),
    Action("show in another scene", 2, show_in_another_scene, World.names),
    Action("switch the collection", 2, switch_collection, can_switch_collection, all_is_there),
    Action("reload the script", 2, reload_script, worker_may_end, all_is_there),
    Action("restart OBS", 2, restart_obs, worker_may_end, all_is_there),
    Action("kill the worker", 1, kill(workers), workers),
    Action("stop the worker for a while", 1, stop(workers, 8), workers, canary_stays),
    Action("stop the worker for good", 1, hang_worker, may_hang),
    Action("starve the worker of memory", 1, starve(workers), workers),
    Action("save a photo slowly", 2, write_slowly, World.quiet_photos),
    Action("spoil a photo", 2, lambda world: spoil(world, quiet_photo(world)), World.quiet_photos, canary_stays),
    Action("take a photo away", 2, take_away, World.quiet_photos),
    Action("cut out another source live", 4, live.watch_another_source, holds=live.goes_on),
    Action("change that one's size", 1, live.change_its_size, holds=live.goes_on),
    Action("connect to it as a stranger", 1, live.connect_as_a_stranger, holds=live.goes_on),
    Action("kill the live process", 1, kill(live_ones), live_ones, live.goes_on),
    Action("stop the live process for a while", 1, stop(live_ones, 15), live_ones, live.goes_on),
    Action("starve the live process of memory", 1, starve(live_ones), live_ones, live.goes_on),
    Action("record beside it", 1, live.record, live.can_encode, live.goes_on),
    Action("stream beside it", 1, live.stream, live.can_encode, live.goes_on),
    Action("show the virtual camera beside it", 1, live.show_virtual_camera, live.has_virtual_camera, live.goes_on),
    Action("switch the profile", 2, live.switch_profile, holds=live.goes_on),
    Action("turn studio mode on or off", 1, live.turn_studio_mode, holds=live.goes_on),
    Action("spoil the clip that plays", 1, lambda world: spoil(world, world.clip), live.can_spoil_clip),
    Action("fill the disk", 1, trouble(Disk.fill), disk_is_whole, canary_stays),
    Action("make the disk read-only", 1, trouble(Disk.lock), disk_is_whole, canary_stays),
    Action(SETTLE, 1, World.settle, worker_may_end),
)  # fmt: skip
