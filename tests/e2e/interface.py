"""Asks every operation of a server what its description allows, and what it does not: `python -m tests.e2e.interface`.

Requests are made up by schemathesis from the OpenAPI document and aimed at what the server holds. Each answer has a
status that the document names, with the content type and the schema that it promises; none is a failure of the server.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from rich.console import Console
from schemathesis import APIOperation, Case
from schemathesis.checks import CHECKS, CheckFunction, load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from api.app import describe_app
from tests.e2e.aiming import aimed
from tests.e2e.furnished import Ids, furnished
from tests.e2e.processes import Server

EXAMPLES, SEED = 200, 20261128
TIMEOUT_S = 30.0
ENOUGH = 64 * 1024
"""So many bytes of a stream of events are read before it is left."""
PHASES = (Phase.explicit, Phase.generate, Phase.shrink)
NOT_NOW = (503, 507)
"""What a server may answer that works and takes nothing now."""

KEPT = ("status_code", "content_type", "response_headers", "response_schema")

load_all_checks()
PROMISES = cast("list[CheckFunction]", CHECKS.get_by_names([f"{kept}_conformance" for kept in KEPT]))


def described() -> dict[str, Any]:
    """The description, taken at its word: what an answer holds beyond it is missing there."""
    document = describe_app().openapi()
    for schema in document["components"]["schemas"].values():
        if schema.get("additionalProperties") is True:
            schema["additionalProperties"] = False
    return document


@schemathesis.serializer("application/x-ndjson")
def lines(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """A file of lines as it is sent; what is none is sent as text."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


SCHEMA = schemathesis.openapi.from_dict(described())


class Broken(AssertionError):
    """The server made a mistake."""


@dataclass
class Outcome:
    """What came of it; `faults` is empty when every answer was as it is described."""

    examples: int
    seed: int
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def missed(self) -> list[str]:
        """Operations that never did what they are for: what was asked of them hit nothing."""
        return [name for name, counted in self.statuses.items() if not any(status < 300 for status in counted)]


def operations() -> dict[str, APIOperation]:
    """Every operation of the interface, by its name such as `GET /v1/runs`."""
    return {found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)}


class Prober:
    """Asks a server at `url`. `statuses` counts what it answered, by operation."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.statuses: dict[str, Counter[int]] = {}

    def probe(self, operation: APIOperation, ids: Ids, examples: int, number: int) -> None:
        """Ask so many times. Raises what is wrong with the first wrong answer, made as small as it gets."""
        counted = self.statuses.setdefault(operation.label, Counter())

        @seed(number)
        @settings(
            max_examples=examples, database=None, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck)
        )
        @given(case=aimed(operation, ids))
        def ask(case: Case) -> None:
            response = self.send(case)
            counted[response.status_code] += 1
            if response.status_code >= 500 and response.status_code not in NOT_NOW:
                raise Broken(f"{case.as_curl_command()}\n{response.status_code} {response.text}")
            case.validate_response(response, checks=PROMISES)

        ask()

    def send(self, case: Case) -> requests.Response:
        """The answer; of a stream its beginning."""
        given = case.as_transport_kwargs(base_url=self.url)
        response = self.session.request(**given, stream=True, timeout=TIMEOUT_S, allow_redirects=False)
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            response._content = next(response.iter_content(ENOUGH), b"")
            response._content_consumed = True
            response.close()
        else:
            assert response.content is not None
        return response


async def prove(examples: int, number: int, only: str, say: Callable[[str], None]) -> Outcome:
    """Ask each operation whose name holds `only`, of a server that is furnished anew for each."""
    outcome, begun = Outcome(examples, number), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="clew-interface-") as folder:
        async with furnished(Path(folder)) as place:
            prober = Prober(place.server.url)
            outcome.statuses = prober.statuses
            for name, operation in operations().items():
                if only in name:
                    ids = await place.furnish()
                    try:
                        await asyncio.to_thread(prober.probe, operation, ids, examples, number)
                    except (Broken, FailureGroup) as fault:
                        outcome.faults.append(f"{name}: {fault}")
                    counted = sorted(prober.statuses[name].items())
                    say(f"{name}: {', '.join(f'{times} × {status}' for status, times in counted)}")
            outcome.faults += mistakes(place.server)
    outcome.seconds = round(time.monotonic() - begun, 1)
    return outcome


def mistakes(server: Server) -> list[str]:
    """What a server has logged as a mistake of its own."""
    return [line for line in server.said().splitlines() if '"level": "error"' in line or "Traceback" in line]


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="requests for each operation")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", default="", help="operations whose name holds this, such as 'POST /v1/runs'")
    given = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    outcome = asyncio.run(prove(given.examples, given.seed, given.only, lambda line: console.print(line, markup=False)))
    wrong = outcome.faults + [f"{name}: nothing that was asked hit anything" for name in outcome.missed]
    for fault in wrong:
        console.print(f"✗ {fault}", markup=False, style="red")
    asked = sum(counted.total() for counted in outcome.statuses.values())
    console.print(
        f"{asked:,} requests to {len(outcome.statuses)} operations in {outcome.seconds} s, seed {outcome.seed}"
    )
    console.print("not as described" if wrong else "as described", style="red" if wrong else "green")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
