"""After the story: everyday calls and mails until somebody stops the demo."""

from __future__ import annotations

import asyncio
import imaplib
import secrets
from collections.abc import Awaitable
from datetime import datetime
from random import Random

import aiohttp

from ingest.app import now as clock
from ingest.demo import company as office
from ingest.demo import everyday, scenes_of_leavers
from ingest.demo.house import House
from ingest.demo.mailserver import NoMailServer
from ingest.demo.simulators import Refused
from ingest.demo.talking import hint
from ingest.demo.threads import in_thread


async def go_on(house: House) -> None:
    """Let calls and mails come, gently, until cancelled; now and then one that is amiss."""
    rng = Random()  # noqa: S311 (nothing is kept secret by it)
    orphans = house.company.of(office.ANNA)[scenes_of_leavers.STORY_OF_ANNA :]
    async with asyncio.TaskGroup() as group:
        number = 0
        while True:
            number += 1
            key = f"{secrets.token_hex(4)}-{number}"
            moment: datetime = clock()
            if number % 6 == 0:
                letter = everyday.everyday_letter(house.company, moment, key, rng)
                put = house.mail[letter.mailbox].put
                group.create_task(_forgiven(in_thread(put, [letter])))
            elif number % 6 == 3:
                call = scenes_of_leavers.orphans_call(rng.choice(orphans), moment, key, rng)
                group.create_task(_forgiven(house.pbxs["mobile"].play(call)))
            else:
                source, call = everyday.ordinary_call(house.company, moment, key, rng, live=True)
                group.create_task(_forgiven(house.pbxs[source].play(call)))
            await asyncio.sleep(rng.uniform(3.0, 12.0))


async def _forgiven(what: Awaitable[None]) -> None:
    """Wait for one call or mail; that it could not be told is said, and the demo goes on."""
    try:
        await what
    except (Refused, NoMailServer, aiohttp.ClientError, imaplib.IMAP4.error, OSError) as error:
        hint(f"Not told: {error}")
