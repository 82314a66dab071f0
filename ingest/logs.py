"""Logs: one event, one line; numbers, addresses and secrets are masked by a processor.

Not by memory: whoever logs may forget, the processor does not.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

#: Digits that could be a telephone number: the last two stay readable.
_NUMBER = re.compile(r"\+?\d[\d\-() ]{6,18}\d")
_ADDRESS = re.compile(r"[^\s@<>\"']{1,64}@[^\s@<>\"']{1,255}")
_SECRET_NAMES = re.compile(r"secret|password|token|authorization|signature|cookie", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")

#: Keys whose values are ours and look like numbers without being any.
_PLAIN = frozenset({"timestamp", "delivery", "level", "seconds", "position", "pid", "port", "id"})

#: The longest text a stranger gets into one value of a line.
LONGEST = 300

#: What is kept of a traceback: its end, where the cause stands.
LONGEST_TRACEBACK = 2_000


def configure(level: str = "info", form: str = "json") -> None:
    """Set up structlog and the standard library's logging, once for the process."""
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=True)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(_Stderr()),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_Stderr())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


class _Stderr:
    """Standard error, which may be closed or full: the service goes on without it."""

    def write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
        except (OSError, ValueError):
            return

    def flush(self) -> None:
        try:
            sys.stderr.flush()
        except (OSError, ValueError):
            return


def mask(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide what a log must not hold, whoever passed it in."""
    for key, value in event.items():
        if _SECRET_NAMES.search(key):
            event[key] = "***"
        elif key == "exception" and isinstance(value, str):
            text = _hidden(value)
            cut = len(text) > LONGEST_TRACEBACK
            event[key] = "…" + text[-LONGEST_TRACEBACK:] if cut else text
        elif key not in _PLAIN:
            event[key] = _masked(value)
    return event


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        text = _hidden(value)
        return text if len(text) <= LONGEST else text[:LONGEST] + "…"
    if isinstance(value, dict):
        return {
            key: "***" if _SECRET_NAMES.search(str(key)) else _masked(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(inner) for inner in value]
    return value


def _hidden(value: str) -> str:
    """Return a text without numbers, addresses and characters that steer a terminal."""
    text = _ADDRESS.sub(_mask_address, _CONTROL.sub("�", value))
    return _NUMBER.sub(_mask_number, text)


def _mask_number(found: re.Match[str]) -> str:
    digits = [character for character in found.group() if character.isdigit()]
    return f"…{digits[-2]}{digits[-1]}" if len(digits) >= 7 else found.group()


def _mask_address(found: re.Match[str]) -> str:
    _, _, domain = found.group().partition("@")
    return f"…@{domain}"
