"""The client against a real server: what it asks, what it gets, and what it makes of refusals."""

from __future__ import annotations

import pytest

from clew import Changed, Client, Conflict, Invalid, NotFound, Unauthorized, Unreachable, Worker
from tests.e2e.processes import Server, free_port
from tests.unit.api.serving import asking, broken, straight


async def test_a_workflow_is_saved_started_and_read(clew: Client) -> None:
    made = await clew.workflows.create(straight("saved"))
    run = await clew.runs.start("saved", {"n": 1}, wait=10, tags=["t"], metadata={"of": "me"})
    assert (made.version, run.status, run.state, run.tags) == (1, "completed", {"n": 2}, ["t"])
    assert (await clew.runs.get(run.id)).output == {"n": 2}
    assert [found.id async for found in clew.runs.list(status="completed", metadata={"of": "me"})] == [run.id]
    assert [found.id async for found in clew.runs.list(metadata={"of": "you"})] == []


async def test_a_document_may_come_along(clew: Client) -> None:
    run = await clew.runs.start(straight("aside"), wait=10)
    assert run.state == {"n": 1}


async def test_what_is_refused_is_raised_with_its_code_and_places(clew: Client) -> None:
    with pytest.raises(NotFound) as missing:
        await clew.runs.get("nothing")
    with pytest.raises(Invalid) as wrong:
        await clew.workflows.create(broken())
    await clew.workflows.create(straight("taken"))
    with pytest.raises(Conflict) as taken:
        await clew.workflows.create(straight("taken", name="another"))
    assert (missing.value.code, taken.value.code) == ("not_found", "workflow.exists")
    assert wrong.value.code == "workflow.invalid"
    assert all(fault.path.startswith("/") and fault.message for fault in wrong.value.errors)


async def test_a_refusal_is_raised_without_the_one_before(clew: Client) -> None:
    with pytest.raises(Invalid) as wrong:
        await clew.workflows.save(broken("never-there"))
    assert (wrong.value.__cause__, wrong.value.__context__) == (None, None)


async def test_a_worker_that_is_refused_hears_why_alone(shared: str) -> None:
    with pytest.raises(Invalid) as wrong:
        await Worker("never-there", metadata={"rate_limit": 1}).serve("pull", url=shared)
    assert (wrong.value.__cause__, wrong.value.__context__) == (None, None)


async def test_a_stream_takes_the_name_of_one_mode(clew: Client) -> None:
    run = await clew.runs.start(straight("aside"), wait=10)
    assert [event.event async for event in clew.runs.stream(run.id, "updates")] == ["run", "updates", "run", "end"]
    async for _ in clew.events("values"):
        break


async def test_a_version_is_made_of_the_one_that_is_meant(clew: Client) -> None:
    with pytest.raises(NotFound):
        await clew.workflows.save(straight("versions"), if_match=1)
    await clew.workflows.save(straight("versions"))
    second = await clew.workflows.save(straight("versions", name="second"), if_match=1)
    with pytest.raises(Changed):
        await clew.workflows.save(straight("versions", name="third"), if_match=1)
    assert second.version == 2
    assert [one.version async for one in clew.workflows.versions("versions")] == [2, 1]
    assert (await clew.workflows.diff("versions", 1, 2)).patch[0].path == "/name"
    assert "a" in await clew.workflows.mermaid("versions")
    assert (await clew.workflows.statistics("versions")).runs == 0
    assert not (await clew.workflows.validate(broken())).valid


async def test_lists_go_over_their_pages(clew: Client) -> None:
    made = [(await clew.runs.start(straight("aside"), wait=10, tags=["pages"])).id for _ in range(5)]
    assert [run.id async for run in clew.runs.list(tag="pages", page=2)] == made[::-1]


async def test_a_question_is_found_and_answered(clew: Client) -> None:
    run = await clew.runs.start(asking(), wait=10)
    [question] = [found async for found in clew.interrupts.list(run_id=run.id)]
    assert (run.status, question.run_id, question.message) == ("interrupted", run.id, "how many?")
    assert (await clew.interrupts.claim(question.id, "ann")).assignee == "ann"
    assert (await clew.interrupts.unclaim(question.id)).assignee is None
    await clew.interrupts.resume(question.id, 3)
    assert (await clew.runs.wait(run.id)).state == {"answer": 3}


async def test_waiting_sees_an_interrupt_that_is_there_and_time_that_is_up(clew: Client) -> None:
    run = await clew.runs.start(asking())
    assert (await clew.runs.wait(run.id, timeout=10)).status == "interrupted"
    queued = await clew.runs.start(straight("later"), start_at="2999-01-01T00:00:00Z")
    assert (await clew.runs.wait(queued.id, timeout=0.1)).status == "queued"


async def test_waiting_passes_over_interrupts_that_were_answered(clew: Client) -> None:
    twice = asking("twice")
    twice["nodes"]["more"] = {**twice["nodes"]["ask"], "message": "how many more?"}
    twice["edges"] = [["__start__", "ask"], ["ask", "more"], ["more", "__end__"]]
    run = await clew.runs.start(twice, wait=10)
    await clew.runs.resume(run.id, 1)
    second = await clew.runs.wait(run.id)
    assert [found.message for found in second.interrupts] == ["how many more?"]
    await clew.runs.resume(run.id, 2)
    assert (await clew.runs.wait(run.id)).status == "completed"


async def test_a_run_is_led_back_in_time(clew: Client) -> None:
    run = await clew.runs.start(asking(), wait=10)
    await clew.runs.resume(run.id, 3)
    done = await clew.runs.wait(run.id)
    history = [found async for found in clew.runs.checkpoints(run.id, state=True)]
    asked = next(found for found in history if found.kind == "interrupt")
    fork = await clew.runs.fork(asked.id, updates={"answer": 9})
    replay = await clew.runs.replay(run.id, asked.id)
    again = await clew.runs.resume(replay.id, 4)
    assert (done.state, history[0].state) == ({"answer": 3}, {"answer": 3})
    assert (fork.forked_from and fork.forked_from.run_id, replay.branch) == (run.id, again.branch)
    assert await clew.runs.state(run.id, history[0].id) == {"answer": 3}
    assert (await clew.runs.state(fork.id))["answer"] == 9
    assert (await clew.runs.diff(asked.id, history[0].id)).patch[0].value == 3
    assert (await clew.runs.compare(run.id, fork.id)).common_ancestor == asked.id
    assert (await clew.runs.blame(fork.id, "answer")).items[0].value == 9
    assert (await clew.runs.checkout(run.id, history[0].branch)).state == {"answer": 3}


async def test_runs_are_cancelled_retried_and_deleted(clew: Client) -> None:
    run = await clew.runs.start(asking(), wait=10)
    assert (await clew.runs.cancel(run.id)).status == "cancelled"
    with pytest.raises(Conflict):
        await clew.runs.retry(run.id)
    await clew.runs.delete(run.id)
    with pytest.raises(NotFound):
        await clew.runs.get(run.id)


async def test_many_runs_are_one_job(clew: Client) -> None:
    runs = [await clew.runs.start(asking(), wait=10, tags=["j"]) for _ in range(3)]
    seen = await clew.jobs.preview("cancel", {"tag": "j"})
    job = await clew.jobs.start("cancel", {"tag": "j"})
    over = await clew.jobs.get(job.id, wait=10)
    assert (sorted(seen.runs), over.status, over.done) == (sorted(run.id for run in runs), "completed", 3)
    assert {found.status async for found in clew.jobs.runs(job.id)} == {"done"}
    assert job.id in [found.id async for found in clew.jobs.list()]


async def test_workers_and_sessions_are_looked_after(clew: Client) -> None:
    made = await clew.workers.register("w", protocol="webhook", url="http://127.0.0.1:9/", tags=["t"])
    changed = await clew.workers.change("w", max_concurrent=3)
    assert (made.secret[:6], changed.max_concurrent, changed.tags) == ("whsec_", 3, ["t"])
    assert "w" in [found.id async for found in clew.workers.list()]
    await clew.workers.remove("w")
    with pytest.raises(NotFound):
        await clew.workers.get("w")
    await clew.runs.start(straight(), wait=10, session_id="s")
    assert (await clew.sessions.get("s")).state == {"n": 1}
    assert [found.id async for found in clew.sessions.list()] == ["s"]
    assert [letter async for letter in clew.dead_letters.list(status="redriven")] == []


async def test_the_server_says_what_it_is(clew: Client) -> None:
    info = await clew.info()
    assert "webhook" in info.protocols
    await clew.ready()
    assert "task" in {found.type async for found in clew.node_types()}


async def test_fields_that_are_new_are_kept(clew: Client) -> None:
    run = await clew.runs.start(straight("aside"), wait=10)
    newer = type(run).model_validate({**run.model_dump(by_alias=True), "mood": "fine"})
    assert newer.model_extra is not None
    assert newer.model_extra["mood"] == "fine"


async def test_nobody_there_is_told_when_patience_is_over() -> None:
    async with Client(f"http://127.0.0.1:{free_port()}", patience_s=0.2) as client:
        with pytest.raises(Unreachable, match="does not answer"):
            await client.runs.get("x")


async def test_a_server_that_wants_a_token_gets_it(server: Server) -> None:
    await server.stop()
    server.env["CLEW_TOKEN"] = "let-me-in"
    await server.start()
    async with Client(server.url) as stranger:
        with pytest.raises(Unauthorized):
            await stranger.info()
    async with Client(server.url, "let-me-in") as friend:
        assert (await friend.info()).auth
