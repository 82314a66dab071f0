"""How the process runs: addresses, paths, database, key file, log level. Nothing else.

From `keepline.toml` (or the file named by KEEPLINE_CONFIG or --config) and KEEPLINE_... variables,
which win. Sources, mailboxes, lines, users and policy are facts in the main database instead.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

DEFAULT_FILE = "keepline.toml"


class BadSettings(Exception):
    """A setting is wrong; the text names it and says how to mend it."""


class Settings(BaseSettings):
    """Every setting of the process. Durations in seconds, addresses as `host:port`."""

    model_config = SettingsConfigDict(env_prefix="KEEPLINE_", extra="forbid")

    data_dir: Path = Field(Path("keepline-data"), description="where databases and files lie")
    database_url: str | None = Field(
        None, description="postgresql://... ; nothing: SQLite files in data_dir"
    )
    key_file: Path | None = Field(None, description="key of the stored secrets; data_dir/key")
    public_url: str = Field(
        "http://127.0.0.1:8080", description="address of the public door as providers see it"
    )
    public_listen: str = Field("0.0.0.0:8080", description="where the public door listens")
    inner_url: str = Field(
        "http://127.0.0.1:8081", description="address of the inner door as people see it"
    )
    inner_listen: str = Field("127.0.0.1:8081", description="where the inner door listens")
    # No Literal: a variable is text, and pydantic reads text as a number only for `int`.
    processes: int = Field(1, ge=1, le=2, description="2: edges and core in their own processes")
    log_partitions: int = Field(4, ge=1, le=64, description="of each delivery log in PostgreSQL")
    trusted_proxies: list[str] = Field([], description="networks whose X-Forwarded-For is believed")
    disk_free_min: float = Field(0.10, ge=0, lt=1, description="below it the door answers 503")
    mail_children: int = Field(1, ge=1, le=16, description="processes that read mails")
    recordings_s3: str | None = Field(
        None, description="s3://bucket/prefix for the sound of calls; nothing: data_dir/recordings"
    )
    recordings_s3_endpoint: str | None = Field(
        None, description="address of an S3-compatible storage that is not Amazon's"
    )
    recording_mib: int = Field(256, ge=1, le=4096, description="the largest recording fetched")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"

    @field_validator("public_url", "inner_url")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError("write it as https://host or http://host:port")
        return value.rstrip("/")

    @field_validator("public_listen", "inner_listen")
    @classmethod
    def _listen(cls, value: str) -> str:
        split_listen(value)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for text in value:
            try:
                ip_network(text, strict=False)
            except ValueError as error:
                raise ValueError(f"{text} is no network; write it like 10.0.0.0/8") from error
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str | None) -> str | None:
        if value is None or value.startswith("postgresql+psycopg://"):
            return value
        for prefix in ("postgresql://", "postgres://"):
            if value.startswith(prefix):
                return "postgresql+psycopg://" + value.removeprefix(prefix)
        raise ValueError("write it as postgresql://user:password@host/database, or leave it out")

    @model_validator(mode="after")
    def _inner_is_private(self) -> Settings:
        host = urlsplit(self.inner_url).hostname or ""
        if self.inner_url.startswith("http://") and host not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError("inner_url: plain http is only for loopback; use https behind a proxy")
        return self

    @property
    def key_path(self) -> Path:
        """Return the file that holds the key of the stored secrets."""
        return self.key_file or self.data_dir / "key"

    @property
    def main_url(self) -> str:
        """Return the SQLAlchemy address of the main database."""
        return self.database_url or f"sqlite:///{self.main_file}"

    @property
    def main_file(self) -> Path:
        """Return the main database's file, where it is SQLite."""
        return self.data_dir / "main.db"

    def log_file(self, name: str) -> Path:
        """Return the file of a delivery log, where it is SQLite."""
        return self.data_dir / f"{name}.log.db"

    @property
    def core_socket(self) -> Path:
        """Return the socket by which commands reach the running core."""
        return self.data_dir / "core.sock"

    @property
    def edges_socket(self) -> Path:
        """Return the socket by which the core asks the edges to keep something."""
        return self.data_dir / "edges.sock"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Explicit values first, then variables, then the file."""
        file = os.environ.get("KEEPLINE_CONFIG", DEFAULT_FILE)
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, Path(file))


def load_settings(config: Path | None = None, **values: Any) -> Settings:
    """Return the settings. Raises BadSettings with a sentence for each that is wrong."""
    if config is not None:
        if not config.exists():
            raise BadSettings(f"--config: there is no file {config}")
        os.environ["KEEPLINE_CONFIG"] = str(config)
    elif (named := os.environ.get("KEEPLINE_CONFIG")) and not Path(named).exists():
        raise BadSettings(f"KEEPLINE_CONFIG: there is no file {named}")
    try:
        return Settings(**values)
    except tomllib.TOMLDecodeError as error:
        file = os.environ.get("KEEPLINE_CONFIG", DEFAULT_FILE)
        raise BadSettings(f'{file}: {error}; write settings as name = "value"') from error
    except ValidationError as error:
        raise BadSettings("\n".join(_sentence(problem) for problem in error.errors())) from error


def _sentence(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"]) or "settings"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        known = ", ".join(sorted(Settings.model_fields))
        return f"{name}: there is no such setting; there are {known}"
    if name in Settings.model_fields:
        return f"{name} (or KEEPLINE_{name.upper()}): {message}"
    return str(message)


def unknown_variables(names: Iterable[str]) -> list[tuple[str, str | None]]:
    """Return those named KEEPLINE_... that are no setting, each with the nearest that is one."""
    known = [*(name.upper() for name in Settings.model_fields), "CONFIG"]
    found: list[tuple[str, str | None]] = []
    for name in sorted(names):
        prefix, _, own = name.upper().partition("_")
        if prefix == "KEEPLINE" and own not in known:
            near = get_close_matches(own, known, 1)
            found.append((name, f"KEEPLINE_{near[0]}" if near else None))
    return found


def split_listen(value: str) -> tuple[str, int]:
    """Return host and port of `host:port`. Raises ValueError."""
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("write it as host:port, such as 127.0.0.1:8081")
    return host.strip("[]"), int(port)
