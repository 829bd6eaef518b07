"""Addresses of SQLite databases: `sqlite:///relative/path`, `sqlite:////absolute/path`, or the path alone."""

from __future__ import annotations

from pathlib import Path

from engine.errors import Invalid

PREFIX = "sqlite:///"


def made_by(address: str) -> Path | None:
    """The file that opening an address would make; None where there is one, or none is made."""
    if "://" in address and not address.startswith(PREFIX):
        return None
    path = path_of(address)
    return None if path.exists() else path


def path_of(address: str | Path) -> Path:
    """The absolute path that an address names. Raises Invalid for one that names no file."""
    text = str(address)
    if "://" in text:
        if not text.startswith(PREFIX):
            raise Invalid(
                f"'{text}' is no address of a SQLite file: it is sqlite:///relative/path or sqlite:////absolute/path",
                "store.address",
                address=text,
            )
        text = text.removeprefix(PREFIX)
    if not text or text == ":memory:" or "?" in text or "\0" in text:
        raise Invalid(f"'{address}' names no file; a store in memory is memory://", "store.address", address=text)
    path = Path(text).expanduser().absolute()
    if path.is_dir():
        raise Invalid(f"'{path}' is a folder, not a database file", "store.address", address=str(address))
    return path
