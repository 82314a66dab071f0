"""Whose first import goes on now."""

from __future__ import annotations

from ingest.mail.rate import Rate
from ingest.mail.turns import Turns


def test_only_so_many_first_imports_go_on_at_a_time() -> None:
    turns = Turns(most=2, most_a_host=2)
    assert [turns.mine(who, f"{who}.example", 0.0) for who in "abc"] == [True, True, False]
    turns.leave("a")
    assert turns.mine("c", "c.example", 1.0)


def test_of_one_server_fewer_go_on() -> None:
    turns = Turns(most=9, most_a_host=1)
    assert turns.mine("a", "one.example", 0.0)
    assert not turns.mine("b", "one.example", 0.0)
    assert turns.mine("c", "two.example", 0.0)


def test_who_asked_first_comes_first() -> None:
    turns = Turns(most=1, most_a_host=1)
    assert turns.mine("a", "one.example", 0.0)
    assert not turns.mine("b", "one.example", 0.0)
    assert not turns.mine("c", "one.example", 0.0)
    turns.leave("a")
    assert not turns.mine("c", "one.example", 1.0)
    assert turns.mine("b", "one.example", 1.0)


def test_a_turn_ends_when_others_wait_and_only_then() -> None:
    turns = Turns(most=1, most_a_host=1, turn_s=20.0)
    assert turns.mine("large", "one.example", 0.0)
    assert turns.mine("large", "one.example", 100.0)
    assert not turns.mine("small", "two.example", 101.0)
    assert not turns.mine("large", "one.example", 102.0)
    assert turns.mine("small", "two.example", 103.0)


def test_a_turn_is_kept_if_those_who_wait_could_not_use_it() -> None:
    turns = Turns(most=9, most_a_host=1, turn_s=20.0)
    assert turns.mine("a", "one.example", 0.0)
    assert turns.mine("b", "two.example", 0.0)
    assert not turns.mine("c", "two.example", 0.0)
    assert turns.mine("a", "one.example", 100.0)


def test_who_left_while_waiting_holds_nobody_up() -> None:
    turns = Turns(most=1, most_a_host=1)
    assert turns.mine("a", "one.example", 0.0)
    assert not turns.mine("gone", "one.example", 0.0)
    turns.leave("gone")
    turns.leave("a")
    assert turns.mine("b", "one.example", 1.0)


def test_a_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    assert rate.lately(0.0) is None
    rate.add(100, 0.0)
    rate.add(100, 1.0)
    assert rate.lately(2.0) == 100.0
    assert rate.lately(60.0) is None
    rate.add(30, 60.0)
    assert rate.lately(61.0) == 30.0
