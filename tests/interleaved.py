"""Facts, decisions and deliveries of one small company, drawn at random, for property tests.

Moments lie on a coarse grid, so that many of them fall together: a call at the very moment at
which somebody leaves, two changes at once, two touches at once.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from ingest.domain.calls import CallEvent, CallStage, Outcome
from ingest.domain.directory import BEGINNING, PointVerdict
from ingest.domain.interactions import FlagKind, Status, call_key_id
from ingest.domain.mails import FormField, Forwarded
from ingest.domain.ties import TieVerdict
from ingest.readers import Reading
from storage import decisions, directory, facts
from storage.database import Database, sqlite_url
from tests.world import (
    SOURCE,
    World,
    call_events,
    day,
    point,
    report_of,
    sighting_of,
    sqlite_world,
)

GRID = [day(number, hour) for number in (1, 2, 3, 4) for hour in (9, 15)]
DECIDED = [*GRID, day(5)]
OURS = ("+74951110001", "+74951110002", "101", "102", "+74951110003", "+74951110004")
BOXES = ("xenia@ours.example", "yuri@ours.example", "info@ours.example")
NUMBERS = ("+79161110001", "+79161110002", "+79161110003", "+74951110009")
ADDRESSES = ("a@client.example", "b@client.example", "c@free.example", "news@list.example")


@dataclass(frozen=True, kw_only=True)
class Company:
    """Ids of what was there before anything happened."""

    path: Path
    employees: tuple[str, ...]
    lines: dict[str, str] = field(default_factory=dict)
    clients: tuple[str, ...] = ()

    def world(self, path: Path) -> World:
        """A fresh copy of the company, with the same ids in it."""
        shutil.copy(self.path, path)
        return World(Database(sqlite_url(path)))


def a_company(path: Path) -> Company:
    """Three employees, lines of every kind, three clients; the fourth line is nobody's."""
    world = sqlite_world(path)
    people = tuple(world.employee(name) for name in ("Xenia", "Yuri", "Zoya"))
    xenia, yuri, _ = people
    holders = dict(zip(OURS, (xenia, yuri, xenia, yuri, None, None), strict=True))
    holders |= dict(zip(BOXES, (xenia, yuri, None), strict=True))
    lines = {
        text: world.line(text, holder, shared=text == OURS[4]) for text, holder in holders.items()
    }
    clients = (
        world.client("A", NUMBERS[0], ADDRESSES[0], primary=xenia),
        world.client("B", NUMBERS[1], ADDRESSES[1], primary=yuri, since=day(2, 9)),
        world.client("C"),
    )
    world.close()
    return Company(path=path / "main.db", employees=people, lines=lines, clients=clients)


# Deliveries ------------------------------------------------------------------------------------

Op = tuple[str, dict[str, Any]]

moments = st.sampled_from(GRID)
people = st.sampled_from((0, 1, 2))
perhaps = st.one_of(people, st.none())
clients = st.sampled_from((0, 1, 2))
keys = st.sampled_from([f"k{n}" for n in range(8)])
delays = st.sampled_from([timedelta(seconds=1), timedelta(seconds=1), timedelta(days=20)])


def op(name: str, **drawn: st.SearchStrategy[Any]) -> st.SearchStrategy[Op]:
    return st.fixed_dictionaries(drawn).map(lambda values: (name, values))


calls = op(
    "call",
    key=keys,
    remote=st.sampled_from((*NUMBERS, *NUMBERS, None, "102", "8 (916) 111-00-01")),
    line=st.sampled_from(OURS),
    at=moments,
    talk=st.sampled_from((None, 4.0, 10.0, 60.0)),
    outcome=st.sampled_from((None, None, None, Outcome.FORWARDED, Outcome.CANCELLED)),
    agent=st.sampled_from((None, "101", "102", OURS[0])),
    rang=st.sampled_from(((), ("101",), ("101", "102"))),
    out=st.booleans(),
    ended=st.sampled_from((True, True, False)),
    did=st.sampled_from((None, None, OURS[4], OURS[3])),
    told=st.booleans(),
    delay=delays,
)
ties = op("tie", keys=st.lists(keys, min_size=2, max_size=3, unique=True), at=moments)
stales = op("stale", key=keys, at=moments)
#: Calls of three sources that are often one call: few numbers, few moments, seconds apart.
twins = op(
    "twin",
    source=st.sampled_from((SOURCE, "mobile", "backup")),
    key=st.sampled_from(("t1", "t2", "t3")),
    remote=st.sampled_from((NUMBERS[0], NUMBERS[0], NUMBERS[0], NUMBERS[2])),
    line=st.sampled_from((OURS[0], OURS[2], OURS[5])),
    at=st.sampled_from((GRID[0], GRID[0], GRID[0], GRID[1])),
    late=st.sampled_from((0, 2, 4, 8)),
    talk=st.sampled_from((60.0, 60.0, 60.0, 4.0, None)),
    agent=st.sampled_from((None, "101", "102")),
    rang=st.sampled_from(((), ("101", "102"))),
    delay=delays,
)
mails = op(
    "mail",
    number=st.integers(0, 5),
    answers=st.one_of(st.none(), st.integers(0, 5)),
    sender=st.sampled_from((*ADDRESSES, *BOXES)),
    to=st.lists(st.sampled_from((*BOXES, *ADDRESSES)), min_size=1, max_size=3, unique=True),
    cc=st.lists(st.sampled_from((*BOXES, *ADDRESSES)), max_size=2, unique=True),
    boxes=st.lists(st.sampled_from(BOXES), min_size=1, max_size=3, unique=True),
    sent=st.booleans(),
    automatic=st.sampled_from((None, None, None, "bulk", "no-reply")),
    subject=st.sampled_from(("Offer 118", "Re: Offer 118")),
    forwards=st.sampled_from((None, None, *ADDRESSES)),
    form=st.sampled_from((None, None, *ADDRESSES)),
    at=moments,
    delay=delays,
)
deliveries = st.one_of(calls, calls, mails, mails, ties, stales, twins)


def readings(drawn: Sequence[Op]) -> list[Reading]:
    """Return what these deliveries say, each under a key of its own."""
    found: list[Reading] = []
    for name, told in drawn:
        found += _READ[name](dict(told), len(found))
    return found


def _read_call(told: dict[str, Any], position: int) -> list[Reading]:
    at, delay, line = told["at"], told.pop("delay"), told.pop("line")
    events = call_events(told.pop("key"), told.pop("remote"), line, told.pop("at"), **told)
    return [report_of(event, at + delay, position + n) for n, event in enumerate(events)]


def _read_twin(told: dict[str, Any], position: int) -> list[Reading]:
    source, delay = told.pop("source"), told.pop("delay")
    at = told.pop("at") + timedelta(seconds=told.pop("late"))
    events = call_events(told.pop("key"), told.pop("remote"), told.pop("line"), at, **told)
    return [
        report_of(event, at + delay, position + n, source=source) for n, event in enumerate(events)
    ]


def _read_tie(told: dict[str, Any], position: int) -> list[Reading]:
    event = CallEvent(call_keys=tuple(told["keys"]), stage=CallStage.TIED, occurred_at=told["at"])
    return [report_of(event, told["at"], position)]


def _read_stale(told: dict[str, Any], position: int) -> list[Reading]:
    event = CallEvent(call_keys=(told["key"],), stage=CallStage.STALE, occurred_at=told["at"])
    return [report_of(event, told["at"], position)]


def _read_mail(told: dict[str, Any], position: int) -> list[Reading]:
    """One mail in several mailboxes; the same number says the same, whatever else was drawn."""
    return [
        sighting_of(
            told["sender"],
            tuple(told["to"]),
            told["at"] + timedelta(minutes=n),
            position + n,
            cc=tuple(told["cc"]),
            box=box,
            sent=told["sent"] and n == 0,
            message_id=f"m{told['number']}@example.org",
            reply_to=None if told["answers"] is None else f"m{told['answers']}@example.org",
            automatic=told["automatic"],
            learned=told["at"] + told["delay"],
            read=_understood(told),
        )
        for n, box in enumerate(told["boxes"])
    ]


def _understood(told: dict[str, Any]) -> dict[str, Any]:
    fields = (FormField(label="E-mail", address=told["form"]),) if told["form"] else ()
    forwarded = (Forwarded(address=told["forwards"]),) if told["forwards"] else ()
    return {"subject": told["subject"], "forwarded": forwarded, "form_fields": fields}


_READ = {
    "call": _read_call,
    "twin": _read_twin,
    "tie": _read_tie,
    "stale": _read_stale,
    "mail": _read_mail,
}

# Facts and decisions ---------------------------------------------------------------------------

outside = st.sampled_from((*NUMBERS, *ADDRESSES))
subjects = st.sampled_from((0, 1, 2, *NUMBERS, *ADDRESSES))
policies = st.sampled_from(
    [
        ("short_call", 30),
        ("short_call", 0),
        ("history_after", 10),
        ("history_after", 5_000_000),
        ("status", {"call/in/missed": "needs_comment"}),
        ("status", {"mail/out/person": "awaiting_reply"}),
        ("web_forms", {BOXES[0]: [{"from": ADDRESSES[0], "field": "E-mail"}]}),
    ]
)
neighbours = op(
    "neighbours",
    pair=st.sampled_from(((SOURCE, "mobile"), ("backup", SOURCE), ("mobile", "backup"))),
    together=st.sampled_from((True, True, True, True, False)),
    at=st.sampled_from((BEGINNING, BEGINNING, BEGINNING, *GRID[:2])),
)
facts_ = st.one_of(
    neighbours,
    op("leave", who=people, at=moments),
    op("leave", who=people, at=moments),
    op("return", who=people),
    op("assign", line=st.sampled_from((*OURS, *BOXES)), who=perhaps, at=moments),
    op("name", client=clients, who=perhaps, at=moments),
    op("hold", client=clients, text=outside, at=moments, days=st.sampled_from((None, 1, 2))),
    op("own", text=st.sampled_from(NUMBERS[2:])),
    op("policy", rule=policies, at=moments),
)
verdicts = st.sampled_from(
    (PointVerdict.EMPLOYEE, PointVerdict.NEVER_LOG, PointVerdict.WRONG_NUMBER)
)
judgements = st.one_of(
    op("link", text=outside, client=st.one_of(clients, st.just("new"))),
    op("judge", text=outside, verdict=verdicts, at=st.sampled_from(DECIDED)),
    op("status", key=keys, status=st.sampled_from(Status)),
    op(
        "flag",
        subject=subjects,
        kind=st.sampled_from(FlagKind),
        verdict=st.sampled_from(("dismiss", "ack")),
        at=st.sampled_from(DECIDED),
    ),
    op("undo", which=st.integers(0, 5)),
)

#: Of two reports; what nobody reported yet cannot be decided about, so these do not commute.
pairings = op(
    "pair",
    one=st.tuples(st.sampled_from((SOURCE, "mobile")), st.sampled_from(("t1", "t2", "t3"))),
    other=st.tuples(st.sampled_from(("mobile", "backup")), st.sampled_from(("t1", "t2", "t3"))),
    verdict=st.sampled_from(TieVerdict),
)


@dataclass
class Played:
    """A company in which facts are recorded and decisions taken, by the names of their kinds."""

    world: World
    company: Company
    made: list[str] = field(default_factory=list)  #: decisions, in order

    def play(self, it: Op) -> None:
        """Do one thing; what the facts already contradict is refused and changes nothing."""
        name, told = it
        try:
            getattr(self, f"_{name}")(**told)
        except facts.Conflict:
            return

    def _leave(self, who: int, at: datetime) -> None:
        self.world.leaves(self.company.employees[who], at)

    def _return(self, who: int) -> None:
        self.world.never_left(self.company.employees[who])

    def _assign(self, line: str, who: int | None, at: datetime) -> None:
        self.world.assigns(self.company.lines[line], self._person(who), at)

    def _name(self, client: int, who: int | None, at: datetime) -> None:
        self.world.names(self.company.clients[client], self._person(who), at)

    def _hold(self, client: int, text: str, at: datetime, days: int | None) -> None:
        until = None if days is None else at + timedelta(days=days)
        self.world.holds(self.company.clients[client], text, at, until)

    def _own(self, text: str) -> None:
        self.world.line(text, self.company.employees[2])
        self.world.settle()

    def _policy(self, rule: tuple[str, Any], at: datetime) -> None:
        self.world.change(directory.set_policy, *rule, from_at=at)

    def _neighbours(self, pair: tuple[str, str], together: bool, at: datetime) -> None:
        self.world.change(directory.declare_neighbours, *pair, together, from_at=at)

    def _pair(self, one: tuple[str, str], other: tuple[str, str], verdict: TieVerdict) -> None:
        keys = call_key_id(*one), call_key_id(*other)
        self.made.append(self.world.change(decisions.decide_tie, *keys, verdict))

    def _link(self, text: str, client: int | str) -> None:
        if isinstance(client, int):
            self.made.append(self.world.links(text, self.company.clients[client], at=day(5)))
        else:
            self.made.append(self.world.links(text, new_client="New", at=day(5)))

    def _judge(self, text: str, verdict: PointVerdict, at: datetime) -> None:
        self.made.append(self.world.judges(text, verdict, at=at))

    def _status(self, key: str, status: Status) -> None:
        self.made.append(self.world.sets_status(call_key_id(SOURCE, key), status, at=day(5)))

    def _flag(self, subject: int | str, kind: FlagKind, verdict: str, at: datetime) -> None:
        told = str(point(subject)) if isinstance(subject, str) else self._client(subject)
        self.made.append(self.world.change(decisions.decide_flag, kind, told, verdict, at=at))

    def _undo(self, which: int) -> None:
        if which < len(self.made):
            self.world.undoes(self.made[which])

    def _person(self, who: int | None) -> str | None:
        return None if who is None else self.company.employees[who]

    def _client(self, which: int) -> str:
        return f"client:{self.company.clients[which]}"
