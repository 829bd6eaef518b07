"""How calls about runs are put into the words of the interface."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from clew._following import Following
from clew._http import Http, path_of
from clew._json import given
from clew.models import EndEvent, Event, Json, Run, RunEvent


def run_fields(workflow: str | Json, input: Json | None, fields: Mapping[str, Any]) -> Json:
    """The body that starts a run."""
    named = {"workflow_id": workflow} if isinstance(workflow, str) else {"workflow": workflow}
    return {**named, **given(input=input), **given(**fields)}


def line_of(checkpoint_id: str, line: Mapping[str, Any]) -> Json:
    """The body that begins another line at a checkpoint."""
    return {"checkpoint_id": checkpoint_id, **given(**line)}


def filters_of(metadata: Mapping[str, str] | None, filters: Mapping[str, Any]) -> Json:
    """The query that says which runs are meant."""
    return {**given(**filters), **{f"metadata.{name}": text for name, text in (metadata or {}).items()}}


def modes_text(modes: str | Sequence[str]) -> str:
    """The modes of a stream as its address has them: of one name, or of several."""
    return modes if isinstance(modes, str) else ",".join(modes)


def following(
    http: Http,
    run_id: str,
    modes: str | Sequence[str],
    after: str | None = None,
    from_now: bool = False,
    until: str | None = None,
) -> AsyncGenerator[Event, None]:
    """The stream of a run, over as many connections as it needs."""
    query = {"mode": modes_text(modes), **given(until=until), **({"from": "now"} if from_now else {})}

    def is_last(event: Event) -> bool:
        return isinstance(event, EndEvent) or (isinstance(event, RunEvent) and event.data.status == until)

    async def is_over() -> bool:
        return (await http.get(Run, path_of("runs", run_id))).is_over

    return Following(http, path_of("runs", run_id, "stream"), query, after, is_last, is_over).events()
