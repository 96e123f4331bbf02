"""What is a person's before an empty room: whatever differs from it and touches them, and nothing that stands in it."""

from __future__ import annotations

import cv2
import numpy as np

from .comparison import ALIKE, DIFFERENT, Comparison
from .filters import Filters, Parts
from .finding import EMPTY

# Lengths as filters.py has them.
_STAYS = 6.0  # a difference that is enough where it was theirs in the frame before
_SEEN = 0.3  # alpha that the network takes for somebody's
_THIN = 2  # what is no wider than twice this holds nothing together
_TOUCHING = 3  # half of the gap over which things still touch
_WIDE, _REACHES, _UNSEEN = 3, 12, 0.15  # what is added is wider, reaches further, and the network sees less of it
_FAR, _THICK = 20, 8  # from what the network sees, and half of its width: a thing that it sees in part
_GAP, _SHOWS_ROOM = 16, 0.7  # in a thing, and the share of it that is the room's where the room shows through
_PASSING = 0.6  # of the largest person's area: whoever is apart and smaller passes behind
_KNOWN, _OPENS = 0.25, 0.1  # of the outline of furniture: that is an edge of the room's, and that leads out to it


def theirs(
    people: np.ndarray, comparison: Comparison, keep_furniture: bool = False, before: np.ndarray | None = None
) -> np.ndarray:
    """The people and what they hold: bool, shape (H, W).

    people: alpha of the network, float32 in 0..1. keep_furniture: nothing goes that the network sees. before: what this
    gave for the frame before, which is calmer so.
    """
    filters, seen = comparison.placed.filters, people > 0.5
    body = seen if keep_furniture else seen & ~_furniture(people, comparison)
    least = DIFFERENT if before is None else np.where(before, _STAYS, DIFFERENT)
    differs = filters.opened((comparison.difference > least) & ~comparison.shadowed, 1)
    either = filters.closed(differs | body, _THIN)
    parts = Parts(filters.dilated(filters.opened(either, _THIN), _TOUCHING))
    of_bodies = parts.sums(body)
    of_bodies[0] = 0
    kept = parts.chosen(of_bodies > max(_PASSING * of_bodies.max(), 1))
    # With the thin parts next to it, that the opening took.
    result = filters.dilated(kept, 2 * _THIN) & either & (body | (comparison.difference > ALIKE))
    result |= _gaps(result & ~body, comparison)
    return result | seen if keep_furniture else result


def changes(people: np.ndarray, firm: np.ndarray, filters: Filters) -> tuple[np.ndarray, np.ndarray]:
    """What the network doesn't see and is theirs, and what it sees and isn't: each bool, shape (H, W).

    firm: what `theirs` gives.
    """
    missing = firm & (people < 0.5)
    parts = Parts(filters.opened(missing, _WIDE))
    scale = filters.scale
    unseen, unsure, inside = (_depth(mask) for mask in (people < EMPTY, people < 0.5, missing))
    # Where the network is half sure, and near to what it sees, that is hair, and drawn better by colours;
    is_unseen = (parts.sums(people) < _UNSEEN * parts.sizes) & (parts.highest(unseen) >= scale * _REACHES)
    # but none is as thick as a thing.
    added = parts.chosen(
        is_unseen | ((parts.highest(unsure) >= scale * _FAR) & (parts.highest(inside) >= scale * _THICK))
    )
    return filters.dilated(added, _WIDE) & missing, filters.opened((people > 0.5) & ~firm, _THIN)


def _depth(mask: np.ndarray) -> np.ndarray:
    """How many pixels each place of it is from the rest: float32, shape (H, W)."""
    return cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)


def _gaps(things: np.ndarray, comparison: Comparison) -> np.ndarray:
    """Where a thing's colour comes near the room's: bool, shape (H, W); not where the room shows through it."""
    filters = comparison.placed.filters
    wide = filters.opened(things, _WIDE)
    parts = Parts(filters.closed(wide, _GAP) & ~wide)
    return parts.chosen(parts.sums(comparison.difference < ALIKE) < _SHOWS_ROOM * parts.sizes)


def _furniture(people: np.ndarray, comparison: Comparison) -> np.ndarray:
    """What the network takes for theirs and the room shows too, with its outline: bool, shape (H, W).

    A jacket may have a wall's colour by chance; but no outline that is the room's.
    """
    filters, alike = comparison.placed.filters, comparison.difference < ALIKE
    same = filters.opened(alike & (people > _SEEN), _THIN)
    parts = Parts(same)
    outline = same & ~filters.eroded(same, 1)
    edges = filters.dilated(comparison.placed.edges, 2)
    beside = filters.dilated(alike & (people < _SEEN), _THIN)
    lengths = parts.sums(outline)
    is_known = parts.sums(outline & edges) > _KNOWN * lengths
    return parts.chosen(is_known & (parts.sums(beside & same) > _OPENS * lengths))
