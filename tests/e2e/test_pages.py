"""The pages that teach by doing are done as they stand, by a shell, and print what they say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.pages import Call, Desk, matches, steps_of, with_ports

ROOT = Path(__file__).resolve().parents[2]
DONE = (
    "time-travel", "take-turns", "hold-a-session", "use-a-model", "call-agents", "be-an-agent",
    "reach-workers-over-a-socket",
)  # fmt: skip
AT_HOME = ("README", "use-a-model")
"""Pages whose commands are given in the folder of the repository."""
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs/tutorial").glob("[0-9]*.md")),
    *(ROOT / f"docs/how-to/{name}.md" for name in DONE),
]


@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("curl") is None, reason="bash or curl is missing")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_prints_what_it_says(page: Path, tmp_path: Path) -> None:
    if page.stem in AT_HOME:
        for name in ("docs", "workflows", "examples"):
            (tmp_path / name).symlink_to(ROOT / name)
    with Desk(tmp_path) as desk:
        assert desk.play(page) == page.read_text("utf-8").count("\n$ ")


def test_what_a_page_says_is_compared_line_by_line() -> None:
    assert matches(["a …", "b"], ["a c d", "b"])
    assert matches(["a", "…", "d"], ["a", "b", "c", "d"])
    assert matches(["a", "…", "d"], ["a", "d"])
    for wanted in (["a"], ["a", "b", "c"], ["a.", "b"], ["…a", "c"], []):
        assert not matches(wanted, ["ab", "b"])


def test_a_port_that_contains_another_stays_as_it_is() -> None:
    ports = {"8080": "49001", "9001": "46183"}
    assert with_ports("http://127.0.0.1:8080 and :9001", ports) == "http://127.0.0.1:49001 and :46183"


def test_steps_are_files_commands_and_programs() -> None:
    text = "Save it\nas `a/b.py`:\n\n```python\nx\n```\n\nas a file:\n\n```json\n1\n```\n\n"
    text += "```console background\n$ serve \\\n> now\nready\n```\n```console\n$ a\n1\n2\n$ b\n```\n"
    file, server, calls = steps_of(text)
    assert (file.name, file.content) == ("a/b.py", "x\n")
    assert (server.background, server.calls) == (True, (Call("serve \\\nnow", ("ready",)),))
    assert calls.calls == (Call("a", ("1", "2")), Call("b", ()))
    with pytest.raises(ValueError, match="before the first command"):
        list(steps_of("```console\nno command\n```\n"))
