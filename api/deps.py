"""What handlers are given beside the request."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from api.wiring import Wired


async def _wired(request: Request) -> Wired:
    wired: Wired = request.app.state.wired
    return wired


Serving = Annotated[Wired, Depends(_wired)]
"""The server that a request came to."""
