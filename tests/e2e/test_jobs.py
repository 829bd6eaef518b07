"""A job on many runs forks each of them once, however often the server is killed meanwhile."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.e2e.processes import Client, Server
from tests.integration.test_api_jobs import DIVIDING, FIXED

RUNS, KILLS = 120, 3


async def forks_of(client: Client) -> Counter[str]:
    """How often each run was forked."""
    found: Counter[str] = Counter()
    cursor: dict[str, Any] = {}
    while True:
        page = await client.ask("GET", "/runs", limit=1000, **cursor)
        found.update(run["forked_from"]["run_id"] for run in page["items"] if run["forked_from"])
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_a_server_that_is_killed_in_the_middle_of_a_job_does_the_rest_and_nothing_twice(
    server: Server, client: Client
) -> None:
    await client.save(DIVIDING)
    runs = [await client.start("dividing", wait=30, input={"n": 0}) for _ in range(RUNS)]
    await client.ask("PUT", "/workflows/dividing", FIXED)
    asked = {"action": "fork", "filter": {"status": ["failed"]}, "workflow_version": 2}
    job = await client.ask("POST", "/runs/bulk", asked)
    seen = [0]
    for kill in range(KILLS):
        while job["done"] < RUNS * kill // KILLS:
            job = await client.ask("GET", f"/jobs/{job['id']}")
        server.kill()
        await server.start()
        job = await client.ask("GET", f"/jobs/{job['id']}")
        seen.append(job["done"])
    job = await client.ask("GET", f"/jobs/{job['id']}", wait=30)

    assert (job["status"], job["done"], job["failed"]) == ("completed", RUNS, 0)
    assert seen == sorted(seen)
    assert seen[1] < RUNS  # it was killed before the end
    assert await forks_of(client) == Counter(dict.fromkeys((run["id"] for run in runs), 1))
