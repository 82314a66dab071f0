"""Asterisk's channels: whose telephone each is, by its name; and the keys that tie them to calls.

A channel is `PJSIP/101-0000001f`: technology, the other end, a counter. Those of trunks begin as
the source's config says (`trunk_channel_prefixes`); without that, what is no extension is a trunk.
`Local/101@context-00000003;1` and `;2` are two halves of a hose inside of Asterisk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from ingest.domain.calls import Side
from ingest.domain.deliveries import Account
from ingest.telephony.protocols.callers import is_extension, shown

NEAR_S = 10  #: a channel's name is used anew after a restart; within so many seconds it is not

_END = re.compile(r"(?:-[0-9a-f]{8})?(?:;[12])?$")
_STARTED = re.compile(r"(?:^|-)([0-9]{9,11})\.[0-9]+$")
_INSIDE = (
    "Local/",
    "AsyncGoto/",
    "Surrogate/",
    "Bridge/",
    "Message/",
    "Parking/",
    "CBAnn/",
    "CBRec/",
)


class Kind(Enum):
    """Whose end of the line a channel is."""

    PHONE = auto()
    TRUNK = auto()
    INSIDE = auto()  #: nobody's: it joins others


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel, by its name."""

    name: str
    kind: Kind
    far_end: str  #: the telephone's or trunk's name; of a Local channel what it dials
    outer: bool = False  #: the half of a Local pair that the caller's side holds

    @property
    def side(self) -> Side | None:
        """Return whose telephone it is."""
        return {Kind.PHONE: Side.OURS, Kind.TRUNK: Side.THEIRS}.get(self.kind)

    @property
    def agent(self) -> str | None:
        """Return the employee's extension."""
        return self.far_end if self.kind is Kind.PHONE else None


def channel_of(name: str | None, account: Account) -> Channel | None:
    """Return the channel of that name; None without a name."""
    if not name or name == "<unknown>":
        return None
    far_end = _END.sub("", name.partition("/")[2]).partition("@")[0]
    if name.startswith(_INSIDE):
        return Channel(name=name, kind=Kind.INSIDE, far_end=far_end, outer=name.endswith(";1"))
    prefixes = account.config.get("trunk_channel_prefixes")
    if isinstance(prefixes, list | tuple) and prefixes:
        is_trunk = name.startswith(tuple(str(prefix) for prefix in prefixes))
    else:
        is_trunk = not is_extension(far_end, account)
    return Channel(name=name, kind=Kind.TRUNK if is_trunk else Kind.PHONE, far_end=far_end)


def number_shown(written: str | None) -> str | None:
    """Return a number, or None where Asterisk writes that there is none or that it is hidden."""
    return None if written == "<unknown>" else shown(written)


def dialled(number: str | None, account: Account) -> str | None:
    """Return a number without what is dialled before it to get a line (`dial_out_prefix`)."""
    found = number_shown(number)
    prefix = account.config.get("dial_out_prefix")
    if found and isinstance(prefix, str) and prefix and not is_extension(found, account):
        return found.removeprefix(prefix) or found
    return found


def is_inside(number: str | None, account: Account) -> bool:
    """Tell whether what a telephone dialled stays in the house: an extension or a feature code."""
    return not number or number in ("s", "h") or number[0] in "*#" or is_extension(number, account)


def started_by_id(uniqueid: str) -> float | None:
    """Return the second in which a channel began, as its id says."""
    found = _STARTED.search(uniqueid)
    return float(found[1]) if found else None


def keys_of(*ids: str | None) -> tuple[str, ...]:
    """Return the ids that are there, each once, in the order given."""
    return tuple(dict.fromkeys(each for each in ids if each and each != "<unknown>"))


def keys_by_name(name: str, at: datetime) -> tuple[str, str]:
    """Return keys that two records share if they name one channel within NEAR_S / 2.

    For records without Linkedid: two grids of time, so that no border parts neighbours.
    """
    base, second = name.partition(";")[0], int(at.timestamp())
    grids = (second // NEAR_S * NEAR_S, (second + NEAR_S // 2) // NEAR_S * NEAR_S)
    return f"~{base}@{grids[0]}a", f"~{base}@{grids[1]}b"
