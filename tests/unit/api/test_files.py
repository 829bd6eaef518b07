"""Files in messages to agents: how they are read, where they have a place, and what is kept of them."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from typing import Any

import pytest

from api.a2a.errors import A2AError, Code
from api.a2a.files import MOST_FILES, answer_with, read_files, require_place, takes_files, told_here, with_files
from dispatch._a2a.model import Message, Part, Role

BYTES = b"\xfb\xff\xfe thread"
NAME = sha256(BYTES).hexdigest()
REF = {"ref": f"artifact:sha256:{NAME}", "media_type": "image/png", "size": len(BYTES), "sha256": NAME}


def raw(text: str | None = None, **fields: Any) -> Part:
    return Part(**{"raw": b64encode(BYTES).decode() if text is None else text, "media_type": "image/png", **fields})


def refused(*parts: Part) -> A2AError:
    with pytest.raises(A2AError) as caught:
        read_files(parts)
    return caught.value


def test_bytes_are_referred_to_and_are_not_kept() -> None:
    parts, [file] = read_files([Part(text="look"), raw(filename="a.png", metadata={"n": 1})])

    assert (file.value, file.content) == ({**REF, "name": "a.png"}, BYTES)
    assert parts[0] == Part(text="look")
    assert parts[1] == Part(url=REF["ref"], filename="a.png", media_type="image/png", metadata={"n": 1})


def test_an_address_stays_as_it_is() -> None:
    given = [Part(url="https://example.com/a", filename="a", media_type="text/x"), Part(url="ftp://b")]
    parts, files = read_files(given)

    assert list(parts) == given
    assert [(file.value, file.content) for file in files] == [
        ({"url": "https://example.com/a", "media_type": "text/x", "name": "a"}, None),
        ({"url": "ftp://b"}, None),
    ]


def test_bytes_of_no_type_are_of_any() -> None:
    _, [file] = read_files([raw(media_type=None)])
    assert file.value["media_type"] == "application/octet-stream"


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("padding", ["", "="])
def test_base64_is_read_in_every_form_that_protojson_has(encode: Any, padding: str) -> None:
    text = encode(BYTES).decode()
    _, [file] = read_files([raw(text if padding else text.rstrip("="))])
    assert file.content == BYTES


@pytest.mark.parametrize("text", ["a", "no base64", "dGNr\n", "dG=Nr", "é"])
def test_what_is_no_base64_is_refused_where_it_is(text: str) -> None:
    error = refused(Part(text="look"), raw(text))
    assert (error.said, error.fields[0][0]) == (Code.INVALID_PARAMS, "message.parts[1]")


def test_a_type_that_is_none_an_empty_address_and_too_many_files_are_refused() -> None:
    assert refused(raw(media_type="image")).said is Code.CONTENT_TYPE
    assert refused(Part(url="")).said is Code.INVALID_PARAMS
    many = [Part(url=f"https://example.com/{n}") for n in range(MOST_FILES + 1)]
    assert refused(*many).said is Code.INVALID_PARAMS
    assert len(read_files(many[1:])[1]) == MOST_FILES


ARRAY = {"files": {"type": "array"}}


@pytest.mark.parametrize(
    ("document", "takes"),
    [
        ({}, False),
        ({"state_schema": {}}, False),
        ({"state_schema": ARRAY}, True),
        ({"state_schema": {"files": {"type": ["null", "array"]}}}, True),
        ({"state_schema": {"files": {"type": "integer"}}}, False),
        ({"state_schema": {"files": {}}}, False),
        ({"input_schema": {"properties": ARRAY}}, True),
        ({"input_schema": {"properties": {"files": {}}}, "state_schema": {}}, True),
        ({"input_schema": {"properties": {"n": {}}}, "state_schema": ARRAY}, False),
        ({"input_schema": {}, "state_schema": ARRAY}, True),
        ({"input_schema": True, "state_schema": ARRAY}, True),
    ],
)
def test_a_workflow_says_in_its_schemas_whether_it_takes_files(document: Any, takes: bool) -> None:
    assert takes_files(document) is takes


def test_files_without_a_place_are_refused_with_what_would_be_one() -> None:
    _, files = read_files([raw()])
    require_place(files, is_there=True)
    require_place((), is_there=False)
    with pytest.raises(A2AError, match=r"message.parts\[0\]: .*`files`") as caught:
        require_place(files, is_there=False)
    assert caught.value.said is Code.CONTENT_TYPE


def test_files_go_beside_what_is_in_an_object_and_not_in_the_place_of_files_there() -> None:
    _, files = read_files([raw(), Part(url="https://example.com/a")])
    assert with_files({"n": 1}, files) == {"n": 1, "files": [REF, {"url": "https://example.com/a"}]}
    assert with_files({"files": 7}, ()) == {"files": 7}
    with pytest.raises(A2AError, match="files"):
        with_files({"files": []}, files)


@pytest.mark.parametrize(
    ("value", "answer"),
    [("yes", {"text": "yes"}), ({"ok": True}, {"ok": True}), (None, {}), ("", {"text": ""})],
)
def test_files_come_with_an_answer(value: Any, answer: Any) -> None:
    _, files = read_files([raw()])
    assert answer_with(value, files) == {**answer, "files": [REF]}
    assert answer_with(value, ()) == value


def test_files_do_not_come_with_an_answer_that_has_no_members() -> None:
    _, files = read_files([raw()])
    with pytest.raises(A2AError) as caught:
        answer_with(7, files)
    assert caught.value.said is Code.INVALID_PARAMS


def test_what_was_kept_is_told_by_its_address_here() -> None:
    addresses = ["artifact:sha256:../runs", "https://example.com/a"]
    parts, _ = read_files([raw(), *(Part(url=address) for address in addresses), Part(text="artifact:sha256:")])
    found = told_here(Message(message_id="m", role=Role.USER, parts=parts), "http://clew.test")

    assert [part.url for part in found.parts] == [f"http://clew.test/v1/artifacts/{NAME}", *addresses, None]
