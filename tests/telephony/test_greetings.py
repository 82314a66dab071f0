"""Handshakes: a stranger who shakes hands for fun turns nobody else away."""

from __future__ import annotations

from ingest.telephony.greetings import Greetings


def quotas(most: int = 100) -> tuple[Greetings, list[float]]:
    now = [0.0]
    return Greetings(5.0, 30.0, lambda: now[0], most=most), now


def test_a_stranger_who_uses_his_handshakes_up_takes_none_of_the_providers() -> None:
    greetings, _ = quotas()

    taken = [greetings.take("ringcentral", "203.0.113.9") for _ in range(100)]

    assert taken.count(True) == 30
    assert greetings.take("ringcentral", "198.51.100.7")
    assert greetings.take("other", "203.0.113.9")


def test_after_a_pause_some_are_left_again() -> None:
    greetings, now = quotas()
    while greetings.take("s", "203.0.113.9"):
        pass

    now[0] += 1.0

    assert [greetings.take("s", "203.0.113.9") for _ in range(6)] == [True] * 5 + [False]


def test_a_network_of_ipv6_and_an_address_in_disguise_count_as_one_sender() -> None:
    greetings, _ = quotas()
    for number in range(30):
        assert greetings.take("s", f"2001:db8:1:2::{number + 1:x}")
        assert greetings.take("t", "203.0.113.9" if number % 2 else "::ffff:203.0.113.9")

    assert not greetings.take("s", "2001:db8:1:2:ffff::1")
    assert greetings.take("s", "2001:db8:1:3::1")
    assert not greetings.take("t", "203.0.113.9")


def test_what_is_remembered_is_bounded_and_who_is_forgotten_is_not_locked_out() -> None:
    greetings, _ = quotas(most=50)
    while greetings.take("s", "203.0.113.9"):
        pass

    for number in range(200):
        assert greetings.take("s", f"198.51.100.{number}")

    assert len(greetings._quotas) == 50
    assert greetings.take("s", "192.0.2.1")
