"""Asterisk's call detail records: rows of a cdr_csv file, and `Cdr` events of the manager.

One call is several rows: one for each telephone dialled and each pair that talked. A row of the
channel that began the call tells direction, parties and end; rows of the inner halves of Local
pairs tell only of their telephone. What a row calls answered may be a menu, a queue or a mailbox:
only a telephone at its other end was taken by somebody. `NO ANSWER` covers callers who gave up.
Without a Linkedid rows are tied by the names of Local channels and the time.
Facts: asterisk/asterisk cdr/cdr_csv.c, cdr/cdr_manager.c; CDR-Specification; recorded from 22.10.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account, IgnoredDelivery, UnreadableDelivery
from ingest.telephony.fields import local_time, text
from ingest.telephony.protocols.ami import VOICEMAIL
from ingest.telephony.protocols.asterisk_channels import (
    Channel,
    Kind,
    channel_of,
    dialled,
    is_inside,
    keys_by_name,
    keys_of,
    number_shown,
)
from ingest.telephony.protocols.callers import is_extension

_BASE = (
    "accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata",
    "start", "answer", "end", "duration", "billsec", "disposition", "amaflags",
)  # fmt: skip
_NEW = ("peeraccount", "linkedid", "sequence")
#: Columns of a cdr_csv file by their number, as `loguniqueid`, `loguserfield`, `newcdrcolumns` add.
COLUMNS: Mapping[int, tuple[str, ...]] = {
    16: _BASE,
    17: (*_BASE, "uniqueid"),
    18: (*_BASE, "uniqueid", "userfield"),
    19: (*_BASE, *_NEW),
    20: (*_BASE, "uniqueid", *_NEW),
    21: (*_BASE, "uniqueid", "userfield", *_NEW),
}
#: What the manager's event calls a row's columns.
_NAMES = {
    "source": "src",
    "destination": "dst",
    "destinationcontext": "dcontext",
    "destinationchannel": "dstchannel",
    "lastapplication": "lastapp",
    "starttime": "start",
    "answertime": "answer",
    "endtime": "end",
}
DISPOSITIONS = {
    "ANSWERED": Outcome.ANSWERED,
    "NO ANSWER": None,
    "BUSY": Outcome.BUSY,
    "FAILED": Outcome.FAILED,
    "CONGESTION": Outcome.FAILED,
    "CANCEL": Outcome.CANCELLED,
}
_DIALLED = frozenset({"appdial", "appdial2", "appqueue"})  #: the row of a channel that was dialled


def row_of_file(cells: Sequence[str], account: Account) -> dict[str, str]:
    """Return a file's row by its columns: those that the source names, else by their number."""
    named = account.config.get("cdr_columns")
    columns = tuple(named) if isinstance(named, list | tuple) else COLUMNS.get(len(cells))
    if columns is None or len(columns) != len(cells):
        raise UnreadableDelivery(f"a row of {len(cells)} columns is none that cdr_csv writes")
    return {str(name).lower(): cell for name, cell in zip(columns, cells, strict=True)}


def row_of_event(lines: Mapping[str, str]) -> dict[str, str]:
    """Return a `Cdr` event as a row."""
    return {_NAMES.get(name, name): value for name, value in lines.items()}


def read(
    row: Mapping[str, str], account: Account, zone: ZoneInfo, near: datetime
) -> list[CallEvent]:
    """Return what a row says. Raises UnreadableDelivery or IgnoredDelivery."""
    channel = channel_of(text(row, "channel"), account)
    start, end = local_time(row, "start", zone, near), local_time(row, "end", zone, near)
    if channel is None or start is None or end is None:
        raise UnreadableDelivery("the row names no channel, no start or no end")
    line = _Row(
        row=row,
        account=account,
        channel=channel,
        dest=channel_of(text(row, "dstchannel"), account),
        start=start,
        answer=local_time(row, "answer", zone, near),
        end=end,
    )
    if line.is_of_dialled:
        return line.after_a_transfer()
    if channel.kind is Kind.INSIDE and not line.is_click_to_call:
        return line.inner_half()
    return [*line.call(), *line.leg(), *line.machine(), *line.recording()]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    row: Mapping[str, str]
    account: Account
    channel: Channel
    dest: Channel | None
    start: datetime
    answer: datetime | None
    end: datetime

    @property
    def app(self) -> str:
        return (text(self.row, "lastapp") or "").lower()

    @property
    def is_of_dialled(self) -> bool:
        return self.app in _DIALLED

    @property
    def is_click_to_call(self) -> bool:
        """Tell whether a Local channel's outer half dials on: it stands for a telephone of ours."""
        return self.channel.outer and self.dest is not None and self.dest.kind is not Kind.INSIDE

    @property
    def keys(self) -> tuple[str, ...]:
        uniqueid = text(self.row, "uniqueid")
        linkedid = text(self.row, "linkedid")
        if linkedid:
            return keys_of(linkedid, uniqueid)
        own = uniqueid or f"{self.channel.name}@{self.start.isoformat()}"
        inside = [
            key
            for each in (self.channel, self.dest)
            if each is not None and each.kind is Kind.INSIDE
            for key in keys_by_name(each.name, self.start)
        ]
        if self.channel.kind is Kind.INSIDE and self.dest is not None:
            inside += keys_by_name(self.dest.name, self.end)  # it may go on without the pair
        return keys_of(own, *inside)

    def event(self, stage: CallStage, **said: Any) -> CallEvent:
        return CallEvent(stage=stage, **{"call_keys": self.keys, "occurred_at": self.end, **said})

    def call(self) -> list[CallEvent]:
        """Return that the call was, between whom, and when it was over."""
        sides = self._sides()
        agent = sides.pop("agent", None)
        # Who spoke with whom is told with least weight: dialplan and transfers write over it.
        return [
            self.event(CallStage.TIED, queue=self._queue(), **sides),
            self.event(CallStage.ENDED, started_at=self.start, ended_at=self.end, agent=agent),
        ]

    def _queue(self) -> str | None:
        data = self.row.get("lastdata", "") if self.app == "queue" else ""
        return text({"queue": data.partition(",")[0]}, "queue")

    def _sides(self) -> dict[str, Any]:
        source, number = number_shown(text(self.row, "src")), text(self.row, "dst")
        if self.channel.kind is Kind.TRUNK:
            sides: dict[str, Any] = {"direction": Direction.INBOUND, "caller": source}
            return {**sides, "withheld": source is None, "callee": self._line_called(number)}
        agent = self.channel.far_end
        reached = self.dest.kind if self.dest is not None else None
        if reached is Kind.PHONE or (reached is not Kind.TRUNK and is_inside(number, self.account)):
            return {
                "direction": Direction.INTERNAL, "caller": agent, "callee": number, "agent": agent
            }  # fmt: skip
        return {
            "direction": Direction.OUTBOUND,
            "caller": agent,
            "callee": dialled(number, self.account),
            "line": None if is_extension(source, self.account) else source,
            "agent": agent,
        }

    def _line_called(self, number: str | None) -> str | None:
        """Return our line, if the row still tells: a transfer writes its own target over it."""
        contexts = self.account.config.get("inbound_contexts")
        if isinstance(contexts, list | tuple) and contexts:
            known = text(self.row, "dcontext") in contexts
        else:
            known = not is_inside(number, self.account)
        return number if known and number and number.strip("+").isdigit() else None

    def leg(self) -> list[CallEvent]:
        """Return what the telephone at the other end did."""
        told = DISPOSITIONS.get((text(self.row, "disposition") or "").upper())
        if self.dest is None or self.dest.side is None:
            failed = told not in (None, Outcome.ANSWERED) and self.dest is None
            return [self.event(CallStage.LEG_ENDED, outcome=told)] if failed else []
        taken = told is Outcome.ANSWERED and self.app not in VOICEMAIL
        number = dialled(text(self.row, "dst"), self.account)
        known = self.dest.kind is Kind.TRUNK and self.channel.kind is not Kind.TRUNK
        return [
            self.event(
                CallStage.LEG_ENDED,
                leg=self.dest.name,
                agent=self.dest.agent,
                side=self.dest.side,
                outcome=told if taken or told is not Outcome.ANSWERED else None,
                answered_at=self.answer if taken else None,
                callee=number if known else None,
            )
        ]

    def machine(self) -> list[CallEvent]:
        """Return that a mailbox took the call."""
        return (
            [self.event(CallStage.TIED, outcome=Outcome.VOICEMAIL)] if self.app in VOICEMAIL else []
        )

    def recording(self) -> list[CallEvent]:
        """Return the recording's file, where a column was added for it."""
        file = text(self.row, "recordingfile")
        told = self.event(CallStage.RECORDING, occurred_at=self.start, recording_id=file)
        return [told] if file else []

    def inner_half(self) -> list[CallEvent]:
        """Return what a Local pair knows: of the telephone that it dialled."""
        events = [] if self.channel.outer else [*self.leg(), *self.machine()]
        if not events:
            raise IgnoredDelivery("the row of a Local channel that dialled no telephone")
        return events

    def after_a_transfer(self) -> list[CallEvent]:
        """Return how long a telephone and a number outside went on without who had joined them."""
        pair = {self.channel.kind, self.dest.kind if self.dest else None}
        if pair != {Kind.PHONE, Kind.TRUNK} or self.dest is None:
            raise IgnoredDelivery("the row of a telephone that was dialled: its caller's row tells")
        keys = self.keys
        if not text(self.row, "linkedid"):
            names = (self.channel.name, self.dest.name)
            keys = keys_of(*keys, *(key for n in names for key in keys_by_name(n, self.start)))
        return [self.event(CallStage.ENDED, call_keys=keys, ended_at=self.end)]
