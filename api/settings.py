"""The settings of a server: environment variables that begin with `CLEW_`, which command line options override."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StringConstraints, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIB = 1024 * 1024


def _is_header_text(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("a token is made of printable ASCII characters, without spaces")
    return token


def _listed(given: Any) -> Any:
    return tuple(part.strip() for part in given.split(",") if part.strip()) if isinstance(given, str) else given


Origin = Annotated[str, StringConstraints(pattern=r"^(\*|https?://[^\s/?#*]+)$")]
Origins = Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_listed)]
"""Origins of web pages, in the environment with commas between them."""


class Settings(BaseSettings):
    """How a server is set up. Sizes are bytes, times seconds."""

    model_config = SettingsConfigDict(env_prefix="CLEW_", env_ignore_empty=True, extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8080, ge=0, le=65535)
    db: str = Field(default="sqlite:///clew.db", min_length=1)
    workflows: Path | None = None
    backups: Path | None = None
    token: Annotated[SecretStr, AfterValidator(_is_header_text)] | None = None
    local_workers: bool = False
    public_url: str | None = Field(default=None, pattern=r"^https?://[^\s/?#]+[^\s?#]*$")
    cors_origins: Origins = ()
    max_body: int = Field(default=8 * MIB, ge=1024)
    max_import: int = Field(default=256 * MIB, ge=1024)
    max_inline_bytes: int = Field(default=256 * 1024, ge=1024)
    max_artifact_bytes: int = Field(default=1024 * MIB, ge=1024)
    artifacts: str | None = Field(default=None, min_length=1)
    artifact_ttl_s: int = Field(default=86_400, ge=1)
    max_depth: int = Field(default=64, ge=8, le=256)
    max_nodes: int = Field(default=2000, ge=1)
    max_runs: int | None = Field(default=None, ge=1)
    max_in_flight: int | None = Field(default=None, ge=1)
    ping_s: float = Field(default=15.0, gt=0, allow_inf_nan=False)
    send_timeout_s: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    grace_s: float = Field(default=2.0, ge=0, le=600, allow_inf_nan=False)
    keep_last: int | None = Field(default=None, ge=1)
    max_age_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    sweep_s: float = Field(default=3600.0, ge=1, allow_inf_nan=False)
    webhook_timeout_s: float = Field(default=15.0, gt=0, le=600, allow_inf_nan=False)
    webhook_retry_s: float = Field(default=1.0, gt=0, le=3600, allow_inf_nan=False)
    webhook_give_up_s: float = Field(default=86_400.0, ge=0, allow_inf_nan=False)
    private_pushes: bool = False
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @model_validator(mode="after")
    def _is_guarded(self) -> Self:
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"'{self.host}' can be reached from other machines: give a token (--token or CLEW_TOKEN), "
                "or bind to 127.0.0.1"
            )
        return self

    def base_url(self, port: int) -> str:
        """The address under which the server is reached, given the port that it is bound to."""
        return (self.public_url or local_url(self.host, port)).rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def local_url(host: str, port: int) -> str:
    """The address of a server that is bound to `host`; of one bound to every address, on this machine."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return f"http://{host}:{port}"
    if address.is_unspecified:
        address = ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"http://{address if address.version == 4 else f'[{address}]'}:{port}"
