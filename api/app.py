"""The application: routes, errors and middleware around what a server is wired of."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from api import describe, errors
from api.auth import BASE, BearerAuth
from api.methods import Methods
from api.origins import OwnPages
from api.routes import (
    a2a,
    artifacts,
    branches,
    checkpoints,
    dead_letters,
    interrupts,
    jobs,
    leases,
    notices,
    operations,
    porting,
    runs,
    sessions,
    sockets,
    streams,
    tasks,
    travel,
    workers,
    workflows,
)
from api.visits import Visits
from api.wiring import Wired

AREAS = (
    runs, branches, leases, tasks, checkpoints, streams, interrupts, travel, sessions, porting, workflows, workers,
    dead_letters, notices, jobs, artifacts, operations,
)  # fmt: skip
"""The first routes are found fastest: what is asked most often comes first."""


def create_app(wired: Wired) -> FastAPI:
    """The application of a server."""
    app = describe_app()
    app.state.wired = wired
    app.state.settings = wired.settings
    token = wired.settings.token
    app.add_middleware(Methods)
    app.add_middleware(OwnPages, allowed=wired.settings.cors_origins, own=wired.base_url)
    app.add_middleware(BearerAuth, token=token.get_secret_value() if token else None)
    if origins := wired.settings.cors_origins:  # the outermost: a browser asks first, without the token
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Last-Event-ID"),
            expose_headers=("ETag", "Location", "Retry-After", "Idempotency-Replayed"),
        )
    app.add_middleware(Visits, guests=wired.engine.loop.guests)
    return app


def describe_app() -> FastAPI:
    """The application without a server behind it: it can describe itself, and nothing else."""
    app = FastAPI(
        title="Clew",
        version=version("clew-engine"),
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=describe.operation_id,
    )
    errors.register(app)
    for area in AREAS:
        app.include_router(area.router, prefix=BASE)
    app.include_router(porting.spooled, prefix=BASE)
    app.include_router(operations.root)
    app.include_router(a2a.router)
    app.include_router(sockets.router, prefix=BASE)
    describe.install(app)
    return app
