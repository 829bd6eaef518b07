"""LangGraph: the same chains and the same fan-out, checkpointed by AsyncSqliteSaver before each next step."""

from __future__ import annotations

import asyncio
import itertools
import operator
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from bench.rivals.lines import AT_ONCE, ITEMS, LENGTH, SHORT, expect, obey

PRAGMAS = ("journal_mode", "synchronous")
threads = itertools.count()


class Counted(TypedDict):
    n: Annotated[int, operator.add]


class Sent(TypedDict):
    items: list[str]
    results: Annotated[list[int], operator.add]


async def add_one(state: Counted) -> dict[str, int]:
    return {"n": 1}


async def one(state: dict[str, str]) -> dict[str, list[int]]:
    return {"results": [1]}


def chain(length: int) -> StateGraph:
    graph, before = StateGraph(Counted), START
    for number in range(length):
        graph.add_node(f"n{number}", add_one)
        graph.add_edge(before, f"n{number}")
        before = f"n{number}"
    graph.add_edge(before, END)
    return graph


def fan_out() -> StateGraph:
    graph = StateGraph(Sent)
    graph.add_node("one", one)
    graph.add_conditional_edges(START, lambda state: [Send("one", {"item": item}) for item in state["items"]], ["one"])
    graph.add_edge("one", END)
    return graph


async def run(app: Any, given: dict[str, Any]) -> Any:
    config = {"configurable": {"thread_id": f"t{next(threads)}"}, "recursion_limit": 10 * LENGTH}
    return await app.ainvoke(given, config, durability="sync")


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="clew-bench-") as folder:
        async with AsyncSqliteSaver.from_conn_string(str(Path(folder, "rival.db"))) as saver:
            await saver.setup()
            found = {}
            for pragma in PRAGMAS:
                async with saver.conn.execute(f"PRAGMA {pragma}") as cursor:
                    found[pragma] = (await cursor.fetchone())[0]
            long, short = chain(LENGTH).compile(checkpointer=saver), chain(SHORT).compile(checkpointer=saver)
            fan = fan_out().compile(checkpointer=saver)

            async def in_turn(runs: int) -> None:
                for _ in range(runs):
                    expect((await run(long, {"n": 0}))["n"], LENGTH)

            async def at_once() -> None:
                ends = await asyncio.gather(*(run(short, {"n": 0}) for _ in range(AT_ONCE)))
                expect([end["n"] for end in ends], [SHORT] * AT_ONCE)

            async def send() -> None:
                end = await run(fan, {"items": [f"item {number}" for number in range(ITEMS)], "results": []})
                expect(end["results"], [1] * ITEMS)

            about = {"name": f"LangGraph {version('langgraph')}", "pragmas": found}
            await obey(about, {"chain": in_turn, "many": at_once, "send": send})


if __name__ == "__main__":
    asyncio.run(main())
