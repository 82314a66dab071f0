"""Conversations over TCP that a provider's protocol demands, without any input or output.

A `Talk` is one connection's side of it: fed with what came, it says what to send and what to keep.
Who opens the socket, waits and opens it again is `telephony/streams`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message worth keeping: a delivery of kind `stream`."""

    body: bytes
    head: Mapping[str, Any] = field(default_factory=dict)  #: joins the delivery's head
    event_id: str | None = None  #: the sender's own id of it, if it has one


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one step of a conversation comes to."""

    send: bytes = b""
    keep: tuple[Message, ...] = ()  #: to be made durable, in this order
    ready: bool = False  #: True: greeted and logged in; events will come from now on
    failed: str | None = None  #: why this connection is given up, for people to read
    refused: bool = False  #: with `failed`: the login itself was refused; hurrying does not help


class Talk(Protocol):
    """One connection's conversation, from opened to closed."""

    def opened(self) -> Said:
        """Begin: the connection stands."""

    def received(self, data: bytes, now: datetime) -> Said:
        """Take what one read of the socket gave: many messages, or part of one."""

    def quiet(self) -> Said:
        """Say something after a while of silence, so that a dead connection is noticed."""
