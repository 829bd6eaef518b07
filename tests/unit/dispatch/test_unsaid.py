"""What workers say of a failure does not show what they are asked with."""

from __future__ import annotations

from typing import Any

import pytest

from dispatch._transport import refused
from dispatch._unsaid import reply_without, text_without
from engine.answer import Told
from engine.outbox import Accepted, Answered, Refused
from tests.unit.dispatch.builders import a_worker

TOKEN, KEY = 'tok"/1', "key-12345"
WORKER = a_worker(token=TOKEN, headers={"X-Key": KEY, "Authorization": "Basic dXNlcjpwYXNz", "X-Short": "no"})


@pytest.mark.parametrize(
    "said",
    [
        f"not {TOKEN}",
        r"not tok\"/1",
        "not tok%22%2F1",
        "not dG9rIi8x",
        f"not {KEY}",
        "not Basic dXNlcjpwYXNz",
        "not dXNlcjpwYXNz",
    ],
)
def test_a_secret_is_hidden_in_the_forms_in_which_it_may_be_repeated(said: str) -> None:
    assert text_without(WORKER, said) in ("not ***", "not Basic ***")


def test_a_refusal_is_without_secrets_wherever_they_stand() -> None:
    told = Told(events=({"message": KEY, "data": [TOKEN]},))
    found = reply_without(WORKER, refused(KEY, f"no {KEY}", details={"body": [TOKEN, {"seen": KEY}]}, told=told))
    assert isinstance(found, Refused)
    assert (found.error.code, found.error.message) == ("***", "no ***")
    assert found.error.details == {"body": ["***", {"seen": "***"}]}
    assert found.told.events == ({"message": "***", "data": ["***"]},)


@pytest.mark.parametrize(
    "beside", [{"error": "no {}"}, {"status": "FAILED", "message": "no {}"}, {"error": {"code": 1}}]
)
def test_an_answer_that_says_an_error_is_without_secrets(beside: dict[str, Any]) -> None:
    given = {name: said.format(KEY) if isinstance(said, str) else said for name, said in beside.items()}
    found = reply_without(WORKER, Answered(body={**given, "seen": KEY}, raw=b"{}"))
    wanted = {name: said.format("***") if isinstance(said, str) else said for name, said in beside.items()}
    assert found == Answered(body={**wanted, "seen": "***"})


@pytest.mark.parametrize("body", [KEY, {"output": KEY}, {"output": KEY, "error": None}, {"status": "FAILED", "x": KEY}])
def test_a_good_answer_is_data_and_stays(body: Any) -> None:
    reply = Answered(body=body, raw=b"{}")
    assert reply_without(WORKER, reply) is reply


def test_a_code_that_rules_look_at_is_not_changed_for_a_token_like_a_word() -> None:
    found = reply_without(a_worker(token="server"), refused("server_error", "the server", details={"code": "server"}))
    assert isinstance(found, Refused)
    assert (found.error.code, found.error.message) == ("server_error", "the ***")


def test_what_has_no_secret_to_say_stays() -> None:
    reply = refused("c", "no header is no secret")
    assert reply_without(a_worker(), reply) is reply
    assert text_without(WORKER, "no") == "no"
    assert reply_without(WORKER, Accepted()) == Accepted()
