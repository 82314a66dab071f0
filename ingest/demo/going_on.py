"""After the story: everyday calls and mails until somebody stops the demo."""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime
from random import Random

from ingest.app import now as clock
from ingest.demo import company as office
from ingest.demo import everyday, scenes_of_leavers
from ingest.demo.house import House
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
                group.create_task(in_thread(put, [letter]))
            elif number % 6 == 3:
                call = scenes_of_leavers.orphans_call(rng.choice(orphans), moment, key, rng)
                group.create_task(house.pbxs["mobile"].play(call))
            else:
                source, call = everyday.ordinary_call(house.company, moment, key, rng, live=True)
                group.create_task(house.pbxs[source].play(call))
            await asyncio.sleep(rng.uniform(3.0, 12.0))
