"""What followers keep and remember: their side of the delivery log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.domain.deliveries import NewDelivery
from ingest.domain.mailboxes import Mailbox
from ingest.keeper import Keeper


async def _as_it_is(mailbox: Mailbox, refused: str | None) -> Mailbox:
    return mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a follower needs of the delivery log."""

    keep: Callable[[Sequence[NewDelivery], Mapping[str, Any]], Awaitable[object]]
    recall: Callable[[Iterable[str]], Awaitable[dict[str, Any]]]  #: names -> what is remembered
    remember: Callable[[Mapping[str, Any]], Awaitable[None]]
    full: Callable[[], str | None] = lambda: None  #: why nothing should be read now
    #: The mailbox with what opens it now, given the token that was refused. Raises TokenRefused.
    opened: Callable[[Mailbox, str | None], Awaitable[Mailbox]] = _as_it_is


def desk_of(
    keeper: Keeper, opened: Callable[[Mailbox, str | None], Awaitable[Mailbox]] = _as_it_is
) -> Desk:
    """Return the desk of a keeper and its log."""
    held = keeper.log

    def recall(names: Iterable[str]) -> dict[str, Any]:
        found = {name: held.memory(name) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    async def remember(memory: Mapping[str, Any]) -> None:
        await keeper.keep_many([], memory)

    return Desk(
        keep=keeper.keep_many,
        recall=lambda names: asyncio.to_thread(recall, list(names)),
        remember=remember,
        full=lambda: keeper.full,
        opened=opened,
    )


def pause_name(mailbox: str) -> str:
    """Return the name under which a pause is remembered; forgetting it resumes the mailbox."""
    return f"pause:{mailbox}"


def state_name(mailbox: str) -> str:
    """Return the name under which a mailbox's state is remembered."""
    return f"mailbox:{mailbox}"
