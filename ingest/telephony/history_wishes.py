"""A period of a history that a person asks for: wished for, and waited for until it was asked.

The wish lies in the edge memory, so that the one who asks a source's history goes on being one.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from ingest.telephony.desk import part_state_name
from ingest.telephony.history_state import PART, Granted, recalled


def wish_name(source: str) -> str:
    """Return the name under which a period that somebody asked for is remembered."""
    return part_state_name(source, f"{PART}-wish")


async def ask_for(
    source: str,
    since: datetime,
    until: datetime,
    *,
    remember: Callable[[Mapping[str, Any]], Awaitable[Any]],
    recall: Callable[[str], Awaitable[Any]],
    clock: Callable[[], datetime],
    tell: Callable[[int, int], None],
    is_asked: Callable[[], bool] = lambda: True,
    pause_s: float = 0.25,
) -> Granted:
    """Wish for a period of a source's history, and return what came when it was asked for.

    `is_asked` tells whether the source still has a history that somebody asks.
    """
    wish = {
        "id": secrets.token_hex(8),
        "since": since.isoformat(),
        "until": until.isoformat(),
    }
    await remember({wish_name(source): wish})
    while is_asked():
        state = recalled(await recall(part_state_name(source, PART)), clock())
        if state.granted is not None and state.granted.id == wish["id"]:
            return state.granted
        task = state.task
        if task is not None and task.wish == wish["id"]:
            tell(len(task.places), len(task.places) + len(task.periods))
        await asyncio.sleep(pause_s)
    return Granted(id=wish["id"], failed="the source has no history that can be asked")
