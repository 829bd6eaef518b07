"""Push configs: where agents are to tell of tasks, as each version writes it, and which of that is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from api.a2a.errors import wrong
from api.a2a.rpc import V03, V1
from dispatch._a2a.dialect import Dialect
from dispatch._a2a.model import PushConfig
from dispatch._a2a.v03 import V03 as Dialect03
from dispatch._a2a.v1 import V1 as Dialect1
from dispatch._address import check_push_url, is_header_name, is_header_value
from dispatch._outside import Outside
from engine.model import Push

DEFAULT = "default"
"""The id of the config of 0.3 that has none: a task has one of those."""
LONGEST_ID, LONGEST_URL, LONGEST_SECRET = 200, 2000, 4000
_DIALECTS: Mapping[str, Dialect] = {V1: Dialect1(), V03: Dialect03()}


async def push_of(given: Any, where: str, version: str, outside: Outside, now: int) -> Push:
    """What a config asks for, in a version; one without an id gets one in 1.0, and takes the place of the one before
    it in 0.3. Raises A2AError."""
    told = _object(given, where)
    url = _text(told, "url", where, LONGEST_URL)
    if url is None:
        raise wrong(f"{where}.url", "a config has the address that is to be told")
    why_not = check_push_url(url) or await outside.why_not(url)
    if why_not is not None:
        raise wrong(f"{where}.url", why_not)
    scheme, credentials = _authentication(told, where)
    made = DEFAULT if version == V03 else str(uuid4())
    return Push(
        id=_text(told, "id", where, LONGEST_ID) or made,
        url=url,
        form=version,
        created_at=now,
        token=_secret(told, "token", where),
        scheme=scheme,
        credentials=credentials,
    )


def shown(push: Push, task_id: str, version: str) -> Any:
    """A config as a version writes it. What has to be kept secret is never told again."""
    config = PushConfig(id=push.id, task_id=task_id, url=push.url, scheme=push.scheme)
    return _DIALECTS[version].push_config(config)


def _authentication(told: Mapping[str, Any], where: str) -> tuple[str | None, str | None]:
    given = told.get("authentication")
    if given is None:
        return None, None
    place = f"{where}.authentication"
    found = _object(given, place)
    schemes = found.get("schemes")
    first = schemes[0] if isinstance(schemes, list) and schemes else None
    scheme = _text({"scheme": found.get("scheme") or first}, "scheme", place, LONGEST_ID)
    if scheme is not None and not is_header_name(scheme):
        raise wrong(f"{place}.scheme", "a scheme is a word, such as Bearer")
    credentials = _secret(found, "credentials", place)
    if credentials is not None and scheme is None:
        raise wrong(f"{place}.scheme", "credentials have a scheme, such as Bearer")
    return scheme, credentials


def _secret(told: Mapping[str, Any], name: str, where: str) -> str | None:
    value = _text(told, name, where, LONGEST_SECRET)
    if value is not None and not (value.isascii() and is_header_value(value)):
        raise wrong(f"{where}.{name}", "it is sent in a header: only printable ASCII characters can be")
    return value


def _text(told: Mapping[str, Any], name: str, where: str, longest: int) -> str | None:
    value = told.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > longest):
        raise wrong(f"{where}.{name}", f"a text of at most {longest} characters is expected")
    return value or None


def _object(given: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise wrong(where, "an object is expected")
    return given
