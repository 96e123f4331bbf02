"""The READMEs and the pages in docs/: that their links lead somewhere, each page from one place."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from cvmatte_core.filesystem import paths

READMES = {"README.md": "docs", "README.zh-CN.md": "docs/zh-CN"}
TEXTS = [paths.ROOT / name for name in READMES] + sorted((paths.ROOT / "docs").rglob("*.md"))


def links_of(text: Path) -> list[Path]:
    """The files that a text leads to, or shows."""
    found = re.findall(r"\]\(([^)#]+)\)", text.read_text(encoding="utf-8"))
    return [(text.parent / link).resolve() for link in found if "://" not in link]


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.relative_to(paths.ROOT).as_posix())
def test_each_link_leads_somewhere(text: Path) -> None:
    assert [link for link in links_of(text) if not link.exists()] == []


@pytest.mark.parametrize("readme", READMES)
def test_each_page_is_linked_once(readme: str) -> None:
    links = Counter(links_of(paths.ROOT / readme))
    linked = {page.name: links[page.resolve()] for page in (paths.ROOT / READMES[readme]).glob("*.md")}
    assert linked and set(linked.values()) == {1}, linked


def test_each_picture_is_shown() -> None:
    shown = {link for text in TEXTS for link in links_of(text)}
    assert set((paths.ROOT / "docs" / "pictures").resolve().iterdir()) <= shown
