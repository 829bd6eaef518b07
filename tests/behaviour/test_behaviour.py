"""The page of the matrix is what the engine does, and the matrix leaves out nothing that there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.nodes import send
from engine.nodes._fields import NODE_FIELDS
from tests.behaviour.matrix import JOINS, SENDS, branch_cell, tables
from tests.behaviour.page import page
from tests.behaviour.plays import BRANCHES

PAGE = Path(__file__).parents[2] / "docs/reference/behaviour.md"


def test_the_page_is_what_the_engine_does() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it anew, and look at what has changed: make docs"


def test_every_join_and_every_rule_for_failures_is_in_it() -> None:
    by_name, by_number = NODE_FIELDS["join"].schema["anyOf"]
    assert {fields["join"] for fields in JOINS.values() if isinstance(fields.get("join"), str)} | {"all"} == set(
        by_name["enum"]
    )
    assert {tuple(fields["join"]) for fields in JOINS.values() if isinstance(fields.get("join"), dict)} == {
        tuple(by_number["required"])
    }
    rules = {play.node.get("on_error", "fail") for play in BRANCHES}
    assert rules == set(NODE_FIELDS["on_error"].schema["enum"])
    items = {fields["on_item_error"] for fields, _ in SENDS.values()}
    assert items == set(send.FIELDS["on_item_error"].schema["enum"])


@pytest.mark.parametrize("join", ["`all`", "`quorum` 2", "deferred"])
def test_who_answers_first_makes_no_difference_to_joins_that_wait(join: str) -> None:
    for play in BRANCHES:
        assert "first:" not in branch_cell(play, JOINS[join]), play.name


def test_the_results_of_a_send_do_not_depend_on_who_answers_first() -> None:
    assert "first:" not in tables()[1]
