"""How far a folder is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.mailboxes import (
    FolderState,
    Mailbox,
    MailboxState,
    state_from_memory,
    state_to_memory,
)
from ingest.mail.cursor import Cursor, begin, from_memory, to_memory
from ingest.mail.follower import Pace, retry_after
from tests.mail.imap.conftest import NOW


def a_cursor(remembered: Cursor | None = None, *, uidvalidity: int = 1, top: int = 10) -> Cursor:
    plain = to_memory(remembered) if remembered else None
    return begin(plain, uidvalidity=uidvalidity, top=top, exists=7, now=NOW)


def test_a_new_cursor_covers_nothing_and_begins_beneath_the_newest_mail() -> None:
    cursor = a_cursor()
    assert (cursor.low, cursor.high, cursor.complete, cursor.total) == (11, 10, False, 7)
    assert not cursor.recognising


def test_the_same_numbering_goes_on_where_it_was() -> None:
    before = a_cursor().down(5, 3).up(12)
    assert a_cursor(before, top=99) == before


def test_another_numbering_begins_anew_and_looks_for_known_mails() -> None:
    cursor = a_cursor(a_cursor().finished(), uidvalidity=2)
    assert (cursor.low, cursor.high, cursor.recognising) == (11, 10, True)
    assert cursor.alert is not None
    assert not cursor.finished().recognising


def test_a_numbering_that_comes_back_is_another_one() -> None:
    first = a_cursor().finished()
    second = a_cursor(first, uidvalidity=2).finished()
    third = a_cursor(second, uidvalidity=1)
    assert third.recognising
    assert not third.complete


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 2**32 - 1))))
def test_the_ends_of_a_cursor_never_come_closer(moves: list[tuple[bool, int]]) -> None:
    cursor = a_cursor()
    for up, uid in moves:
        after = cursor.up(uid) if up else cursor.down(uid, 1)
        assert after.low <= cursor.low
        assert after.high >= cursor.high
        cursor = after
    assert from_memory(to_memory(cursor)) == cursor


def test_a_state_comes_back_from_memory() -> None:
    folders = (FolderState(folder="INBOX", low=1, high=5), FolderState(folder="Sent", sent=True))
    for at in (None, NOW):
        state = MailboxState(mailbox="m", last_event_at=at, error="no", folders=folders)
        assert state_from_memory(state_to_memory(state)) == state


def test_the_password_is_not_in_the_printed_mailbox() -> None:
    mailbox = Mailbox(id="m", address="a@example.org", host="h", login="a", secret="canary")
    assert "canary" not in repr(mailbox)


@pytest.mark.parametrize(("failures", "least", "most"), [(1, 1, 2), (3, 4, 8), (30, 150, 300)])
def test_pauses_between_tries_grow_and_are_spread(failures: int, least: float, most: float) -> None:
    assert retry_after(failures, Pace(), 0.0) == least
    assert retry_after(failures, Pace(), 1.0) == most
