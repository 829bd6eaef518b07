"""Flow Builder: types as tags, handles, delays, branches and loops."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.importers.samples import paths, read


def node(id: str, type: str = "click", data: dict[str, Any] | None = None, **inputs: Any) -> dict[str, Any]:
    return {"id": id, "type": type, "position": {"x": 1, "y": 2}, "data": {"inputs": inputs, **(data or {})}}


def flow(*nodes: dict[str, Any], edges: str, **more: Any) -> Any:
    """What becomes of these nodes; edges are `a:handle-b:handle` and such."""
    made = []
    for pair in edges.split():
        (source, _, out), (target, _, into) = (end.partition(":") for end in pair.split("-"))
        made.append(
            {"id": pair, "source": source, "target": target, "sourceHandle": out or None, "targetHandle": into or None}
        )
    return read("flow_builder", id="f", nodes=list(nodes), edges=made, **more)


def test_inputs_are_handed_on_and_types_are_tags() -> None:
    found = flow(node("a", "send_sms", {"label": "Tell"}, to="+1", deep={"x": ["{{ y }}"]}), edges="")
    assert found.document["nodes"]["a"] == {
        "type": "task", "label": "Tell", "worker_tags": ["send_sms"],
        "parameters": {"to": "+1", "deep": {"x": ["{{ y }}"]}},
        "output_key": "a", "position": {"x": 1, "y": 2},
    }  # fmt: skip


def test_handles_say_what_goes_where() -> None:
    found = flow(node("a"), node("b"), node("c"), edges="a:rows-b:list a:output-c:input b-c:more")
    assert found.document["nodes"]["b"]["input"] == {"list": "{{ state.a.rows }}"}
    assert found.document["nodes"]["c"]["input"] == {"a": "{{ state.a }}", "more": "{{ state.b }}"}
    assert {"source": {"node": "a"}, "target": {"node": "b", "port": "list"},
            "metadata": {"id": "a:rows-b:list", "source_port": "rows"}} in found.document["edges"]  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "seconds"),
    [
        ({"seconds": 2}, 2),
        ({"ms": 1500}, 1.5),
        ({"delay": "3"}, 3),
        ({"duration_ms": 250}, 0.25),
        ({"minutes": 2}, 120),
    ],
)
def test_a_delay_is_a_wait(inputs: dict[str, Any], seconds: float) -> None:
    found = flow(node("a", "delay", **inputs), edges="").document["nodes"]["a"]
    assert (found["type"], found["seconds"]) == ("wait", seconds)


@pytest.mark.parametrize("inputs", [{}, {"seconds": -1}, {"until": "noon"}, {"seconds": None}, {"delay": "soon"}])
def test_a_delay_that_says_no_time_is_left_to_a_worker(inputs: dict[str, Any]) -> None:
    found = flow(node("a", "delay", **inputs), edges="")
    assert found.document["nodes"]["a"]["type"] == "task"
    assert paths(found, "a delay whose length") == ["/nodes/0"]


def test_waiting_for_an_element_is_work() -> None:
    assert flow(node("a", "wait_for_element", timeout=3), edges="").document["nodes"]["a"]["type"] == "task"


def test_a_condition_decides_where_it_can() -> None:
    found = flow(node("a"), node("b", "branch", condition="output.n > 1"), node("c"), edges="a-b b:true-c")
    assert found.document["nodes"]["b"]["rules"] == [{"when": "state.a.n > 1", "to": "true"}]
    assert ["b:false", "__end__"] in found.document["edges"]
    assert "b" not in found.document["state_schema"]
    assert found.valid


@pytest.mark.parametrize("condition", ["the sun shines", "price > 3", None, "output.n >"])
def test_a_worker_decides_where_a_condition_cannot(condition: Any) -> None:
    found = flow(
        node("a"), node("b", "branch", condition=condition), node("c"), node("d"), edges="a-b b:true-c b:false-d"
    )
    assert found.document["nodes"]["b"]["type"] == "task"
    assert found.document["nodes"]["b-route"]["rules"] == [
        {"when": 'state.b.handle == "true"', "to": "true"}, {"when": 'state.b.handle == "false"', "to": "false"},
    ]  # fmt: skip
    assert found.valid


def test_a_loop_goes_round_by_the_word_of_its_worker() -> None:
    found = flow(node("a", "loop"), node("b"), edges="a:each-b b-a")
    assert found.valid
    assert ["a-route:otherwise", "__end__"] in found.document["edges"]


def test_what_is_not_critical_may_fail() -> None:
    assert flow(node("a", data={"critical": False}), edges="").document["nodes"]["a"]["on_error"] == "continue"


def test_times_and_status_are_kept() -> None:
    found = flow(node("a"), edges="", cron="*/15 * * * *", status="paused")
    assert found.document["metadata"] == {"imported": {"cron": "*/15 * * * *", "status": "paused"}}
    assert paths(found, "`cron`") == ["/cron"]
    assert paths(found, "`status`") == ["/status"]
