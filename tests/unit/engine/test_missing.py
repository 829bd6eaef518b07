"""The one value that stands for none."""

from __future__ import annotations

import pickle
from copy import copy

from engine.missing import MISSING, Missing


def test_it_is_false_and_says_what_it_is():
    assert not MISSING
    assert repr(MISSING) == "MISSING"


def test_there_is_one_of_it():
    assert copy(MISSING) is MISSING
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING
    assert isinstance(MISSING, Missing)
