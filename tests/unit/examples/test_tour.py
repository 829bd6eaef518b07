"""What the demo shows: a run as its events tell it, and the line of checkpoints with its fork."""

import io

import pytest
from rich.console import Console

from examples import demo
from examples.tour.client import Event, parse_events
from examples.tour.live import Board, shown
from examples.tour.pictures import line_of_checkpoints, outcomes
from examples.tour.processes import TourFailed


def task(node, kind, status, index=None, **more):
    data = {"node": node, "kind": kind, "status": status, "index": index, "worker": None, **more}
    return Event("1.0.0", "task", data)


def updates(node, **values):
    return Event("1.0.0", "updates", {"node": node, "updates": values})


def drawn(shape):
    console = Console(file=io.StringIO(), width=140)
    console.print(shape)
    return console.file.getvalue()


def test_events_are_read_from_a_stream_and_comments_passed_over():
    lines = [
        "retry: 1000",
        "",
        ": ping",
        "",
        "id: 1.0.1",
        "event: run",
        'data: {"status": "running"}',
        "",
        "data: {",
        "data: }",
        "",
    ]

    assert list(parse_events(iter(lines))) == [Event("1.0.1", "run", {"status": "running"}), Event("1.0.1", "", {})]


def test_sections_are_counted_and_other_nodes_told():
    board = Board()
    lines = [
        board.take(task("read", "NODE_COMPLETED", "completed")),
        board.take(updates("read", documents=1, sections=[{}, {}])),
        board.take(task("measure", "NODE_COMPLETED", "completed", 0)),
        board.take(task("measure", "NODE_FAILED", "failed", 1, error={"code": "x", "message": "y"})),
        board.take(Event("2.0.0", "run", {"status": "interrupted"})),
    ]

    assert lines == [
        "read: completed",
        "read: 1 documents, 2 sections",
        "measure: 1/2",
        "measure: 2/2",
        "run: interrupted",
    ]
    assert "2/2 sections, 1 failed" in drawn(board.drawn())
    assert board.last_event == "2.0.0"


def test_each_time_that_a_worker_is_asked_counts():
    board = Board()
    board.take(task("greet", "NODE_STARTED", "running"))
    board.take(task("read", "NODE_STARTED", "running", worker="reviewer"))
    board.take(task("read", "NODE_RETRYING", "retrying", worker="reviewer"))
    board.take(task("read", "NODE_STARTED", "running", worker="reviewer"))
    board.take(task("read", "NODE_COMPLETED", "completed", worker="reviewer"))

    assert board.asked == 2


def test_a_task_that_waits_says_why():
    board = Board()

    assert board.take(task("read", "NODE_WAITING", "waiting", reason="no_worker")) == "read: waiting (waits: no_worker)"


def test_without_a_terminal_there_are_plain_lines():
    console = Console(file=io.StringIO())

    with shown(console, Board(), "run 1") as take:
        take(task("read", "NODE_STARTED", "running"))
        take(Event("2.0.0", "end", {}))

    assert console.file.getvalue() == "run 1\n  read: running\n"


def test_a_line_of_checkpoints_shows_its_fork_where_it_began():
    def checkpoint(run, seq, node, kind="node", chosen=None, **writes):
        return {
            "id": f"{run}.{seq}", "run_id": run, "seq": seq, "node": node, "kind": kind,
            "chosen": chosen, "writes": writes,
        }  # fmt: skip

    parent = [
        checkpoint("a", 1, None, "start"),
        checkpoint("a", 2, "measure", "item"),
        checkpoint("a", 3, "measure", "item"),
        checkpoint("a", 4, "grade", score=9.0),
        checkpoint("a", 5, "verdict", chosen=["good"]),
    ]
    fork = [checkpoint("b", 1, None, "fork", score=4.0), checkpoint("b", 2, "verdict", chosen=["poor"])]

    lines = [" ".join(line.split()) for line in drawn(line_of_checkpoints(parent, fork, "a.4")).splitlines()]

    assert lines == [
        "run a",
        "├── 1 start",
        "├── 2–3 measure item × 2",
        "├── 4 grade score 9.0 ← forked here",
        "│ └── fork b",
        "│ ├── 1 fork score 4.0",
        "│ └── 2 verdict → poor",
        "└── 5 verdict → good",
    ]


def test_outcomes_stand_side_by_side():
    def run(name, score):
        return {"id": name, "status": "completed", "state": {"score": score}, "checkpoint_count": 3}

    text = drawn(outcomes(("one", "two"), (run("a", 9.0), run("b", 4.0)), (7, 1), ("good", "poor")))

    (row,) = [line.replace("│", " ").split() for line in text.splitlines() if "score" in line]
    assert row == ["score", "9.0", "4.0"]


def test_a_folder_of_an_earlier_demo_is_emptied_and_no_other(tmp_path):
    first = demo.prepared(tmp_path / "a b", keep=False)
    (first / "report.md").write_text("old")

    assert not (demo.prepared(first, keep=False) / "report.md").exists()
    (first / "report.md").write_text("old")
    assert (demo.prepared(first, keep=True) / "report.md").exists()

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".gitignore").write_text("*")
    with pytest.raises(TourFailed):
        demo.prepared(tmp_path / "mine", keep=False)


def test_the_repository_is_reviewed_unless_docs_says_otherwise(tmp_path, monkeypatch):
    monkeypatch.delenv("DOCS", raising=False)
    assert demo.documents_folder() == demo.ROOT

    monkeypatch.setenv("DOCS", str(tmp_path / "none"))
    with pytest.raises(TourFailed):
        demo.documents_folder()
