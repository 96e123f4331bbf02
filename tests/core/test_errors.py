"""What a person is told stays as it is on its way between processes."""

from __future__ import annotations

import pickle

import pytest

from cvmatte_core.localization.errors import Cancelled, CvmatteError, ImageError, OutputError
from cvmatte_core.localization.texts import Texts


@pytest.mark.parametrize(
    "error", [ImageError("image_empty", name="a.png"), OutputError("disk_full", folder="/"), Cancelled()]
)
def test_an_error_crosses_between_processes(error: CvmatteError) -> None:
    there = pickle.loads(pickle.dumps(error))
    assert (type(there), there.key, there.values, str(there)) == (type(error), error.key, error.values, str(error))
    assert there.sentence(Texts("zh-CN")) == error.sentence(Texts("zh-CN"))
