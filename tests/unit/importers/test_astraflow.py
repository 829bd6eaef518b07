"""AstraFlow: packages, bindings of every form, containers in containers with their policies."""

from __future__ import annotations

from typing import Any

import pytest

from engine.importers._bindings import parse_binding
from tests.unit.importers.samples import astraflow, bound, container, malformed, paths, sample

NOTIFY = {"id": "notifyCustomer", "type": "pkg.notify"}
STAGES = [
    {"id": "welcomeJourney", "definition": {"nodes": [container("stage2", "delivery")], "edges": []}},
    {"id": "delivery", "definition": {"nodes": [NOTIFY], "edges": []}},
    {"id": "sg_local_a", "definition": {"nodes": [{"id": "entryNode"}, {"id": "after"}], "edges": [
        {"source": {"node": "entryNode", "port": "o"}, "target": {"node": "after", "port": "i"}}]}},
]  # fmt: skip
READER = {"id": "reader", "parameters": {"tokenDelayMs": 20}}


def reading(binding: Any, mode: str = "read") -> Any:
    """What a node gets by an input port with this binding, among containers of every kind."""
    port = {"key": "p", "binding": binding} if isinstance(binding, dict) else bound("p", binding, mode)
    nodes = [
        READER,
        container("w", "welcomeJourney"),
        container("a", "sg_local_a"),
        {"id": "n", "ui": {"inputPorts": [port]}},
    ]
    found = astraflow(nodes, subgraphs=STAGES)
    assert malformed(found) == []
    return found.document["nodes"]["n"].get("input", {}).get("p")


NOTIFIED = (
    "has(state.w) && has(state.w.stage2) && has(state.w.stage2.notifyCustomer) && "
    "has(state.w.stage2.notifyCustomer.status) ? state.w.stage2.notifyCustomer.status : null"
)


@pytest.mark.parametrize(
    "path",
    [
        "@welcomeJourney.stage2.#notifyCustomer.results.status",
        "@welcomeJourney.stage2.#notifyCustomer/results/status",
        "@welcomeJourney.stage2.notifyCustomer/results/status",
        "@w.delivery.#notifyCustomer.results.status",
        {"prefix": "@welcomeJourney.stage2.#notifyCustomer", "path": "/results/status", "mode": "read"},
        "@default.welcomeJourney.stage2.#notifyCustomer.results.status",
        {"path": "#notifyCustomer/results/status", "scope": {"id": "scope:default/welcomeJourney/stage2"}},
        {"path": "#notifyCustomer/results/status", "scope": "scope:default/welcomeJourney/stage2"},
        {
            "path": "results.status",
            "scope": {"kind": "subgraph", "aliases": ["welcomeJourney", "stage2"], "nodeId": "notifyCustomer"},
        },
    ],
)  # fmt: skip
def test_a_binding_reads_through_containers(path: Any) -> None:
    assert reading(path) == {"$expr": NOTIFIED}


def test_a_parameter_of_another_node_is_known_already() -> None:
    assert reading("#reader.parameters.tokenDelayMs") == {"$expr": "20"}


def test_results_of_a_node_beside_are_read_from_the_state() -> None:
    assert reading("#reader/results/a/0") == {
        "$expr": "has(state.reader) && has(state.reader.a) && size(state.reader.a) > 0 ? state.reader.a[0] : null"
    }


@pytest.mark.parametrize(
    "path", ["parameters.x", "/parameters/x", {"path": "/parameters/x", "scope": {"kind": "local"}}]
)
def test_a_local_binding_alone_brings_nothing(path: Any) -> None:
    assert reading(path) is None


@pytest.mark.parametrize("text", ["", "@", "@a", "#", "#a", "x.y", "@.#a.results", "@a.#", "@results.x"])
def test_what_is_no_binding_is_none(text: str) -> None:
    assert parse_binding(text) is None


@pytest.mark.parametrize(
    "path", ["@nobody.#x.results.y", "@welcomeJourney.#nobody.results.y", "#reader.parameters.none"]
)
def test_a_binding_that_leads_nowhere_keeps_the_workflow_from_being_saved(path: str) -> None:
    nodes = [READER, container("w", "welcomeJourney"), {"id": "n", "ui": {"inputPorts": [bound("p", path)]}}]
    found = astraflow(nodes, subgraphs=STAGES)
    assert malformed(found) == ["/nodes/2/ui/inputPorts/0/binding"]
    assert not found.valid


def test_an_edge_carries_from_a_bound_port_into_a_container() -> None:
    source = {"id": "reader", "ui": {"outputPorts": [bound("profile", "/results/profile")]}}
    target = container("c", "sg_local_a") | {
        "ui": {"inputPorts": [bound("in", "@sg_local_a.#entryNode.parameters.profile", "write")]}
    }
    found = astraflow([source, target], [("reader:profile", "c:in")], STAGES)
    assert found.document["nodes"]["c"]["input_mapping"] == {
        "entryNode_profile": {"$expr": "has(state.reader) && has(state.reader.profile) ? state.reader.profile : null"}
    }
    child = found.document["subgraphs"]["sg_local_a"]
    assert child["nodes"]["entryNode"]["input"] == {
        "profile": {"$expr": "has(state.entryNode_profile) ? state.entryNode_profile : null"}
    }
    assert "entryNode_profile" in child["state_schema"]


def test_an_output_can_be_written_to_a_node_inside_containers() -> None:
    source = {
        "id": "a",
        "ui": {"outputPorts": [bound("x", "@welcomeJourney.stage2.#notifyCustomer.parameters.to", "write")]},
    }
    found = astraflow([source, container("w", "welcomeJourney")], [("a:x", "w:in")], STAGES)
    assert found.valid
    outer, inner = found.document["nodes"]["w"], found.document["subgraphs"]["welcomeJourney"]["nodes"]["stage2"]
    assert list(outer["input_mapping"]) == list(found.document["subgraphs"]["welcomeJourney"]["state_schema"])[1:]
    assert list(inner["input_mapping"]) == ["notifyCustomer_to"]
    assert "to" in found.document["subgraphs"]["delivery"]["nodes"]["notifyCustomer"]["input"]


def test_what_is_written_twice_comes_in_by_one_key() -> None:
    port = {"ui": {"inputPorts": [bound("in", "@sg_local_a.#entryNode.parameters.x", "write")]}}
    nodes = [{"id": "a"}, container("c", "sg_local_a") | port, container("d", "sg_local_a") | port]
    found = astraflow(nodes, [("a:o", "c:in"), ("a:o", "d:in")], STAGES)
    assert list(found.document["subgraphs"]["sg_local_a"]["state_schema"]) == ["entryNode", "after", "entryNode_x"]
    assert list(found.document["nodes"]["c"]["input_mapping"]) == list(found.document["nodes"]["d"]["input_mapping"])


def test_parameters_of_a_container_go_to_the_first_nodes_inside() -> None:
    node = container("c", "sg_local_a")
    node["parameters"] |= {"text": "a {{ b }}", "deep": {"n": [1, None]}}
    found = astraflow([node], subgraphs=STAGES)
    assert found.document["nodes"]["c"]["input_mapping"] == {
        "entryNode_text": {"$expr": '"a {{ b }}"'},
        "entryNode_deep": {"$expr": '{"n": [1, null]}'},
    }
    child = found.document["subgraphs"]["sg_local_a"]["nodes"]
    assert list(child["entryNode"]["input"]) == ["text", "deep"]
    assert "input" not in child["after"]


def test_policies_of_a_container_become_those_of_a_subgraph() -> None:
    loop = {"enabled": True, "maxIterations": 5, "condition": "results.status !== 'done' && parameters.on"}
    node = container(
        "c",
        "delivery",
        loop=loop,
        retry={"maxAttempts": 3, "backoff": {"initialMs": 5, "factor": 3}},
        timeoutSeconds=600,
    )
    node["parameters"]["on"] = True
    found = astraflow([node], subgraphs=STAGES).document["nodes"]["c"]
    assert found["loop"] == {
        "until": "!(state.c.notifyCustomer.status != 'done' && true)", "max_iterations": 5, "on_limit": "continue",
    }  # fmt: skip
    assert found["retry"] == {"max_attempts": 3, "initial_interval_ms": 5, "backoff_factor": 3.0}
    assert found["timeout_ms"] == 600_000


def test_a_loop_that_is_switched_off_is_none() -> None:
    found = astraflow([container("c", "delivery", loop={"enabled": False, "maxIterations": 5})], subgraphs=STAGES)
    assert "loop" not in found.document["nodes"]["c"]


def test_a_condition_that_cannot_be_an_expression_is_not_left_out_silently() -> None:
    found = astraflow([container("c", "delivery", loop={"condition": "window.done()"})], subgraphs=STAGES)
    assert malformed(found) == ["/nodes/0/parameters/__container/loop/condition"]


@pytest.mark.parametrize("id", ["nobody", None])
def test_a_container_of_no_subgraph_is_told(id: Any) -> None:
    assert malformed(astraflow([container("c", id)], subgraphs=STAGES))[0].startswith("/nodes/0/parameters/__container")


def test_subgraphs_that_run_themselves_are_told_and_end() -> None:
    node = container("again", "s")
    node["parameters"]["x"] = 1
    found = astraflow([node], subgraphs=[{"id": "s", "definition": {"nodes": [node], "edges": []}}])
    assert "subgraph.depth" in {problem.code for problem in found.problems}


def test_a_chain_of_a_thousand_subgraphs_is_read() -> None:
    nodes = [container("c", f"s{n}") for n in range(1, 1000)]
    chain = [{"id": f"s{n}", "definition": {"nodes": [node], "edges": []}} for n, node in enumerate(nodes)]
    first = container("c", "s0")
    first["parameters"]["x"] = 1
    assert not astraflow([first], subgraphs=chain).valid


def test_metadata_of_a_copy_never_takes_the_place_of_the_parents() -> None:
    copy = {"id": "s", "definition": {"metadata": {"name": "Copy", "originId": "o2"}, "nodes": [{"id": "x"}]},
            "metadata": {"ownerId": "u", "label": "L"}}  # fmt: skip
    found = astraflow([container("c", "s")], subgraphs=[copy], metadata={"name": "Mine", "originId": "o1", "team": "t"})
    assert (found.document["name"], found.document["origin_id"], found.document["metadata"]) == (
        "Mine",
        "o1",
        {"team": "t"},
    )
    child = found.document["subgraphs"]["s"]
    assert (child["name"], child["origin_id"]) == ("Copy", "o2")
    assert child["metadata"] == {"provenance": {"ownerId": "u", "label": "L"}}


def test_a_node_keeps_what_its_worker_and_its_editor_need() -> None:
    node = {"id": "3f-1", "type": "pkg.x", "package": {"name": "pkg", "version": "2.0"},
            "parameters": {"a": "{{results.b}}"},
            "position": {"x": 1}, "label": "X", "metadata": {"m": 1}, "colour": "red"}  # fmt: skip
    found = astraflow([node])
    assert found.document["nodes"]["n-3f-1"] == {
        "type": "task", "label": "X", "worker_tags": ["pkg.x", "pkg@2.0"], "parameters": {"a": "{{results.b}}"},
        "output_key": "n_3f_1", "position": {"x": 1},
        "metadata": {"m": 1, "imported": {"id": "3f-1", "package": node["package"], "colour": "red"}},
    }  # fmt: skip
    assert paths(found, "an id") == ["/nodes/0"]


PAGE = {
    "type": "object",
    "required": ["url"],
    "properties": {
        "url": {"type": "string", "format": "uri"},
        "timeoutMs": {"type": "integer", "minimum": 0, "maximum": 120000, "default": 30000},
        "waitFor": {"enum": ["load", "domcontentloaded"], "default": "domcontentloaded"},
    },
}
"""What the parameters of a node that loads pages may be."""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"url": "http://a.test"}, []),
        ({"url": "{{results.url}}", "timeoutMs": "{{results.ms}}"}, []),
        ({"timeoutMs": 120500}, ["/nodes/0/parameters", "/nodes/0/parameters/timeoutMs"]),
        ({"url": "http://a.test", "waitFor": "idle"}, ["/nodes/0/parameters/waitFor"]),
        ({"url": "no address"}, ["/nodes/0/parameters/url"]),
        (None, ["/nodes/0/parameters"]),
    ],
)
def test_parameters_are_completed_by_their_schema_and_checked(given: Any, told: list[str]) -> None:
    found = astraflow([{"id": "a", "parameters": given, "schema": {"parameters": PAGE}}])
    defaults = {"timeoutMs": 30000, "waitFor": "domcontentloaded"}
    assert found.document["nodes"]["a"]["parameters"] == {**defaults, **(given or {})}
    assert sorted(paths(found, "`parameters` that break `schema.parameters`")) == told


def test_ports_stay_with_their_edges() -> None:
    found = astraflow([{"id": "a"}, {"id": "b"}], [("a:out", "b:in")])
    assert found.document["edges"][1] == {
        "source": {"node": "a"}, "target": {"node": "b", "port": "in"}, "metadata": {"id": "e0", "source_port": "out"},
    }  # fmt: skip


def test_the_sample_has_its_six_steps() -> None:
    found = sample("astraflow")
    inside = [node for child in found["subgraphs"] for node in child["definition"]["nodes"]]
    assert len([node for node in (*found["nodes"], *inside) if node["type"] != "workflow.container"]) == 5
