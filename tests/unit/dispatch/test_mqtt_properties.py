"""The properties of a publication: read back by the library, which knows them all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from dispatch._mqtt_properties import Published

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)


def read(published: Published) -> dict[str, object]:
    packed = published.pack()
    found = Properties(PacketTypes.PUBLISH)
    _, length = found.unpack(packed)
    assert length == len(packed)
    values = dict(vars(found))
    return {name: values[name] for name in values if name not in ("packetType", "types", "names", "properties")}


def test_json_is_said_to_be_json() -> None:
    assert read(Published()) == {"PayloadFormatIndicator": 1, "ContentType": "application/json"}


@given(
    st.integers(0, 2**32 - 1), texts, st.binary(max_size=300), st.lists(st.tuples(texts, texts), min_size=1, max_size=5)
)
def test_what_is_packed_is_read(expiry, topic, correlation, user) -> None:
    found = read(Published(expiry_s=expiry, response_topic=topic, correlation=correlation, user=user))
    assert (found["MessageExpiryInterval"], found["ResponseTopic"]) == (expiry, topic)
    assert (found["CorrelationData"], found["UserProperty"]) == (correlation, user)


@pytest.mark.parametrize("size", [90, 91, 92, 127, 128, 16_383, 16_384, 60_000])
def test_lengths_of_any_size_are_read(size: int) -> None:
    assert len(read(Published(correlation=b"x" * size))["CorrelationData"]) == size


def test_what_is_kept_longest_is_kept_136_years() -> None:
    assert read(Published(expiry_s=2**40))["MessageExpiryInterval"] == 2**32 - 1
