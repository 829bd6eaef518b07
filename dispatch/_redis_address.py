"""Where a worker's tasks lie in Redis: what its `url`, its token and its metadata say."""

from __future__ import annotations

from dataclasses import field
from urllib.parse import unquote, urlsplit

from dispatch._fault import Fault, said
from dispatch._host import host_fault
from engine.ports import WorkerRow
from engine.values import dataclass

DEFAULT_PORT = 6379
DEFAULT_GROUP = "clew-workers"
DEFAULT_MAX_LEN = 10_000
CANCELS = ":cancel"
"""What the name of a stream of cancels ends with."""
LONGEST_NAME = 500

_FORM = "redis://host:port[/db]/stream"


class NoAddress(Exception):
    """The worker cannot be reached as it says; the message tells why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A database of a Redis server, and who we are there."""

    host: str
    port: int
    db: int
    tls: bool
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """As it may be logged."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.db}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A stream of tasks, the group that its workers read it in, and about how many entries it keeps."""

    place: Place
    stream: str
    group: str = DEFAULT_GROUP
    max_len: int = DEFAULT_MAX_LEN


def check_address(address: str) -> str | None:
    """What is wrong with the address of a worker, or None. Nothing is looked up."""
    try:
        _parsed(address, None)
    except NoAddress as wrong:
        return str(wrong)
    return None


def check(worker: WorkerRow) -> list[Fault]:
    """What is wrong with the metadata of a worker."""
    found = []
    for name, read in (("group", _group), ("max_len", _max_len)):
        try:
            read(worker)
        except NoAddress as wrong:
            found.append(Fault(f"metadata/{name}", str(wrong)))
    return found


def target_of(worker: WorkerRow) -> Target:
    """Where the tasks of a worker go. Raises NoAddress."""
    place, stream = _parsed(worker.url or "", worker.token)
    return Target(place=place, stream=stream, group=_group(worker), max_len=_max_len(worker))


def _group(worker: WorkerRow) -> str:
    """Raises NoAddress."""
    group = said(worker, "group", DEFAULT_GROUP)
    if not isinstance(group, str) or not 0 < len(group) <= LONGEST_NAME:
        raise NoAddress(
            f"metadata.group must be the name of a consumer group: a text of 1 to {LONGEST_NAME} characters"
        )
    return group


def _max_len(worker: WorkerRow) -> int:
    """Raises NoAddress."""
    max_len = said(worker, "max_len", DEFAULT_MAX_LEN)
    if isinstance(max_len, bool) or not isinstance(max_len, int) or max_len < 1:
        raise NoAddress("metadata.max_len must be a whole number of entries, at least 1")
    return max_len


def _parsed(url: str, token: str | None) -> tuple[Place, str]:
    """The place and the name of the stream. Raises NoAddress."""
    if any(char <= " " or char == "\x7f" for char in url):
        raise NoAddress("the URL must not contain spaces or control characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise NoAddress(f"the URL is not valid: {error}") from None
    if parts.scheme not in ("redis", "rediss"):
        raise NoAddress(f"the URL must begin with redis:// or rediss://, as in {_FORM}")
    if "@" in parts.netloc:
        raise NoAddress("the URL must not contain a user name or password; use `token`: `password` or `user:password`")
    if not host or port == 0:
        raise NoAddress(f"the URL must name a host, as in {_FORM}")
    if fault := host_fault(host):
        raise NoAddress(fault)
    if parts.query or parts.fragment:
        raise NoAddress(
            f"the URL must end with the stream, as in {_FORM}: `?` and `#` are written %3F and %23 in a name"
        )
    db, stream = _path(parts.path)
    user, password = _login(token)
    tls = parts.scheme == "rediss"
    return Place(host=host, port=port or DEFAULT_PORT, db=db, tls=tls, user=user, password=password), stream


def _path(path: str) -> tuple[int, str]:
    """The number of the database, and the stream."""
    first, *more = path.removeprefix("/").split("/")
    db = int(first) if first.isascii() and first.isdigit() and len(first) < 6 else None
    if len(more) > (db is not None):
        raise NoAddress(f"the URL must be {_FORM}: `/` is written %2F in the name of a stream")
    stream = unquote(more[0] if more else "" if db is not None else first)
    if not 0 < len(stream) <= LONGEST_NAME:
        raise NoAddress(f"the URL must end with the name of a stream of 1 to {LONGEST_NAME} characters, as in {_FORM}")
    if stream.endswith(CANCELS):
        raise NoAddress(f"the name of a stream of tasks must not end with {CANCELS}: that is where cancels go")
    if stream.startswith("clew:") and stream.endswith(":replies"):
        raise NoAddress("a stream of tasks must not be called clew:…:replies: that is where answers go")
    return db or 0, stream


def _login(token: str | None) -> tuple[str | None, str | None]:
    """User and password: `user:password`, or the password alone."""
    if not token:
        return None, None
    user, mark, password = token.partition(":")
    return (user, password) if mark else (None, token)
