"""What else a company may have: sound, attachments, bounces, ties, connections, certificates.

Apart from `story`, whose rows many tests count: `rich` is for looking at every part of every page,
in the browser's tests and by hand (`python -m tests.review.serving`).
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import wave
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest import readers
from ingest.custody import accounts, mailboxes
from ingest.custody.office import Office
from ingest.domain.coverage import Certificate, Compared, Difference, Interval
from ingest.domain.deliveries import Account, NewDelivery
from ingest.domain.directory import BEGINNING
from ingest.domain.interactions import call_key_id
from ingest.domain.mailboxes import FolderState, MailboxState
from ingest.domain.mails import Attachment, FailedRecipient, Forwarded, Passage, PassageKind
from ingest.domain.rhythm import Silence
from ingest.sound import SoundFiles
from ingest.telephony.providers import PROVIDERS
from storage import directory, recordings
from storage.coverage import put_certificate
from storage.log_sqlite import SqliteLog
from tests.world import NOW, SOURCE, World, call_events, day

if TYPE_CHECKING:
    from tests.review.serving import Company

SALES, ANNA_BOX = "sales@ours.example", "manager1@ours.example"
CHAMOMILE, OFFICE, BORIS_SIM, NORTH = "+74951234567", "+74955550100", "+79161110002", "+78123334455"
BUYER, BUYER_NUMBER = "inkoop@vandijk.example", "+31 10 123 4567"

TEXT = (
    "Hello Anna,\n\nforty boards, please, and the same lacquer as in March. The drawing is"
    " attached.\n\nKind regards\nJan van Dijk\nVan Dijk Bloemen B.V.\n+31 10 123 4567\n\n"
    "On 17 May 2026 Anna Ivanova wrote:\n> Dear Jan,\n> how many boards will it be this time?\n"
)
NOBODY = "550 5.1.1 <buyer@chamomile.example>: Recipient address rejected: User unknown"


def rich(it: Company, folder: Path, office: Office) -> dict[str, Any]:
    """Add one of everything to a company, after its story; return what `serving` is given more."""
    log = SqliteLog(folder / "calls.log.db", name="calls")
    _sources(office)
    _mails(it)
    _ties(it)
    _certificates(it.world)
    sound = _recordings(it, folder)
    _test_event(it.world, log)
    known = {
        SOURCE: (PROVIDERS["generic"], Account(source=SOURCE)),
        "branch": (PROVIDERS["mango"], Account(source="branch", secrets=(MANGO,), region="RU")),
        "hall": (PROVIDERS["asterisk"], Account(source="hall")),
    }
    return {
        "office": office,
        "more_logs": {"calls": log},
        "sound": sound,
        "sources": known,
        "companions": lambda source: PARTS.get(source, {}),
        "every_companion": lambda: PARTS,
        "silences": lambda: {"mobile": Silence(since=day(19, 13), expected=41.4, patience=9.0)},
        "mailboxes": lambda: BOXES,
        "door": DOOR,
    }


# Sources and their connections -----------------------------------------------------------------

MANGO = {"vpbx_api_key": "k3y-value", "vpbx_api_salt": "s4lt-value"}


def _sources(office: Office) -> None:
    def add(name: str, provider: str, secrets: Mapping[str, str], **config: Any) -> None:
        accounts.add_source(
            office,
            tell=lambda done, total: None,
            name=name,
            provider=provider,
            zone="Europe/Moscow",
            region="RU",
            secrets=secrets,
            config=config,
        )

    add("branch", "mango", MANGO, own_numbers=["+74951230001"])
    accounts.rotate_source(
        office,
        tell=lambda done, total: None,
        name="branch",
        secrets={**MANGO, "vpbx_api_key": "n3wer-value"},
        end_old=False,
    )
    add("hall", "asterisk", {"ami_username": "keepline", "ami_secret": "s3cret"}, host="10.0.0.5")
    add("mobile", "generic", {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
    mailboxes.set_oauth_app(
        office,
        tell=lambda done, total: None,
        provider="google",
        client_id="keepline.apps.example",
        client_secret="g00gle",
    )


def _at(**ago: float) -> str:
    return (NOW - timedelta(**ago)).isoformat()


PARTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "branch": {
        "history": {
            "state": "waiting",
            "since": _at(minutes=9),
            "because": None,
            "asked_at": _at(minutes=9),
            "upto": _at(minutes=14),
            "kept": 31,
            "not_before": None,
            "task": None,
        },
        "subscription": {
            "state": "subscribed",
            "since": _at(hours=3),
            "because": None,
            "expires_at": (NOW + timedelta(minutes=47)).isoformat(),
        },
    },
    "hall": {
        "stream": {
            "state": "away",
            "since": _at(minutes=4),
            "because": "10.0.0.5:5038: Connection refused",
            "heard": _at(minutes=4),
            "message": _at(minutes=6),
            "gaps": [
                {"from": _at(days=1, minutes=20), "to": _at(days=1)},
                {"from": _at(hours=2, seconds=75), "to": _at(hours=2)},
            ],
        },
        "file:cdr": {
            "state": "missing",
            "since": _at(hours=1),
            "because": "there is no file /var/log/asterisk/cdr-csv/Master.csv",
            "record": _at(hours=2),
        },
        "history": {
            "state": "refused",
            "since": _at(minutes=30),
            "because": "it refused with status 403",
            "asked_at": _at(days=2),
            "upto": _at(days=2, minutes=5),
            "kept": 0,
            "not_before": (NOW + timedelta(minutes=12)).isoformat(),
            "task": {"why": "schedule"},
        },
        "record-folder": {"state": "watching", "since": _at(seconds=3), "because": None},
    },
}
DOOR = {
    "unknown": 2,
    "sources": {
        SOURCE: {
            "accepted": 12_431,
            "repeated": 87,
            "changed": 1,
            "rejected": 4,
            "handshakes": 2,
            "asked": 318,
            "named": 290,
            "last_rejection": "the timestamp is 412 s old",
            "last_rejection_at": NOW.isoformat(),
            "last_skew_s": -412.0,
        },
        "branch": {"accepted": 1, "handshakes": 1},
    },
}
BOXES = {
    f"box-{SALES}": MailboxState(
        mailbox=f"box-{SALES}",
        last_event_at=NOW - timedelta(seconds=40),
        folders=(
            FolderState(
                folder="INBOX",
                connected=True,
                kept=2_310,
                total=20_000,
                rate=45.0,
                reached=day(2),
            ),
            FolderState(
                folder="Sent",
                sent=True,
                connected=True,
                kept=120,
                total=4_000,
                rests="other mailboxes have their turn",
                reached=day(11),
            ),
            FolderState(
                folder="Angebote",
                connected=True,
                complete=True,
                alert="the server numbered this folder anew; it is read again",
            ),
        ),
    ),
    f"box-{ANNA_BOX}": MailboxState(
        mailbox=f"box-{ANNA_BOX}", paused="the password was refused three times"
    ),
}


def _test_event(world: World, log: SqliteLog) -> None:
    """One request of a call that has come this very moment, kept and read."""
    event = {
        "entry_id": "E1", "call_id": "C1", "timestamp": 1_779_278_400, "seq": 1,
        "call_state": "Appeared", "location": "abonent",
        "from": {"number": "79035554433"}, "to": {"extension": "101", "line_number": "74951230001"},
    }  # fmt: skip
    body = f"vpbx_api_key=k3y-value&sign=abc&json={json.dumps(event)}".encode()
    known = {"branch": (PROVIDERS["mango"], Account(source="branch", secrets=(MANGO,)))}
    for number, content in enumerate((body, b"json={broken")):
        new = NewDelivery(
            source="branch",
            key=f"test-{number}",
            received_at=NOW,
            head={"method": "POST", "path": "/events/call", "query": "", "headers": [], "url": ""},
            body=content,
        )
        [kept] = log.append(0, [new])
        delivery = log.get(0, kept.position)
        assert delivery is not None
        world.deliver(readers.read([delivery], known, lambda raw: []))


# Touches ---------------------------------------------------------------------------------------


def _mails(it: Company) -> None:
    world = it.world
    world.change(directory.set_policy, "region", "RU", from_at=day(1))
    ends = (0, TEXT.index("Kind"), TEXT.index("On 17 May"), len(TEXT))
    kinds = (PassageKind.NEW, PassageKind.SIGNATURE, PassageKind.QUOTE)
    it.touches["quoting"] = world.mail(
        BUYER,
        (ANNA_BOX,),
        day(18, 10),
        read={
            "subject": "Re: Boards for July",
            "text": TEXT,
            "html": "<p>Hello Anna,</p><p>forty <b>boards</b>, please.</p>",
            "passages": tuple(
                Passage(kind=kind, start=start, end=end)
                for kind, start, end in zip(kinds, ends, ends[1:], strict=False)
            ),
            "signed": "Jan van Dijk",
            "phones": (BUYER_NUMBER,),
            "attachments": (
                Attachment(
                    name="drawing.pdf", type="application/pdf", size=48_211, digest="a" * 64
                ),
                Attachment(
                    name="price list for the whole of the second half of 2026, corrected.xlsx.exe",
                    type="application/vnd.ms-excel",
                    size=1_204_000,
                    digest="b" * 64,
                    looks="application/x-msdownload",
                ),
                Attachment(
                    name=None, type="text/plain", size=12, digest="c" * 64, looks="text/html"
                ),
            ),
        },
    )
    it.touches["bounce"] = world.mail(
        "mailer-daemon@mx.example",
        (ANNA_BOX,),
        day(19),
        automatic="bounce",
        read={
            "subject": "Undelivered Mail Returned to Sender",
            "text": NOBODY,
            "failed": (
                FailedRecipient(
                    address="buyer@chamomile.example", hard=True, status="5.1.1", reason=NOBODY
                ),
            ),
        },
    )
    world.mail(
        "piet@private.example",
        (SALES,),
        day(19, 8),
        read={
            "subject": "A question",
            "text": "Piet",
            "signed": "Piet",
            "phones": (CHAMOMILE,),
            "forwarded": (Forwarded(address=BUYER),),
        },
    )


def _ties(it: Company) -> None:
    world = it.world
    world.change(directory.declare_neighbours, SOURCE, "mobile", from_at=BEGINNING)

    def told(source: str, key: str, late: float, talk: float | None, hour: int) -> str:
        at = day(19, hour) + timedelta(seconds=late)
        for event in call_events(key, NORTH, OFFICE, at, talk=talk):
            world.report(event, at + timedelta(minutes=2), source)
        return call_key_id(source, key)

    told(SOURCE, "tied-a", 0, 60, 10)
    it.touches["tied"] = told("mobile", "tied-b", 2, 60, 10)
    it.touches["doubtful"] = told(SOURCE, "perhaps-a", 0, None, 13)
    told("mobile", "perhaps-b", 8, None, 13)


def _recordings(it: Company, folder: Path) -> SoundFiles:
    """One call with a sound, one whose sound could not be fetched, and what is on its way."""
    store, sound = SoundFiles(folder / "sound"), _tone()
    digest = hashlib.sha256(sound).hexdigest()
    (folder / "draft").write_bytes(sound)
    store.take(digest, folder / "draft")

    def named(touch: str, number: int) -> recordings.Named:
        return recordings.Named(
            source=SOURCE,
            call_key=it.touches[touch],
            provider_key=f"call-{number}",
            url=f"https://media.pbx.example/{number}.wav",
            provider_id=None,
            ready=True,
        )

    kept, failed, waiting = named("before", 1), named("before", 2), named("doubtful", 3)
    with it.world.database.write() as connection:
        recordings.note(connection, [kept, failed, waiting], now=NOW)
        recordings.keep(
            connection,
            kept.id,
            digest=digest,
            size=len(sound),
            content_type="audio/wav",
            at=day(5, 9, 25),
        )
        recordings.fail(
            connection, failed.id, because="the provider answered 403: Forbidden", next_at=None
        )
        recordings.fail(
            connection,
            waiting.id,
            because="the provider answered 404: not ready yet",
            next_at=NOW + timedelta(minutes=5),
        )
    return store


def _tone(seconds: float = 4.0, rate: int = 8_000) -> bytes:
    """A quiet tone as WAV."""
    octets = io.BytesIO()
    with wave.open(octets, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        file.writeframes(
            bytes(
                128 + round(20 * math.sin(2 * math.pi * 440 * n / rate))
                for n in range(int(rate * seconds))
            )
        )
    return octets.getvalue()


def _certificates(world: World) -> None:
    ids = tuple(f"call-{number}" for number in range(40))
    missing = Difference(
        id="MToxMDA2NzQ1NDoyMzg6NTM2MzIzOTE2OjE=", at=day(18, 12), why="not settled yet"
    )
    extra = Difference(id="call-7", at=day(18, 15), why="the provider lists no call of that time")
    gap = Interval(
        begin=day(18, 10),
        end=day(18, 16),
        why="Keepline did not run",
        recovered=True,
    )
    lost = Interval(
        begin=day(18, 20),
        end=day(18, 21),
        why="the connection was away",
        recovered=False,
        because="the history reaches back one day",
    )
    for id_, compared, intervals, since in (
        ("same", Compared(theirs=ids, ours=ids, missing=(), extra=()), (gap,), day(17, 0)),
        (
            "differs",
            Compared(theirs=(*ids, missing.id), ours=ids, missing=(missing,), extra=(extra,)),
            (gap, lost),
            day(18, 0),
        ),
    ):
        made = Certificate(
            source="branch",
            provider="mango",
            api="vpbx/stats",
            since=since,
            until=since + timedelta(days=1),
            made_at=NOW - timedelta(hours=1),
            made_with="0.1.0",
            compared=compared,
            intervals=intervals,
        )
        with world.database.write() as connection:
            put_certificate(
                connection,
                made.plain(),
                id=id_,
                since=made.since,
                until=made.until,
                at=made.made_at,
                by="vera",
            )
