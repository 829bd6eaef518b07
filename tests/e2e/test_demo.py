"""The demo, as somebody runs it: real processes, real documents, both outcomes, and nothing left behind."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = "# Guide\n\nA short guide. It links to [the second part](part%20two.md#next).\n"
POOR = """\
# Notes

### Jump

TODO: the the rest. See [nothing](nothing.md), [none](none.md), [no](#no).

## Next

Fine.
"""


@pytest.fixture
def folder(tmp_path):
    docs = tmp_path / "my own documents"
    docs.mkdir()
    (docs / "guide.md").write_text(GOOD)
    (docs / "part two.md").write_text("# Next\n\nThat was it.\n")
    return tmp_path


def demo(folder, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "examples.demo", "--folder", str(folder / "the demo"), *arguments],
        cwd=ROOT,
        env={**os.environ, "DOCS": str(folder / "my own documents"), "COLUMNS": "160", **environment},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=120,
        check=False,
    )


def alive(said):
    """The processes that the demo named and that still run."""
    pids = [int(pid) for pid in re.findall(r"\(pid (\d+)", said)]
    assert len(pids) == 2
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_good_documents_pass_and_their_fork_does_not(folder):
    done = demo(folder, "--yes")

    assert done.returncode == 0, done.stdout + done.stderr
    report = (folder / "the demo" / "report.md").read_text()
    assert "**Verdict: good**, score 10" in report
    assert "Measured: 2 sections with 12 words in 2 documents." in report
    assert "Nothing was found." in report
    assert "**Verdict: needs work**, score 4" in (folder / "the demo" / "report-of-the-fork.md").read_text()
    assert re.search(r"the route chose.*good.*poor", done.stdout)
    assert re.search(r"times a worker was asked.* 4 .* 1 ", done.stdout)
    assert "forked here" in done.stdout
    assert alive(done.stdout) == []


def test_poor_documents_are_told_what_is_wrong_and_their_fork_passes(folder):
    (folder / "my own documents" / "notes.md").write_text(POOR)

    done = demo(folder, "--yes")

    assert done.returncode == 0, done.stdout + done.stderr
    report = (folder / "the demo" / "report.md").read_text()
    assert "**Verdict: needs work**" in report
    for finding in (
        "- line 3, level-jump: a heading of level 3 follows one of level 1",
        "- line 5, repeated-word: “the the”",
        "- line 5, leftover: “TODO” is still there",
        "- line 5, broken-link: `nothing.md`: there is no such file",
        "- line 5, broken-link: `#no`: the document has no heading `#no`",
    ):
        assert finding in report
    assert "**Verdict: good**" in (folder / "the demo" / "report-of-the-fork.md").read_text()
    assert re.search(r"the route chose.*poor.*good", done.stdout)
    assert alive(done.stdout) == []


def test_documents_that_are_not_there_are_explained(folder):
    done = demo(folder, "--yes", DOCS=str(folder / "none"))

    assert done.returncode == 1
    assert "DOCS names no folder" in done.stderr


def test_a_folder_without_documents_is_an_end_that_is_told(folder):
    (folder / "empty").mkdir()

    done = demo(folder, "--yes", DOCS=str(folder / "empty"))

    assert done.returncode == 1
    assert "there is no Markdown document" in done.stderr
    assert alive(done.stdout) == []


def test_without_a_terminal_nobody_is_asked(folder):
    done = demo(folder)

    assert done.returncode == 0, done.stdout + done.stderr
    assert alive(done.stdout) == []


def test_a_folder_that_is_not_the_demos_is_left_alone(folder):
    (folder / "the demo").mkdir()
    (folder / "the demo" / "mine.txt").write_text("mine")

    done = demo(folder, "--yes")

    assert done.returncode == 1
    assert (folder / "the demo" / "mine.txt").read_text() == "mine"
