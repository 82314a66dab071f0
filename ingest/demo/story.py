"""The story: what happens on the day after Anna left, and what must be known of it.

Each scene is one function: it says what must come of it, then lets it happen over real HTTP and
IMAP. Seconds are those of the shortest story; a longer one plays the same more slowly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ingest.demo import scenes_of_calls, scenes_of_leavers, scenes_of_mail
from ingest.demo.stage import Stage

Scene = Callable[[Stage], Awaitable[None]]

SCENES: tuple[Scene, ...] = (
    scenes_of_leavers.orphan_answered,
    scenes_of_leavers.orphan_missed,
    scenes_of_leavers.unmatched_on_a_leavers_line,
    scenes_of_leavers.employed_managers_client_on_a_leavers_line,
    scenes_of_leavers.future_departure,
    scenes_of_calls.ring_group,
    scenes_of_calls.transfer,
    scenes_of_calls.child_leg,
    scenes_of_calls.call_back,
    scenes_of_calls.out_of_order_and_twice,
    scenes_of_calls.between_colleagues,
    scenes_of_calls.forged,
    scenes_of_calls.garbled,
    scenes_of_mail.mail_in_two_mailboxes,
    scenes_of_mail.auto_reply,
    scenes_of_mail.answered_mail,
    scenes_of_mail.newsletter,
    scenes_of_mail.stranger_writes,
)

#: flags that the story raises: of three clients of Anna, of Viktor's caller, of Fyodor's client
FLAGS = 5


async def play(stage: Stage) -> None:
    """Play every scene; returns when the last one is over."""
    await asyncio.gather(*(scene(stage) for scene in SCENES))
