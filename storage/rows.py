"""Rows in numbers: looked up by many values at once, and read as they are stored.

A statement is written once, when its module is loaded. With `in_` its text would hold as many
places as values are asked for, and be put together anew each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Table,
    Text,
    bindparam,
    type_coerce,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator, TypeEngine

from storage.plain import to_text
from storage.tables import Moment


class _Texts(TypeDecorator[Sequence[str]]):
    """Many texts as one value: a JSON list on SQLite, an array on PostgreSQL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return what the database itself calls it."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else ARRAY(Text()))

    def process_bind_param(self, value: Iterable[str] | None, dialect: Dialect) -> Any:
        """Return the value as the driver takes it; in order, so that the index is walked so."""
        wanted = sorted(set(value or ()))
        return to_text(wanted) if dialect.name == "sqlite" else wanted


class _Among(FunctionElement[bool]):
    """Whether a column holds one of many texts."""

    name = "among"
    type = Boolean()
    inherit_cache = True

    def self_group(self, against: OperatorType | None = None) -> Self:
        """Stay a bare condition: as `... = 1` no index would be looked into."""
        return self


@compiles(_Among, "sqlite")
def _on_sqlite(element: _Among, compiler: SQLCompiler, **more: Any) -> str:
    column, wanted = (compiler.process(it, **more) for it in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({wanted}))"  # noqa: S608


@compiles(_Among, "postgresql")
def _on_postgresql(element: _Among, compiler: SQLCompiler, **more: Any) -> str:
    column, wanted = (compiler.process(it, **more) for it in element.clauses)
    return f"{column} = ANY({wanted})"


def among(column: ColumnElement[Any], name: str = "wanted") -> ColumnElement[bool]:
    """Return the condition that the column holds one of the texts given under that name."""
    return _Among(column, bindparam(name, type_=_Texts()))


def as_stored(table: Table) -> list[ColumnElement[Any]]:
    """Return all columns of a table, moments as the microseconds that stand in it."""
    return [
        type_coerce(column, BigInteger).label(column.name)
        if isinstance(column.type, Moment)
        else column
        for column in table.c
    ]
