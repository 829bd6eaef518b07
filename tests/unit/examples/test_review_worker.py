"""The example worker: its jobs as functions, and what it refuses."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from examples.review.jobs import JobFailed, Places, do
from examples.review.report import report
from examples.review_worker import signed


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nGood text.\n\n## B\n\nThe the end.\n")
    return tmp_path


def ask(folder, **envelope):
    return do(envelope, Places((folder.resolve(),)))


def test_read_splits_the_documents_below_a_folder(folder):
    output = ask(folder, node="read", input={"folder": "docs"})["output"]

    assert output["documents"] == 1
    assert [(found["doc"], found["heading"], found["level"], found["line"]) for found in output["sections"]] == [
        ("a.md", "A", 1, 1),
        ("a.md", "B", 2, 5),
    ]


def test_parameters_name_the_job_before_the_node_does(folder):
    assert "sections" in ask(folder, node="fetch", parameters={"job": "read"}, input={"folder": "docs"})["output"]


def test_measure_answers_with_totals_only_where_they_are_asked_for(folder):
    item = {"doc": "a.md", "heading": "B", "level": 2, "line": 5, "text": "The the end.", "text_line": 7}

    quiet = ask(folder, node="measure", input={"folder": "docs"}, item=item)
    tally = ask(folder, node="m", parameters={"job": "measure", "tally": True}, input={"folder": "docs"}, item=item)

    assert quiet["output"]["score"] == 9.5 and "updates" not in quiet
    assert tally["updates"] == {"measured": 1, "words": 3, "points": 28.5, "lowest": 9.5, "findings": 1}


def test_write_puts_the_report_in_place_and_leaves_nothing_beside_it(folder):
    item = {"doc": "a.md", "heading": "B", "level": 2, "line": 5, "text": "The the end.", "text_line": 7}
    result = ask(folder, node="measure", input={"folder": "docs"}, item=item)["output"]
    state = {"results": [result, {"code": "x"}], "verdict": "good", "score": 9.5, "approval": {"note": "go\nahead"}}

    output = ask(folder, node="write", input={"path": "out/report.md"}, state=state)["output"]

    text = (folder / "out" / "report.md").read_text()
    assert output == {"path": str(folder.resolve() / "out" / "report.md"), "bytes": len(text.encode())}
    assert [path.name for path in (folder / "out").iterdir()] == ["report.md"]
    assert "| a.md | 1 | 3 | 3.0 | 1 | 9.5 |" in text
    assert "- line 7, repeated-word: “The The”" in text.replace("“The the”", "“The The”")
    assert "Sections that could not be measured: 1." in text
    assert "> go ahead" in text


@pytest.mark.parametrize(
    ("envelope", "code"),
    [
        ({"node": "dance"}, "job.unknown"),
        ({"node": "read", "input": {"folder": "../.."}}, "path.outside"),
        ({"node": "read", "input": {"folder": "/etc"}}, "path.outside"),
        ({"node": "read", "input": {}}, "path.missing"),
        ({"node": "read", "input": {"folder": "none"}}, "folder.missing"),
        ({"node": "read", "input": {"folder": "empty"}}, "documents.none"),
        ({"node": "measure", "input": {"folder": "docs"}, "item": "text"}, "section.invalid"),
        ({"node": "write", "input": {"path": "r.md"}}, "results.missing"),
    ],
)
def test_what_cannot_be_done_is_told_and_not_worth_another_try(folder, envelope, code):
    (folder / "empty").mkdir()

    with pytest.raises(JobFailed) as failed:
        ask(folder, **envelope)

    assert (failed.value.code, failed.value.retryable) == (code, False)


def test_a_report_that_cannot_be_written_is_worth_another_try(folder):
    (folder / "file").write_text("")

    with pytest.raises(JobFailed) as failed:
        ask(folder, node="write", input={"path": "file/report.md"}, state={"results": []})

    assert (failed.value.code, failed.value.retryable) == ("report.unwritable", True)


def test_a_report_without_findings_says_so():
    assert "Nothing was found." in report({"results": []})


def test_a_signature_counts_when_it_is_right_and_fresh():
    key, body, now = b"0123456789abcdef", b"{}", datetime(2026, 1, 1, tzinfo=UTC)
    secret = "whsec_" + base64.b64encode(key).decode()

    def headers(at):
        mac = hmac.new(key, f"id.{at}.".encode() + body, hashlib.sha256).digest()
        signature = f"v1,{base64.b64encode(mac).decode()}"
        return {"webhook-id": "id", "webhook-timestamp": str(at), "webhook-signature": f"v1,x {signature}"}

    at = int(now.timestamp())
    assert signed(secret, headers(at), body, now)
    assert not signed(secret, headers(at), b"[]", now)
    assert not signed("other", headers(at), body, now)
    assert not signed(secret, headers(at - 301), body, now)
    assert not signed(secret, {}, body, now)
