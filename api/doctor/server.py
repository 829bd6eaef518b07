"""The server: its address, whether it can do its work, what it says of its files, and whether its workers are there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import httpx

from api.doctor.definitions import fault_of
from api.doctor.finding import Finding, fail, ok, warn
from api.doctor.machine import clock_of_server
from api.serving import CannotBind, bound

PATIENCE_S = 5.0
AT_ONCE = 20
"""So many workers are looked for at the same time."""
BROKERS = "see that they run, and that the addresses of those workers are right"
MOST_RUNS = 50
"""So many runs are looked at for tasks that wait."""


async def server(url: str, token: str | None, now: int) -> AsyncIterator[Finding]:
    """What is to be said of the server at an address, without `/v1`. It raises httpx.HTTPError where none answers."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE_S, trust_env=False) as http:
        health = await http.get("/health")
        if health.status_code != 200 or _said(health).get("status") != "ok":
            advice = "end what listens there, or give another port: clew serve --port"
            yield fail("server", f"{url} answers, and is no Clew server", advice)
            return
        if (clock := clock_of_server(health.headers.get("date"), now)) is not None:
            yield clock
        info = await http.get("/v1/admin/info")
        if info.status_code == 401:
            yield fail("server", f"{url} wants its token", "give it with --token or CLEW_TOKEN")
            return
        for found in (_version(url, _said(info)), _ready(await http.get("/v1/ready"))):
            yield found
        for fault in (_said(info).get("workflows") or {}).get("faults", []):
            yield fault_of(fault)
        for found in (*await _workers(http), await _waiting(http)):
            yield found


def _said(response: httpx.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _version(url: str, info: dict[str, Any]) -> Finding:
    mine, theirs = version("clew-engine"), info.get("version")
    if mine != theirs:
        return warn("server", f"{url} is Clew {theirs}, and this is {mine}", "use the same version on both sides")
    return ok("server", f"{url} is Clew {theirs}, up for {info['uptime_s']:.0f} s")


def _ready(response: httpx.Response) -> Finding:
    if response.status_code == 200:
        return _brokers(_said(response).get("brokers", []))
    problem = _said(response)
    if problem.get("code") == "brokers.away":
        return fail("ready", f"{problem['detail']} (brokers.away)", BROKERS)
    if problem.get("code") in ("server.draining", "server.closing"):
        advice = 'to take work again: POST /v1/admin/drain {"draining": false}'
        return warn("ready", f"{problem['detail']} ({problem['code']})", advice)
    said = f"{problem.get('detail', response.status_code)} ({problem.get('code', 'no problem document')})"
    return fail("ready", said, "make room on its disk, and see its log")


def _brokers(brokers: list[dict[str, Any]]) -> Finding:
    """What a server that takes work says of the brokers between it and its workers."""
    away = [f"{broker['address']} ({broker['workers']})" for broker in brokers if broker["status"] == "away"]
    if not away:
        return ok("ready", "the server takes work")
    return warn("ready", f"the server takes work, but brokers of workers cannot be reached: {', '.join(away)}", BROKERS)


async def _workers(http: httpx.AsyncClient) -> list[Finding]:
    found = _said(await http.get("/v1/workers", params={"limit": 1000})).get("items", [])
    if not found:
        return [warn("workers", "none is registered", "tasks wait until one is: clew workers add WORKER URL --tag TAG")]
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(worker: Any) -> Finding:
        async with gate:
            return await _worker(worker)

    return list(await asyncio.gather(*map(one, found)))


async def _waiting(http: httpx.AsyncClient) -> Finding:
    """Whether tasks wait for a worker that is not there, in the newest runs that are under way."""
    runs = _said(await http.get("/v1/runs", params={"status": "running", "limit": MOST_RUNS})).get("items", [])
    found = dict[str, list[str]]()
    for run in runs:
        shape = _said(await http.get(f"/v1/runs/{run['id']}"))
        for task in shape.get("tasks", ()):
            if task["status"] == "waiting" and task["reason"] == "no_worker":
                found.setdefault(_wanted(task["wants"]), []).append(run["id"])
    if not found:
        return ok("tasks", "none waits for a worker that is not there")
    told = "; ".join(f"{len(ids)} for one with {wanted}, such as in run {ids[0]}" for wanted, ids in found.items())
    return warn(
        "tasks",
        f"tasks wait for a worker that is not there: {told}",
        "register one (clew workers add), or correct what the node asks for",
    )


def _wanted(wants: dict[str, Any]) -> str:
    named = [f"{name} {wants[key]}" for key, name in (("worker", "the id"), ("protocol", "the protocol")) if wants[key]]
    tags = [f"the tags [{', '.join(wants['tags'])}]"] if wants["tags"] else []
    return " and ".join((*tags, *named)) or "any tags"


async def _worker(worker: Any) -> Finding:
    """Whether a worker is there, as seen from here."""
    parts = urlsplit(worker["url"] or "")
    name = f"{worker['id']} ({worker['protocol']}, tags: {', '.join(worker['tags']) or 'none'})"
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        return ok("workers", f"{name}: in the server, or reached otherwise; not looked at")
    if str(worker["health"]).startswith(("http://", "https://")):
        return await _health(name, worker["health"])
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError) as error:
        said = f"{name}: {parts.hostname}:{port} takes no connection: {str(error) or 'no answer'}"
        return warn("workers", said, f"start it, or remove it: clew workers remove {worker['id']}")
    writer.close()
    return ok("workers", f"{name}: {parts.hostname}:{port} takes connections")


async def _health(name: str, address: str) -> Finding:
    try:
        async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http:
            status = (await http.get(address)).status_code
    except httpx.HTTPError as error:
        return warn("workers", f"{name}: {address} does not answer: {error}", "start it, and see its log")
    if not 200 <= status < 300:
        return warn("workers", f"{name}: {address} says {status}", "see its log")
    return ok("workers", f"{name}: {address} says {status}")


def silent(url: str, *, served: bool, expected: bool) -> Finding:
    """What it means that no server answers at an address. `served` says whether a process has the database, `expected`
    whether somebody has named the address."""
    if served:
        said = f"a process serves the database, and {url} does not answer"
        return fail("server", said, "give its address with --url; or it hangs: see its log")
    if expected:
        return fail("server", f"{url} does not answer", "start it with 'clew serve', or give the right --url")
    return ok("server", f"none runs at {url}; 'clew serve' starts one")


def free_port(host: str, port: int) -> Finding:
    """Whether a server could listen at an address."""
    try:
        listening: socket.socket = bound(host, port)
    except CannotBind as error:
        return fail("port", error.message, "end what has it, or give another one: clew serve --port")
    listening.close()
    return ok("port", f"{host}:{port} is free")
