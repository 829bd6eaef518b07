"""Where a worker is that is reached over MQTT: its broker and its topic, as its row says them."""

from __future__ import annotations

from dataclasses import field
from functools import lru_cache
from hashlib import sha256
from urllib.parse import unquote, urlsplit

from dispatch._fault import Fault, said
from dispatch._host import host_fault
from engine.ports import WorkerRow
from engine.values import dataclass

PORTS = {"mqtt": 1883, "mqtts": 8883}
V5, V3 = "5", "3.1.1"
VERSIONS = {"5": V5, "5.0": V5, "3.1.1": V3}
"""The versions of MQTT, by how metadata may name them."""
CANCEL = "/cancel"
"""What the topic of cancels has behind that of the tasks."""
LONGEST = 65_535 - len(CANCEL)
"""Bytes that a topic may have at most, so that the one of its cancels is none too long."""


class BadAddress(ValueError):
    """A worker cannot be reached as its row says; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """How a broker is spoken to. Workers that are equal in this share one session."""

    host: str
    port: int
    tls: bool
    version: str
    user: str | None

    @property
    def address(self) -> str:
        """What logs and messages call it."""
        return f"{self.host}:{self.port}"

    def name(self, server: str) -> str:
        """What the session of a server with this broker is called: 16 hexadecimal digits.

        It names who is connected, and no two connections to one broker may have the same: one would throw out the
        other. It is in the topic of the answers too, so that no answer comes by two sessions.
        """
        what = "\0".join((server, self.host, str(self.port), str(self.tls), self.version, self.user or ""))
        return sha256(what.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A broker, the password that it is given (it is shown nowhere), and a topic."""

    broker: Broker
    password: str | None = field(repr=False)
    topic: str


def check_address(address: str) -> str | None:
    """What is wrong with the address `mqtt://host[:port]/topic` of a worker, or None."""
    try:
        _parsed(address)
    except BadAddress as wrong:
        return str(wrong)
    return None


def check(worker: WorkerRow) -> list[Fault]:
    """What is wrong with the token and the metadata of a worker."""
    found = []
    for place, read in (("token", _login), ("metadata/mqtt_version", _version)):
        try:
            read(worker)
        except BadAddress as wrong:
            found.append(Fault(place, str(wrong)))
    return found


def place_of(worker: WorkerRow) -> Place:
    """Where a worker is. Raises BadAddress."""
    host, port, tls, topic = _parsed(worker.url or "")
    user, password = _login(worker)
    broker = Broker(host=host, port=port, tls=tls, version=_version(worker), user=user)
    return Place(broker=broker, password=password, topic=topic)


def _login(worker: WorkerRow) -> tuple[str | None, str | None]:
    """User and password. Raises BadAddress."""
    user, colon, password = (worker.token or "").partition(":")
    if worker.token and not user:
        raise BadAddress("the token must be user:password")
    return user or None, password if colon else None


def _version(worker: WorkerRow) -> str:
    """The version of MQTT that a worker's metadata asks for. Raises BadAddress."""
    if (found := VERSIONS.get(str(said(worker, "mqtt_version", V5)))) is None:
        raise BadAddress('metadata.mqtt_version must be "5" or "3.1.1"')
    return found


@lru_cache(maxsize=1_024)
def _parsed(url: str) -> tuple[str, int, bool, str]:
    """Host, port, whether with TLS, and topic. Raises BadAddress."""
    if any(char <= " " or char == "\x7f" for char in url):
        raise BadAddress("the URL must not contain spaces or control characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadAddress(f"the URL is not valid: {error}") from None
    if parts.scheme not in PORTS:
        raise BadAddress("the URL must begin with mqtt:// or mqtts://")
    if not host or port == 0:
        raise BadAddress("the URL must name a host")
    if "@" in parts.netloc:
        raise BadAddress("the URL must not contain a user name or password; use `token`: user:password")
    if fault := host_fault(host):
        raise BadAddress(fault)
    topic = _topic(url.partition("://")[2].partition("/")[2])
    return host, port or PORTS[parts.scheme], parts.scheme == "mqtts", topic


def _topic(path: str) -> str:
    """The topic that stands behind the host. Raises BadAddress."""
    try:
        topic = unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise BadAddress("the topic is not valid: what is written with % is no UTF-8") from None
    if not topic:
        raise BadAddress("the URL must name a topic: mqtt://host:port/topic")
    if "?" in path:
        raise BadAddress("the URL must not have a query; a ? in the topic is written %3F")
    if set(topic) & set("+#\0"):
        raise BadAddress("the topic must not contain +, # or NUL: tasks are published to one topic")
    if topic.startswith("$"):
        raise BadAddress("the topic must not begin with $: workers that share one subscribe to $share/<group>/<topic>")
    if len(topic.encode()) > LONGEST:
        raise BadAddress(f"the topic must not be longer than {LONGEST} bytes")
    return topic
