"""Scenes: clients whose manager has left, and lines that nobody holds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from random import Random

from ingest.demo import company as office
from ingest.demo.company import ANNA, BORIS, DARYA, NAMES, VIKTOR, Client, Company
from ingest.demo.evidence import NOBODY, NONE, Handle
from ingest.demo.pbx.script import Script
from ingest.demo.stage import Stage

STRANGER = "+70009990001"
TALK_S = 10.8  #: long enough to have reached somebody

#: the clients of Anna that the story is about; everyday calls leave all of hers alone
ANSWERED, MISSED, WROTE, AWAY = range(4)
STORY_OF_ANNA = 4


def annas(stage: Stage, number: int) -> Client:
    """Return one of the clients that Anna left behind."""
    return stage.company.of(ANNA)[number]


def annas_caller(company: Company) -> Client:
    """Return the client of Anna whose call opens the story."""
    return company.of(ANNA)[ANSWERED]


def orphans_call(client: Client, at: datetime, key: str, rng: Random) -> Script:
    """Return a call to Anna's old SIM, long enough in ringing to be seen on the page."""
    return Script(
        key=key,
        remote=client.phone,
        line=office.ANNAS_SIM,
        begins_at=at,
        ring_s=rng.uniform(12.0, 25.0),
        talk_s=rng.choice((0.0, 20.0, 45.0)),
    )


async def orphan_answered(stage: Stage) -> None:
    """Anna left yesterday; her client rings the old SIM, and the successor takes the call."""
    client = annas(stage, ANSWERED)
    call = stage.script("a-1", client.phone, office.ANNAS_SIM, at=0.0, ring=3.0, talk=TALK_S)
    stage.expect(
        "client of someone who left yesterday, answered by the successor on the old SIM",
        Handle("mobile", call.key),
        status="needs_comment",
        outcome="answered",
        client=client.name,
        employee=NAMES[BORIS],
        flags="manager_left",
        left=NAMES[ANNA],
        handler=NAMES[BORIS],
    )
    await asyncio.gather(stage.call("mobile", call), stage.watch_flag("mobile", call))


async def orphan_missed(stage: Stage) -> None:
    """The same, and nobody takes the call."""
    client = annas(stage, MISSED)
    call = stage.script("a-2", client.phone, office.ANNAS_SIM, at=1.5, ring=4.0)
    stage.expect(
        "the same, missed",
        Handle("mobile", call.key),
        status="callback_due",
        outcome="no_answer",
        client=client.name,
        employee=NAMES[BORIS],
        flags="manager_left",
        left=NAMES[ANNA],
        handler=NAMES[BORIS],
    )
    await stage.call("mobile", call)


async def unmatched_on_a_leavers_line(stage: Stage) -> None:
    """Viktor left a month ago; an unknown number rings the number that is still his."""
    call = stage.script("v-1", STRANGER, office.VIKTORS_NUMBER, at=2.0, ring=4.0)
    stage.expect(
        "unknown number on a line whose holder left",
        Handle("office", call.key),
        status="callback_due",
        client=NONE,
        employee=NOBODY,
        flags="manager_left",
        left=NAMES[VIKTOR],
        handler=NAMES["olga"],
        waits_for_review="unknown",
    )
    await stage.call("office", call)


async def employed_managers_client_on_a_leavers_line(stage: Stage) -> None:
    """A client of Fyodor, who is here, rings Viktor's number: nobody holds it."""
    client = stage.company.of("fedor")[0]
    call = stage.script("v-2", client.phone, office.VIKTORS_NUMBER, at=6.5, ring=3.0)
    stage.expect(
        "client of someone employed, on a line that nobody holds",
        Handle("office", call.key),
        status="callback_due",
        client=client.name,
        employee=NOBODY,
        flags="line_unheld",
        left=NOBODY,
        handler=NAMES["fedor"],
    )
    await stage.call("office", call)


async def future_departure(stage: Stage) -> None:
    """Darya leaves tomorrow: today her client's call is like any other."""
    client = stage.company.of(DARYA)[0]
    call = stage.script("d-1", client.phone, office.DARYAS_SIM, at=3.0, ring=1.5)
    call = replace(call, talk_s=4.0)
    stage.expect(
        "client of someone who leaves tomorrow, a talk of a few seconds",
        Handle("mobile", call.key),
        status="short_call",
        client=client.name,
        employee=NAMES[DARYA],
        flags=NONE,
    )
    await stage.call("mobile", call)
