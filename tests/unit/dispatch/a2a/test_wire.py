"""What is written in a version of Agent2Agent is read as what it was."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch._a2a.model import (
    Artifact,
    ArtifactUpdate,
    Message,
    Part,
    Role,
    State,
    Status,
    StatusUpdate,
    Task,
)
from dispatch._a2a.read import Unreadable, read_event, read_message, read_part, read_task
from dispatch._a2a.v01 import V01
from dispatch._a2a.v03 import V03
from dispatch._a2a.v1 import V1

names = st.text(min_size=1, max_size=8)
objects = st.dictionaries(names, st.integers() | st.text(max_size=5), max_size=2)
named = {"metadata": objects, "filename": st.none() | names, "media_type": st.none() | names}
parts = st.one_of(
    st.builds(Part, text=st.text(max_size=10), metadata=objects),
    st.builds(Part, data=objects, metadata=objects),
    st.builds(Part, raw=names, **named),
    st.builds(Part, url=names, **named),
)
some_parts = st.lists(parts, max_size=3).map(tuple)
ids = st.lists(names, max_size=2).map(tuple)
messages = st.builds(
    Message,
    message_id=names,
    role=st.sampled_from(Role),
    parts=some_parts,
    context_id=st.none() | names,
    task_id=st.none() | names,
    reference_task_ids=ids,
    extensions=ids,
    metadata=objects,
)
states = st.sampled_from([state for state in State if state is not State.UNKNOWN])
statuses = st.builds(Status, state=states, message=st.none() | messages, timestamp=st.none() | names)
artifacts = st.builds(
    Artifact,
    artifact_id=names,
    parts=some_parts,
    name=st.none() | names,
    description=st.none() | names,
    metadata=objects,
)
tasks = st.builds(
    Task,
    id=names,
    context_id=names,
    status=statuses,
    artifacts=st.lists(artifacts, max_size=2).map(tuple),
    history=st.lists(messages, max_size=2).map(tuple),
    metadata=objects,
)
placed = {"task_id": names, "context_id": names, "metadata": objects}
artifact_updates = st.builds(
    ArtifactUpdate, artifact=artifacts, append=st.booleans(), last_chunk=st.booleans(), **placed
)


@given(tasks | messages | artifact_updates | st.builds(StatusUpdate, status=statuses, **placed))
def test_what_1_0_writes_is_read_as_it_was(event):
    assert read_event(V1().event(event)) == event


@given(tasks | messages | artifact_updates | st.builds(StatusUpdate, status=statuses, final=st.booleans(), **placed))
def test_what_0_3_writes_is_read_as_it_was(event):
    assert read_event(V03().event(event)) == event


@given(tasks)
def test_a_task_is_read_bare_and_wrapped(task):
    assert read_task(V1().task(task)) == read_task(V1().sent(task)) == read_task(V03().task(task)) == task


@given(messages)
def test_a_message_of_the_drafts_keeps_what_it_says(message):
    written = V01().message(message)
    assert [read_part(part) for part in written.get("parts", [])] == list(message.parts)
    assert written["role"] == message.role


@pytest.mark.parametrize("state", ["TASK_STATE_INPUT_REQUIRED", "input-required", "INPUT_REQUIRED", "input_required"])
def test_states_are_read_in_every_spelling(state):
    assert read_task({"id": "t", "status": {"state": state}}).status.state is State.INPUT_REQUIRED


def test_a_state_that_nobody_knows_is_unknown():
    assert read_task({"id": "t", "status": {"state": "dreaming"}}).status.state is State.UNKNOWN


def test_values_that_are_no_objects_are_wrapped_for_0_3():
    assert V03().part(Part(data=[1]))["data"] == {"value": [1]}
    assert V1().part(Part(data=[1]))["data"] == [1]


@pytest.mark.parametrize(
    ("given_", "path"),
    [
        (None, "result"),
        ([], "result"),
        ({}, "result"),
        ({"status": "done", "id": "t"}, "result.status"),
        ({"kind": "task", "status": {"state": "working"}}, "result.id"),
        ({"task": {"id": 7, "status": {"state": "working"}}}, "result.task.id"),
        ({"id": "t", "status": {"state": "working"}, "artifacts": {}}, "result.artifacts"),
        ({"id": "t", "status": {"state": "working"}, "artifacts": [{"parts": [{}]}]}, "result.artifacts[0].parts[0]"),
        ({"id": "t", "status": {"state": "working"}, "metadata": "x"}, "result.metadata"),
        ({"role": "judge", "parts": []}, "result.role"),
    ],
)
def test_what_has_no_shape_is_refused_with_its_place(given_, path):
    with pytest.raises(Unreadable) as refusal:
        read_event(given_)
    assert refusal.value.path == path


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(
                    ["task", "message", "status", "parts", "role", "id", "artifact", "kind", "state", "text"]
                ),
                x,
            )
        ),
    )
)
def test_nothing_that_comes_breaks_the_reader(anything):
    for read in (read_event, read_message, read_part, read_task):
        with suppress(Unreadable):
            read(anything)
