"""Every example of the documentation is run by a real server with a real worker, and ends as it says."""

import json
from pathlib import Path

import pytest

from examples.tour.client import Clew
from examples.tour.processes import Children

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.json"))


@pytest.fixture(scope="module")
def clew(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    serve = ["serve", "--host", "127.0.0.1", "--port", "0", "--db", f"sqlite:///{folder / 'clew.db'}"]
    with Children() as children:
        server = children.start("server", "api.cli", serve, ROOT, folder / "server.log")
        worker = children.start("worker", "examples.echo_worker", ["0"], ROOT, folder / "worker.log")
        model = children.start("model", "examples.model", ["0"], ROOT, folder / "model.log")
        with Clew(server.url) as client:
            client.register(
                {"id": "model", "protocol": "openai_chat", "url": f"{model.url}/v1", "tags": ["model"], "model": "echo"}
            )
            client.register(
                {"id": "echo", "protocol": "webhook", "url": worker.url, "tags": ["echo"], "max_concurrent": 4}
            )
            yield client


@pytest.mark.xdist_group("examples")
@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_the_example_ends_as_it_says(clew, path):
    document = json.loads(path.read_text("utf-8"))
    expected = document["metadata"]["example"]
    body = {"workflow": document, "input": expected["input"], "config": expected.get("config", {})}

    run = clew.post("/runs?wait=30", body)
    last = None
    for answer in expected.get("answers", []):
        *_, last = clew.events(run["id"], last and last.id, until="interrupted")
        assert last.data["status"] == "interrupted"
        clew.post(f"/runs/{run['id']}/resume", {"resume": answer})
    if run["status"] == "interrupted":
        *_, _ = clew.events(run["id"], last and last.id)
        run = clew.get(f"/runs/{run['id']}")

    code = run["error"] and run["error"]["code"]
    assert (run["status"], code) == (expected.get("status", "completed"), expected.get("error"))
    assert {key: run["state"][key] for key in expected["state"]} == expected["state"]
    assert run["output"] == (expected.get("output", run["state"]) if run["status"] == "completed" else None)
