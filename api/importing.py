"""Documents of other systems become workflows, with a report of what became of each of their parts."""

from __future__ import annotations

from typing import Any

from api.apart import apart
from api.pins import pinned
from api.schemas_foreign import ImportDocumentQuery
from api.workflows import Workflows
from engine.claims import Claim
from engine.foreign import Converted, convert
from engine.ports import WorkflowRow
from engine.validate import validate
from engine.values import replace


async def take_over(
    workflows: Workflows, document: Any, query: ImportDocumentQuery, claim: Claim | None = None
) -> tuple[Converted, WorkflowRow | None]:
    """What a document became, and the workflow that it was saved as, which a dry run does not do.

    Raises Invalid, with the report where the result is not valid, or Conflict when its id is taken.
    """
    found = await _converted(workflows, document, query)
    if query.dry_run:
        return found, None
    found.require_valid()
    return found, await workflows.create(found.document, claim)


async def _converted(workflows: Workflows, document: Any, query: ImportDocumentQuery) -> Converted:
    """The document in our language, checked with copies of the workflows that it runs."""
    found = await apart(document, lambda: convert(document, query.format, workflows.limits))
    if query.id is not None:
        found = replace(found, document={**found.document, "id": query.id})
    whole = await pinned(found.document, workflows.store.workflow)
    if whole is found.document and query.id is None:
        return found
    return replace(found, problems=await apart(whole, lambda: validate(whole, workflows.limits)))
