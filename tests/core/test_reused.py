"""Copies of pictures in memory that is used again."""

from __future__ import annotations

import numpy as np

from cvmatte_core.image.reused import Reused


def test_memory_is_used_again_only_once_nobody_holds_it() -> None:
    memory, picture = Reused(), np.arange(24, dtype=np.float32).reshape(4, 6)
    first = memory.copy(picture)
    assert np.array_equal(first, picture) and not np.shares_memory(first, picture)
    of_first = first[1:3, 2:]
    where = first.ctypes.data
    del first
    second = memory.copy(picture)
    second[:] = 0
    assert np.array_equal(of_first, picture[1:3, 2:])
    del of_first
    third = memory.copy(picture.astype(np.uint32))
    assert third.ctypes.data == where and third.dtype == np.uint32 and np.array_equal(third, picture)
    assert memory.copy(picture[:2]).ctypes.data not in (where, second.ctypes.data)  # of another size


def test_a_copy_outlives_whoever_made_it() -> None:
    copy = Reused().copy(np.full((5, 5), 7, np.uint8))
    assert (copy == 7).all()
