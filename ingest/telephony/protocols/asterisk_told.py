"""What every report of Asterisk's channels carries, whichever way it came: ids, channel, moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ingest.domain.calls import CallEvent, CallStage, Direction, Outcome
from ingest.domain.deliveries import Account
from ingest.telephony.fields import required, text
from ingest.telephony.protocols.asterisk_channels import (
    Channel,
    Kind,
    channel_of,
    dialled,
    is_inside,
    keys_of,
    number_shown,
    started_by_id,
)

#: DialStatus of a leg that was not answered, also as CEL tells it of a whole call.
STATUSES = {
    "NOANSWER": Outcome.NO_ANSWER,
    "CANCEL": Outcome.CANCELLED,
    "BUSY": Outcome.BUSY,
    "CONGESTION": Outcome.FAILED,
    "CHANUNAVAIL": Outcome.FAILED,
    "INVALIDARGS": Outcome.FAILED,
    "DONTCALL": Outcome.REJECTED,
    "TORTURE": Outcome.REJECTED,
}
#: Causes of a dialled leg that say more than DialStatus does; the others decide nothing.
CAUSES = {
    "1": Outcome.FAILED,  # no such number
    "2": Outcome.FAILED,  # no route
    "3": Outcome.FAILED,
    "17": Outcome.BUSY,
    "21": Outcome.REJECTED,
    "22": Outcome.FAILED,  # the number was changed
    "28": Outcome.FAILED,  # the number is not complete
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event, with what all of them carry."""

    lines: Mapping[str, str]
    account: Account
    at: datetime | None  #: with `timestampevents`

    @property
    def uniqueid(self) -> str:
        """Return the id of the event's channel."""
        return required(self.lines, "uniqueid")

    @property
    def linkedid(self) -> str:
        """Return the id of the call that the channel belongs to now."""
        return text(self.lines, "linkedid") or self.uniqueid

    @property
    def is_first(self) -> bool:
        """Tell whether it is of the channel that began the call."""
        return self.uniqueid == self.linkedid

    @property
    def started_at(self) -> datetime | None:
        """Return when the channel began: the event's moment, else the second that its id names."""
        second = started_by_id(self.uniqueid)
        if self.at is not None or second is None:
            return self.at
        return datetime.fromtimestamp(second, UTC)

    def channel(self, name: str = "channel") -> Channel | None:
        """Return a channel that the event names."""
        return channel_of(text(self.lines, name), self.account)

    def event(self, stage: CallStage, channel: Channel | None = None, **said: Any) -> CallEvent:
        """Return an event of the call; with a channel it is about that telephone."""
        if channel is not None:
            said = {"leg": channel.name, "agent": channel.agent, "side": channel.side, **said}
        said = {"call_keys": keys_of(self.linkedid, self.uniqueid), "occurred_at": self.at, **said}
        return CallEvent(stage=stage, **said)

    def there_is(self, channel: Channel, **said: Any) -> CallEvent:
        """Return that a channel exists: the call lasts at least until it is gone."""
        return self.event(CallStage.TIED, leg=channel.name, leg_counts=True, **said)

    def is_gone(self, channel: Channel, cause: str = "") -> CallEvent:
        """Return that a channel is no more; of one that was dialled also why, if that is known."""
        outcome = None if self.is_first or channel.side is None else CAUSES.get(cause)
        if outcome is None:
            return self.event(CallStage.LEG_ENDED, leg=channel.name, leg_counts=True)
        return self.event(CallStage.LEG_ENDED, channel, leg_counts=True, outcome=outcome)


def begun(told: Told, channel: Channel, *, exten: str | None, caller: str | None) -> CallEvent:
    """Return the call that the first channel began: over a trunk it came in, else we began it."""
    sides: dict[str, Any] = {}
    match channel.kind:
        case Kind.TRUNK:
            shown = number_shown(caller)
            sides = {"direction": Direction.INBOUND, "caller": shown, "withheld": shown is None}
            sides["callee"] = exten if exten not in ("s", "h") else None
        case Kind.PHONE if is_inside(exten, told.account):
            sides = {"direction": Direction.INTERNAL, "caller": channel.agent, "callee": exten}
        case Kind.PHONE:
            sides = {"direction": Direction.OUTBOUND, "caller": channel.agent}
            sides["callee"] = dialled(exten, told.account)
    began: dict[str, Any] = {"started_at": told.started_at, "leg": channel.name}
    return told.event(CallStage.RINGING, agent=channel.agent, **began, **sides)
