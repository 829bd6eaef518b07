"""Workflows: saved, looked at, validated, started."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from clew._faces import F, Resource, call, listed
from clew._http import new_key, path_of
from clew._json import given
from clew.errors import NotFound
from clew.models import Json, Report, Statistics, VersionDiff, Workflow


class Workflows(Resource[F]):
    """`/v1/workflows`."""

    @call
    async def create(self, document: Json, *, key: str | None = None) -> Workflow:
        """Save a new workflow. Raises Invalid with all that is wrong with it, Conflict when its id is taken."""
        return await self._http.create(Workflow, "/workflows", document, key=key)

    @call
    async def save(self, document: Json, *, if_match: int | None = None) -> Workflow:
        """Save a workflow under the `id` in the document: a new one, or a new version where the document has changed.

        `if_match` is the version that it has to be made from. Raises Changed, Invalid or Conflict.
        """
        path = path_of("workflows", str(document.get("id", "")))
        headers = {} if if_match is None else {"If-Match": f'"{if_match}"'}
        try:
            made = await self._http.call("PUT", path, body=document, headers=headers)
            return Workflow.model_validate_json(made.content)
        except NotFound:
            if if_match is not None:
                raise
        return await self._http.create(Workflow, "/workflows", document, key=new_key())

    @call
    async def get(self, workflow_id: str, *, version: int | None = None) -> Workflow:
        """The newest version, or the one that is asked for. Raises NotFound."""
        versioned = () if version is None else ("versions", str(version))
        return await self._http.get(Workflow, path_of("workflows", workflow_id, *versioned))

    @listed
    def list(
        self, *, q: str | None = None, tag: str | None = None, status: str | None = None, page: int | None = None
    ) -> AsyncIterator[Workflow]:
        """All workflows that fit; archived ones only when asked for. `page` is how many are fetched at once."""
        return self._http.items(Workflow, "/workflows", given(q=q, tag=tag, status=status, limit=page))

    @listed
    def versions(self, workflow_id: str, *, page: int | None = None) -> AsyncIterator[Workflow]:
        """The versions of a workflow, newest first."""
        return self._http.items(Workflow, path_of("workflows", workflow_id, "versions"), given(limit=page))

    @call
    async def diff(self, workflow_id: str, a: int, b: int) -> VersionDiff:
        """What changes in the document from version `a` to version `b`."""
        path = path_of("workflows", workflow_id, "versions", str(a), "diff", str(b))
        return await self._http.get(VersionDiff, path)

    @call
    async def statistics(self, workflow_id: str) -> Statistics:
        """How many runs there are in each status, and how the last ones went. Raises NotFound."""
        return await self._http.get(Statistics, path_of("workflows", workflow_id, "statistics"))

    @call
    async def validate(self, document: Json) -> Report:
        """What is wrong with a document, which is not saved."""
        return await self._http.post(Report, "/workflows/validate", document)

    @call
    async def mermaid(self, workflow_id: str) -> str:
        """The workflow as a Mermaid drawing."""
        return (await self._http.call("GET", path_of("workflows", workflow_id, "mermaid"))).text

    @call
    async def duplicate(
        self, workflow_id: str, *, id: str | None = None, name: str | None = None, key: str | None = None
    ) -> Workflow:
        """Copy a workflow."""
        path = path_of("workflows", workflow_id, "duplicate")
        return await self._http.create(Workflow, path, given(id=id, name=name), key=key)

    @call
    async def activate(self, workflow_id: str) -> Workflow:
        """Have schedules and triggers start it."""
        return await self._http.post(Workflow, path_of("workflows", workflow_id, "activate"))

    @call
    async def pause(self, workflow_id: str) -> Workflow:
        """Have schedules and triggers leave it alone."""
        return await self._http.post(Workflow, path_of("workflows", workflow_id, "pause"))

    @call
    async def delete(self, workflow_id: str) -> None:
        """Delete a workflow; its runs stay readable."""
        await self._http.call("DELETE", path_of("workflows", workflow_id))

    @call
    async def import_foreign(
        self, document: Any, *, format: str, id: str | None = None, dry_run: bool = False, key: str | None = None
    ) -> Any:
        """Take over a document of another system: `{report, document, workflow}`, as JSON."""
        query = given(format=format, id=id, dry_run=dry_run or None)
        made = await self._http.call("POST", "/workflows/import", body=document, query=query, key=key or new_key())
        return made.json()
