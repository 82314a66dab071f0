"""Records of call details as a telephone system leaves them in files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ingest.domain.deliveries import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as it stands in a file: a delivery of kind `record`."""

    body: bytes  #: without its line end
    begin: int  #: its first octet, counted from the octets that were split
    end: int  #: the octet behind its line end
    head: Mapping[str, Any] = field(default_factory=dict)  #: joins the delivery's head


#: Cuts a file: given its name, the octets behind what was read before, whether more may be written
#: to it, and the source. Returns whole records, and how many octets they take.
SplitFile = Callable[[str, bytes, bool, "Account"], tuple[Sequence[Record], int]]


def whole_file(
    name: str, octets: bytes, final: bool, account: Account
) -> tuple[Sequence[Record], int]:
    """Return a file that is one record, once it is complete."""
    if not final or not octets:
        return [], 0
    return [Record(body=octets, begin=0, end=len(octets))], len(octets)
