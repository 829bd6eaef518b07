"""`clew runs`: the same words and answers at a server and offline on its database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from api.cli._reach import HINTS
from tests.integration.command_line import clew, said, served, told
from tests.unit.api.serving import a_server, asking, straight, working
from tests.unit.test_error_codes import listed

DIVIDING = straight("dividing", nodes={"a": {"type": "transform", "updates": {"n": {"$expr": "10 / state.n"}}}})


class Base:
    """A database with one run of each kind, which nobody serves."""

    def __init__(self, folder: Path) -> None:
        self.db = f"sqlite:///{folder}/clew.db"
        self.runs: dict[str, str] = asyncio.run(self._filled(folder))

    @staticmethod
    async def _filled(folder: Path) -> dict[str, str]:
        runs = {}
        async with a_server(folder) as server:
            for document in (straight(), asking(), working(), DIVIDING):
                await server.post("/workflows", document, 201)
                given = {"input": {"n": 0}} if document is DIVIDING else {}
                wait = 0 if document["id"] == "working" else 10
                run = await server.post(f"/workflows/{document['id']}/runs?wait={wait}", given, 201)
                runs[document["id"]] = run["id"]
        return runs


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base(tmp_path)


def test_a_failed_run_is_found_with_why_it_failed(base: Base) -> None:
    found = said("runs", "list", "--status", "failed", "--db", base.db)
    assert base.runs["dividing"] in found
    assert "a: divide by zero (expression.failed" in found
    assert base.runs["straight"] not in found


def test_a_list_that_holds_nothing_says_so(base: Base) -> None:
    assert said("runs", "list", "--workflow", "none", "--db", base.db) == "no such runs\n"


def test_a_list_goes_on_at_its_cursor(base: Base) -> None:
    first = told("runs", "list", "--limit", "3", "--db", base.db)
    rest = told("runs", "list", "--limit", "3", "--cursor", first["next_cursor"], "--db", base.db)
    assert {run["id"] for run in (*first["items"], *rest["items"])} == set(base.runs.values())


def test_a_failed_run_is_shown_with_what_can_be_done(base: Base) -> None:
    run = base.runs["dividing"]
    found = said("runs", "show", run, "--db", base.db)
    assert "n = 0" in found
    assert f"clew runs retry {run}" in found
    assert f"clew runs fork {run}.1 --set" in found


def test_a_task_is_shown_with_what_came_of_it(base: Base) -> None:
    run = told("runs", "show", base.runs["dividing"], "--db", base.db)
    words = ("runs", "show", run["id"], "--task", run["tasks"][0]["id"], "--db", base.db)
    task = told(*words)
    assert (task["node"], task["status"], task["error"]["code"]) == ("a", "failed", "expression.failed")
    assert "failed: a: divide by zero (expression.failed)" in said(*words)


def test_a_task_is_shown_with_what_its_worker_is_asked(base: Base) -> None:
    run = told("runs", "show", base.runs["working"], "--db", base.db)
    found = said("runs", "show", run["id"], "--task", run["tasks"][0]["id"], "--db", base.db)
    assert ('prompt = "go"' in found, "answered  nothing yet\n" in found) == (True, True)


def test_what_a_run_waits_for_is_said_wherever_it_is_shown(base: Base) -> None:
    why, run = "job waits: no active worker has the tags [w]", base.runs["working"]
    assert why in said("runs", "show", run, "--db", base.db)
    assert f"\n  {why}\n" in said("runs", "list", "--db", base.db)
    task = told("runs", "show", run, "--db", base.db)["tasks"][0]
    assert task["wants"] == {"tags": ["w"], "worker": None, "protocol": None}
    assert "waits     no active worker" in said("runs", "show", run, "--task", task["id"], "--db", base.db)


def test_what_a_run_waits_for_is_said_once_while_it_is_followed(tmp_path: Path) -> None:
    both = asking("both")
    both["state_schema"]["out"] = {}
    both["nodes"].update(working()["nodes"])
    both["edges"] += working()["edges"]

    def work(url: str) -> None:
        (tmp_path / "both.json").write_bytes(orjson.dumps(both))
        said("workflows", "save", tmp_path / "both.json", "--url", url)
        started = said("runs", "start", "both", "--wait", "0.5", "--url", url)
        run = started.split()[0]
        assert "\njob waits: no active worker has the tags [w]\nasks " in started
        assert f"\nanswer it: clew runs resume {run} VALUE\n" in started
        said("runs", "cancel", run, "--url", url)
        asked = told("runs", "start", "asking", "--url", url)["id"]
        followed = clew("runs", "tail", asked, "--until", "interrupted", "--url", url)
        assert followed.stderr == f"clew: answer it: clew runs resume {asked} VALUE\n"

    asyncio.run(Base._filled(tmp_path))
    served(tmp_path, work)


def test_a_run_is_shown_with_when_it_began_and_ended(base: Base) -> None:
    run = told("runs", "show", base.runs["straight"], "--db", base.db)
    began, ended = (f"{run[name][:19]}Z" for name in ("created_at", "finished_at"))
    found = said("runs", "show", run["id"], "--db", base.db)
    assert f"\nstarted   {began}\nended     {ended}, after " in found
    assert f"  {run['id']}.1  {began}  start" in found
    assert f"  {began}  straight@1\n" in said("runs", "list", "--workflow", "straight", "--db", base.db)


def test_a_checkpoint_is_shown_with_its_state(base: Base) -> None:
    checkpoint = f"{base.runs['straight']}.2"
    assert told("runs", "show", checkpoint, "--db", base.db)["state"] == {"n": 1}
    found = said("runs", "show", checkpoint, "--db", base.db)
    assert f"checkpoint  {checkpoint}\nis          node a\n" in found
    assert found.endswith('writes      {"n":1}\nnext        nothing\nstate\n  n = 1\n')


def test_as_many_checkpoints_are_listed_as_asked_for(base: Base) -> None:
    run = base.runs["straight"]
    found = said("runs", "show", run, "--newest", "2", "--db", base.db)
    assert (f"  {run}.3 " in found, f"  {run}.2 " in found, f"  {run}.1 " in found) == (True, True, False)


def test_it_is_told_who_wrote_a_place_in_the_state(base: Base) -> None:
    run = base.runs["straight"]
    fork = told("runs", "fork", f"{run}.1", "--set", "n=5", "--db", base.db)["id"]
    found = told("runs", "blame", fork, "n", "--db", base.db)
    assert [item["checkpoint_id"] for item in found["items"]] == [f"{fork}.2", f"{fork}.1"]
    lines = said("runs", "blame", fork, "n", "--db", base.db).splitlines()
    assert lines == [f"n is 6 at {fork}.3", f"  {fork}.2  a, engine  adds 1", f"  {fork}.1  fork, api  adds 5"]
    early = said("runs", "blame", fork, "n", "--checkpoint", f"{fork}.1", "--db", base.db)
    assert early.startswith(f"n is 5 at {fork}.1\n")


def test_blame_goes_on_at_its_cursor_and_refuses_unknown_places(base: Base) -> None:
    fork = told("runs", "fork", f"{base.runs['straight']}.1", "--set", "n=5", "--db", base.db)["id"]
    first = clew("runs", "blame", fork, "n", "--limit", "1", "--db", base.db)
    cursor = first.stderr.strip().removeprefix("more: --cursor ")
    assert "fork, api" in said("runs", "blame", fork, "n", "--cursor", cursor, "--db", base.db)
    result = clew("runs", "blame", fork, "m", "--db", base.db)
    assert (result.exit_code, "declared keys: n" in result.stderr) == (1, True)


def test_a_failed_run_is_forked_with_another_state_and_compared(base: Base) -> None:
    run = base.runs["dividing"]
    fork = told("runs", "fork", f"{run}.1", "--set", "n=5", "--db", base.db)
    assert (fork["status"], fork["state"], fork["forked_from"]["checkpoint_id"]) == ("completed", {"n": 7}, f"{run}.1")
    found = said("runs", "compare", run, fork["id"], "--db", base.db)
    assert "they part at a" in found
    assert "~ /n = 7" in found


def test_text_in_a_setting_needs_no_quotation_marks(base: Base) -> None:
    result = clew("runs", "fork", f"{base.runs['dividing']}.1", "--set", "n=five", "--db", base.db)
    assert result.exit_code == 1
    assert "got string 'five'" in result.stderr


def test_a_replay_stays_in_its_run(base: Base) -> None:
    run = base.runs["straight"]
    again = told("runs", "replay", f"{run}.1", "--updates", '{"n": 40}', "--db", base.db)
    assert (again["id"], again["state"], len(again["branches"])) == (run, {"n": 41}, 2)


def test_a_run_is_started_with_an_input(base: Base, tmp_path: Path) -> None:
    run = told("runs", "start", "straight", "--input", '{"n": 4}', "--db", base.db)
    assert (run["status"], run["state"]) == ("completed", {"n": 5})
    (tmp_path / "input.json").write_text('{"n": 5}')
    assert told("runs", "start", "dividing", "--input", f"@{tmp_path}/input.json", "--db", base.db)["state"] == {"n": 7}
    result = clew("runs", "start", "ghost", "--db", base.db)
    assert (result.exit_code, "there is no workflow 'ghost'" in result.stderr) == (1, True)


@pytest.mark.parametrize("command", ["fork", "replay"])
def test_both_ways_to_go_on_take_the_same_options(base: Base, command: str) -> None:
    run = base.runs["straight"]
    again = told("runs", command, f"{run}.3", "--goto", "a", "--set", "n=7", "--db", base.db)
    assert (again["status"], again["state"], again["dropped"]) == ("completed", {"n": 9}, [])
    result = clew("runs", command, f"{run}.1", "--version", "9", "--db", base.db)
    assert (result.exit_code, "version 9" in result.stderr) == (1, True)


def test_a_branch_that_was_left_is_checked_out(base: Base) -> None:
    run = base.runs["straight"]
    said("runs", "replay", f"{run}.1", "--set", "n=4", "--db", base.db)
    found = told("runs", "checkout", run, "main", "--db", base.db)
    assert (found["branch"], found["state"]) == ("main", {"n": 1})
    assert told("runs", "checkout", run, "branch-2", "--db", base.db)["state"] == {"n": 5}
    said("runs", "checkout", run, "main", "--db", base.db)
    result = clew("runs", "checkout", run, "main", "--db", base.db)
    assert (result.exit_code, "branch.current" in result.stderr) == (1, True)


def test_state_is_written_into_a_run_now_or_after_a_node(base: Base) -> None:
    run = base.runs["asking"]
    assert said("runs", "edit", run, "--set", "answer=3", "--db", base.db) == f"written: {run}.3\n"
    assert said("runs", "edit", run, "--set", "answer=4", "--after-node", "ask", "--db", base.db) == "waits for ask\n"
    assert told("runs", "resume", run, "7", "--db", base.db)["state"] == {"answer": 4}
    result = clew("runs", "edit", run, "--set", "answer=5", "--db", base.db)
    assert (result.exit_code, "run.terminal" in result.stderr) == (1, True)


def test_answers_of_people_are_taken_over_where_that_is_asked_for(base: Base) -> None:
    run = base.runs["asking"]
    said("runs", "resume", run, "7", "--db", base.db)
    anew = told("runs", "fork", f"{run}.1", "--reuse", "--db", base.db)
    same = told("runs", "fork", f"{run}.1", "--reuse", "--reuse-interrupts", "--db", base.db)
    assert (anew["status"], same["status"], same["state"]) == ("interrupted", "completed", {"answer": 7})


def test_answers_of_people_alone_are_not_taken_over(base: Base) -> None:
    result = clew("runs", "fork", f"{base.runs['asking']}.1", "--reuse-interrupts", "--db", base.db)
    assert (result.exit_code, "goes with --reuse" in result.stderr) == (2, True)


def test_a_question_is_answered(base: Base) -> None:
    run = told("runs", "show", base.runs["asking"], "--db", base.db)
    interrupt = run["interrupts"][0]["id"]
    done = told("runs", "resume", run["id"], "7", "--interrupt", interrupt, "--db", base.db)
    assert (done["status"], done["state"]) == ("completed", {"answer": 7})


def test_an_answer_that_is_no_json_is_told_how_to_be(base: Base) -> None:
    result = clew("runs", "resume", base.runs["asking"], "seven", "--db", base.db)
    assert (result.exit_code, """inside the shell's: '"seven"'""" in result.stderr) == (2, True)
    result = clew("runs", "start", "straight", "--input", "customer=ann,n=2", "--db", base.db)
    assert (result.exit_code, """as an object: '{"customer": "ann", "n": 2}'""" in result.stderr) == (2, True)


def test_what_failed_is_tried_again(base: Base) -> None:
    again = told("runs", "retry", base.runs["dividing"], "--db", base.db)
    assert (again["status"], again["checkpoint_count"]) == ("failed", 4)


def test_a_run_is_cancelled_without_a_server(base: Base) -> None:
    assert told("runs", "cancel", base.runs["working"], "--db", base.db)["status"] == "cancelled"


def test_offline_a_task_waits_for_a_server_and_that_is_said(base: Base) -> None:
    result = clew("runs", "replay", f"{base.runs['working']}.1", "--db", base.db)
    assert (result.exit_code, "running" in result.stdout) == (0, True)
    assert "until 'clew serve' does" in result.stderr


def test_a_tree_holds_tasks_and_forks(base: Base) -> None:
    run = base.runs["straight"]
    fork = told("runs", "fork", f"{run}.1", "--db", base.db)["id"]
    found = told("runs", "tree", run, "--db", base.db)
    assert ([task["address"] for task in found["tasks"]], [below["id"] for below in found["forks"]]) == (["a"], [fork])
    assert f"    {fork} completed from {run}.1" in said("runs", "tree", run, "--db", base.db)


def test_a_tree_tells_tasks_in_the_order_in_which_they_ended(base: Base, tmp_path: Path) -> None:
    add = {"type": "transform", "updates": {"n": 1}}
    edges = [["__start__", "a"], ["a", "b"], ["b", "__end__"]]
    (tmp_path / "two.json").write_bytes(orjson.dumps(straight("two", nodes={"a": add, "b": add}, edges=edges)))
    run = orjson.loads(clew("run", tmp_path / "two.json", "--db", base.db, "--json").stdout)["id"]
    found = told("runs", "tree", run, "--db", base.db)
    assert [task["address"] for task in found["tasks"]] == ["a", "b"]


def test_a_diff_takes_a_run_for_its_newest_checkpoint(base: Base) -> None:
    run = base.runs["straight"]
    found = told("runs", "diff", f"{run}.1", run, "--db", base.db)
    assert (found["to"], found["patch"]) == (f"{run}.3", [{"op": "replace", "path": "/n", "value": 1}])
    assert "~ /n = 1" in said("runs", "diff", f"{run}.1", run, "--db", base.db)


def test_what_happened_is_told_offline_to_where_the_run_rests(base: Base) -> None:
    for name in ("straight", "asking"):
        lines = said("runs", "tail", base.runs[name], "--json", "--db", base.db).splitlines()
        assert orjson.loads(lines[0])["event"] == "run"
    result = clew("runs", "tail", base.runs["working"], "--db", base.db)
    assert (result.exit_code, "offline nothing is followed" in result.stderr) == (1, True)


def test_an_unknown_run_and_a_misspelt_checkpoint_are_told(base: Base) -> None:
    assert "there is no run 'ghost'" in clew("runs", "show", "ghost", "--db", base.db).stderr
    result = clew("runs", "fork", "ghost", "--db", base.db)
    assert (result.exit_code, "RUN.SEQ" in result.stderr) == (2, True)


def test_what_may_have_been_meant_is_guessed(base: Base) -> None:
    run = base.runs["straight"]
    for words, meant in ((("runs", "show", run[:-3]), run), (("workflows", "show", "strait"), "straight")):
        assert f"clew: did you mean {meant}?\n" in clew(*words, "--db", base.db).stderr
    assert "did you mean" not in clew("runs", "show", "gho", "--db", base.db).stderr


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("show ghost", "clew runs list"),
        ("edit {straight} --set n=1", "clew runs fork RUN.SEQ"),
        ("retry {straight}", "clew runs fork RUN.SEQ"),
        ("fork {straight}.3", "--goto"),
        ("fork {straight}.1 --goto ghost", "clew workflows show"),
        ("resume {straight} 1", "clew runs show RUN"),
        ("checkout {straight} main", "clew runs tree RUN"),
    ],
)
def test_a_refusal_says_what_can_be_done(base: Base, words: str, hint: str) -> None:
    result = clew("runs", *words.format(**base.runs).split(), "--db", base.db)
    first, *rest = result.stderr.splitlines()
    assert (result.exit_code, first.startswith("clew: ")) == (1, True)
    assert any(hint in line for line in rest), result.stderr


def test_the_codes_with_hints_are_codes_that_there_are() -> None:
    assert HINTS.keys() <= listed()


def test_a_database_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    for words in (("list",), ("cancel", "ghost")):
        result = clew("runs", *words, "--db", f"sqlite:///{tmp_path}/no.db")
        assert (result.exit_code, "does not exist" in result.stderr) == (1, True)
        assert "clew serve --db" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_told_with_what_to_do() -> None:
    result = clew("runs", "list", "--url", "http://127.0.0.1:1")
    assert (result.exit_code, "clew serve" in result.stderr) == (1, True)
    assert clew("runs", "list", "--url", "nonsense").exit_code == 2


def test_at_a_server_the_same_is_done_and_offline_only_reading_is(base: Base, tmp_path: Path) -> None:
    run = base.runs["dividing"]

    def work(url: str) -> None:
        fork = told("runs", "fork", f"{run}.1", "--set", "n=5", "--url", url)
        assert (fork["status"], fork["state"]) == ("completed", {"n": 7})
        lines = said("runs", "tail", fork["id"], "--json", "--url", url).splitlines()
        assert orjson.loads(lines[-1])["event"] == "end"
        assert fork["id"] in said("runs", "list", "--db", base.db)
        result = clew("runs", "cancel", base.runs["asking"], "--db", base.db)
        assert (result.exit_code, "--url" in result.stderr) == (1, True)

    served(tmp_path, work)


def test_a_server_with_a_token_wants_it(base: Base, tmp_path: Path) -> None:
    def work(url: str) -> None:
        result = clew("runs", "list", "--url", url)
        assert (result.exit_code, "--token" in result.stderr) == (1, True)
        assert base.runs["straight"] in said("runs", "list", "--url", url, "--token", "secret")

    served(tmp_path, work, "--token", "secret")
