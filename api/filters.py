"""Which runs are meant, as the store looks for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from api.schemas import RunWhere
from api.times import milliseconds
from engine.model import RunStatus
from engine.ports import RunFilter


def run_filter_of(asked: RunWhere, statuses: Iterable[str], metadata: Mapping[str, str]) -> RunFilter:
    """The filter that was asked for; lists and jobs say statuses and metadata each in their way."""
    return RunFilter(
        status=tuple(map(RunStatus, statuses)),
        workflow_id=asked.workflow_id,
        tag=asked.tag,
        metadata=metadata,
        created_after=milliseconds(asked.created_after) if asked.created_after else None,
        created_before=milliseconds(asked.created_before) if asked.created_before else None,
        parent_id=asked.parent_id,
        session_id=asked.session_id,
        q=asked.q,
    )
