"""Results of costly steps, remembered by what they were made from."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, Union

import numpy as np

from .framing import Cutout

_MOST_BYTES = 100_000_000  # a larger result isn't kept

Result = TypeVar("Result", bound=Union[np.ndarray, Cutout])


class Steps:
    """The last result of each step on one source, and nothing of others: so a moved slider repeats only what depends on
    it. Several threads may use it at once."""

    def __init__(self, most_bytes: float = _MOST_BYTES) -> None:
        """most_bytes: of a result that is kept; 0: none is."""
        self._most_bytes = most_bytes
        # One pair, replaced as a whole: so no other thread's source gets the results of this one's.
        self._kept: tuple[Callable[[], object], dict[str, tuple[Hashable, Any]]] = lambda: None, {}

    def __call__(self, source: object, step: str, inputs: Hashable, make: Callable[[], Result]) -> Result:
        """The step's last result where source and inputs are the same, else a new one.

        source: compared by identity, and not kept alive. inputs: whatever else the result depends on.
        """
        source_of, results = self._kept
        if source_of() is not source:
            results = {}
            self._kept = weakref.ref(source), results
        known = results.get(step)
        if known is not None and known[0] == inputs:
            result: Result = known[1]
            return result
        del known
        results.pop(step, None)  # freed before its successor needs memory
        result = make()
        if result.nbytes <= self._most_bytes:
            results[step] = inputs, result
        return result

    def forget(self) -> None:
        self._kept = lambda: None, {}
