"""Reducers and node types are found by their names."""

from __future__ import annotations

import pkgutil

import pytest

import engine.nodes
import reducers
from engine import plugins
from engine.missing import MISSING
from engine.plugins import node_types, reducer, reducer_names
from reducers import add_messages


def public(package):
    return {module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")}


@pytest.fixture
def offered(monkeypatch):
    """Entry points that other packages seem to have, by group."""
    found = {}
    monkeypatch.setattr(plugins, "entry_points", lambda *, group: found.get(group, ()))
    for cached in (plugins._found, plugins.reducer, plugins.node_types):
        cached.cache_clear()
    yield found
    for cached in (plugins._found, plugins.reducer, plugins.node_types):
        cached.cache_clear()


class Offer:
    def __init__(self, name, thing):
        self.name = name
        self.load = lambda: thing


def test_every_public_module_is_a_reducer_and_no_other():
    assert set(reducer_names()) == public(reducers)
    assert {"last_value", "append", "merge", "add", "min", "max", "add_messages"} <= set(reducer_names())


def test_a_reducer_has_what_its_module_says():
    found = reducer("add_messages")

    assert found.reduce is add_messages.reduce
    assert found.normalise is add_messages.normalise
    assert found.empty == []
    assert found.types == {"array"}
    assert found.collects


def test_what_a_module_does_not_say_has_a_default():
    found = reducer("last_value")

    assert found.empty is MISSING
    assert found.types is None
    assert found.normalise is None
    assert not found.collects


@pytest.mark.parametrize("name", ["nope", "_errors", "", "reducers.add"])
def test_an_unknown_reducer_is_a_key_error(name):
    with pytest.raises(KeyError):
        reducer(name)


def test_a_reducer_is_made_once():
    assert reducer("add") is reducer("add")


def test_every_public_module_is_a_node_type():
    assert set(node_types()) == public(engine.nodes)


def test_another_package_can_offer_a_reducer_and_a_node_type(offered):
    class Longest:
        EMPTY = ""

        @staticmethod
        def reduce(current, update):
            return max(current or "", update, key=len)

    offered["clew.reducers"] = [Offer("longest", Longest)]
    offered["clew.nodes"] = [Offer("http", Longest)]

    assert reducer("longest").reduce("a", "bb") == "bb"
    assert "longest" in reducer_names()
    assert node_types()["http"] is Longest


def test_no_other_package_takes_over_a_name_of_ours(offered):
    offered["clew.reducers"] = [Offer("add", object())]

    assert reducer("add").reduce(1, 2) == 3
