"""A script for a real OBS under test: on a hotkey it writes down every portrait's properties, as OBS sees them."""

import ctypes
import json
import os

import obspython as obs

_libobs = ctypes.CDLL(None)
_hotkey = None


def script_load(settings):
    global _hotkey
    _hotkey = obs.obs_hotkey_register_frontend("probe.dump", "probe: dump", lambda pressed: pressed and dump())


def dump():
    found = {}
    sources = obs.obs_enum_sources()
    for source in sources:
        if obs.obs_source_get_unversioned_id(source) == "cvmatte_portrait":
            properties = obs.obs_source_properties(source)
            found[obs.obs_source_get_name(source)] = described(int(properties))
            obs.obs_properties_destroy(properties)
    obs.source_list_release(sources)
    with open(os.environ["PROBE_FILE"] + ".part", "w", encoding="utf-8") as file:
        json.dump(found, file)
    os.replace(os.environ["PROBE_FILE"] + ".part", os.environ["PROBE_FILE"])


def described(properties):
    """By name; through ctypes, since obspython can't step from a property to the next."""
    found = {}
    prop = ctypes.c_void_p(call("obs_properties_first", ctypes.c_void_p, properties))
    while prop:
        found[text("obs_property_name", prop)] = {
            "description": text("obs_property_description", prop),
            "tip": text("obs_property_long_description", prop),
            "visible": call("obs_property_visible", ctypes.c_bool, prop),
        }
        if call("obs_property_get_type", ctypes.c_int, prop) == obs.OBS_PROPERTY_GROUP:
            found.update(described(call("obs_property_group_content", ctypes.c_void_p, prop)))
        call("obs_property_next", ctypes.c_bool, ctypes.byref(prop))
    return found


def text(name, prop):
    return (call(name, ctypes.c_char_p, prop) or b"").decode()


def call(name, result, argument):
    function = getattr(_libobs, name)
    function.restype = result
    return function(ctypes.c_void_p(argument) if isinstance(argument, int) else argument)
