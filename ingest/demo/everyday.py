"""What happens on an ordinary day: calls and mails in which nothing is amiss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from ingest.demo import company as office
from ingest.demo.company import Client, Company
from ingest.demo.letters import letter
from ingest.demo.mailserver import Letter
from ingest.demo.pbx.script import Script

DAYS = 10
CALLS, MAILS = 340, 60
STRANGERS = 12  #: numbers and addresses that no client is known for

_SUBJECTS = (
    *("Заказ на ноябрь", "Вопрос по счёту", "Срок поставки", "Новый договор"),
    *("Question about invoice 118", "Order for next week", "Delivery date", "Price list"),
    *("Vraag over de factuur", "Bestelling", "Levertijd", "Offerte gevraagd"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The last ten days: calls by source, and mails."""

    calls: Sequence[tuple[str, Script]]
    letters: Sequence[Letter]
    mails: int  #: different ones
    flags_open: int
    flags_closed: int


def past(company: Company, now: datetime, rng: Random) -> Past:
    """Return ten days of calls and mails that end shortly before now."""
    calls = [
        _ordinary(company, moment, number, rng)
        for number, moment in enumerate(_moments(company, now, rng, CALLS))
    ]
    calls += _forgotten(company)
    letters: list[Letter] = []
    mails = 0
    for number, moment in enumerate(_moments(company, now, rng, MAILS)):
        written = _correspondence(company, moment, number, rng)
        letters += written
        mails += len(written)
    return Past(
        calls=calls,
        letters=letters,
        mails=mails,
        flags_open=office.FORGOTTEN,
        flags_closed=office.HANDED_OVER_LATE,
    )


def _moments(company: Company, now: datetime, rng: Random, count: int) -> list[datetime]:
    """Return so many moments of working hours, all more than half an hour ago."""
    found: list[datetime] = []
    while len(found) < count:
        day = company.today - timedelta(days=rng.randint(0, DAYS))
        moment = datetime(
            day.year,
            day.month,
            day.day,
            rng.randint(9, 17),
            rng.randint(0, 59),
            rng.randint(0, 59),
            tzinfo=ZoneInfo(office.ZONE),
        )
        if moment < now - timedelta(minutes=30):
            found.append(moment)
    return found


def ordinary_client(company: Company, day_is_today: bool, rng: Random) -> Client:
    """Return a client whose manager is here on that day, or who never had one."""
    while True:
        client = rng.choice(company.clients)
        if client.manager == office.VIKTOR:
            settled = client.successor and client not in company.handed_over_late()
        else:
            settled = client.manager != office.ANNA or not day_is_today
        if settled:
            return client


def ordinary_call(
    company: Company, at: datetime, key: str, rng: Random, *, live: bool
) -> tuple[str, Script]:
    """Return an everyday call and the source that tells of it."""
    today = at.astimezone(ZoneInfo(office.ZONE)).date() == company.today
    remote = ordinary_client(company, today, rng).phone
    if rng.random() < 0.06:
        remote = f"+7000200{rng.randint(0, STRANGERS - 1):04}"
    talk_s = rng.choice((0.0, 0.0, 6.0, 35.0, 80.0, 150.0, 400.0))
    source = rng.choice(("office", "office", "mobile", "amsterdam", "chicago", "warehouse"))
    telephone: str | None = rng.choice(list(office.EXTENSIONS.get(source, {"": ""})))
    line = {
        "office": office.MAIN_NUMBER,
        "mobile": office.SERVICE_NUMBER,
        "amsterdam": office.AMSTERDAM,
        "chicago": office.CHICAGO,
        "warehouse": office.WAREHOUSE,
    }[source]
    if source == "mobile" and rng.random() < 0.6:
        line, telephone = rng.choice((office.ANNAS_SIM, office.DARYAS_SIM)), None
    outbound = rng.random() < 0.3 and source in ("office", "amsterdam", "warehouse")
    if source == "chicago":
        telephone = office.MARYS_MOBILE
    return source, Script(
        key=f"{'out' if outbound else 'in'}_{key}",
        remote=remote,
        line=line,
        begins_at=at,
        ring_s=float(rng.randint(4, 15)),
        talk_s=talk_s,
        rings=(telephone,) if telephone else (),
        taken_by=telephone if talk_s or outbound else None,
        outbound=outbound,
        live=live,
    )


def _ordinary(company: Company, at: datetime, number: int, rng: Random) -> tuple[str, Script]:
    return ordinary_call(company, at, f"past-{number}", rng, live=False)


def _forgotten(company: Company) -> list[tuple[str, Script]]:
    """Return calls of Viktor's clients: some nobody took over, some Elena has rung since."""
    noon = datetime(
        company.today.year, company.today.month, company.today.day, 12, tzinfo=ZoneInfo(office.ZONE)
    )
    found = []
    for number, client in enumerate(company.of(office.VIKTOR)):
        found.append(
            Script(
                key=f"forgotten-{number}",
                remote=client.phone,
                line=office.MAIN_NUMBER,
                begins_at=noon - timedelta(days=2 + number, minutes=number),
                ring_s=8.0,
                talk_s=95.0,
                rings=("102", "105"),
                taken_by="105",
                live=False,
            )
        )
    for number, client in enumerate(company.handed_over_late()):
        missed = Script(
            key=f"late-{number}",
            remote=client.phone,
            line=office.MAIN_NUMBER,
            begins_at=noon - timedelta(days=8, minutes=number),
            ring_s=25.0,
            rings=("104",),
            live=False,
        )
        rung_back = Script(
            key=f"late-back-{number}",
            remote=client.phone,
            line=office.MAIN_NUMBER,
            begins_at=noon - timedelta(days=3, minutes=number),
            ring_s=9.0,
            talk_s=180.0,
            rings=("104",),
            taken_by="104",
            outbound=True,
            live=False,
        )
        found += [missed, rung_back]
    return [("office", script) for script in found]


def _correspondence(company: Company, at: datetime, number: int, rng: Random) -> list[Letter]:
    """Return a mail of a client, and half of the time the answer in the folder of sent mail."""
    today = at.date() == company.today
    client = ordinary_client(company, today, rng)
    box = rng.choice(office.MAILBOXES)
    first_id, subject = f"past-{number}@{client.email.partition('@')[2]}", rng.choice(_SUBJECTS)
    asked = letter(
        message_id=first_id,
        sender=(client.name, client.email),
        to=[box],
        subject=subject,
        text="…",
        at=at,
    )
    found = [Letter(box, asked, at)]
    if rng.random() < 0.5:
        replied_at = at + timedelta(minutes=rng.randint(5, 25))
        answer = letter(
            message_id=f"past-{number}@{office.DOMAIN}",
            sender=("Аврора", box),
            to=[client.email],
            subject=f"Re: {subject}",
            text="…",
            at=replied_at,
            answers=first_id,
        )
        found.append(Letter(box, answer, replied_at, sent=True))
    return found


def everyday_letter(company: Company, at: datetime, key: str, rng: Random) -> Letter:
    """Return a client's mail that has just come."""
    client = ordinary_client(company, True, rng)
    box = rng.choice(office.MAILBOXES)
    raw = letter(
        message_id=f"{key}@{client.email.partition('@')[2]}",
        sender=(client.name, client.email),
        to=[box],
        subject=rng.choice(_SUBJECTS),
        text="…",
        at=at,
    )
    return Letter(box, raw, at)
