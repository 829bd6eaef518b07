"""Settings: what a server may be told, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from api.settings import Settings, is_loopback, local_url


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"CLEW_{name.upper()}", raising=False)


def test_a_server_is_private_where_nothing_is_said() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.token) == ("127.0.0.1", 8080, None)
    assert (settings.max_body, settings.max_depth, settings.max_nodes) == (8 * 1024 * 1024, 64, 2000)


def test_the_environment_is_read_and_options_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEW_PORT", "99")
    monkeypatch.setenv("CLEW_WORKFLOWS", "flows")
    monkeypatch.setenv("CLEW_TOKEN", "")
    settings = Settings(port=7)
    assert (settings.port, settings.workflows, settings.token) == (7, Path("flows"), None)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    assert Settings(host=host).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "clew.example", "localhost.example", ""])
def test_anything_else_does(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ValidationError):
        Settings(host=host)


def test_a_token_opens_every_host_and_does_not_show() -> None:
    settings = Settings(host="0.0.0.0", token=SecretStr("s3cret"))
    assert settings.token is not None
    assert settings.token.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings) + str(settings.model_dump())


@pytest.mark.parametrize(
    "given",
    [
        {"token": "two words"}, {"token": "ä"}, {"token": "a\n"}, {"port": -1}, {"port": 65536}, {"max_body": 0},
        {"ping_s": 0}, {"grace_s": float("inf")}, {"public_url": "clew"}, {"public_url": "http://x?y=1"},
        {"public_url": "ftp://x"}, {"db": ""}, {"log_level": "loud"}, {"colour": "red"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**given)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:5"),
        ("localhost", "http://localhost:5"),
        ("::1", "http://[::1]:5"),
        ("[::1]", "http://[::1]:5"),
        ("0.0.0.0", "http://127.0.0.1:5"),
        ("::", "http://[::1]:5"),
    ],
)
def test_workers_reach_it_where_it_listens(host: str, url: str) -> None:
    assert local_url(host, 5) == url
    assert Settings(host=host, token=SecretStr("t")).base_url(5) == url
    assert Settings(host=host, token=SecretStr("t"), public_url="https://x/y/").base_url(5) == "https://x/y"


def test_origins_stand_in_the_environment_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEW_CORS_ORIGINS", "https://a.example, http://localhost:3000")
    assert Settings().cors_origins == ("https://a.example", "http://localhost:3000")


def test_an_origin_has_no_path() -> None:
    with pytest.raises(ValidationError):
        Settings(cors_origins=("https://a.example/page",))
