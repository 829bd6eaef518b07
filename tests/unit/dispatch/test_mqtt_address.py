"""Where workers are that are reached over MQTT."""

from __future__ import annotations

import pytest

from dispatch._mqtt_address import BadAddress, Broker, check_address, place_of
from tests.unit.dispatch.builders import a_worker


@pytest.mark.parametrize(
    "address",
    [
        "mqtt://h/t",
        "mqtt://h:1/a/b/c",
        "mqtts://[::1]:8883/t",
        "mqtt://h//t/",
        "mqtt://h/a%20b",
        "mqtt://h/" + "x" * 65_000,
    ],
)
def test_these_are_addresses(address: str) -> None:
    assert check_address(address) is None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://h/t", "the URL must begin with mqtt:// or mqtts://"),
        ("h/t", "the URL must begin with mqtt:// or mqtts://"),
        ("mqtt:///t", "the URL must name a host"),
        ("mqtt://h:0/t", "the URL must name a host"),
        ("mqtt://h:x/t", "the URL is not valid: "),
        ("mqtt://h:99999/t", "the URL is not valid: "),
        ("mqtt://[::1/t", "the URL is not valid: "),
        ("mqtt://u:p@h/t", "the URL must not contain a user name or password; use `token`: user:password"),
        ("mqtt://u@h/t", "the URL must not contain a user name or password; use `token`: user:password"),
        ("mqtt://a..b/t", "the host must not begin with a dot, or have two dots in a row"),
        (f"mqtt://{'a' * 64}/t", "no part of the host between two dots may be longer than 63 bytes"),
        ("mqtt://h", "the URL must name a topic: mqtt://host:port/topic"),
        ("mqtt://h/", "the URL must name a topic: mqtt://host:port/topic"),
        ("mqtt://h/a b", "the URL must not contain spaces or control characters"),
        ("mqtt://h/a\n", "the URL must not contain spaces or control characters"),
        ("mqtt://h/a/+/b", "the topic must not contain +, # or NUL: "),
        ("mqtt://h/a/#", "the topic must not contain +, # or NUL: "),
        ("mqtt://h/a%2Bb", "the topic must not contain +, # or NUL: "),
        ("mqtt://h/a%00", "the topic must not contain +, # or NUL: "),
        ("mqtt://h/a?b=1", "the URL must not have a query; a ? in the topic is written %3F"),
        ("mqtt://h/$share/g/t", "the topic must not begin with $: workers that share one subscribe to $share/"),
        ("mqtt://h/%ff", "the topic is not valid: what is written with % is no UTF-8"),
        ("mqtt://h/" + "x" * 65_529, "the topic must not be longer than 65528 bytes"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(address: str, why: str) -> None:
    said = check_address(address)
    assert said is not None
    assert said.startswith(why)
    assert "u:p" not in said


@pytest.mark.parametrize(
    ("changes", "broker", "password", "topic"),
    [
        ({"url": "mqtt://H/a/b"}, {"port": 1883}, None, "a/b"),
        ({"url": "mqtts://h/a%2Fb%3F"}, {"port": 8883, "tls": True}, None, "a/b?"),
        ({"url": "mqtt://h:7/t", "token": "me:p:w"}, {"port": 7, "user": "me"}, "p:w", "t"),
        ({"url": "mqtt://h:7/t", "token": "me"}, {"port": 7, "user": "me"}, None, "t"),
        ({"url": "mqtt://h:7/t", "metadata": {"mqtt_version": "3.1.1"}}, {"port": 7, "version": "3.1.1"}, None, "t"),
        ({"url": "mqtt://h:7/t", "metadata": {"mqtt_version": 5}}, {"port": 7}, None, "t"),
    ],
)
def test_a_row_says_broker_password_and_topic(changes, broker, password, topic) -> None:
    place = place_of(a_worker(protocol="mqtt", **changes))
    given = {"host": "h", "tls": False, "version": "5", "user": None, **broker}
    assert (place.broker, place.password, place.topic) == (Broker(**given), password, topic)
    assert password is None or password not in repr(place)


def test_another_version_is_none() -> None:
    with pytest.raises(BadAddress, match=r'metadata\.mqtt_version must be "5" or "3\.1\.1"'):
        place_of(a_worker(url="mqtt://h/t", metadata={"mqtt_version": "6"}))


def test_a_password_needs_a_user() -> None:
    with pytest.raises(BadAddress, match="the token must be user:password") as raised:
        place_of(a_worker(url="mqtt://h/t", token=":s3cret"))
    assert "s3cret" not in str(raised.value)


def test_a_session_has_the_same_name_after_a_restart_and_no_other_has_it() -> None:
    values = {"host": "h", "port": 1, "tls": False, "version": "5", "user": None}
    others = [{"host": "i"}, {"port": 2}, {"tls": True}, {"version": "3.1.1"}, {"user": "me"}]
    names = [Broker(**{**values, **other}).name("server") for other in [{}, *others]]
    assert names[0] == Broker(**values).name("server")
    assert len({*names, Broker(**values).name("another")}) == 7
    assert all(len(f"clew-{name}") <= 23 for name in names)  # what every broker of 3.1.1 has to take
