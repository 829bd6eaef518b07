"""JSON is read and written exactly, or refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codec import CodecError, canonical, digest, dumps, loads

INTEGERS = st.integers(-(2**63), 2**63 - 1)
SCALARS = st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


def refused(data, **options):
    with pytest.raises(CodecError) as caught:
        loads(data, **options)
    return caught.value


@settings(max_examples=30)
@given(VALUES)
def test_what_is_written_is_read_back(value):
    assert loads(dumps(value)) == value


@settings(max_examples=30)
@given(VALUES)
def test_it_reads_and_writes_what_the_standard_library_does(value):
    assert json.loads(dumps(value)) == value
    assert loads(json.dumps(value)) == value


@settings(max_examples=30)
@given(VALUES)
def test_numbers_keep_their_type(value):
    assert repr(loads(dumps(value))) == repr(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"id": "x", ',
        b"nonsense",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"[1,]",
        b"01",
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\xff"',
        '"\ud800"',
        b"\xef\xbb\xbf1",
        b"'a'",
    ],
    ids=ascii,
)
def test_text_that_is_no_json_is_malformed(data):
    assert refused(data).code == "json.malformed"


def test_of_two_equal_keys_the_later_counts():
    assert loads('{"a": 1, "a": 2}') == {"a": 2}


@pytest.mark.parametrize("integer", [2**63 - 1, -(2**63), 9007199254740993])
def test_integers_of_64_bits_are_exact(integer):
    assert loads(str(integer)) == integer


@pytest.mark.parametrize("integer", [2**63, -(2**63) - 1, 2**64 - 1, 2**64, 10**30, -(10**400)])
@pytest.mark.parametrize("around", ["{}", "[1, {}]", '{{"a": {{"b": {}}}}}'])
def test_integers_beyond_64_bits_are_refused_not_rounded(integer, around):
    error = refused(around.format(integer))

    assert error.code == "json.integer"
    assert str(integer)[:20] in error.message


def test_a_very_long_integer_is_named_shortened():
    assert len(refused("1" * 100_000).message) < 200


@pytest.mark.parametrize(
    "text", ['"99999999999999999999"', "12345678901234567890.5", "0.12345678901234567890123", "1e22"]
)
def test_digits_in_strings_and_fractions_are_no_integers(text):
    assert loads(text) == json.loads(text)


@pytest.mark.parametrize("text", ["1e999", "[-1e400]", '{"ü": 1.5E+999}'])
def test_a_number_beyond_a_double_is_refused_but_not_malformed(text):
    assert refused(text).code == "json.number"


@pytest.mark.parametrize("depth", [1, 5, 64])
def test_a_document_may_be_as_deep_as_allowed_and_not_deeper(depth):
    wide = "[" + "[], " * 100

    assert loads("[" * depth + "]" * depth, max_depth=depth) is not None
    assert refused("[" * (depth + 1) + "]" * (depth + 1), max_depth=depth).code == "json.depth"
    assert refused(wide + "[" * depth + "]" * depth + "]", max_depth=depth).code == "json.depth"


def test_a_scalar_has_no_depth():
    assert loads("1", max_depth=0) == 1
    assert refused("[]", max_depth=0).code == "json.depth"


@pytest.mark.parametrize(
    "text", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, "[" * 100_000]
)
def test_a_hundred_thousand_levels_are_refused(text):
    assert refused(text).code == "json.depth"


@settings(max_examples=30)
@given(VALUES, st.integers(0, 6))
def test_exactly_what_is_too_deep_is_refused(value, limit):
    def depth(inner):
        if isinstance(inner, list | dict):
            return 1 + max((depth(x) for x in (inner.values() if isinstance(inner, dict) else inner)), default=0)
        return 0

    text = dumps(value)

    if depth(value) > limit:
        assert refused(text, max_depth=limit).code == "json.depth"
    else:
        assert loads(text, max_depth=limit) == value


def test_brackets_in_strings_are_no_levels():
    assert loads(dumps(["[{" * 200, "]}" * 200]), max_depth=1)


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": [None, {"b": -math.inf}]}, (math.nan,)], ids=str)
def test_nan_and_infinity_are_not_written_as_null(value):
    with pytest.raises(CodecError) as caught:
        dumps(value)
    assert caught.value.code == "json.number"


def test_null_is_written_where_it_is_meant():
    assert dumps([None, "null", 1.5]) == b'[null,"null",1.5]'


@pytest.mark.parametrize("value", [2**63, [-(2**63) - 1], {"a": 2**64}, 10**40], ids=str)
def test_integers_beyond_64_bits_are_not_written(value):
    with pytest.raises(CodecError) as caught:
        dumps(value)
    assert caught.value.code == "json.integer"


@pytest.mark.parametrize(
    "value", [object(), {1: 2}, b"x", {"a": {1, 2}}, "\ud800"], ids=["object", "int-key", "bytes", "set", "surrogate"]
)
def test_what_is_no_json_value_is_not_written(value):
    with pytest.raises(CodecError) as caught:
        dumps(value)
    assert caught.value.code == "json.value"


def test_the_canonical_text_does_not_depend_on_the_order_of_keys():
    assert canonical({"b": 1, "a": {"d": 2, "c": 3}}) == b'{"a":{"c":3,"d":2},"b":1}'
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})


def test_the_digest_is_sha256_of_the_canonical_text():
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert digest(1) != digest(1.0)


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 1}', '{"b": [{"a": {"x": 1, "y": 2, "x": 3}}]}', '{"a": "::", "a": 2}', '{"a": 1, "\\u0061": 2}'],
)
def test_two_equal_keys_are_refused_where_that_is_asked_for(text):
    assert refused(text, unique=True).code == "json.duplicate"


@settings(max_examples=50)
@given(VALUES)
def test_keys_that_differ_are_not_refused(value):
    assert loads(dumps(value), unique=True) == value
