"""Calls counted while they are answered, until their answers begin: a stream may go on for hours."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.driver.guests import Guests


class Visits:
    """Tells the planner who waits for the event loop, see `Guests`."""

    def __init__(self, app: ASGIApp, guests: Guests) -> None:
        self.app, self.guests = app, guests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        here = True

        async def tell(message: Message) -> None:
            nonlocal here
            if here and message["type"] == "http.response.start":
                here = False
                self.guests.go()
            await send(message)

        self.guests.come()
        try:
            await self.app(scope, receive, tell)
        finally:
            if here:
                self.guests.go()
