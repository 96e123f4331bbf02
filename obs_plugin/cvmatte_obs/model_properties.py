"""The list of models in a portrait's properties, and the fetching of one that isn't there."""

from __future__ import annotations

from cvmatte_core.localization.errors import CvmatteError
from cvmatte_core.localization.texts import Texts, megabytes
from cvmatte_core.models import catalogue
from cvmatte_core.models.catalogue import ModelEntry

from . import controls, libobs, status_line
from .portrait import Portrait
from .property_callbacks import add_button, clicked
from .session import Session

_MODEL, _SAID, _INSTALL = b"model", b"model_said", b"model_install"


def add(properties: int, session: Session, portrait: Portrait) -> None:
    """Below the list itself, which is a control."""
    texts = session.texts
    controls.add_text(properties, _SAID, "")
    add_button(
        properties,
        b"model_install",
        portrait,
        _ON_INSTALL,
        texts("source.model_install"),
        texts("source.model_install.tip"),
    )


def show_what_applies(properties: int, session: Session, chosen: str) -> None:
    texts, install = session.texts, session.model_install
    listed, said = libobs.obs_properties_get(properties, _MODEL), libobs.obs_properties_get(properties, _SAID)
    libobs.obs_property_list_clear(listed)
    for name, shown in _choices(texts, chosen):
        libobs.obs_property_list_add_string(listed, libobs.utf8(shown), libobs.utf8(name))
    missing = _missing(chosen)
    if missing is not None:
        rich_text = status_line.rich_text(
            status_line.all_lines(_about(missing, session), ""), install.error_of(chosen) is not None
        )
        libobs.obs_property_set_description(said, libobs.utf8(rich_text))
    libobs.obs_property_set_visible(said, missing is not None)
    can_install = missing is not None and catalogue.can_run(missing) and not install.is_running
    libobs.obs_property_set_visible(libobs.obs_properties_get(properties, _INSTALL), can_install)


def _missing(chosen: str) -> ModelEntry | None:
    """The chosen model where it isn't installed."""
    try:
        entry = catalogue.entry_of(chosen)
    except CvmatteError:  # whoever cuts out next says it
        return None
    return None if catalogue.is_there(entry) and catalogue.can_run(entry) else entry


def _choices(texts: Texts, chosen: str) -> list[tuple[str, str]]:
    """(name, shown text) of every model that there is now, and of a chosen one that is gone: so it isn't replaced.
    Those that aren't installed come last."""
    try:
        choices = catalogue.choices(texts)
        missing = [entry.name for entry in catalogue.to_install()]
    except CvmatteError:
        choices, missing = {catalogue.AUTO: texts("choice.model.auto", model="")}, []
    there = [(name, shown) for name, shown in choices.items() if name not in missing]
    gone = [] if chosen in choices else [(chosen, texts("choice.model.gone", model=chosen))]
    return [*there, *((name, texts("source.model.not_installed", model=choices[name])) for name in missing), *gone]


def _about(entry: ModelEntry, session: Session) -> str:
    """Of a model that isn't installed: how far its fetching is, what went wrong with it, what it is good for."""
    texts, install = session.texts, session.model_install
    error = install.error_of(entry.name)
    if install.is_running:
        done, total = install.progress
        shown = texts("panel.model.installing", model=install.title)
        fetched = texts("models.fetched", done=megabytes(done), total=megabytes(total)) if total > 1 else ""
        return f"{shown} {fetched}".strip()
    if error is not None:
        return error.sentence(texts)
    if not catalogue.can_run(entry):
        return texts("source.model.elsewhere", group=texts("panel.group.model"))
    return f"{catalogue.good_at(entry, texts)} {catalogue.costs(entry, texts)}"


def _install(session: Session, portrait: Portrait) -> None:
    values = portrait.values
    chosen = values.control("model") if values is not None else catalogue.AUTO
    entry = _missing(chosen)
    if entry is not None:
        session.model_install.start(entry, session.texts)


_ON_INSTALL = clicked(lambda session, portrait: session.post(_install, session, portrait))
