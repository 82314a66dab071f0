"""The story: what happens on the day after Anna left, and what must be known of it.

Each scene is one function: it says what must come of it, then lets it happen over real HTTP and
IMAP. Seconds are those of the shortest story; a longer one plays the same more slowly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from random import Random

from ingest.demo import company as office
from ingest.demo.company import ANNA, BORIS, DARYA, ELENA, NAMES, VIKTOR, Client, Company
from ingest.demo.evidence import NOBODY, NONE, Handle
from ingest.demo.pbx import generic, mango, megafon
from ingest.demo.pbx.script import Script
from ingest.demo.stage import Stage

STRANGER = "+70009990001"
TALK_S = 10.8  #: long enough to have reached somebody

#: the clients of Anna that the story is about; everyday calls leave all of hers alone
ANSWERED, MISSED, WROTE, AWAY = range(4)
STORY_OF_ANNA = 4


async def play(stage: Stage) -> None:
    """Play every scene; returns when the last one is over."""
    await asyncio.gather(*(scene(stage) for scene in SCENES))


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


# Clients whose manager has left ----------------------------------------------------------------


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


# Calls in which much is said of one touch ------------------------------------------------------


async def ring_group(stage: Stage) -> None:
    """Ten telephones ring, the client's own manager's among them; a colleague takes the call."""
    client = stage.company.of(ELENA)[0]
    call = stage.script(
        "g-1",
        client.phone,
        office.MAIN_NUMBER,
        at=1.0,
        ring=1.0,
        talk=TALK_S,
        rings=tuple(office.OFFICE),
        taken_by="105",
    )
    stage.expect(
        "ring group of ten, the client's manager among them",
        Handle("office", call.key),
        status="needs_comment",
        client=client.name,
        employee=NAMES["fedor"],
        rang=10,
        talked=1,
        flags=NONE,
    )
    await stage.call("office", call)


async def transfer(stage: Stage) -> None:
    """Boris takes a call and hands it to Elena: two ids of the provider, one call."""
    client = stage.company.of(BORIS)[1]
    first = stage.script(
        "t-1",
        client.phone,
        office.SERVICE_NUMBER,
        at=0.5,
        ring=1.0,
        talk=4.0,
        rings=("701",),
        taken_by="701",
    )
    second = stage.script(
        "t-2",
        client.phone,
        office.SERVICE_NUMBER,
        at=4.0,
        ring=0.5,
        talk=8.0,
        rings=("702",),
        taken_by="702",
    )
    stage.expect(
        "transfer to a colleague",
        Handle("mobile", first.key),
        status="needs_comment",
        outcome="answered",
        client=client.name,
        employee=NAMES[ELENA],
        ids=2,
        talked=2,
        flags=NONE,
    )
    tied = megafon.transfer(first.key, second.key, client.phone, 0.0)

    async def tie() -> None:
        await stage.until(5.0)
        await stage.pbxs["mobile"].tell(tied)

    await asyncio.gather(stage.call("mobile", first), stage.call("mobile", second), tie())


async def child_leg(stage: Stage) -> None:
    """A cloud takes the call at once; only the leg to Mary's mobile telephone is an answer."""
    client = stage.company.of("mary")[0]
    call = stage.script(
        "CA01",
        client.phone,
        office.CHICAGO,
        at=0.3,
        ring=1.2,
        talk=TALK_S + 0.6,  # its times are whole seconds
        rings=(office.MARYS_MOBILE,),
        taken_by=office.MARYS_MOBILE,
    )
    stage.expect(
        "call through a cloud, answered on a child leg",
        Handle("chicago", call.key),
        status="needs_comment",
        outcome="answered",
        client=client.name,
        employee=NAMES["mary"],
        ids=2,
        flags=NONE,
    )
    await stage.call("chicago", call)


async def call_back(stage: Stage) -> None:
    """A missed call becomes a call-back, and the outgoing call closes it."""
    client = stage.company.of("pieter")[0]
    missed = stage.script("in_p-1", client.phone, office.AMSTERDAM, at=0.2, ring=1.0)
    back = stage.script(
        "out_p-2",
        client.phone,
        office.AMSTERDAM,
        at=3.0,
        ring=1.0,
        talk=6.0,
        rings=("201",),
        taken_by="201",
        outbound=True,
    )
    stage.expect(
        "missed call, called back",
        Handle("amsterdam", missed.key),
        status="done",
        outcome="no_answer",
        client=client.name,
        closed_by=str(Handle("amsterdam", back.key)),
    )
    stage.expect(
        "the outgoing call that closes the call-back",
        Handle("amsterdam", back.key),
        direction="out",
        status="needs_comment",
        outcome="answered",
        employee=NAMES["pieter"],
    )
    await stage.call("amsterdam", missed)
    await stage.call("amsterdam", back)


async def out_of_order_and_twice(stage: Stage) -> None:
    """The end of a call is told before its beginning, and then once more."""
    client = stage.company.of("galina")[0]
    call = stage.script(
        "w-1",
        client.phone,
        office.WAREHOUSE,
        at=4.0,
        ring=0.0,
        rings=("301",),
        taken_by="301",
    )
    call = replace(call, begins_at=call.at(-45.0), ring_s=6.0, talk_s=35.0)
    pbx = stage.pbxs["warehouse"]
    told = pbx.reports(call)
    stage.expect(
        "reports in the wrong order, one of them twice",
        Handle("warehouse", call.key),
        status="needs_comment",
        outcome="answered",
        client=client.name,
        employee=NAMES["galina"],
        seen=len(told),
        flags=NONE,
    )
    await stage.until(4.0)
    for report in reversed(told):
        await pbx.tell(report)
    stage.repeats += 1
    await pbx.tell(told[-1])


async def between_colleagues(stage: Stage) -> None:
    """Two telephones of the office talk with each other: no client's touch."""
    stage.expect(
        "call between colleagues", Handle("office", "i-1"), direction="internal", status="internal"
    )
    await stage.until(5.0)
    report = mango.between_colleagues("i-1", "101", "104", stage.clock())
    await stage.pbxs["office"].tell(report)


# What must not get in, and what cannot be read -------------------------------------------------


async def forged(stage: Stage) -> None:
    """Somebody posts a call with a wrong signature: rejected, counted, nothing kept."""
    await stage.until(5.5)
    pbx = stage.pbxs["warehouse"]
    call = stage.script("f-1", STRANGER, office.WAREHOUSE, at=5.5, ring=1.0)
    wrong = replace(pbx, secrets=generic.new_secrets())
    status = await pbx.post(wrong.signed(pbx.reports(call)[0]))
    stage.forgeries += status == 401


async def garbled(stage: Stage) -> None:
    """The right sender sends half a JSON: kept, and parked with its reason."""
    await stage.until(6.0)
    pbx = stage.pbxs["warehouse"]
    half = b'{"type": "call.ringing", "data": {"call_id": "half'
    status = await pbx.post(generic.sign_body(half, pbx.secrets, pbx.url, stage.clock()))
    stage.garbled += 200 <= status < 300


# Mail ------------------------------------------------------------------------------------------


async def mail_in_two_mailboxes(stage: Stage) -> None:
    """Another client of Anna writes to the shared mailbox and to Elena: one mail, one flag."""
    client = annas(stage, WROTE)
    sender = (client.name, client.email)
    stage.expect(
        "mail of a leaver's client, seen in two mailboxes",
        Handle("mail", stage.message_id("story-1", client.email)),
        status="awaiting_reply",
        client=client.name,
        flags="manager_left",
        left=NAMES[ANNA],
        handler=NAMES["olga"],
        seen=2,
    )
    await stage.until(1.0)
    await stage.mails(
        stage.inbound(
            "story-1",
            sender,
            [office.SALES, office.MANAGER_2],
            "Скидка, о которой мы говорили",
            "Анна обещала нам 7 % на следующий заказ. Кто теперь ведёт нас?",
        )
    )


async def auto_reply(stage: Stage) -> None:
    """A robot of Anna's client answers: no flag, nothing to do."""
    client = annas(stage, AWAY)
    stage.expect(
        "automatic reply of a leaver's client",
        Handle("mail", stage.message_id("story-2", client.email)),
        status="auto",
        client=client.name,
        flags=NONE,
    )
    await stage.until(2.0)
    await stage.mails(
        stage.inbound(
            "story-2",
            (client.name, client.email),
            [office.SALES],
            "Автоответ: я в отпуске",
            "Вернусь в понедельник.",
            headers={"Auto-Submitted": "auto-replied"},
        )
    )


async def answered_mail(stage: Stage) -> None:
    """A client of Boris writes; his answer in the folder of sent mail closes it."""
    client = stage.company.of(BORIS)[0]
    sender, subject = (client.name, client.email), "Levertijd / срок поставки"
    asked = stage.message_id("story-3", client.email)
    answer = stage.message_id("story-4", f"@{office.DOMAIN}")
    stage.expect(
        "mail of a client, answered from the mail program",
        Handle("mail", asked),
        status="done",
        client=client.name,
        employee=NAMES[BORIS],
        flags=NONE,
        closed_by=str(Handle("mail", answer)),
    )
    stage.expect(
        "the answer in the folder of sent mail",
        Handle("mail", answer),
        direction="out",
        status="done",
        client=client.name,
        employee=NAMES[BORIS],
    )
    await stage.until(1.2)
    question = stage.inbound("story-3", sender, [office.MANAGER_1], subject, "Когда ждать?")
    await stage.mails(question)
    await stage.until(8.0)
    await stage.mails(
        stage.reply("story-4", sender, office.MANAGER_1, subject, "Завтра до обеда.", asked)
    )


async def newsletter(stage: Stage) -> None:
    """A newsletter from an unknown address: no client's touch, and nobody has to look."""
    sender = ("The Weekly Crate", "news@crates.example")
    stage.expect(
        "newsletter from an unknown address",
        Handle("mail", stage.message_id("story-5", sender[1])),
        status="auto",
        client=NONE,
        flags=NONE,
        waits_for_review=NONE,
    )
    await stage.until(2.5)
    await stage.mails(
        stage.inbound(
            "story-5",
            sender,
            [office.SALES],
            "40 ways to stack a crate",
            "Read on.",
            headers={
                "List-Id": "<weekly.crates.example>",
                "List-Unsubscribe": "<mailto:off@crates.example>",
            },
        )
    )


async def stranger_writes(stage: Stage) -> None:
    """Somebody unknown writes to the shared mailbox: it waits for review, without a flag."""
    sender = ("Joke Hendriks", "joke@onbekend.example")
    stage.expect(
        "mail from an unknown person",
        Handle("mail", stage.message_id("story-6", sender[1])),
        status="awaiting_reply",
        client=NONE,
        flags=NONE,
        waits_for_review="unknown",
    )
    await stage.until(3.5)
    await stage.mails(
        stage.inbound(
            "story-6", sender, [office.SALES], "Offerte gevraagd", "Kunt u mij een prijs geven?"
        )
    )


Scene = Callable[[Stage], Awaitable[None]]

SCENES: tuple[Scene, ...] = (
    orphan_answered,
    orphan_missed,
    unmatched_on_a_leavers_line,
    employed_managers_client_on_a_leavers_line,
    future_departure,
    ring_group,
    transfer,
    child_leg,
    call_back,
    out_of_order_and_twice,
    between_colleagues,
    forged,
    garbled,
    mail_in_two_mailboxes,
    auto_reply,
    answered_mail,
    newsletter,
    stranger_writes,
)

#: flags that the story raises: of three clients of Anna, of Viktor's caller, of Fyodor's client
FLAGS = 5
