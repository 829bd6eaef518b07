"""The settings of a server from options of the command line, over those from the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from api.settings import Settings


class Unfit(Exception):
    """Settings that no server can have; `faults` has a line for each."""

    def __init__(self, *faults: str) -> None:
        super().__init__(*faults)
        self.faults = faults


def settings_from(**given: Any) -> Settings:
    """Settings; options that are None leave the word to the environment. Raises Unfit."""
    from pydantic import ValidationError

    from api.settings import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise Unfit(*(_fault(found["loc"], found["msg"]) for found in error.errors())) from error


def _fault(place: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    return f"{place[0]}: {text}" if place else text
