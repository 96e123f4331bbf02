"""What a portrait says of itself, in its properties."""

from __future__ import annotations

import html
from urllib.parse import urlsplit

from cvmatte_core.localization.texts import Texts

from . import controls, libobs, status_line
from .portrait import Portrait
from .portrait_page import PortraitPage

# Pixels in the properties dialog, at OBS's default width of it; and as many lines of text as are higher.
_VIEWS, _VIEWS_WIDTH, _VIEWS_HEIGHT, _VIEWS_LINES = 3, 460, 140, 8
_STATE, _BACKGROUND_SAID = b"state", b"background_said"


def add(properties: int, portrait: Portrait, settings: int) -> None:
    """What there is no room for is in its tip, for which OBS takes the text from the settings; as a default, it isn't
    saved."""
    state, note = portrait.state, portrait.note
    line, is_all = status_line.line(state.text, note)
    shown = status_line.rich_text([line], state.is_error)
    has_more = bool(state.more) or not is_all
    libobs.obs_data_set_default_string(settings, _STATE, libobs.utf8(shown if has_more else ""))
    added = controls.add_text(properties, _STATE, "" if has_more else shown)
    if has_more:
        controls.explain(added, status_line.rich_text([state.more or state.text, *([note] if note else [])], False))


def add_whole(properties: int, portrait: Portrait) -> None:
    """The same to be read without the mouse: at the end it moves nothing."""
    state, note = portrait.state, portrait.note
    _, is_all = status_line.line(state.text, note)
    if state.more or not is_all:
        whole = status_line.all_lines(state.more or state.text, note)
        controls.add_text(properties, b"state_whole", status_line.rich_text(whole, state.is_error))


def add_background_said(properties: int, portrait: Portrait, texts: Texts) -> None:
    """Of the image behind the person: what is wrong with it, else what becomes of it."""
    said = portrait.state.background
    shown, _ = status_line.line(said or texts("control.background_image.tip"), "")
    controls.add_text(properties, _BACKGROUND_SAID, status_line.rich_text([shown], bool(said)))


def add_files_said(properties: int, portrait: Portrait) -> None:
    if portrait.said_of_files:
        said = status_line.all_lines(portrait.said_of_files, "")
        controls.add_text(properties, b"files_said", status_line.rich_text(said, False))


def add_page_said(properties: int, page: PortraitPage, texts: Texts) -> None:
    """Of the page in the browser, while it opens and is open. Its address is too long for a line that Qt can break, and
    has a token that no viewer of a stream need see."""
    way = None if page.is_opening else page.way
    if way is None and not page.is_opening:
        return
    said = texts("source.touch_up_opening" if way is None else "source.touch_up_opened")
    lines = [html.escape(line) for line in status_line.all_lines(said, "")]
    if way is not None:
        shown = f"http://{urlsplit(way.address).netloc}/…"
        lines.append(f'<a href="{html.escape(way.link)}">{shown}</a>')
    controls.add_text(properties, b"touch_up_page", f"<span>{'<br>'.join(lines)}</span>")


def add_views(properties: int, portrait: Portrait, texts: Texts) -> None:
    """Their room is there before they are, and the same for photos of any shape."""
    views, record = "", portrait.life.record
    if portrait.preview and record is not None:
        width, height = record.size
        width = min(_VIEWS_WIDTH, _VIEWS * _VIEWS_HEIGHT * width // height)
        views = f'{html.escape(texts("source.views"))}<br><img src="{html.escape(portrait.preview)}" width="{width}">'
    controls.add_text(properties, b"views", status_line.with_room(views, 1 + _VIEWS_LINES))


def show_what_applies(properties: int, values: controls.Values, shows_rare: bool) -> None:
    has_image_behind = values.control("background") == "image"
    for name, shown in ((_BACKGROUND_SAID, has_image_behind), (b"views", shows_rare and not values.is_live)):
        libobs.obs_property_set_visible(libobs.obs_properties_get(properties, name), shown)
