"""The one place that decides what a server is made of, and in which order its parts begin and end."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import field
from functools import partial

from uuid_utils import uuid7

from api.a2a.said import said
from api.answers import Answers, task_token
from api.artifacts import Artifacts
from api.backups import Backups
from api.closing import Closing
from api.draining import WorkerDrains
from api.inbound import Inbound
from api.jobs import Jobs
from api.keys import Keys
from api.leases import PROTOCOL, Leases
from api.notices import Notices
from api.runs import Runs
from api.settings import Settings
from api.workers import Workers
from api.workflows import Workflows
from dispatch._asks import Asks
from dispatch._beats import Beats
from dispatch._callbacks import Callbacks
from dispatch._http import Http
from dispatch._notice import NoticePost
from dispatch._outbox import WorkerOutbox
from dispatch._outside import Outside
from dispatch._presence import Presence
from dispatch._registry import open_transports
from dispatch._secrets import reply_addresses, server_name
from dispatch._transport import Tools, Transport
from dispatch.websocket import Websocket
from engine.driver import Engine, EngineOptions
from engine.driver.blame import Blame
from engine.driver.bulk import Bulk
from engine.driver.comparison import Comparison
from engine.driver.everything import Everything
from engine.driver.inbox import Inbox
from engine.driver.lines import Lines
from engine.driver.porting import Porting
from engine.driver.reader import Reader
from engine.driver.session_reader import SessionReader
from engine.driver.stream import Streams
from engine.driver.trace import Traces
from engine.notices import Patience
from engine.outbox import Outbox
from engine.parse import load
from engine.ports import Store
from engine.retry import RetryPolicy
from engine.validate import Limits
from engine.values import dataclass, replace
from store import store_at
from store.sql import SqliteStore
from watcher.artifacts import collected
from watcher.cards import renewed
from watcher.definitions import Definitions, followed
from watcher.notices import Notifier, notified
from watcher.retention import Retention, Rules, swept

KEY_BYTES = 32
MAX_ATTEMPTS = 1_000_000
"""Notices are given up by time, not by number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """A server without its socket. `closing` is set when it is to end, `base_url` is where workers reach it."""

    settings: Settings
    base_url: str
    store: Store
    outbox: Outbox
    transports: Mapping[str, Transport] = field(default_factory=dict)
    engine: Engine
    reader: Reader
    sessions: SessionReader
    inbox: Inbox
    comparison: Comparison
    blame: Blame
    traces: Traces
    streams: Streams
    everything: Everything
    workflows: Workflows
    definitions: Definitions | None
    workers: Workers
    runs: Runs
    porting: Porting
    answers: Answers
    callbacks: Callbacks
    artifacts: Artifacts
    leases: Leases
    worker_drains: WorkerDrains
    keys: Keys
    backups: Backups
    notifier: Notifier
    notices: Notices
    outside: Outside
    jobs: Jobs
    closing: Closing
    started_at: int

    @property
    def sockets(self) -> Websocket | None:
        """The transport whose workers dial in, where there is one."""
        return next((found for found in self.transports.values() if isinstance(found, Websocket)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ways:
    """What the ways to workers and from them share."""

    outside: Outside = field(default_factory=Outside)
    http: Http = field(default_factory=Http)
    pushes: Http = field(default_factory=Http)
    inbound: Inbound = field(default_factory=Inbound)
    presence: Presence = field(default_factory=Presence)
    asks: Asks = field(default_factory=Asks)
    beats: Beats = field(default_factory=Beats)
    callbacks: Callbacks = field(default_factory=Callbacks)


@asynccontextmanager
async def running(settings: Settings, base_url: str, outbox: Outbox | None = None) -> AsyncIterator[Wired]:
    """A server that works until it is left; then deliveries get their grace, what is planned is committed, and the
    store is closed. `outbox` stands in for the one that asks the registered workers.
    Raises StoreLocked, StoreUnavailable or Invalid."""
    async with AsyncExitStack() as ends:
        store = store_at(settings.db, settings.artifacts)
        ends.push_async_callback(store.close)
        await store.open()
        key = await store.server_secret(secrets.token_bytes(KEY_BYTES))
        await store.claim_artifacts(server_name(key))
        ways = _ways(settings)
        transports: Mapping[str, Transport] = {}
        ends.push_async_callback(ways.http.close)
        ends.push_async_callback(ways.pushes.close)
        if outbox is None:
            outbox, transports = _outbox(settings, base_url, key, ways)
        wired = replace(_wired(settings, base_url, store, outbox, key, ways), transports=transports)
        ways.inbound.bind(wired.answers)
        if wired.definitions is not None:
            await wired.definitions.sync()
            await ends.enter_async_context(followed(wired.definitions))
        await wired.workers.tell()
        await wired.engine.open()
        ends.push_async_callback(wired.engine.close)
        ends.push_async_callback(outbox.close, settings.grace_s)
        await wired.jobs.bulk.open()
        ends.push_async_callback(wired.jobs.bulk.close)
        await ends.enter_async_context(renewed(wired.workers.renew))
        await ends.enter_async_context(notified(wired.notifier, settings.grace_s))
        await ends.enter_async_context(collected(store, clock, settings.sweep_s))
        if settings.keep_last is not None or settings.max_age_s is not None:
            await ends.enter_async_context(swept(_retention(settings, wired.engine), settings.sweep_s))
        yield wired


def _ways(settings: Settings) -> _Ways:
    outside = Outside(anywhere=settings.private_pushes)
    return _Ways(outside=outside, pushes=Http(socket_factory=outside.socket))


def _outbox(settings: Settings, base_url: str, key: bytes, ways: _Ways) -> tuple[WorkerOutbox, Mapping[str, Transport]]:
    """The outbox, and what it reaches workers by."""
    presence, asks = ways.presence, ways.asks
    tools = Tools(
        http=ways.http,
        clock=clock,
        inbox=ways.inbound,
        presence=presence,
        server=server_name(key),
        asks=asks,
        beats=ways.beats,
        callbacks=ways.callbacks,
    )
    transports = open_transports(tools, in_process=settings.local_workers)
    outbox = WorkerOutbox(
        transports,
        clock=clock,
        reply_to=reply_addresses(base_url, key),
        max_in_flight=settings.max_in_flight,
        presence=presence,
        asks=asks,
        beats=ways.beats,
        asking=(PROTOCOL,),
    )
    return outbox, transports


@asynccontextmanager
async def looking(settings: Settings, outbox: Outbox) -> AsyncIterator[Wired]:
    """A server that only answers what is asked about its database, also beside one that serves it: nothing runs and
    nothing is written. Raises StoreUnavailable or Invalid."""
    store = store_to_read(settings.db, settings.artifacts)
    await store.open()
    try:
        yield _wired(settings, "", store, outbox, b"", _Ways())
    finally:
        await store.close()


def _wired(settings: Settings, base_url: str, store: Store, outbox: Outbox, key: bytes, ways: _Ways) -> Wired:
    closing, limits = Closing(), Limits(max_nodes=settings.max_nodes)
    workflows = Workflows(store, limits, clock)
    engine = _engine(settings, store, outbox, workflows, key)
    notifier = _notifier(settings, base_url, store, ways, engine)
    workers = Workers(store, outbox, ways.beats, clock, ways.http, in_process=settings.local_workers)
    reader, lines = Reader(store, engine.loader, engine.loop), Lines(store, engine.loader)
    return Wired(
        settings=settings,
        base_url=base_url,
        store=store,
        outbox=outbox,
        engine=engine,
        reader=reader,
        sessions=SessionReader(reader),
        inbox=Inbox(reader),
        comparison=Comparison(lines),
        blame=Blame(lines),
        traces=Traces(reader, lines),
        streams=Streams(reader),
        everything=Everything(reader),
        workflows=workflows,
        definitions=_definitions(settings, workflows),
        workers=workers,
        runs=Runs(engine, reader, workflows, closing),
        porting=Porting(engine.loop, engine.loader, partial(load, limits=limits), engine.take_key, engine.door.claim),
        answers=Answers(engine, key),
        callbacks=ways.callbacks,
        artifacts=Artifacts(store, key, clock, settings.artifact_ttl_s * 1000),
        worker_drains=WorkerDrains(workers, engine),
        leases=Leases(ways.asks, workers, engine, closing, clock),
        keys=Keys(store, clock),
        backups=Backups(store, settings.backups, clock),
        notifier=notifier,
        notices=Notices(store, notifier, clock),
        outside=ways.outside,
        jobs=Jobs(Bulk(engine), closing),
        closing=closing,
        started_at=clock(),
    )


def _engine(settings: Settings, store: Store, outbox: Outbox, workflows: Workflows, key: bytes) -> Engine:
    return Engine(
        store,
        outbox,
        workflows.graph,
        clock=clock,
        new_id=lambda: str(uuid7()),
        chance=random.random,
        secret_of=partial(task_token, key),
        options=EngineOptions(max_runs=settings.max_runs, max_inline_bytes=settings.max_inline_bytes),
    )


def _notifier(settings: Settings, base_url: str, store: Store, ways: _Ways, engine: Engine) -> Notifier:
    policy = RetryPolicy(
        max_attempts=MAX_ATTEMPTS,
        initial_interval_ms=round(settings.webhook_retry_s * 1000),
        backoff_factor=3.0,
        max_interval_ms=3_600_000,
        jitter=0.2,
    )
    notifier = Notifier(
        store,
        NoticePost(ways.http, ways.pushes, clock, settings.webhook_timeout_s),
        clock=clock,
        chance=random.random,
        patience=Patience(policy=policy, give_up_ms=round(settings.webhook_give_up_s * 1000)),
    )
    engine.announcer.deliver = notifier.take
    engine.announcer.render = partial(said, base_url)
    return notifier


def _retention(settings: Settings, engine: Engine) -> Retention:
    max_age_ms = None if settings.max_age_s is None else int(settings.max_age_s * 1000)
    rules = Rules(keep_last=settings.keep_last, max_age_ms=max_age_ms)
    return Retention(store=engine.store, delete=engine.delete, rules=rules, clock=clock)


def _definitions(settings: Settings, workflows: Workflows) -> Definitions | None:
    if settings.workflows is None:
        return None
    found = Definitions(settings.workflows, settings.max_depth, workflows)
    workflows.files, workflows.broken = found.owned, found.broken
    return found


def store_to_read(address: str, artifacts: str | None = None) -> Store:
    """The store at an address, opened beside a server that may be using it. Raises Invalid."""
    return SqliteStore(address, readonly=True, artifacts=artifacts)


def clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
