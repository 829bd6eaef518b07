"""Answers are kept as long as there is room, and in a file over restarts."""

from __future__ import annotations

from pathlib import Path

from clew.worker._kept import Kept


def test_the_newest_are_kept() -> None:
    kept = Kept(most=2)
    for n in range(3):
        kept.put(str(n), {"output": n})
    assert [kept.get(str(n)) for n in range(3)] == [None, {"output": 1}, {"output": 2}]


def test_large_ones_push_out_others() -> None:
    kept = Kept(most_bytes=60)
    kept.put("a", {"output": "x" * 20})
    kept.put("b", {"output": "x" * 30})
    assert (kept.get("a"), kept.get("b")) == (None, {"output": "x" * 30})
    kept.put("c", {"output": "x" * 100})
    assert kept.get("c") is None


def test_a_file_outlives_the_process_and_is_bounded_too(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept.db", most=2)
    for n in range(3):
        kept.put(str(n), {"output": n})
    kept.put("2", {"output": "again"})
    kept.close()
    again = Kept(tmp_path / "kept.db")
    assert [again.get(str(n)) for n in range(3)] == [None, None, {"output": "again"}]
    again.close()
