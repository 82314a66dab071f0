"""Cisco CUCM: files of call detail records, read by the names in their head line. Not tried live.

A file is written whole and carries its columns in the first line and their types in the second.
Moments are seconds since 1970, `duration` counts from the answer, and a call that was passed on has
several records with one global call id. Files beside them tell of sound quality and are left alone.
Facts: Cisco Unified CallManager 5.1(3) CDR Definitions; the line of types is unconfirmed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import (
    Account,
    Delivery,
    IgnoredDelivery,
    Kind,
    Provider,
    UnreadableDelivery,
)
from ingest.domain.records import Record
from ingest.telephony.fields import Fields, epoch, required, text
from ingest.telephony.protocols import no_requests
from ingest.telephony.protocols.callers import is_extension, shown
from ingest.telephony.records import cells, split

# "cdrRecordType","globalCallID_callManagerId","globalCallID_callId",...,"dateTimeOrigination",...
# INTEGER,INTEGER,INTEGER,...
# 1,1,990001,...,1794942000,...,"12025550143",...,"12025550100","1001",...,1794942008,1794942068,...
COLUMNS = (
    "cdrRecordType", "globalCallID_callManagerId", "globalCallID_callId", "dateTimeOrigination",
    "callingPartyNumber", "originalCalledPartyNumber", "finalCalledPartyNumber", "origCause_value",
    "destCause_value", "dateTimeConnect", "dateTimeDisconnect", "destDeviceName",
)  # fmt: skip
HEAD = "cdrRecordType"  #: the first column's name begins every file of ours
TYPES = ("integer", "varchar")  #: what the cells of the second line begin with
CALL = "1"  #: `cdrRecordType` of an end of call; 0 begins one, 2 is of sound quality
VOICEMAIL = ("ciscoum", "voicemail")  #: what names of voicemail ports begin with
#: Cause codes of Q.850 of a call that nobody answered; any other says nothing of its own.
CAUSES = {
    "1": Outcome.FAILED,  # no such number
    "3": Outcome.FAILED,
    "17": Outcome.BUSY,
    "18": Outcome.NO_ANSWER,
    "19": Outcome.NO_ANSWER,
    "21": Outcome.REJECTED,
    "27": Outcome.FAILED,
    "28": Outcome.FAILED,
    "34": Outcome.FAILED,
    "38": Outcome.FAILED,
    "41": Outcome.FAILED,
    "42": Outcome.FAILED,
    "47": Outcome.FAILED,
}


def files(name: str, octets: bytes, final: bool, account: Account) -> tuple[Sequence[Record], int]:
    """Return the rows of a complete file, each with the places of the columns that we read."""
    if not final:
        return [], 0
    records, taken = split(octets, final=True)
    if not records or HEAD.lower().encode() not in records[0].body.lower():
        return records, taken  # without a head line they are parked, each saying so
    places = _places(records[0])
    if not places:
        return [], taken  # of sound quality
    return [replace(record, head={"places": places}) for record in records[1:]], taken


def read(delivery: Delivery, account: Account) -> Sequence[CallEvent]:
    """Return the end of the call, or of its part, that one row tells of."""
    row = _row(delivery)
    if text(row, "cdrRecordType") != CALL:
        raise IgnoredDelivery("a row that tells of no call's end")
    connected_at, ended_at = epoch(row, "dateTimeConnect"), epoch(row, "dateTimeDisconnect")
    if ended_at is None:
        raise UnreadableDelivery("a row without dateTimeDisconnect")
    sides = _sides(row, account, connected=connected_at is not None)
    outcome = _outcome(row, sides, connected=connected_at is not None)
    spoke = outcome in (Outcome.ANSWERED, Outcome.FORWARDED)
    manager, call = (required(row, f"globalCallID_call{part}Id") for part in ("Manager", ""))
    return [
        CallEvent(
            call_keys=(f"{manager}:{call}",),
            stage=CallStage.ENDED,
            occurred_at=ended_at,
            started_at=epoch(row, "dateTimeOrigination"),
            answered_at=connected_at if spoke else None,
            ended_at=ended_at,
            outcome=outcome,
            **sides,
        )
    ]


def _places(head: Record) -> Mapping[str, int]:
    """Return where the columns that we read stand; none in a file that is not of calls."""
    found = {name.strip().lower(): at for at, name in enumerate(cells(head.body))}
    places = {name: found[name.lower()] for name in COLUMNS if name.lower() in found}
    return places if len(places) == len(COLUMNS) else {}


def _row(delivery: Delivery) -> Fields:
    places = delivery.head.get("places")
    if not isinstance(places, Mapping):
        raise UnreadableDelivery("the file has no line with the names of its columns")
    found = cells(delivery.body or b"")
    if all(cell.strip().lower().startswith(TYPES) for cell in found):
        raise IgnoredDelivery("the line with the types of the columns")
    if len(found) <= max(places.values()):
        raise UnreadableDelivery(f"the row is torn: it has {len(found)} cells")
    return {name: found[at] for name, at in places.items()}


def _sides(row: Fields, account: Account, *, connected: bool) -> dict[str, Any]:
    caller = text(row, "callingPartyNumber")
    dialled, taker = text(row, "originalCalledPartyNumber"), text(row, "finalCalledPartyNumber")
    from_us, to_us = is_extension(caller, account), is_extension(taker, account)
    if from_us and to_us:
        told = {"caller": caller, "callee": taker, "agent": taker}
        return {"direction": Direction.INTERNAL, **told}
    if from_us:
        number = _without_prefix(taker or dialled, account)
        return {"direction": Direction.OUTBOUND, "callee": number, "agent": caller}
    return {
        "direction": Direction.INBOUND,
        "caller": shown(caller),
        "withheld": shown(caller) is None,
        "line": None if is_extension(dialled, account) else dialled,
        "agent": taker if to_us else None,
        "forwarded_to": taker if connected and not to_us and taker != dialled else None,
    }


def _outcome(row: Fields, sides: Mapping[str, Any], *, connected: bool) -> Outcome:
    if connected:
        device = (text(row, "destDeviceName") or "").lower()
        if sides["direction"] is Direction.INBOUND and device.startswith(VOICEMAIL):
            return Outcome.VOICEMAIL
        return Outcome.FORWARDED if sides.get("forwarded_to") else Outcome.ANSWERED
    causes = (text(row, "destCause_value"), text(row, "origCause_value"))
    told = next((CAUSES[cause] for cause in causes if cause in CAUSES), None)
    if told is not None:
        return told
    gave_up = sides["direction"] is not Direction.INBOUND
    return Outcome.CANCELLED if gave_up else Outcome.NO_ANSWER


def _without_prefix(number: str | None, account: Account) -> str | None:
    """Return a dialled number without what is dialled for a line to the outside."""
    prefix = account.config.get("dial_out_prefix")
    if number and isinstance(prefix, str) and prefix:
        return number.removeprefix(prefix) or number
    return number


CISCO_CUCM = Provider(
    name="cisco_cucm",
    verify=no_requests.verify,
    key=no_requests.key,
    parse=no_requests.parse,
    answer=no_requests.answer,
    hooks=False,
    reads={Kind.RECORD: read},
    files=files,
)
