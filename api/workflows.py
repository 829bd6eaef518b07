"""Workflows: documents become versions, and versions graphs."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from api.apart import apart
from api.errors import Refused
from api.paging import page_of
from api.pins import pinned, says_same
from api.schemas import Paged, WorkflowsQuery
from engine.claims import Claim
from engine.codec import dumps
from engine.errors import Conflict, Invalid, NotFound
from engine.graph import Graph
from engine.mermaid import mermaid
from engine.parse import load, parse
from engine.patch import make_patch
from engine.ports import Page, Store, WorkflowRow
from engine.validate import Limits, validate

MAX_GRAPHS = 256
FEW = 200
MAX_VERSION_DIGITS = 9
INLINE = "inline-"


class Workflows:
    """The stored workflows. `clock` gives milliseconds since the epoch."""

    def __init__(self, store: Store, limits: Limits, clock: Callable[[], int]) -> None:
        self.store, self.limits, self.clock = store, limits, clock
        self._saving = asyncio.Lock()
        self._graphs: OrderedDict[tuple[str, int], Graph] = OrderedDict()
        self.files: Mapping[str, str] = {}
        """The files that own workflows, by the ids of these; kept by whoever follows the folder."""
        self.broken: Callable[[str], str | None] = lambda workflow_id: None
        """The file of a workflow that is not valid; told by the same."""

    # ---- reading

    async def get(self, workflow_id: str, version: int | None = None) -> WorkflowRow:
        """A version, or the newest, of a workflow that is not archived. Raises NotFound."""
        row = await self.store.workflow(workflow_id, version)
        if row is None or row.status == "archived":
            raise NotFound(self._missing(workflow_id, version, row))
        return row

    def _missing(self, workflow_id: str, version: int | None, row: WorkflowRow | None) -> str:
        """Why there is no such workflow."""
        if (file := self.broken(workflow_id)) is not None and (row is not None or version is None):
            return f"there is no workflow '{workflow_id[:80]}': its file {file} is not valid"
        if row is not None:
            why = "its file was removed" if row.source == "file" else "it was deleted"
            return f"there is no workflow '{workflow_id[:80]}': it is archived since {why}"
        which = "" if version is None else f" with a version {version}"
        return f"there is no workflow '{workflow_id[:80]}'{which}"

    async def numbered(self, workflow_id: str, version: str) -> WorkflowRow:
        """A version by its number as text. Raises NotFound."""
        if not version.isascii() or not version.isdigit() or len(version) > MAX_VERSION_DIGITS:
            raise NotFound(f"there is no workflow '{workflow_id[:80]}' with a version '{version[:80]}'")
        return await self.get(workflow_id, int(version))

    async def page(self, query: WorkflowsQuery) -> Page[WorkflowRow]:
        """Newest versions, the last changed first."""
        return await self.store.workflows(query.q, query.tag, query.status, query.limit, query.cursor)

    async def versions(self, workflow_id: str, query: Paged) -> Page[WorkflowRow]:
        """All versions, newest first. Raises NotFound."""
        await self.get(workflow_id)
        rows = await self.store.workflow_versions(workflow_id)
        return page_of(rows, lambda row: f"{10**MAX_VERSION_DIGITS - row.version}", query.limit, query.cursor)

    async def diff(self, workflow_id: str, before: str, after: str) -> dict[str, Any]:
        """What changes in the document from one version to another. Raises NotFound."""
        one, other = [await self.numbered(workflow_id, version) for version in (before, after)]
        return {"from": one.version, "to": other.version, "patch": make_patch(one.document, other.document)}

    async def graph(self, workflow_id: str, version: int) -> Graph:
        """A version, parsed; of archived workflows too. Raises NotFound."""
        key = workflow_id, version
        if (known := self._graphs.get(key)) is not None:
            self._graphs.move_to_end(key)
            return known
        row = await self.store.workflow(workflow_id, version)
        if row is None:
            raise NotFound(f"there is no workflow '{workflow_id[:80]}' with a version {version}")
        return self._remember(parse(row.document, workflow_id, version))

    async def drawing(self, workflow_id: str, draw: Callable[[Graph], str]) -> str:
        """The newest version as a text that `draw` makes. Raises NotFound."""
        row = await self.get(workflow_id)
        return draw(await self.graph(row.id, row.version))

    async def report(self, document: Any) -> dict[str, Any]:
        """What is wrong with a document, and its drawing if nothing is."""
        document = await pinned(document, self.store.workflow)
        return await apart(document, lambda: self._report(document))

    def _report(self, document: Any) -> dict[str, Any]:
        found = [problem.as_json() for problem in validate(document, self.limits)]
        errors = [problem for problem in found if problem["severity"] == "error"]
        return {
            "valid": not errors,
            "errors": errors,
            "warnings": [problem for problem in found if problem["severity"] != "error"],
            "mermaid": None if errors else mermaid(load(document, INLINE, 1, self.limits)),
        }

    # ---- writing

    async def create(self, document: Any, claim: Claim | None = None) -> WorkflowRow:
        """Save a new workflow. Raises Invalid, or Conflict when the id is taken."""
        if claim is not None and claim.made is not None:
            return await self.get(claim.made)
        async with self._saving:
            workflow_id = self._id_in(document)
            self._require_ours(workflow_id)
            newest = await self.store.workflow(workflow_id)
            if newest is not None and newest.status != "archived":
                raise Conflict(f"there is a workflow '{workflow_id[:80]}' already", "workflow.exists")
            return await self._add(workflow_id, newest, document, "api", claim)

    async def put(self, workflow_id: str, document: Any, if_match: str | None) -> WorkflowRow:
        """Save a new version, unless the document is that of the newest. Raises NotFound, Invalid, Conflict, or Refused
        (412) when `if_match` names another version."""
        async with self._saving:
            newest = await self.get(workflow_id)
            self._require_ours(workflow_id)
            if if_match is not None and not _matches(if_match, newest):
                raise Refused(412, "workflow.changed", f"the newest version is {newest.version}: {etag(newest)}")
            return await self._add(workflow_id, newest, _with_id(document, workflow_id), "api")

    async def keep(self, document: Any) -> WorkflowRow:
        """The version that holds this document; saved under its id, or one made from what it says, where it is new.
        Raises Invalid, or Conflict when its id belongs to another document."""
        async with self._saving:
            if isinstance(document, dict) and "id" not in document:
                document = {"id": _made_id(document), **document}
            workflow_id = self._id_in(document)
            newest = await self.store.workflow(workflow_id)
            if newest is None or newest.status == "archived":
                return await self._add(workflow_id, newest, document, "api")
            if not says_same(newest.document, document):
                raise Conflict(
                    f"there is a workflow '{workflow_id[:80]}' that says something else; save it as a new version, or "
                    "leave out the id",
                    "workflow.exists",
                )
            return newest

    async def delete(self, workflow_id: str) -> None:
        """Archive a workflow. Raises NotFound or Conflict."""
        async with self._saving:
            await self.get(workflow_id)
            self._require_ours(workflow_id)
            await self.store.set_workflow_status(workflow_id, "archived", self.clock())

    async def set_status(self, workflow_id: str, status: str) -> WorkflowRow:
        """Make a workflow active or paused: what schedules and triggers go by. Raises NotFound."""
        async with self._saving:
            row = await self.get(workflow_id)
            if row.status != status:
                await self.store.set_workflow_status(workflow_id, status, self.clock())
            return await self.get(workflow_id)

    async def duplicate(
        self, workflow_id: str, new_id: str | None, name: str | None, claim: Claim | None = None
    ) -> WorkflowRow:
        """Save a copy of the newest version as a workflow of its own, under an id that is free where none is given.
        Raises NotFound, Invalid, or Conflict when the id is taken."""
        row = await self.get(workflow_id)
        copy = {**row.document, "id": new_id or await self._free_id(f"{row.id}-copy")}
        return await self.create({**copy, "name": name} if name is not None else copy, claim)

    async def _free_id(self, wanted: str) -> str:
        found, number = wanted, 1
        while found in self.files or await self.store.workflow(found) is not None:
            number += 1
            found = f"{wanted}-{number}"
        return found

    # ---- files, which are the owners of what they say

    async def take(self, workflow_id: str, document: Any) -> int:
        """Have what a file says as the newest version; its number. What was archived comes back. Raises Invalid."""
        async with self._saving:
            newest = await self.store.workflow(workflow_id)
            document = _with_id(document, workflow_id)
            if newest is not None and newest.status == "archived" and _says(newest, document):
                await self._load(newest.document, workflow_id, newest.version)
                await self.store.set_workflow_status(workflow_id, "active", self.clock())
                return newest.version
            return (await self._add(workflow_id, newest, document, "file")).version

    async def archive(self, workflow_id: str) -> None:
        """Archive a workflow whose file is gone."""
        async with self._saving:
            newest = await self.store.workflow(workflow_id)
            if newest is not None and newest.source == "file" and newest.status != "archived":
                await self.store.set_workflow_status(workflow_id, "archived", self.clock())

    async def from_files(self) -> list[str]:
        """The ids of the workflows that came from files and are not archived."""
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = await self.store.workflows(None, None, None, FEW, cursor)
            found += [row.id for row in page.items if row.source == "file"]
            if (cursor := page.next_cursor) is None:
                return found

    async def _add(
        self, workflow_id: str, newest: WorkflowRow | None, document: Any, source: str, claim: Claim | None = None
    ) -> WorkflowRow:
        """Add a version, unless the newest one says the same already; the workflows that it runs are copied into it.
        What is saved by hand takes newer ones over; a file that nobody has touched does not. Raises Invalid."""
        version = await self.store.last_version(workflow_id) + 1  # runs may have brought some that are not the newest
        archived = newest is not None and newest.status == "archived"
        known = newest if newest is not None and not archived and newest.source == source else None
        if known is not None and source == "file" and says_same(known.document, document):
            return known
        whole = await pinned(document, self.store.workflow)
        if known is not None and says_same(known.document, whole):
            return known
        graph = await self._load(whole, workflow_id, version)
        stored, now = dict(graph.document), self.clock()
        row = WorkflowRow(
            id=workflow_id,
            version=version,
            document=stored,
            status="active" if newest is None or archived else newest.status,
            source=source,
            created_at=now if newest is None or archived else newest.created_at,
            updated_at=now,
            name=stored.get("name"),
            tags=tuple(stored.get("tags", ())),
        )
        await self.store.put_workflow(row, claim)
        self._remember(graph)
        return row

    async def _load(self, document: Any, workflow_id: str, version: int) -> Graph:
        """The graph of a document. Raises Invalid."""
        return await apart(document, lambda: _ready(load(document, workflow_id, version, self.limits)))

    def _id_in(self, document: Any) -> str:
        """The id of a document that has to have one. Raises Invalid, with all that is wrong with the document."""
        given = document.get("id") if isinstance(document, dict) else None
        if isinstance(given, str) and given:
            return given
        found = [problem.as_json() for problem in validate(document, self.limits)]
        if isinstance(document, dict) and "id" not in document:
            found.insert(0, _fault("document.field", "", "the field `id` is missing: name of the workflow"))
        raise Invalid(f"{found[0]['path'] or '/'}: {found[0]['message']}", "workflow.invalid", found)

    def _require_ours(self, workflow_id: str) -> None:
        if (file := self.files.get(workflow_id)) is not None:
            message = f"workflow '{workflow_id[:80]}' comes from the file {file}; change it there"
            raise Conflict(message, "workflow.file_owned", file=file)

    def _remember(self, graph: Graph) -> Graph:
        self._graphs[graph.workflow_id, graph.version] = graph
        while len(self._graphs) > MAX_GRAPHS:
            self._graphs.popitem(last=False)
        return graph


def _ready(graph: Graph) -> Graph:
    """A graph with all that is worked out once."""
    _ = graph.topology
    return graph


def etag(row: WorkflowRow) -> str:
    """The entity tag of a version."""
    return f'"{row.version}"'


def _matches(if_match: str, row: WorkflowRow) -> bool:
    wanted = {tag.strip().removeprefix("W/") for tag in if_match.split(",")}
    return "*" in wanted or etag(row) in wanted


def _says(row: WorkflowRow, document: Any) -> bool:
    return row.source == "file" and says_same(row.document, document)


def _with_id(document: Any, workflow_id: str) -> Any:
    """The document under the id of its path. Raises Invalid when it says another one."""
    if not isinstance(document, dict) or document.get("id") == workflow_id:
        return document
    if "id" in document:
        message = f"the document's id is not that of the path, '{workflow_id[:80]}'"
        raise Invalid(message, "workflow.invalid", [_fault("document.field", "/id", message)])
    return {"id": workflow_id, **document}


def _made_id(document: Any) -> str:
    """An id for a document that has none: the same for the same text."""
    return INLINE + hashlib.sha256(dumps(document)).hexdigest()[:16]


def _fault(code: str, path: str, message: str) -> dict[str, Any]:
    return {"code": code, "severity": "error", "path": path, "node": None, "message": message, "hint": None}
