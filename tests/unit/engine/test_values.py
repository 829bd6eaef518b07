"""Values with some fields changed."""

from __future__ import annotations

import dataclasses

import pytest

from engine.model import Ref, RunHead, RunId, RunStatus
from engine.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    x: int

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("x is negative")


@dataclass(frozen=True, slots=True)
class Counted:
    x: int
    seen: int = dataclasses.field(default=0, init=False)


@dataclass(frozen=True)
class Loose:
    x: int


def test_what_is_changed_is_changed_and_the_rest_is_the_same() -> None:
    head = RunHead(
        key=1, id=RunId("r"), workflow_id="w", workflow_version=1, status=RunStatus.RUNNING, head=Ref(1), created_at=1,
        updated_at=2, input={"a": 1},
    )  # fmt: skip
    changed = replace(head, status=RunStatus.COMPLETED, finished_at=3)
    assert changed == dataclasses.replace(head, status=RunStatus.COMPLETED, finished_at=3) != head
    assert (head.status, head.finished_at) == (RunStatus.RUNNING, None)
    assert changed.input is head.input


def test_values_of_one_class_do_not_stand_in_for_those_of_another() -> None:
    assert replace(Point(1), y=2) == Point(1, 2)
    assert replace(Point(1)) == Point(1)
    assert type(replace(Point(1))) is Point


def test_a_name_that_there_is_not_is_refused() -> None:
    with pytest.raises(AttributeError, match="z"):
        replace(Point(1), z=2)  # type: ignore[call-arg]


@pytest.mark.parametrize("value", [Checked(1), Counted(1), Loose(1)], ids=["post_init", "not-given", "no-slots"])
def test_what_is_more_than_its_fields_is_refused(value: Checked | Counted | Loose) -> None:
    with pytest.raises(TypeError, match=f"a {type(value).__name__} is more than its fields"):
        replace(value, x=2)
