"""Large artifacts as objects of a bucket (S3 and what speaks like it), by the library of the extra `objects`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import Invalid, StoreUnavailable
from store._artifact_shelf import WINDOW, FileShelf, not_there

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PART = 4 * 1024 * 1024
"""So many bytes are asked for at a time."""
PIECE = 8 * 1024 * 1024
MOST_PIECES = 9_000
AT_ONCE = 4
"""A large object is sent in pieces of at least so many bytes, no more of them than that, a few at a time."""
OWNER = "clew-owner"
"""The object that says whose the others are."""
ADDRESS = re.compile(r"(?:s3|gs|az)://[^/?#@\s]+(?:/[^?#\s]*)?", re.ASCII)
FORM = "s3://bucket/prefix (or gs://, az://)"
_RETRY: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=30)}
_NAME = re.compile(r"([0-9a-f]{2})/([0-9a-f]{62})")


class ObjectShelf:
    """Objects below a prefix. What is not there is looked for in `beside`: it came before there was a bucket."""

    def __init__(self, address: str, beside: FileShelf) -> None:
        self.address = address.rstrip("/")
        self._beside = beside
        self._store = _opened(self.address)
        self._is_ours = False

    async def claim(self, owner: str) -> None:
        import obstore

        with told(self.address):
            found = await self._owner()
            if found is None:
                await obstore.put_async(self._store, OWNER, owner.encode())
                found = await self._owner()
        if found != owner:
            message = f"{self.address} has the artifacts of another database: give each a prefix of its own"
            raise StoreUnavailable(message, path=self.address)
        self._is_ours = True

    async def _owner(self) -> str | None:
        import obstore

        try:
            found = await obstore.get_async(self._store, OWNER)
        except FileNotFoundError:
            return None
        return bytes(await found.bytes_async()).decode(errors="replace")

    async def adopt(self, coming: Path, sha256: str, size: int) -> None:
        import obstore

        with told(self.address):
            if await self._size(sha256) != size:
                piece = max(PIECE, -(-size // MOST_PIECES))
                await obstore.put_async(self._store, _key(sha256), coming, chunk_size=piece, max_concurrency=AT_ONCE)
        await self._beside.drop(coming)

    async def _size(self, sha256: str) -> int | None:
        import obstore

        try:
            return int((await obstore.head_async(self._store, _key(sha256)))["size"])
        except FileNotFoundError:
            return None

    async def read(self, sha256: str, first: int, last: int) -> AsyncIterator[bytes]:
        import obstore

        for start in range(first, last + 1, PART):
            with told(self.address):
                try:
                    end = min(start + PART, last + 1)
                    part = await obstore.get_range_async(self._store, _key(sha256), start=start, end=end)
                except FileNotFoundError:
                    break
            yield bytes(part)
        else:
            return
        if start > first or not self._beside.has(sha256):
            raise not_there(sha256, self.address)
        async for found in self._beside.read(sha256, first, last):
            yield found

    async def remove(self, names: Sequence[str]) -> None:
        import obstore

        await self._beside.remove(names)
        if names:
            with told(self.address):
                await obstore.delete_async(self._store, [_key(name) for name in names])

    async def names(self) -> AsyncIterator[list[str]]:
        """Of a place that was not claimed nothing is told, so that nothing of it is removed."""
        import obstore

        async for some in self._beside.names():
            yield some
        if not self._is_ours:
            return
        listing = aiter(obstore.list(self._store, chunk_size=WINDOW))
        while True:
            with told(self.address):
                page = await anext(listing, None)
            if page is None:
                return
            yield ["".join(found.groups()) for meta in page if (found := _NAME.fullmatch(meta["path"]))]


@contextmanager
def told(address: str) -> Iterator[None]:
    """Tell what the library raises as StoreUnavailable, in one line."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        said = str(error).partition("\n")[0][:500]
        raise StoreUnavailable(f"{address}: {said}", path=address) from error


def _key(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256[2:]}"


def _opened(address: str) -> ObjectStore:
    """The store of an address. Whose it is, and where, say the variables that its own tools read. Raises Invalid."""
    if not ADDRESS.fullmatch(address):
        raise Invalid(f"'{address}' is no address of objects: it is {FORM}", "artifacts.address", address=address)
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        message = f"artifacts in {address} need the extra 'objects': pip install 'clew-engine[objects]'"
        raise Invalid(message, "artifacts.extra", address=address) from None
    try:
        found: ObjectStore = from_url(address, retry_config=_RETRY)
    except (BaseError, ValueError) as error:
        said = str(error).partition("\n")[0]
        raise Invalid(f"{address}: {said}", "artifacts.address", address=address) from error
    return found
