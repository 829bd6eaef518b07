"""What may be asked with documents of other systems."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema

from api.schemas import Id

Foreign = Annotated[
    Any, WithJsonSchema({"type": "object", "title": "Foreign document", "description": "As another system writes it."})
]


class ImportDocumentQuery(BaseModel):
    """How a document of another system is taken over."""

    format: str | None = Field(default=None, max_length=80, description="Its format; found out where absent.")
    id: Id | None = Field(default=None, description="Of the workflow; the one in the document where absent.")
    dry_run: bool = Field(default=False, description="Tells what would become of it, and saves nothing.")
