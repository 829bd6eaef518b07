"""What is answered to documents of other systems."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from api.shapes import ImportReport, Shape, Workflow


class Import(Shape):
    """A document of another system as a workflow."""

    report: ImportReport
    document: dict[str, Any] = Field(description="The document in Clew's language.")
    workflow: Workflow | None = Field(description="What it was saved as; null after a dry run.")
