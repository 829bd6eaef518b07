"""What `clew runs start` begins a run with, and what lists find it by."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.command_line import clew, said, told
from tests.integration.test_cli_runs import Base


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base(tmp_path)


def test_a_run_is_started_with_labels_and_once_for_one_key(base: Base) -> None:
    words = (
        "runs",
        "start",
        "straight",
        "--tag",
        "a",
        "--tag",
        "b",
        "--metadata",
        "n=1",
        "--key",
        "k",
        "--db",
        base.db,
    )
    run = told(*words)
    assert (run["tags"], run["metadata"], told(*words)["id"]) == (["a", "b"], {"n": 1}, run["id"])
    shown = said("runs", "show", run["id"], "--db", base.db)
    assert 'tags      a, b\nmetadata  {"n":1}\n' in shown


@pytest.mark.parametrize(("option", "checkpoints"), [("--break-before", 2), ("--break-after", 3)])
def test_a_run_is_started_to_stop_at_a_node(base: Base, option: str, checkpoints: int) -> None:
    run = told("runs", "start", "straight", option, "a", "--db", base.db)
    assert (run["status"], run["interrupts"][0]["kind"], run["checkpoint_count"]) == (
        "interrupted", "breakpoint", checkpoints,
    )  # fmt: skip


def test_a_webhook_is_given_and_shown(base: Base) -> None:
    hook, run = ("--webhook", "http://127.0.0.1:9/"), base.runs["straight"]
    for words in (("start", "straight"), ("fork", f"{run}.1")):
        begun = told("runs", *words, *hook, "--db", base.db)["id"]
        (line,) = [line for line in said("runs", "show", begun, "--db", base.db).splitlines() if "webhook" in line]
        assert line.startswith("webhook   http://127.0.0.1:9/, notice ")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("--since 1h", {"straight", "asking", "working", "dividing"}),
        ("--until 2020-01-31", set()),
        ("--since 2020-01-31T00:00:00Z --until today", set()),
        ("--since yesterday --until 2999-01-01 --workflow asking", {"asking"}),
        ("--metadata team=docs", set()),
        ("--parent {straight}", set()),
    ],
)
def test_runs_are_listed_by_time_metadata_and_parent(base: Base, words: str, names: set[str]) -> None:
    found = told("runs", "list", *words.format(**base.runs).split(), "--db", base.db)
    assert {run["workflow_id"] for run in found["items"]} == names


@pytest.mark.parametrize("words", ["--since tomorrow-ish", "--until 2026-01-31T00:00:00", "--metadata team"])
def test_a_filter_that_is_none_is_told(base: Base, words: str) -> None:
    assert clew("runs", "list", *words.split(), "--db", base.db).exit_code == 2
