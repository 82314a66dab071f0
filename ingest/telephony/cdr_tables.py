"""Rows of a telephone system's own database: one SELECT, read-only, bounded in rows and time.

PostgreSQL, MySQL or MariaDB, and files of SQLite. The question names table, column and period; no
text of it becomes SQL but identifiers, which are quoted.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    column,
    create_engine,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.telephony.api_client import ApiNotAllowed, ApiUnreachable

TIMEOUT_S = 30
MOST_ROWS = 1000
MOST_VALUE = 2 * 1024 * 1024  #: characters of one value; a longer one is left out
LOCAL = "%Y-%m-%d %H:%M:%S"
#: What an administrator writes, and the driver that is used.
DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "sqlite": "sqlite",
}
#: Makes a connection's transactions read-only, whatever its user may do.
READ_ONLY = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = 1",
}
#: Values that are shown as they are written.
WRITTEN = (UUID, date, IPv4Address, IPv6Address, IPv4Interface, IPv6Interface)
LIMITS: Mapping[str, Mapping[str, Any]] = {
    "postgresql": {
        "connect_timeout": TIMEOUT_S,
        "options": f"-c statement_timeout={TIMEOUT_S * 1000}",
    },
    "mysql": {"connect_timeout": TIMEOUT_S, "read_timeout": TIMEOUT_S},
    "sqlite": {"timeout": TIMEOUT_S},
}


async def ask(request: ApiRequest) -> ApiResponse:
    """Return the rows as a JSON list. Raises ApiNotAllowed, ApiUnreachable."""
    try:
        url = make_url(request.url)
        driver = DRIVERS[url.drivername]
    except (ArgumentError, KeyError) as error:
        raise ApiNotAllowed(
            f"cdr_url: no address of a database like {', '.join(DRIVERS)}://USER:PASSWORD@HOST/NAME"
        ) from error
    try:
        found = await asyncio.to_thread(_rows, url.set(drivername=driver), json.loads(request.body))
    except (SQLAlchemyError, OSError, ImportError) as error:
        # The text of the error may hold the address, and in it the password.
        raise ApiUnreachable(f"the database did not answer: {_brief(error)}") from error
    return ApiResponse(status=200, body=json.dumps(found, ensure_ascii=False).encode())


def _rows(url: URL, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    kind = url.get_backend_name()
    if kind == "sqlite":
        url = _as_it_is(url)
    engine = create_engine(url, poolclass=NullPool, connect_args=dict(LIMITS[kind]))
    try:
        with engine.connect() as connection:
            connection.execute(text(READ_ONLY[kind]))
            connection.commit()
            if kind == "postgresql":  # a column with a zone is then shown, and compared, in ours
                zone = text("SELECT set_config('TimeZone', :zone, false)")
                connection.execute(zone, {"zone": asked["zone"]})
            return _select(connection, asked)
    finally:
        engine.dispose()


def _as_it_is(url: URL) -> URL:
    """Return the address of a file of SQLite, so that one that is not there is not made."""
    file = f"file:{quote(url.database or '')}"
    return url.set(database=file, query={"mode": "ro", "uri": "true"})


def _select(connection: Connection, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    schema, _, name = asked["table"].rpartition(".")
    from_ = table(name, schema=schema or None)
    at: ColumnElement[Any] = column(asked["time"])
    since, until = (_moment(connection, asked[each]) for each in ("since", "until"))
    statement: Select[Any] = (
        select(literal_column("*"))
        .select_from(from_)
        .where(at >= since, at < until)
        .where(*(column(name) == value for name, value in asked.get("equal", {}).items()))
        .order_by(at, column(asked["key"]))  # rows of one second lie alike in every page
        .limit(min(asked["limit"], MOST_ROWS))
        .offset(asked["offset"])
    )
    zone = ZoneInfo(asked["zone"])
    found: list[dict[str, Any]] = []
    octets = 0
    for row in connection.execute(statement).mappings():
        plain = {name: _plain(value, zone) for name, value in row.items()}
        octets += len(json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace"))
        if found and octets > asked.get("octets", octets):
            break
        found.append(plain)
    return found


def _moment(connection: Connection, written: str) -> datetime | str:
    """Return a bound as the database compares it: SQLite holds text."""
    if connection.dialect.name == "sqlite":
        return written
    return datetime.strptime(written, LOCAL)  # noqa: DTZ007 - in the zone of the session


def _plain(value: Any, zone: ZoneInfo) -> Any:
    if isinstance(value, datetime):
        local = value.astimezone(zone) if value.tzinfo else value
        return local.strftime(LOCAL)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, str | dict | list):  # a column of JSON comes as what it holds
        written = value if isinstance(value, str) else json.dumps(value)
        return value if len(written) <= MOST_VALUE else None
    if value is None or isinstance(value, int | float | bool):
        return value
    return str(value) if isinstance(value, WRITTEN) else repr(value)[:500]


def _brief(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return type(cause).__name__
