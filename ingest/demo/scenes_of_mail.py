"""Scenes: mails of clients, robots and strangers."""

from __future__ import annotations

from ingest.demo import company as office
from ingest.demo.company import ANNA, BORIS, NAMES
from ingest.demo.evidence import NONE, Handle
from ingest.demo.scenes_of_leavers import (
    AWAY,
    WROTE,
    annas,
)
from ingest.demo.stage import Stage


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
