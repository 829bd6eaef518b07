"""All graphs of a few nodes in every order of their answers; `python -m tests.simulation` goes further."""

from __future__ import annotations

import pytest

from tests.simulation.exhaustive import check_some, shapes


@pytest.mark.parametrize(("nodes", "edges"), [(1, 3), (2, 8), (3, 6), (4, 6)])
def test_every_order_of_a_small_graph_comes_to_the_same_end(nodes: int, edges: int) -> None:
    count = check_some(list(shapes(nodes, edges)))

    assert count.graphs > 0
    assert not count.failed, count.failed[:3]
