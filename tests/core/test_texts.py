"""All languages, and that the code's texts are all in them."""

from __future__ import annotations

import ast
import json
import re
import string
from collections.abc import Collection

import pytest

from cvmatte_core.__main__ import COMMANDS
from cvmatte_core.filesystem import paths
from cvmatte_core.localization import errors
from cvmatte_core.localization.texts import LANGUAGES, Texts, language_of
from cvmatte_core.models.catalogue import catalogue, is_own
from cvmatte_core.presets import BUILT_IN
from cvmatte_core.settings import CHOICE, CONTROLS
from cvmatte_core.system.devices import DEVICES

PLACEMENTS = ("fit_height", "bottom_centre", "left_third", "right_third", "full_frame")
TEXTS = {
    language: json.loads(
        (paths.ROOT / "cvmatte_core" / "localization" / "locale" / f"{language}.json").read_text(encoding="utf-8")
    )
    for language in LANGUAGES
}
SOURCES = [
    path for folder in ("cvmatte_core", "obs_plugin", "scripts") for path in sorted((paths.ROOT / folder).rglob("*.py"))
] + [paths.ROOT / "install.py"]
PANEL = [path for path in SOURCES if path.parent.name == "panel"]


def keys_in_the_code(known: Collection[str] = frozenset(TEXTS["en"])) -> set[str]:
    """Every key that the code asks for: literal ones, errors', and those that it puts together."""
    families = {key.rpartition(".")[0] for key in known} | {"error"}
    found, all_words = set(), set()
    for files in (*([path] for path in SOURCES if path not in PANEL), PANEL):
        words, patterns = set(), set()
        trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
        for node in (node for tree in trees for node in ast.walk(tree)):
            if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
                text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
                words.add(text)
                if text.rpartition(".")[0] in families and re.fullmatch(
                    r"[a-z_]+(\.[a-z_]+)+(?<!\.py)(?<!\.png)(?<!\.webp)(?<!\.cmd)(?<!\.command)", text
                ):
                    found.add(text)
            elif isinstance(node, ast.JoinedStr):
                parts = (
                    re.escape(str(part.value)) if isinstance(part, ast.Constant) else "(.+)" for part in node.values
                )
                patterns.add("".join(parts))
            elif isinstance(node, ast.Call) and is_error(node.func) and node.args:
                for argument in ast.walk(node.args[0]):
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        found.add(f"error.{argument.value}")
        # What is put together counts where each part is a word of the same file (or of the panel's files, whose rows
        # put together the names that groups give them), or put together in turn there:
        # f"panel.{name}" with "take_still", or with f"{name}.tip" of that. What begins with any word would be all.
        patterns = {pattern for pattern in patterns if not pattern.startswith("(.+)") or pattern == r"(.+)\.tip"}
        found |= {key for key in known if key not in words and made_of(key, words, patterns, depth=3)}
        all_words |= words
    found |= {key for key in known if key.startswith("error.") and key[len("error.") :] in all_words}
    static = paths.ROOT / "cvmatte_core" / "web" / "static"
    for path in (*static.glob("*.html"), *static.glob("*.js")):
        found |= set(re.findall(r'"(web\.[a-z_]+)"', path.read_text(encoding="utf-8")))
    # The editor's own: those that it asks for, and those that it puts together of its words.
    editor = (static / "touch-up.js").read_text(encoding="utf-8")
    found |= {f"touch_up.{key}" for key in re.findall(r'this\.text\("([a-z_.]+)"', editor)}
    its_words = {*re.findall(r'"([a-z_]+)"', editor), "tip"}
    found |= {key for key in known if key.startswith("touch_up.") and its_words.issuperset(key.split(".")[1:])}
    # Those of the page for zones stand in the place of the editor's.
    found |= {
        key for key in known if key.startswith("zones.page.") and f"touch_up.{key[len('zones.page.') :]}" in found
    }
    # And those that are put together of what is declared elsewhere.
    for control in CONTROLS:
        found |= {f"control.{control.name}", f"control.{control.name}.tip", f"group.{control.group}"}
        if control.kind == CHOICE:
            found |= {f"choice.{control.name}.{value}" for value in control.choices}
    found |= {f"state.{stage}" for stage in ("start", "decode", "load", "network", "refine")}
    shipped = [entry.name for entry in catalogue().values() if not is_own(entry)]
    found |= {f"{family}.{name}" for family in ("choice.model", "model.good_at") for name in shipped}
    found |= {f"device.{device}" for device in DEVICES}
    found |= {f"panel.worker.{state}" for state in ("stopped", "starting", "ready", "waiting")}
    found |= {f"source.input.{input}" for input in ("file", "source", "camera", "video", "source_live")}
    found |= {f"panel.placement.{place}" for place in PLACEMENTS}
    found |= {f"{command}.about" for command in COMMANDS}
    return (
        found | {f"preset.{name}" for name in BUILT_IN} | {"error.cancelled", "error.disk_full", "error.cannot_write"}
    )


def made_of(text: str, words: set[str], patterns: set[str], depth: int) -> bool:
    if text in words:
        return True
    matches = (re.fullmatch(pattern, text) for pattern in patterns if depth and ("." in text) and "\\." in pattern)
    return any(match and all(made_of(part, words, patterns, depth - 1) for part in match.groups()) for match in matches)


def is_error(function: ast.expr) -> bool:
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    named = getattr(errors, name, None)
    return isinstance(named, type) and issubclass(named, errors.CvmatteError)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_keys_and_placeholders(language: str) -> None:
    assert TEXTS["en"].keys() == TEXTS[language].keys()
    for key, text in TEXTS["en"].items():
        assert placeholders(text) == placeholders(TEXTS[language][key]), key
        assert TEXTS[language][key].strip() or not text.strip(), key


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_the_code_s_keys_are_the_texts_keys() -> None:
    assert keys_in_the_code() == set(TEXTS["en"])


@pytest.mark.parametrize(
    "key",
    ["panel.feather", "panel.quality.tip", "source.erosion", "state.png", "models.jpeg", "error.me"],
)
def test_a_key_that_nobody_asks_for_is_seen(key: str) -> None:
    """Though its parts are words that stand somewhere in the code."""
    assert key not in keys_in_the_code({*TEXTS["en"], key})


def test_no_source_file_has_chinese_of_its_own() -> None:
    for path in SOURCES:
        assert not re.findall("[\u4e00-\u9fff]+", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("zh-CN", "zh-CN"),
        ("zh_TW.UTF-8", "zh-CN"),
        ("Chinese (Simplified)_China", "zh-CN"),
        ("en-GB", "en"),
        ("fr_CA.UTF-8", "fr"),
        ("French_France", "fr"),
        ("de_AT.UTF-8", "de"),
        ("German_Germany", "de"),
        ("es-419", "es"),
        ("Spanish_Mexico", "es"),
        ("ko_KR", "ko"),
        ("Korean_Korea", "ko"),
        ("pt_BR.UTF-8", "pt-BR"),
        ("Portuguese_Brazil", "pt-BR"),
        ("ru", "ru"),
        ("Russian_Russia", "ru"),
        ("it-IT", "en"),
        ("C", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_the_language_follows_the_locale(name: str | None, language: str) -> None:
    assert language_of(name) == language


def test_a_text_with_a_missing_value_is_still_shown() -> None:
    assert "{name}" in Texts("en")("error.image_missing")
