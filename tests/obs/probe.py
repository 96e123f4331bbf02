"""A script for a real OBS under test: it does what a command file asks, and writes down what OBS sees.

{"set": {…}} sets CVMatte's panel, {"press": NAME} then presses a button of it; {"choose": [SOURCE, NAME, VALUE]}
chooses in a drop-down of a source's properties, or turns a switch there, as their dialog does, {"choose_in_panel":
[NAME, VALUE]} in a drop-down of the panel; {"reload": true} loads the script anew before that; {"duplicate": [SOURCE,
NAME]} puts a copy of a source into the current scene, as OBS's Paste (Duplicate) does; {"group": [SOURCE, NAME]} puts
its item there into a new group, {"dress": SOURCE} gives it a scale filter, a blending method and a transition, which
no request does. Then is written down what was asked for, since a look at a dialog costs OBS much: with {"properties":
SOURCE} a portrait's properties, as after a choice in them; the panel after what was done in it, or a reload; with
{"hotkeys": true} what all hotkeys are called; with {"states": true} what each portrait says, whether that is an error,
and how many pictures of other sources OBS draws for portraits.
"""

import contextlib
import ctypes
import json
import os
import sys
import threading
import traceback
from typing import Any

import obspython as obs

_libobs = ctypes.CDLL(None)
_data = None
_ended = threading.Event()
_OF_THE_PANEL = {"set", "press", "choose_in_panel", "reload"}


def script_load(settings):
    """No hotkey and no timer: obspython would take it for that script which it calls just now. Another one's tick may
    have had its turn since this began: then that is none, and OBS ends.
    """
    global _ended
    _ended = threading.Event()  # a new one each time: the module stays when scene collections are switched
    threading.Thread(target=serve, args=(os.environ["PROBE_FILE"], _ended), daemon=True).start()


def script_unload():
    _ended.set()


def serve(file, ended):
    while not ended.wait(0.02):
        if os.path.exists(file + ".command"):
            dump(file)


def dump(file):
    found: dict = {}
    try:
        with open(file + ".command", encoding="utf-8") as asked:
            command = json.load(asked)
        os.remove(file + ".command")
        if "choose" in command:
            choose(*command["choose"])
        if "reload" in command:
            reload()
        if "duplicate" in command:
            duplicate(*command["duplicate"])
        if "group" in command:
            group(*command["group"])
        if "dress" in command:
            dress(command["dress"])
        if not _OF_THE_PANEL.isdisjoint(command):
            found["panel"] = panel(command.get("set"), command.get("press"), command.get("choose_in_panel"))
        if "hotkeys" in command:
            found["hotkeys"] = hotkeys()
        if "states" in command:
            found["states"], found["mixes"] = states(), mixes()
        looked_at = command.get("properties") or command.get("choose", [None])[0]
        if looked_at:
            found["properties"] = properties_of(looked_at)
    except Exception:
        found["error"] = traceback.format_exc()
    finally:
        with open(file + ".part", "w", encoding="utf-8") as written:
            json.dump(found, written)
        os.replace(file + ".part", file)


def states():
    """By the portrait's name: its state line, and whether that is an error. Much cheaper than its properties."""
    script: Any = sys.modules["cvmatte"]
    return {name: [state.text, state.is_error] for name, state in script._script.session.portraits()}


def hotkeys():
    found = []

    @ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    def look(_data, _id, hotkey):
        found.append(text("obs_hotkey_get_description", hotkey))
        return True

    call("obs_enum_hotkeys", None, look, None)
    return found


def mixes():
    script: Any = sys.modules["cvmatte"]
    return sum(mix.is_used for mix in script._script.session._feeds._mixes)


def reload():
    """As OBS does, which then asks for the panel at once."""
    script: Any = sys.modules["cvmatte"]
    data = script._script.panel._data
    call("obs_data_addref", None, data)
    script.script_unload()
    script.script_load(data)
    call("obs_data_release", None, data)


def duplicate(name, new_name):
    original = obs.obs_get_source_by_name(name)
    copy = obs.obs_source_duplicate(original, new_name, False)
    scene = obs.obs_frontend_get_current_scene()
    call("obs_scene_add", ctypes.c_void_p, int(obs.obs_scene_from_source(scene)), int(copy))
    for source in (scene, copy, original):
        obs.obs_source_release(source)


def group(name, group_name):
    with current_item(name) as (items, item):
        made = call("obs_scene_add_group2", ctypes.c_void_p, items, group_name.encode(), ctypes.c_bool(True))
        call("obs_sceneitem_group_add_item", None, made, item)


def dress(name):
    fade = obs.obs_source_create_private("fade_transition", "fade", None)
    with current_item(name) as (_, item):
        call("obs_sceneitem_set_scale_filter", None, item, ctypes.c_int(obs.OBS_SCALE_LANCZOS))
        call("obs_sceneitem_set_blending_method", None, item, ctypes.c_int(obs.OBS_BLEND_METHOD_SRGB_OFF))
        call("obs_sceneitem_set_transition", None, item, ctypes.c_bool(True), int(fade))
        call("obs_sceneitem_set_transition_duration", None, item, ctypes.c_bool(True), ctypes.c_uint32(700))
    obs.obs_source_release(fade)


@contextlib.contextmanager
def current_item(name):
    """The current scene, and its item of a source."""
    scene = obs.obs_frontend_get_current_scene()
    items = int(obs.obs_scene_from_source(scene))
    yield items, call("obs_scene_find_source", ctypes.c_void_p, items, name.encode())
    obs.obs_source_release(scene)


def panel(settings, press, chosen):
    """The panel's properties, after some were set, a button of it was pressed, and a value chosen in a drop-down."""
    script: Any = sys.modules.get("cvmatte")
    if settings:
        data = call("obs_data_create_from_json", ctypes.c_void_p, json.dumps(settings).encode())
        call("obs_data_apply", None, script._script.panel._data, data)
        call("obs_data_release", None, data)
        script.script_update(None)
    properties = script.script_properties() if script else None
    if properties is None:
        return {}
    if press:
        prop = call("obs_properties_get", ctypes.c_void_p, int(properties), press.encode())
        call("obs_property_button_clicked", ctypes.c_bool, prop, None)
    if chosen:
        data = script._script.panel._data
        call("obs_data_set_string", None, data, chosen[0].encode(), chosen[1].encode())
        prop = call("obs_properties_get", ctypes.c_void_p, int(properties), chosen[0].encode())
        call("obs_property_modified", ctypes.c_bool, prop, data)
    found = described(int(properties))
    obs.obs_properties_destroy(properties)
    return found


def choose(name, key, value):
    source = obs.obs_get_source_by_name(name)
    settings = obs.obs_source_get_settings(source)
    properties = obs.obs_source_properties(source)
    obs.obs_properties_apply_settings(properties, settings)  # as the dialog does when it opens
    set_value = obs.obs_data_set_bool if isinstance(value, bool) else obs.obs_data_set_string
    set_value(settings, key, value)
    prop = call("obs_properties_get", ctypes.c_void_p, int(properties), key.encode())
    call("obs_property_modified", ctypes.c_bool, prop, int(settings))
    obs.obs_source_update(source, settings)
    obs.obs_properties_destroy(properties)
    obs.obs_data_release(settings)
    obs.obs_source_release(source)


def properties_of(name):
    source = obs.obs_get_source_by_name(name)
    assert obs.obs_source_get_unversioned_id(source) == "cvmatte_portrait", name
    properties = obs.obs_source_properties(source)
    found = described(int(properties))
    obs.obs_properties_destroy(properties)
    obs.obs_source_release(source)
    return found


def described(properties):
    """By name; through ctypes, since obspython can't step from a property to the next."""
    found = {}
    prop = ctypes.c_void_p(call("obs_properties_first", ctypes.c_void_p, properties))
    while prop:
        kind = call("obs_property_get_type", ctypes.c_int, prop)
        found[text("obs_property_name", prop)] = {
            "description": text("obs_property_description", prop),
            "tip": text("obs_property_long_description", prop),
            "visible": call("obs_property_visible", ctypes.c_bool, prop),
            "suffix": text("obs_property_int_suffix", prop) if kind == obs.OBS_PROPERTY_INT else "",
            "items": items(prop) if kind == obs.OBS_PROPERTY_LIST else [],
        }
        if kind == obs.OBS_PROPERTY_GROUP:
            found.update(described(call("obs_property_group_content", ctypes.c_void_p, prop)))
        call("obs_property_next", ctypes.c_bool, ctypes.byref(prop))
    return found


def items(prop):
    count = call("obs_property_list_item_count", ctypes.c_size_t, prop)
    return [
        (call("obs_property_list_item_name", ctypes.c_char_p, prop, index) or b"").decode() for index in range(count)
    ]


def text(name, prop):
    return (call(name, ctypes.c_char_p, prop) or b"").decode()


def call(name, result, *arguments):
    function = getattr(_libobs, name)
    function.restype = result
    return function(*(ctypes.c_void_p(value) if isinstance(value, int) else value for value in arguments))
