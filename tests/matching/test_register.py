"""The packed clientele says the same as plain dictionaries, whatever it was packed from."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import BEGINNING, Change, Holding, PointFacts
from ingest.matching.register import Packing, client_id, client_key, number_key
from ingest.matching.who import ClientFacts, who
from tests.matching.test_who import Clients, office
from tests.properties import examples

SPACE = UUID("6f1d6a52-0d4b-5b0e-9a53-5c2b9f5f7d11")


def phone(number: str) -> ContactPoint:
    return ContactPoint(PointKind.PHONE, number)


def packed(clients=(), primaries=(), holdings=()):
    packing = Packing()
    packing.add_clients(clients)
    packing.add_primaries(primaries)
    packing.add_holdings(holdings)
    return packing.done()


def at(micros: int):
    return BEGINNING + timedelta(microseconds=micros)


@pytest.mark.parametrize("client", [str(uuid5(SPACE, "a")), "c1", "клиент", ""])
def test_a_client_is_found_by_his_id_and_by_the_id_of_his_key(client: str):
    register = packed([(client, "Ромашка"), ("other", "Other")], [(client, 5, "anna")])

    known = ClientFacts(name="Ромашка", primary=(Change(from_at=at(5), employee="anna"),))
    assert register.client(client) == known
    assert register.client(client_id(client_key(client))) == known
    assert register.client("nobody") is None


def test_the_id_of_a_uuids_key_is_the_uuid():
    client = str(uuid5(SPACE, "a"))

    assert client_id(client_key(client)) == client


def test_keys_of_numbers_sort_as_their_texts_and_none_is_mistaken_for_another():
    numbers = ["7", "70", "700", "7000000000000", "70000000000000", "1" * 17, "79161230001"]
    points = sorted(f"tel:+{number}" for number in numbers)
    keys = [number_key(point) for point in points]

    assert keys == sorted(keys)
    assert len(set(keys)) == len(numbers)
    assert number_key("tel:+" + "9" * 17) < 2**64
    assert number_key("tel:+" + "9" * 18) is None
    assert number_key("mail:a@b.example") is None
    assert number_key("tel:+٣") is None


def test_what_changed_since_outranks_what_was_packed():
    register = packed([("c", "Old")], [("c", 0, "anna")], [("tel:+79161230001", "c", 0, None)])
    newer = ClientFacts(name="New")

    register.update({"tel:+79161230001": PointFacts()}, {"c": newer, "gone": None})

    assert register.holders(phone("+79161230001")) == PointFacts()
    assert register.client("c") == newer
    assert register.client("gone") is None
    assert register.recent == 3


def test_holdings_and_primaries_of_unknown_clients_are_left_out():
    register = packed([("c", "C")], [("x", 0, "anna")], [("tel:+79161230001", "x", 0, None)])

    assert register.holders(phone("+79161230001")) == PointFacts()
    assert register.counts == (1, 0)


def test_a_holding_and_a_primary_keep_their_moments():
    register = packed(
        [("c", "C")],
        [("c", 9, None), ("c", 3, "anna")],
        [("tel:+79161230001", "c", 2, 5), ("tel:+79161230001", "c", 7, None)],
    )
    client = client_id(client_key("c"))

    assert register.holders(phone("+79161230001")).holdings == (
        Holding(client=client, from_at=at(2), until=at(5)),
        Holding(client=client, from_at=at(7)),
    )
    known = register.client("c")
    assert known is not None
    assert known.primary == (
        Change(from_at=at(3), employee="anna"),
        Change(from_at=at(9), employee=None),
    )


def test_rows_may_come_in_any_order():
    names = {str(uuid5(SPACE, str(n))): f"C{n}" for n in range(20)}
    numbers = {f"+7916000{n * 7 % 20:04}": client for n, client in enumerate(names)}
    register = packed(
        names.items(),
        [(client, 0, name) for client, name in reversed(names.items())],
        [(f"tel:{number}", client, 0, None) for number, client in numbers.items()],
    )

    for number, client in numbers.items():
        [holding] = register.holders(phone(number)).holdings
        assert holding.client == client
        known = register.client(client)
        assert known is not None
        assert (known.name, known.primary[0].employee) == (names[client], names[client])


IDS = st.sampled_from([str(uuid5(SPACE, str(n))) for n in range(2)] + ["c1"])
NUMBERS = st.sampled_from(["+79160000002", "+79160000001"])
MICROS = st.integers(0, 6)
PEOPLE = st.sampled_from(["anna", "boris", "dora", None])


@examples(60)
@given(
    known=st.dictionaries(IDS, st.text(max_size=5), min_size=2, max_size=3),
    primaries=st.dictionaries(st.tuples(IDS, MICROS), PEOPLE, min_size=3, max_size=8),
    held=st.lists(
        st.tuples(NUMBERS, IDS, st.just(0) | MICROS, st.none() | MICROS), min_size=1, max_size=4
    ),
    left=st.dictionaries(st.sampled_from(["anna", "boris", "dora"]), MICROS, max_size=2),
    caller=NUMBERS,
    moment=MICROS,
)
def test_the_packed_answer_is_that_of_plain_dictionaries(
    known, primaries, held, left, caller, moment
):
    company = office(**{name: at(micros) for name, micros in left.items()})
    points: dict[str, PointFacts] = {}
    for number, client, from_at, until in held:
        if client in known:
            end = None if until is None else at(until)
            holding = Holding(client=client, from_at=at(from_at), until=end)
            before = points.get(f"tel:{number}", PointFacts()).holdings
            points[f"tel:{number}"] = PointFacts(holdings=(*before, holding))
    plain = Clients(
        points,
        {
            id_: ClientFacts(
                name=name,
                primary=tuple(
                    Change(from_at=at(micros), employee=employee)
                    for (client, micros), employee in sorted(
                        primaries.items(), key=lambda it: it[0]
                    )
                    if client == id_
                ),
            )
            for id_, name in known.items()
        },
    )
    register = packed(
        known.items(),
        [(client, micros, employee) for (client, micros), employee in primaries.items()],
        [(f"tel:{number}", *rest) for number, *rest in held],
    )

    said = [
        who(
            phone(caller),
            at=at(moment),
            source="office",
            company=company,
            clientele=clientele,
        )
        for clientele in (plain, register)
    ]

    assert said[0] == said[1]
