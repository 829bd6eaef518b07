"""What only a terminal shows: completion by the Tab key in a real bash, and the live tree of `clew run`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import orjson
import pytest

from tests.integration.terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


def shell(home: Path) -> Terminal:
    env = {"HOME": str(home), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PS1": "ready> "}
    return Terminal(["bash", "--noprofile", "-i"], ROOT, env)


@bash
def test_completion_is_installed_and_completes_commands_and_options(tmp_path: Path) -> None:
    with shell(tmp_path) as first:
        first.type("clew --install-completion\r")
        first.until("bash completion installed in")
    with shell(tmp_path) as second:
        second.type("clew runs \t\t")
        second.until("list", "show", "tail", "tree", "diff", "compare", "blame", "fork", "replay", "resume", "retry")
        second.type("f\t")
        second.until("fork ")
        second.type("x --reuse-\t")
        second.until("--reuse-interrupts")


@bash
def test_the_completion_can_be_had_without_installing_it(tmp_path: Path) -> None:
    with shell(tmp_path) as bash:
        bash.type('eval "$(clew --show-completion)"; echo don""e\r')
        bash.until("done")
        bash.type("clew migr\t")
        bash.until("clew migrate ")
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_shown_live_and_asks_at_the_terminal(tmp_path: Path) -> None:
    document = {
        "id": "live",
        "state_schema": {"items": {"type": "array"}, "made": {"type": "array"}, "ok": {"type": "boolean"}},
        "nodes": {
            "each": {"type": "send", "items_key": "items", "target_node": "make", "output_key": "made"},
            "make": {"type": "task", "worker_tags": ["maker"]},
            "approve": {"type": "interrupt", "message": "Keep {{ state.made }}?", "output_key": "ok"},
        },
        "edges": [["__start__", "each"], ["each", "approve"], ["approve", "__end__"]],
    }
    (tmp_path / "live.json").write_bytes(orjson.dumps(document))
    (tmp_path / "answers.json").write_text('{"make": {"output": 1}}')
    words = ["-m", "api.cli", "run", str(tmp_path / "live.json"), "--input", '{"items": [1, 2]}']
    words += ["--answers", str(tmp_path / "answers.json")]
    with Terminal([sys.executable, *words], ROOT, {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}) as terminal:
        terminal.until("├── make[0] completed", "└── make[1] completed", "Keep [1,1]?", "answer (JSON)")
        assert terminal.raw.startswith(b"\x1b[?25l")  # without a cursor while it is drawn anew
        terminal.type("true\r")
        terminal.until("completed", "ok = true")
        assert terminal.ended() == 0
