"""How well mails are understood: labelled sets, and precision and recall of each.

A set is a text file of records: a line `=== name`, lines `key: value`, an empty line, a body.
Which of them is read how is written in `SETS`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.header import Header
from pathlib import Path

from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import Directory, Holding, Line, LineKind, PointFacts
from ingest.domain.mails import Mail, MailAddress, PassageKind, Sighting
from ingest.mail.message import parse
from ingest.mail.signed import name_in, numbers_written
from ingest.matching.knowledge import Knowledge
from ingest.matching.signed import numbers_in
from ingest.matching.touches_of_mails import touch_of_mail

_AT = datetime(2026, 5, 6, 12, tzinfo=UTC)
_WORDS = "--b\nContent-Type: text/plain\n\nwords\n--b--\n"  #: a body under any header of a set
_LABELS = {"N": PassageKind.NEW, "Q": PassageKind.QUOTE, "S": PassageKind.SIGNATURE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One labelled example."""

    name: str
    fields: dict[str, str]
    body: str


@dataclass(kw_only=True)
class Score:
    """What a reader said of one set, against its labels."""

    name: str
    examples: int = 0
    right: int = 0  #: said and labelled
    said: int = 0
    labelled: int = 0
    wrong: list[str] = field(default_factory=list)  #: examples with a mistake

    @property
    def precision(self) -> float:
        """Return which part of what was said is right."""
        return self.right / self.said if self.said else 1.0

    @property
    def recall(self) -> float:
        """Return which part of what is labelled was said."""
        return self.right / self.labelled if self.labelled else 1.0

    def count(self, name: str, said: Sequence[object], labelled: Sequence[object]) -> None:
        """Count one example; both sides may hold the same thing several times."""
        one, other = Counter(said), Counter(labelled)
        self.examples += 1
        self.right += (one & other).total()
        self.said += one.total()
        self.labelled += other.total()
        if one != other:
            self.wrong.append(f"{name}: said {_told(one - other)}, labelled {_told(other - one)}")


def _told(counted: Counter[object]) -> str:
    return ", ".join(str(it) for it in counted.elements()) or "nothing else"


def scores(directory: Path) -> list[Score]:
    """Return the scores of every set in a directory, by name. Raises ValueError for a bad set."""
    found = [
        score
        for file in sorted(directory.glob("*.txt"))
        for score in score_of(file.stem, file.read_text("utf-8"))
    ]
    if not found:
        raise ValueError(f"no sets in {directory}: files such as quotes.ru.txt are looked for")
    return found


def score_of(name: str, text: str) -> list[Score]:
    """Return the scores of one set; its name before the first dot says how it is read."""
    read = SETS.get(name.partition(".")[0])
    if read is None:
        raise ValueError(f"{name}: no set is read so; known are {', '.join(SETS)}")
    return read(name, list(records(text)))


def records(text: str) -> Iterator[Record]:
    """Yield the records of a set."""
    for part in ("\n" + text).split("\n=== ")[1:]:
        name, _, rest = part.partition("\n")
        head, _, body = rest.partition("\n\n") if not rest.startswith("\n") else ("", "", rest[1:])
        if "\nhtml:\n" in f"\n{head}\n":  # a body of HTML has no empty line before it
            head, _, body = rest.partition("html:\n")
            body = f"html:\n{body}"
        pairs = (line.partition(":") for line in head.splitlines() if line.strip())
        yield Record(
            name=name.strip(),
            fields={key.strip(): value.strip() for key, _, value in pairs},
            body=body,
        )


def _list(record: Record, key: str) -> list[str]:
    return [word for word in record.fields.get(key, "").split() if word != "-"]


# Quotes ----------------------------------------------------------------------------------------


def _quotes(name: str, wanted: Sequence[Record]) -> list[Score]:
    """Judge line by line; empty lines belong to nobody."""
    found = {kind: Score(name=f"{name} {kind.value}") for kind in PassageKind}
    for record in wanted:
        html, _, labelled = record.body.rpartition("text:\n")
        lines = [line for line in labelled.splitlines() if line.strip(" |")]
        words = [line.partition("|")[2] for line in labelled.splitlines()]
        labels = [(_LABELS[line[0]], _line(line[2:])) for line in lines]
        mail = parse(_message(record, html.removeprefix("html:\n"), "\n".join(words)))
        said = [
            (it.kind, _line(line))
            for it in mail.passages
            for line in mail.text[it.start : it.end].split("\n")
            if line.strip()
        ]
        if sorted(line for _, line in said) != sorted(line for _, line in labels):
            raise ValueError(f"{name}, {record.name}: its lines are not those of the mail")
        for kind, score in found.items():
            score.count(
                record.name,
                [line for which, line in said if which is kind],
                [line for which, line in labels if which is kind],
            )
    return list(found.values())


def _line(text: str) -> str:
    return " ".join(text.split())


def _message(record: Record, html: str, text: str) -> bytes:
    kind, body = ("html", html) if html else ("plain", text)
    sender, _, address = record.fields["from"].rpartition(" ")
    quoted = Header(sender.strip('"'), "utf-8").encode()
    named = f"{quoted} {address}" if sender else address
    subject = Header(record.fields.get("subject", ""), "utf-8").encode()
    head = f"From: {named}\nSubject: {subject}\nContent-Type: text/{kind}; charset=utf-8\n\n"
    return f"{head}{body}".encode()


# Forwarded, numbers, automatic, direction ------------------------------------------------------


def _forwarded(name: str, wanted: Sequence[Record]) -> list[Score]:
    score = Score(name=name)
    for record in wanted:
        fields = {"from": "Bob <bob@keep.example>", **record.fields}
        mail = parse(_message(Record(name="", fields=fields, body=""), "", record.body))
        said = [it.address for it in mail.forwarded if it.address]
        score.count(record.name, said, _list(record, "senders"))
    return [score]


def _numbers(name: str, wanted: Sequence[Record]) -> list[Score]:
    numbers, names = Score(name=name), Score(name=f"{name} name")
    for record in wanted:
        said = numbers_in(numbers_written(record.body), record.fields["region"])
        numbers.count(record.name, said, _list(record, "numbers"))
        signed = name_in(record.body, None)
        label = record.fields["name"]
        names.count(record.name, [signed] if signed else [], [] if label == "-" else [label])
    return [numbers, names]


def _automatic(name: str, wanted: Sequence[Record]) -> list[Score]:
    score = Score(name=name)
    for record in wanted:
        mail = parse(f"{record.body.strip()}\n\n{_WORDS}".encode())
        score.count(
            record.name, [mail.automatic] if mail.automatic else [], _list(record, "reason")
        )
    return [score]


def _bounces(name: str, wanted: Sequence[Record]) -> list[Score]:
    score = Score(name=name)
    for record in wanted:
        said = [
            f"{it.address}/{'hard' if it.hard else 'soft'}/{it.status or '-'}"
            for it in parse(record.body.encode()).failed
        ]
        score.count(record.name, said, _list(record, "failed"))
    return [score]


def _direction(name: str, wanted: Sequence[Record]) -> list[Score]:
    score = Score(name=name)
    company, *mails = wanted
    known = _knowledge(_list(company, "own"), _list(company, "clients"))
    for record in mails:
        addressed = next(records(f"=== it\n{record.body.strip()}\n"))
        touch = touch_of_mail(_mail(addressed), _seen(addressed), known)
        score.count(record.name, [touch.direction.value], _list(record, "direction"))
    return [score]


def _knowledge(own: Sequence[str], clients: Sequence[str]) -> Knowledge:
    ours = [
        Line(id=it, kind=LineKind.MAILBOX, point=ContactPoint(PointKind.EMAIL, it)) for it in own
    ]
    return Knowledge(
        directory=Directory(
            lines={line.id: line for line in ours},
            by_point={str(line.point): line for line in ours},
        ),
        points={f"mail:{it}": PointFacts(holdings=(Holding(client=it),)) for it in clients},
    )


def _mail(addressed: Record) -> Mail:
    sender = _list(addressed, "from")
    return Mail(
        identity="m",
        from_=MailAddress(address=sender[0]) if sender else None,
        to=tuple(MailAddress(address=it) for it in _list(addressed, "to")),
        cc=tuple(MailAddress(address=it) for it in _list(addressed, "cc")),
    )


def _seen(addressed: Record) -> list[Sighting]:
    return [
        Sighting(
            mailbox="m",
            folder=folder,
            uidvalidity=1,
            uid=number,
            sent=folder == "Sent",
            internal_date=_AT,
            mail="m",
            first_received_at=_AT,
        )
        for number, folder in enumerate(_list(addressed, "folder"), 1)
    ]


#: How each kind of set is read.
SETS: dict[str, Callable[[str, Sequence[Record]], list[Score]]] = {
    "quotes": _quotes,
    "forwarded": _forwarded,
    "numbers": _numbers,
    "automatic": _automatic,
    "bounces": _bounces,
    "direction": _direction,
}
