"""The API described for programs: OpenAPI 3.1, made from the same table that serves it."""

from __future__ import annotations

from typing import Any

from ingest.domain.calls import Direction
from ingest.domain.directory import LineKind
from ingest.domain.interactions import FlagKind, Kind, Status
from ingest.review.api_parameters import MOST, USUAL
from ingest.review.api_resources import RESOURCES, Cause, EmployeeStatus, Only, Resource
from storage.reads import FlagState

_MOMENT = {"type": "string", "format": "date-time"}
_TEXT = {"type": "string"}

_PARAMETERS: dict[str, tuple[str, dict[str, Any]]] = {
    "from": ("at or after this moment", _MOMENT),
    "to": ("before this moment", _MOMENT),
    "client": ("id of a client", _TEXT),
    "number": ("a number, a mail address, or a contact point as shown", _TEXT),
    "region": ("where a number without + is dialled, ISO 3166", _TEXT),
    "source": ("name of a source, or id of a mailbox", _TEXT),
    "employee": ("id of an employee", _TEXT),
    "line": ("id of one of our lines", _TEXT),
    "flag": ("kind or id of a flag", _TEXT),
    "search": ("a part of the name, in any case", _TEXT),
    "limit": ("rows of a page", {"type": "integer", "minimum": 1, "maximum": MOST}),
    "cursor": ("`next` of the page before", _TEXT),
}

_WORDS: dict[tuple[str, str], Any] = {
    ("interactions", "status"): Status,
    ("interactions", "kind"): Kind,
    ("interactions", "direction"): Direction,
    ("interactions", "overdue"): Only,
    ("calls", "status"): Status,
    ("calls", "direction"): Direction,
    ("employees", "status"): EmployeeStatus,
    ("lines", "kind"): LineKind,
    ("flags", "state"): FlagState,
    ("flags", "status"): FlagState,
    ("flags", "kind"): FlagKind,
    ("review-items", "cause"): Cause,
}


def description() -> dict[str, Any]:
    """Return the API's description as OpenAPI."""
    paths: dict[str, Any] = {}
    for name, resource in RESOURCES.items():
        paths[f"/{name}"] = {"get": _list(name, resource)}
        paths[f"/{name}/{{id}}"] = {"get": _one(name, resource)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Keepline", "version": "1", "license": {"name": "GPL-3.0-or-later"}},
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _ERROR},
        },
    }


def _list(name: str, resource: Resource) -> dict[str, Any]:
    return {
        "summary": resource.about,
        "parameters": [
            _parameter(name, each) for each in (*resource.parameters, "limit", "cursor")
        ],
        "responses": {
            "200": _response(
                f"a page of at most {USUAL} rows unless `limit` says otherwise",
                {
                    "type": "object",
                    "required": ["items", "next"],
                    "properties": {
                        "items": {"type": "array", "items": {"type": "object"}},
                        "next": {"type": ["string", "null"]},
                    },
                },
            ),
            **_ERRORS,
        },
    }


def _one(name: str, resource: Resource) -> dict[str, Any]:
    return {
        "summary": f"one of: {resource.about}",
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": _TEXT}],
        "responses": {"200": _response("what was asked for", {"type": "object"}), **_ERRORS},
    }


def _parameter(resource: str, name: str) -> dict[str, Any]:
    words = _WORDS.get((resource, name))
    if words is not None:
        about, schema = "one of these words", {"type": "string", "enum": [it.value for it in words]}
    else:
        about, schema = _PARAMETERS[name]
    return {"name": name, "in": "query", "description": about, "schema": schema}


def _response(about: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": about, "content": {"application/json": {"schema": schema}}}


_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": _TEXT, "message": _TEXT, "parameter": _TEXT},
        }
    },
}

_ERRORS = {
    status: _response(about, {"$ref": "#/components/schemas/Error"})
    for status, about in {
        "400": "a parameter is not understood",
        "401": "the token is missing, unknown, revoked or expired",
        "404": "nothing of that id that the token's user may see",
        "503": "the database cannot be read at the moment",
    }.items()
}
