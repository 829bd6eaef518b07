"""How commands reach runs: over HTTP, or offline by the same interface on a database that nobody serves."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from api.cli._app import BROKEN_OFF, FAILED, MISUSED, AsJson, stop
from engine.values import dataclass, replace

if TYPE_CHECKING:
    import httpx

    from api.wiring import Wired

T = TypeVar("T")

FEW = 3
LOCAL = "http://127.0.0.1:8080"
PATIENCE_S = 60.0
ALONE_MS = 1000.0
"""So long a run may go on before its command is answered: nobody else waits, and the process ends then."""
HINTS = {
    "auth.missing": "give the server's token with --token or CLEW_TOKEN",
    "auth.invalid": "give the server's token with --token or CLEW_TOKEN",
    "not_found": "'clew runs list' and 'clew workflows list' say what there is",
    "branch.current": "'clew runs tree RUN' lists the branches",
    "fork.nothing_left": "name a node with --goto, or take an earlier checkpoint: 'clew runs show RUN' lists them",
    "goto.unknown_node": "'clew workflows show WORKFLOW' lists the nodes",
    "interrupt.other_branch": "go back to that branch with 'clew runs checkout RUN BRANCH'",
    "resume.ambiguous": "say which one with --interrupt ID: 'clew runs show RUN' lists them",
    "run.cancelled": "'clew runs fork RUN.SEQ' goes on from it in a run of its own",
    "run.held": "'clew runs release RUN' has it go on where it was",
    "run.key_taken": "'clew runs list --status running,interrupted' lists who may have it",
    "run.not_failed": "'clew runs fork RUN.SEQ' and 'clew runs replay RUN.SEQ' go on from any checkpoint",
    "run.not_interrupted": "'clew runs show RUN' says whether it asks anything",
    "run.terminal": "'clew runs fork RUN.SEQ' and 'clew runs replay RUN.SEQ' go on from any checkpoint",
    "session.busy": "have it wait with --on-busy enqueue, or stop the other one with cancel or interrupt",
    "session.active": "'clew sessions show SESSION' lists its runs; end those that go on with 'clew runs cancel RUN'",
    "server.draining": "the server is about to end; ask again once the next one runs",
    "workflow.file_owned": "change the file; the server follows it",
}
"""What to do about a refusal, by its code."""

NO_DATABASE = (
    "correct the path; or make a new database there: 'clew serve --db ADDRESS' makes it, and can be ended then"
)

Url = Annotated[
    str | None, typer.Option("--url", envvar="CLEW_URL", metavar="URL", help="The server.", show_default=LOCAL)
]
Token = Annotated[str | None, typer.Option("--token", envvar="CLEW_TOKEN", metavar="TOKEN", help="Its bearer token.")]
Db = Annotated[
    str | None, typer.Option("--db", metavar="ADDRESS", help="sqlite:///FILE, instead of a server.", show_default=False)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Options of every command that asks a server or reads a database, and how its answer is written."""

    url: Url = None
    token: Token = None
    db: Db = None
    as_json: AsJson = False

    def reached(self, work: Callable[[Reach], Awaitable[T]], *, writes: bool = False) -> T:
        """What `work` gives; with words on standard error and an exit code where it cannot be done."""
        return reached(work, self.url, self.token, self.db, writes=writes)


class Refused(Exception):
    """The answer was a problem document, or none at all; `lines` are what to tell."""

    def __init__(self, *lines: str, code: str | None = None) -> None:
        super().__init__(*lines)
        self.lines, self.code = lines, code


@dataclass(frozen=True, slots=True)
class Reach:
    """A way to the interface below `/v1`."""

    http: httpx.AsyncClient
    offline: bool
    wired: Wired | None = None
    """The server, where it is in this process."""

    async def get(self, path: str, /, **params: Any) -> Any:
        """The JSON at a path; parameters that are None are left out."""
        return await self._call("GET", path, params={key: value for key, value in params.items() if value is not None})

    async def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        """The JSON that is answered to a body."""
        return await self._call("POST", path, json=body, headers=headers)

    async def put(self, path: str, body: Any) -> Any:
        """The JSON that is answered to a body that takes the place of what is there."""
        return await self._call("PUT", path, json=body)

    async def patch(self, path: str, body: Any) -> Any:
        """The JSON that is answered to a body that changes what is there."""
        return await self._call("PATCH", path, json=body)

    async def delete(self, path: str) -> Any:
        """The JSON that is answered to a deletion, if any is."""
        return await self._call("DELETE", path)

    async def text(self, path: str) -> str:
        """The text at a path."""
        response = await self.http.get(path)
        _check(response)
        return response.text

    async def upload(self, path: str, parts: AsyncIterator[bytes], /, **params: Any) -> Any:
        """The JSON that is answered to a file, which is sent as it is read; the answer may take its time."""
        import httpx

        patience = httpx.Timeout(PATIENCE_S, read=None)
        return await self._call("POST", path, content=parts, params=params, timeout=patience)

    async def download(self, path: str) -> AsyncIterator[bytes]:
        """The file at a path, as it comes."""
        async with self.http.stream("GET", path) as response:
            if response.is_error:
                await response.aread()
                _check(response)
            async for part in response.aiter_bytes():
                yield part

    async def events(self, path: str, /, **params: Any) -> AsyncIterator[tuple[str, str, Any]]:
        """The id, name and data of each event of a stream."""
        from engine.codec import loads

        given = {key: value for key, value in params.items() if value is not None}
        async with self.http.stream("GET", path, params=given) as response:
            if response.is_error:
                await response.aread()
                _check(response)
            event: dict[str, str] = {}
            async for line in response.aiter_lines():
                if not line and "data" in event:
                    yield event["id"], event["event"], loads(event["data"].encode())
                    event = {}
                elif line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    event[name] = value

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        from engine.codec import loads

        response = await self.http.request(method, path, **options)
        _check(response)
        return loads(response.content) if response.content else None


def _check(response: httpx.Response) -> None:
    from engine.codec import CodecError, loads

    if not response.is_error and not response.is_redirect:
        return
    try:
        problem = loads(response.content)
        detail, code, faults = problem["detail"], problem["code"], problem["errors"]
    except (CodecError, KeyError, TypeError):
        raise Refused(
            f"the answer was {response.status_code}, and not from a Clew server: is the address right?"
        ) from None
    lines = [f"{fault['path'] or 'body'}: {fault['message']}" for fault in faults]
    hint = [HINTS[code]] if code in HINTS else []
    raise Refused(f"{detail} ({code})", *(lines if len(lines) > 1 else ()), *hint, code=code)


def reached(
    work: Callable[[Reach], Awaitable[T]], url: str | None, token: str | None, db: str | None, *, writes: bool = False
) -> T:
    """What `work` gives; with words on standard error and an exit code where it cannot be done."""
    import httpx

    try:
        return finished(_reached(work, url, token, db, writes))
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        stop(MISUSED, f"'{url}' is no address of a server, such as {LOCAL}")
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        stop(
            FAILED, f"{url or LOCAL} does not answer: {why}", "start a server with 'clew serve', or give --url or --db"
        )


def finished(work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives; refusals and errors of the engine end the command with their words."""
    from engine.errors import EngineError, Invalid, StoreLocked, StoreUnavailable

    try:
        return asyncio.run(work)
    except Refused as error:
        stop(FAILED, *error.lines)
    except StoreLocked as error:
        stop(FAILED, error.message, "this command writes: ask that server with --url, or stop it first")
    except StoreUnavailable as error:
        missing = error.message.endswith(" does not exist")
        stop(FAILED, error.message, *([NO_DATABASE] if missing else []))
    except Invalid as error:
        stop(FAILED, error.message, *(f"{fault['path']}: {fault['message']}" for fault in error.problems))
    except EngineError as error:
        stop(FAILED, error.message)
    except KeyboardInterrupt:
        raise typer.Exit(BROKEN_OFF) from None


_UNKNOWN = re.compile(r"there is no (?P<what>run|workflow) '(?P<name>[^']+)'")
_LEAST = 4
"""A run is not looked for by a shorter beginning of its id."""


async def guesses(reach: Reach, error: Refused) -> list[str]:
    """What may have been meant by an id that names nothing."""
    import difflib

    found = _UNKNOWN.match(error.lines[0]) if error.code == "not_found" else None
    if found is None or (found["what"] == "run" and len(found["name"]) < _LEAST):
        return []
    name = found["name"]
    try:
        if found["what"] == "run":
            page = await reach.get("/runs", q=name, limit=FEW)
            near = [run["id"] for run in page["items"] if run["id"].startswith(name)]
        else:
            page = await reach.get("/workflows", limit=1000)
            known = [row["id"] for row in page["items"]]
            near = [one for one in known if one.startswith(name)] or difflib.get_close_matches(name, known, FEW)
    except Refused:
        return []
    return [f"did you mean {' or '.join(near[:FEW])}?"] if near else []


async def _reached(
    work: Callable[[Reach], Awaitable[T]], url: str | None, token: str | None, db: str | None, writes: bool
) -> T:
    async with _online(url or LOCAL, token) if db is None else _offline(db, writes) as reach:
        try:
            return await work(reach)
        except Refused as error:
            raise Refused(*error.lines, *await guesses(reach, error), code=error.code) from error


@asynccontextmanager
async def _online(url: str, token: str | None) -> AsyncIterator[Reach]:
    import httpx

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    base = f"{url.rstrip('/').removesuffix('/v1')}/v1"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=PATIENCE_S, trust_env=False) as http:
        yield Reach(http, offline=False)


@asynccontextmanager
async def _offline(db: str, writes: bool) -> AsyncIterator[Reach]:
    from api.settings import Settings
    from api.wiring import looking, running, store_to_read
    from dispatch._nobody import Nobody

    settings = Settings(db=db, workflows=None, token=None, host="127.0.0.1", public_url=None, grace_s=0)
    async with AsyncExitStack() as ends:
        if writes:
            await _is_there(store_to_read(db))
            wired = await ends.enter_async_context(running(settings, LOCAL, Nobody()))
            loop = wired.engine.loop
            loop.options = replace(loop.options, turn_ms=ALONE_MS, guest_ms=ALONE_MS, answer_ms=ALONE_MS)
        else:
            wired = await ends.enter_async_context(looking(settings, Nobody()))
        yield await ends.enter_async_context(within(wired))


@asynccontextmanager
async def within(wired: Wired) -> AsyncIterator[Reach]:
    """The interface of a server in this process."""
    import httpx

    from api.app import create_app

    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(wired)), base_url=f"{LOCAL}/v1") as http:
        yield Reach(http, offline=True, wired=wired)


async def _is_there(store: Any) -> None:
    """A database that is misspelt is told, not made."""
    await store.open()
    await store.close()
