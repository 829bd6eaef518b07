"""What request bodies and query parameters may say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from api.schemas import Fork, Paged, Resume, RunsQuery, StartAnyRun, StartQuery, StartRun, StreamQuery
from api.schemas_workers import ChangedWorker


def faults(model: Any, **given: Any) -> list[str]:
    with pytest.raises(ValidationError) as told:
        model(**given)
    return [str(fault["type"]) for fault in told.value.errors()]


def test_a_start_may_say_nothing() -> None:
    start = StartRun()
    assert (start.input, start.config, start.version, start.tags) == ({}, {}, None, [])


def test_unknown_fields_and_wrong_types_are_refused() -> None:
    assert faults(StartRun, inputs={}) == ["extra_forbidden"]
    assert faults(StartRun, version="1") == ["int_type"]
    assert faults(Fork) == ["missing"]


def test_a_run_is_started_of_one_workflow() -> None:
    assert StartAnyRun(workflow_id="x").workflow is None
    assert StartAnyRun(workflow=None).workflow_id is None
    assert faults(StartAnyRun) == ["workflow"]
    assert faults(StartAnyRun, workflow_id="x", workflow={}) == ["workflow"]


def test_a_resume_may_be_null() -> None:
    assert Resume().resume is None
    assert Resume(resume={"x": 1}).updates == {}


def test_a_change_knows_what_was_given() -> None:
    assert ChangedWorker(model=None).model_fields_set == {"model"}


TIMES = [
    "2026-01-31T12:00:00Z", "2026-01-31t12:00:00.5z", "2026-01-31 12:00:00+01:00", "2026-01-31T12:00:00.123456-00:00",
]  # fmt: skip
NO_TIMES = [
    "", "now", "2026-01-31", "20260131T120000Z", "2026-01-31T12:00:00", "2026-13-01T00:00:00Z", "٢026-01-31T12:00:00Z",
]  # fmt: skip


@pytest.mark.parametrize("text", TIMES)
def test_times_of_rfc_3339_are_taken(text: str) -> None:
    assert RunsQuery(created_after=text).created_after == text.upper()


@pytest.mark.parametrize("text", NO_TIMES)
def test_other_times_are_not(text: str) -> None:
    assert faults(RunsQuery, created_after=text) == ["time"]


def test_statuses_and_modes_come_in_lists() -> None:
    assert RunsQuery(status="failed,running").status == "failed,running"
    assert faults(RunsQuery, status="failed,") == ["status"]
    assert StreamQuery(mode="values,updates,tasks").mode == "values,updates,tasks"
    assert StreamQuery(mode="custom,debug").mode == "custom,debug"
    assert faults(StreamQuery, mode="values,all") == ["mode"]
    assert faults(StreamQuery, mode="") == ["mode"]


def test_pages_and_waits_have_limits() -> None:
    assert Paged().limit == 50
    assert faults(Paged, limit=0) == ["greater_than_equal"]
    assert faults(Paged, limit=1001) == ["less_than_equal"]
    assert StartQuery(wait=300).wait == 300
    assert faults(StartQuery, wait=300.1) == ["less_than_equal"]
    assert faults(StartQuery, wait=float("nan")) == ["finite_number"]
