"""What a server has done and what it holds, for Prometheus: read from where it is kept when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from api.wiring import Wired, clock
from engine.model import TERMINAL, Kind, RunStatus

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(server: Wired) -> bytes:
    """All metrics of a server, in the text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Metrics(server))
    return generate_latest(registry)


class _Metrics:
    """Named as in docs/how-to/operate.md; the labels of a metric are always all there, so that none appears late."""

    def __init__(self, server: Wired) -> None:
        self.server, self.tally = server, server.engine.loop.tally

    def collect(self) -> Iterator[Metric]:
        yield from self._counted()
        yield from self._held()

    def _counted(self) -> Iterator[Metric]:
        tally = self.tally
        yield _count("clew_runs_started", "Runs that began, forks included.", tally.started)
        ends = {status.value: tally.runs[status] for status in sorted(TERMINAL)}
        yield _by("clew_runs_ended", "Runs that ended, by their status.", "status", ends)
        yield _count("clew_runs_interrupted", "How often runs came to wait.", tally.runs[RunStatus.INTERRUPTED])
        steps = {kind.value: tally.steps[kind] for kind in Kind}
        yield _by("clew_steps", "Checkpoints, by kind.", "kind", steps)
        yield _count("clew_task_failures", "Tasks that failed for good.", tally.failures)
        yield _count("clew_task_dispatches", "Attempts that were sent to workers.", tally.notes["dispatch"])
        yield _count("clew_task_retries", "Attempts that failed and are made again.", tally.notes["retry"])
        yield _count("clew_task_late_answers", "Answers that came too late.", tally.notes["late"])
        refusals = self.server.answers.refusals
        yield _count("clew_answers_refused", "Answers, reports and heartbeats that change nothing.", refusals)
        yield _count("clew_store_failures", "Transactions that the store did not take.", tally.lost)
        told = self.server.notifier.counts
        yield _count("clew_notices_delivered", "Notices to webhooks of runs that arrived.", told.delivered)
        yield _count("clew_notice_failures", "Attempts to deliver a notice that failed.", told.missed)
        yield _count("clew_notices_given_up", "Notices that were given up.", told.given_up)
        yield SummaryMetricFamily(
            "clew_store_commit_seconds",
            "Transactions, and the time until each was durable.",
            count_value=tally.batches,
            sum_value=tally.seconds,
        )

    def _held(self) -> Iterator[Metric]:
        server, loop = self.server, self.server.engine.loop
        yield GaugeMetricFamily("clew_runs_in_memory", "Runs held in memory.", len(loop.lives))
        yield GaugeMetricFamily("clew_runs_queued", "Runs that wait for their turn.", server.engine.door.waiting)
        yield GaugeMetricFamily("clew_tasks_waiting", "Tasks that wait for a worker.", server.outbox.in_line)
        yield GaugeMetricFamily("clew_tasks_active", "Tasks that a worker is being asked.", server.outbox.under_way)
        yield GaugeMetricFamily("clew_notices_waiting", "Notices that have not arrived.", server.notifier.waiting)
        well = loop.recovery.fault is None
        yield GaugeMetricFamily("clew_store_up", "Whether the store takes commits.", int(well))
        yield GaugeMetricFamily("clew_draining", "Whether the server is being emptied.", int(server.engine.draining))
        yield GaugeMetricFamily("clew_uptime_seconds", "Since the server began.", (clock() - server.started_at) / 1000)


def _count(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(name, about, value)


def _by(name: str, about: str, label: str, values: Mapping[str, float]) -> Metric:
    found = CounterMetricFamily(name, about, labels=(label,))
    for word, value in values.items():
        found.add_metric((word,), value)
    return found
