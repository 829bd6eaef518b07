"""What may be asked of jobs: one action on many runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from api.schemas import MAX_WAIT_S, Asked, Id, Object, Paged, RunWhere

MOST_RUNS = 100_000
FORKS_ONLY = ("checkpoint", "updates", "goto", "workflow_version", "reuse", "reuse_interrupts")
Statuses = Literal["queued", "running", "interrupted", "completed", "failed", "cancelled"]


def _listed(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


class BulkFilter(RunWhere, Asked):
    """Which runs are meant, as lists of runs filter; or their ids."""

    status: Annotated[list[Statuses], BeforeValidator(_listed, json_schema_input_type=str | list[Statuses])] = Field(
        default_factory=list, description="One of these: a list, or as lists of runs take it, separated by commas."
    )
    metadata: dict[str, str] = Field(default_factory=dict, description="Texts at keys of metadata.")
    ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_RUNS)] | None = Field(
        default=None, description="These runs, and no other part of the filter."
    )

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        said = {name for name in self.model_fields_set if getattr(self, name) not in (None, [], {}, "")}
        if not said:
            raise PydanticCustomError("empty", "say which runs: an empty filter would mean all of them")
        if "ids" in said and said != {"ids"}:
            raise PydanticCustomError("two_ways", "give `ids` or other filters, not both")
        return self


class Bulk(Asked):
    """One action on many runs. What a fork of one run takes is for forks; `config` is for
    forks and retries."""

    action: Literal["fork", "retry", "cancel", "delete"]
    filter: BulkFilter
    dry_run: bool = Field(default=False, description="Tells which runs are meant, and does nothing.")
    checkpoint: Literal["last_good", "first", "last"] = Field(
        default="last_good",
        description="Where runs are forked: before the failure that a run ended with (its newest checkpoint where it "
        "has none), at the first checkpoint, or at the newest.",
    )
    updates: Object = Field(default_factory=dict, description="State updates, through the reducers.")
    goto: str | Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None, description="A node or a list of nodes to run instead of what was in flight."
    )
    config: Object = Field(default_factory=dict, description="Laid over the run's config; a retry raises limits by it.")
    workflow_version: int | None = Field(default=None, ge=1, description="Goes on with this version of the workflow.")
    reuse: Literal["unchanged"] | None = Field(
        default=None, description="`unchanged`: takes over recorded answers to tasks whose input is the same."
    )
    reuse_interrupts: bool = Field(default=False, description="With reuse: takes over the answers of humans too.")

    @model_validator(mode="after")
    def _fits_the_action(self) -> Self:
        given = [name for name in FORKS_ONLY if name in self.model_fields_set]
        if self.action != "fork" and given:
            raise PydanticCustomError("action", "{names}: only forks take this", {"names": ", ".join(given)})
        if self.action in ("cancel", "delete") and "config" in self.model_fields_set:
            raise PydanticCustomError("action", "config: only forks and retries take this")
        if self.reuse_interrupts and self.reuse is None:
            raise PydanticCustomError("reuse", "reuse_interrupts: goes with reuse")
        return self


class JobQuery(BaseModel):
    """How long the answer may wait for the end of a job."""

    wait: float = Field(default=0, ge=0, le=MAX_WAIT_S, description="Seconds; the answer comes once the job is over.")


class JobsQuery(Paged):
    """Which jobs a list holds."""

    status: Literal["running", "completed", "cancelled"] | None = None


class JobRunsQuery(Paged):
    """Which runs of a job a list holds."""

    status: Literal["pending", "done", "failed", "cancelled"] | None = None
