"""Where a worker's tasks lie in Redis, and what may be registered."""

from __future__ import annotations

import pytest

from dispatch._redis_address import NoAddress, Place, check_address, target_of
from tests.unit.dispatch.builders import a_worker


@pytest.mark.parametrize(
    ("url", "place", "stream"),
    [
        ("redis://h:1/tasks", Place(host="h", port=1, db=0, tls=False), "tasks"),
        ("redis://h/tasks", Place(host="h", port=6379, db=0, tls=False), "tasks"),
        ("rediss://h:1/3/wf.tasks", Place(host="h", port=1, db=3, tls=True), "wf.tasks"),
        ("redis://[::1]:1/a%2Fb:c", Place(host="::1", port=1, db=0, tls=False), "a/b:c"),
        ("redis://h:1/0/7", Place(host="h", port=1, db=0, tls=False), "7"),
    ],
)
def test_an_address_names_a_database_and_a_stream(url, place, stream):
    assert check_address(url) is None
    target = target_of(a_worker(url=url))
    assert (target.place, target.stream) == (place, stream)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://h:1/tasks", "must begin with redis://"),
        ("redis://h:1", "must end with the name of a stream"),
        ("redis://h:1/", "must end with the name of a stream"),
        ("redis://h:1/5", "must end with the name of a stream"),
        ("redis://h:1/5/", "must end with the name of a stream"),
        ("redis://h:1/a/b", "%2F"),
        ("redis://h:1/0/a/b", "%2F"),
        ("redis:///tasks", "must name a host"),
        ("redis://h:0/tasks", "must name a host"),
        ("redis://a..b/tasks", "two dots"),
        (f"redis://{'a' * 64}/tasks", "63 bytes"),
        ("redis://h:x/tasks", "not valid"),
        ("redis://h:99999/tasks", "not valid"),
        ("redis://h:1/tasks?x=1", "%3F"),
        ("redis://h:1/tasks#x", "%23"),
        ("redis://h:1/ta sks", "spaces"),
        ("redis://u:geheim@h:1/tasks", "use `token`"),
        ("redis://h:1/tasks:cancel", "cancels"),
        ("redis://h:1/clew:x:replies", "answers"),
        (f"redis://h:1/{'x' * 501}", "500 characters"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(url, why):
    said = check_address(url)
    assert said is not None
    assert why in said
    assert "geheim" not in said


@pytest.mark.parametrize(
    ("token", "login"),
    [(None, (None, None)), ("pw", (None, "pw")), ("user:pw", ("user", "pw")), ("user:p:w", ("user", "p:w"))],
)
def test_a_token_is_a_password_or_user_and_password(token, login):
    place = target_of(a_worker(url="redis://h:1/tasks", token=token)).place
    assert (place.user, place.password) == login


def test_nothing_that_may_be_logged_holds_the_password():
    place = target_of(a_worker(url="redis://h:1/tasks", token="user:geheim")).place
    assert "geheim" not in f"{place} {place!r}"


def test_group_and_length_are_the_workers():
    worker = a_worker(url="redis://h:1/tasks", metadata={"group": "mine", "max_len": 5})
    assert (target_of(worker).group, target_of(worker).max_len) == ("mine", 5)


@pytest.mark.parametrize("metadata", [{"group": ""}, {"group": 1}, {"max_len": 0}, {"max_len": True}, {"max_len": "9"}])
def test_metadata_that_says_nothing_is_refused(metadata):
    [name] = metadata
    with pytest.raises(NoAddress, match=f"metadata.{name} must be"):
        target_of(a_worker(url="redis://h:1/tasks", metadata=metadata))
