"""What all models share: fields that a newer server adds are kept, and nobody changes what was told."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

Json = dict[str, Any]
"""A JSON object of which no more is known."""


class Model(BaseModel):
    """Something that the server tells. Unknown fields are kept, as attributes and in `model_extra`."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True, protected_namespaces=())
