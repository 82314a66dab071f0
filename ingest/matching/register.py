"""Clients and their numbers, packed: a million of them in about ninety MiB.

Sorted arrays of whole numbers instead of objects. What was loaded once stays as it is; what changed
since, and every number that a person decided about, lies beside it and outranks it.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import Change, Holding, PointFacts
from ingest.matching.who import ClientFacts

LONGEST = 17  #: digits of a number that can be packed; E.164 allows 15
STILL = -1  #: instead of the end of a holding that has none
NOBODY = 0  #: instead of an employee

_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = PointFacts()


def number_key(point: str) -> int | None:
    """Return a whole number's key: as the texts sort, so the keys do. None: it has no key."""
    digits = point.removeprefix("tel:+")
    if len(digits) > LONGEST or not (digits.isascii() and digits.isdigit()):
        return None
    return int(digits.ljust(LONGEST, "0")) << 5 | len(digits)


def client_key(client: str) -> int:
    """Return a client's key of 128 bits: the id itself if it is a UUID, else its hash."""
    if _UUID.fullmatch(client):
        return int(client.replace("-", ""), 16)
    return int.from_bytes(blake2b(client.encode(), digest_size=16).digest())


def client_id(key: int) -> str:
    """Return an id that has this key: the client's own, if that is a UUID."""
    text = f"{key:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Register:
    """Who holds which number, and who is primary of whom, over time. Made by `Packing`."""

    def __init__(self) -> None:
        self._high, self._low = array("Q"), array("Q")  #: keys of clients, sorted
        self._names, self._ends = bytearray(), array("I")
        self._owners, self._since, self._named = array("I"), array("q"), array("I")
        self._people: list[str] = [""]
        self._numbers, self._slots = array("Q"), array("I")
        self._from, self._until = array("q"), array("q")
        self._points: dict[int, PointFacts] = {}
        self._clients: dict[int, ClientFacts | None] = {}

    def holders(self, point: ContactPoint) -> PointFacts:
        """Return who holds a number when, and what a person decided about it."""
        key = number_key(str(point)) if point.kind is PointKind.PHONE else None
        if key is None:
            return _NOTHING
        recent = self._points.get(key)
        return recent if recent is not None else self._packed_holders(key)

    def client(self, client: str) -> ClientFacts | None:
        """Return a client's name and primaries."""
        key = client_key(client)
        if key in self._clients:
            return self._clients[key]
        slot = self._slot(key)
        return None if slot is None else self._packed_client(slot)

    def update(
        self, points: Mapping[str, PointFacts], clients: Mapping[str, ClientFacts | None]
    ) -> None:
        """Take what is known now of these points and clients, instead of what was known."""
        for point, facts in points.items():
            key = number_key(point)
            if key is not None:
                self._points[key] = facts
        for client, known in clients.items():
            self._clients[client_key(client)] = known

    @property
    def recent(self) -> int:
        """Return how many points and clients are not packed."""
        return len(self._points) + len(self._clients)

    @property
    def counts(self) -> tuple[int, int]:
        """Return how many clients and how many holdings are packed."""
        return len(self._high), len(self._numbers)

    @property
    def packed_bytes(self) -> int:
        """Return the memory of what is packed, in octets."""
        arrays = (
            self._high, self._low, self._ends, self._owners, self._since, self._named,
            self._numbers, self._slots, self._from, self._until,
        )  # fmt: skip
        return len(self._names) + sum(len(each) * each.itemsize for each in arrays)

    def _packed_holders(self, key: int) -> PointFacts:
        numbers, found = self._numbers, []
        at = bisect_left(numbers, key)
        while at < len(numbers) and numbers[at] == key:
            until = self._until[at]
            found.append(
                Holding(
                    client=self._id(self._slots[at]),
                    from_at=_moment(self._from[at]),
                    until=None if until == STILL else _moment(until),
                )
            )
            at += 1
        return PointFacts(holdings=tuple(found)) if found else _NOTHING

    def _packed_client(self, slot: int) -> ClientFacts:
        owners, primary = self._owners, []
        at = bisect_left(owners, slot)
        while at < len(owners) and owners[at] == slot:
            employee = self._people[self._named[at]] or None
            primary.append(Change(from_at=_moment(self._since[at]), employee=employee))
            at += 1
        return ClientFacts(name=self._name(slot), primary=tuple(primary))

    def _name(self, slot: int) -> str:
        begins = self._ends[slot - 1] if slot else 0
        return self._names[begins : self._ends[slot]].decode("utf-8", "replace")

    def _id(self, slot: int) -> str:
        return client_id(self._high[slot] << 64 | self._low[slot])

    def _slot(self, key: int) -> int | None:
        high, low = key >> 64, key & (1 << 64) - 1
        at = bisect_left(self._high, high)
        while at < len(self._high) and self._high[at] == high:
            if self._low[at] == low:
                return at
            at += 1
        return None


class Packing:
    """Packs a register: all clients first, then primaries and holdings, in any slices.

    Rows that come in order of the database's keys cost no sorting; any other order is sorted.
    """

    def __init__(self) -> None:
        self._register = Register()
        self._numbers_of: dict[str, int] = {}
        self._clients_sorted = False

    def add_clients(self, rows: Iterable[tuple[str, str]]) -> None:
        """Add clients: id and name."""
        made = self._register
        for client, name in rows:
            key = client_key(client)
            made._high.append(key >> 64)
            made._low.append(key & (1 << 64) - 1)
            made._names += name.encode("utf-8", "replace")
            made._ends.append(len(made._names))

    def add_primaries(self, rows: Iterable[tuple[str, int, str | None]]) -> None:
        """Add change points: client, moment in microseconds, employee; of unknown ones nothing."""
        self._sort_clients()
        made = self._register
        for client, since, employee in rows:
            slot = made._slot(client_key(client))
            if slot is not None:
                made._owners.append(slot)
                made._since.append(since)
                made._named.append(self._number_of(employee))

    def add_holdings(self, rows: Iterable[tuple[str, str, int, int | None]]) -> None:
        """Add holdings: point, client, beginning and end in microseconds."""
        self._sort_clients()
        made = self._register
        for point, client, from_at, until in rows:
            key, slot = number_key(point), made._slot(client_key(client))
            if key is not None and slot is not None:
                made._numbers.append(key)
                made._slots.append(slot)
                made._from.append(from_at)
                made._until.append(STILL if until is None else until)

    def done(self) -> Register:
        """Return the register; nothing is added afterwards."""
        self._sort_clients()
        made = self._register
        order = _order(made._owners, made._since)
        made._owners, made._since, made._named = (
            _ordered(each, order) for each in (made._owners, made._since, made._named)
        )
        order = _order(made._numbers)
        made._numbers, made._slots, made._from, made._until = (
            _ordered(each, order) for each in (made._numbers, made._slots, made._from, made._until)
        )
        return made

    def _number_of(self, employee: str | None) -> int:
        if employee is None:
            return NOBODY
        people, known = self._register._people, self._numbers_of
        if employee not in known:
            known[employee] = len(people)
            people.append(employee)
        return known[employee]

    def _sort_clients(self) -> None:
        if self._clients_sorted:
            return
        self._clients_sorted = True
        made = self._register
        order = _order(made._high, made._low)
        if order is None:
            return
        names, ends = bytearray(), array("I")
        for slot in order:
            names += made._names[made._ends[slot - 1] if slot else 0 : made._ends[slot]]
            ends.append(len(names))
        made._names, made._ends = names, ends
        made._high, made._low = _ordered(made._high, order), _ordered(made._low, order)


def _order(first: array[int], then: array[int] | None = None) -> list[int] | None:
    """Return the places in order of the values; None: they are in order already."""
    if _in_order(first, then):
        return None
    order = list(range(len(first)))
    if then is not None:
        order.sort(key=then.__getitem__)
    order.sort(key=first.__getitem__)  # stable, so the second values keep their order
    return order


def _in_order(first: array[int], then: array[int] | None) -> bool:
    for at in range(1, len(first)):
        before, now = first[at - 1], first[at]
        if now < before or (then is not None and now == before and then[at] < then[at - 1]):
            return False
    return True


def _ordered(values: array[int], order: list[int] | None) -> array[int]:
    return values if order is None else array(values.typecode, (values[at] for at in order))


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
