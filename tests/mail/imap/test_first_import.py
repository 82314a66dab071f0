"""The first import: several connections at once, and what may go wrong with them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ingest.domain.mailboxes import FolderState, MailboxState, state_from_memory, state_to_memory
from ingest.mail.follower import Crowd
from ingest.mail.imap import Limits
from ingest.mail.turns import Turns
from tests.imap_servers import DEFAULTS, Dovecot, HangUp, ScriptedServer, Wire, uids_in
from tests.mail.imap.conftest import NOW, QUICK, Office, a_mail, a_mailbox

Serve = Callable[..., Awaitable[ScriptedServer]]

SHARED = replace(QUICK, batch=7, helpers=3, helped_from=20)
PATIENT = Limits(patience_s=5.0)


def complete(office: Office, mailbox: str = "mb-bob") -> bool:
    state = office.states.get(mailbox)
    return bool(state and state.folders[0].complete)


def many(count: int) -> dict[int, bytes]:
    return {number: a_mail(number) for number in range(1, count + 1)}


async def test_several_connections_keep_each_mail_once_newest_first(
    office: Office, serve: Serve
) -> None:
    server = await serve(mails=many(100))

    async with office.following(a_mailbox(server), pace=SHARED):
        await office.until(lambda: complete(office))

    assert office.uids() == list(range(100, 0, -1))
    assert {row.head["imported"] for row in office.kept()} == {True}
    assert server.connections == 4


async def test_the_cursor_is_never_beyond_what_several_connections_kept(
    office: Office, serve: Serve
) -> None:
    server = await serve(mails=many(100))
    beyond: list[tuple[int, int]] = []

    def compare() -> None:
        lows = [
            folder.low for state in office.history for folder in state.folders if folder.low
        ] or [101]
        kept = len(office.uids())
        if 101 - lows[-1] > kept:
            beyond.append((lows[-1], kept))

    async with office.following(a_mailbox(server), pace=SHARED):
        await office.until(lambda: compare() or complete(office))

    assert beyond == []


async def test_a_small_mailbox_is_imported_by_the_connection_that_watches(
    office: Office, serve: Serve
) -> None:
    server = await serve(mails=many(19))
    async with office.following(a_mailbox(server), pace=SHARED):
        await office.until(lambda: complete(office))
    assert server.connections == 1


async def test_a_server_that_allows_one_connection_is_imported_all_the_same(
    office: Office, serve: Serve
) -> None:
    server = await serve(mails=many(60))

    async def full(wire: Wire, tag: str, args: str) -> None:
        if server.connections > 1:
            await wire.say(f"{tag} NO [LIMIT] too many connections")
            raise HangUp
        await DEFAULTS["LOGIN"](wire, tag, args)

    server.answers["LOGIN"] = full
    async with office.following(a_mailbox(server), pace=SHARED):
        await office.until(lambda: complete(office))

    assert sorted(office.uids()) == list(range(1, 61))
    assert len(office.uids()) == 60
    assert office.states["mb-bob"].paused is None
    assert server.connections <= 4


async def test_a_connection_that_breaks_meanwhile_loses_and_doubles_nothing(
    office: Office, serve: Serve
) -> None:
    server, asked = await serve(mails=many(100)), []

    async def break_once(wire: Wire, tag: str, args: str) -> None:
        asked.append(args)
        if len(asked) == 9:
            await wire.say_raw(b"* 1 FETCH (UID 50 BODY[] {900}\r\nonly a part")
            raise HangUp
        await DEFAULTS["FETCH"](wire, tag, args)

    server.answers["FETCH"] = break_once
    async with office.following(a_mailbox(server), pace=SHARED):
        await office.until(lambda: complete(office))

    assert sorted(office.uids()) == list(range(1, 101))
    assert len(office.uids()) == 100


async def test_an_import_that_was_cut_off_goes_on_where_it_was(
    office: Office, serve: Serve
) -> None:
    server = await serve(mails=many(100))
    for part in (20, 60):
        async with office.following(a_mailbox(server), pace=SHARED):
            await office.until(lambda part=part: len(office.uids()) >= part)
    office.states.clear()
    async with office.following(a_mailbox(server), pace=SHARED):
        await office.until(lambda: complete(office))

    assert sorted(office.uids()) == list(range(1, 101))
    assert len(office.uids()) == 100
    assert office.keeper.counters.repeated == 0


async def test_new_mail_does_not_wait_for_the_first_import(office: Office, serve: Serve) -> None:
    server, go = await serve(mails=many(100)), asyncio.Event()

    async def slow(wire: Wire, tag: str, args: str) -> None:
        if "BODY.PEEK[]" in args and not args.startswith("101"):
            await go.wait()
        await DEFAULTS["FETCH"](wire, tag, args)

    async def noop(wire: Wire, tag: str, args: str) -> None:
        await wire.say(f"* {len(server.mails)} EXISTS", f"{tag} OK done")

    server.answers |= {"FETCH": slow, "NOOP": noop}
    async with office.following(a_mailbox(server), pace=SHARED, limits=PATIENT):
        await office.until(lambda: server.connections == 4)
        server.deliver(101, a_mail(101))
        await office.until(lambda: office.uids() == [101])
        go.set()
        await office.until(lambda: complete(office))

    assert office.uids() == list(range(101, 0, -1))
    assert [row.head["uid"] for row in office.kept() if "imported" not in row.head] == [101]


async def test_of_large_mails_each_connection_holds_no_more_than_a_batch(
    office: Office, serve: Serve
) -> None:
    body = "\r\n".join(["x" * 70] * 200)
    server = await serve(mails={uid: a_mail(uid, body=body) for uid in range(1, 61)})
    pace = replace(SHARED, batch_bytes=30_000)

    async with office.following(a_mailbox(server), pace=pace, limits=PATIENT):
        await office.until(lambda: complete(office))

    assert office.uids() == list(range(60, 0, -1))


async def test_progress_shows_a_rate_while_it_goes_on(office: Office, serve: Serve) -> None:
    server = await serve(mails=many(100))
    async with office.following(a_mailbox(server), pace=SHARED):
        await office.until(lambda: complete(office))

    folders = [folder for state in office.history for folder in state.folders]
    assert any(folder.rate for folder in folders if not folder.complete)
    assert folders[-1].rate is None
    assert folders[-1].reached == datetime(2026, 7, 16, 23, 44, 25, tzinfo=UTC)


async def test_first_imports_of_many_mailboxes_take_turns(office: Office, serve: Serve) -> None:
    server = await serve(mails=many(30))
    crowd = Crowd(arriving=2, turns=Turns(most=1, most_a_host=1, turn_s=0.0))
    boxes = [a_mailbox(server, f"user{number}") for number in range(5)]

    async with office.following(*boxes, pace=replace(SHARED, turn_s=0.02), crowd=crowd):
        await office.until(lambda: all(complete(office, box.id) for box in boxes))

    assert len(office.kept()) == 150
    waited = {s.mailbox for s in office.history if any(f.rests for f in s.folders)}
    assert waited


async def test_a_slow_server_keeps_no_other_mailbox_waiting(office: Office, serve: Serve) -> None:
    async def slow(wire: Wire, tag: str, args: str) -> None:
        await wire.nothing()

    hanging = await serve(answers={"CAPABILITY": slow})
    sound = await serve(mails=many(3))
    crowd = Crowd(arriving=2)
    boxes = [a_mailbox(hanging, f"slow{number}", host="localhost") for number in range(30)]

    async with office.following(
        *boxes, a_mailbox(sound), crowd=crowd, limits=replace(PATIENT, patience_s=1.5)
    ):
        await office.until(lambda: complete(office), within_s=1.4)


async def test_a_refused_mail_is_kept_without_text_also_when_connections_share(
    office: Office, serve: Serve
) -> None:
    async def refuse(wire: Wire, tag: str, args: str) -> None:
        numbers, _, parts = args.partition(" ")
        if "BODY.PEEK[]" in parts and 50 in uids_in(numbers):
            await wire.say(f"{tag} NO cannot read it")
        else:
            await DEFAULTS["FETCH"](wire, tag, args)

    server = await serve(mails=many(60), answers={"FETCH": refuse})
    async with office.following(a_mailbox(server), pace=replace(SHARED, refusal_tries=2)):
        await office.until(lambda: complete(office))

    assert sorted(office.uids()) == list(range(1, 61))
    [row] = [row for row in office.kept() if row.head.get("truncated")]
    assert row.head["uid"] == 50


# -- against Dovecot -------------------------------------------------------------------------

MESSAGES = int(os.environ.get("IMAP_MESSAGES", "600"))  # 20000 for the long size


async def test_a_mailbox_of_dovecot_is_imported_whole_while_new_mail_comes_in(
    dovecot: Dovecot, office: Office
) -> None:
    dovecot.fill("whole", [a_mail(number) for number in range(MESSAGES)])
    before = dovecot.flags("whole")
    pace = replace(QUICK, look_s=0.05, batch=50, helped_from=100)

    async with office.following(a_mailbox(dovecot, "whole"), pace=pace, limits=PATIENT):
        counted = office.keeper.counters
        await office.until(lambda: counted.kept > MESSAGES // 5, within_s=60)
        await asyncio.to_thread(dovecot.append, "whole", [a_mail(99_999)])
        await office.until(lambda: complete(office, "mb-whole"), within_s=300)
        await office.until(lambda: counted.kept == MESSAGES + 1, within_s=60)

    assert sorted(office.uids()) == list(range(1, MESSAGES + 2))
    assert len({row.body for row in office.kept()}) == MESSAGES + 1
    after = dovecot.flags("whole")
    assert after[:MESSAGES] == before
    assert b"\\Seen" not in b"".join(after)


# -- what others learn of it -----------------------------------------------------------------


def a_state(**folders: dict[str, object]) -> MailboxState:
    known = tuple(FolderState(folder=name, **said) for name, said in folders.items())  # type: ignore[arg-type]
    return MailboxState(mailbox="mb", folders=known)


def test_a_mailbox_is_settled_when_inbox_and_sent_have_both_come_in_that_far() -> None:
    since = NOW - timedelta(days=14)
    far, near = NOW - timedelta(days=15), NOW - timedelta(days=3)
    sent: dict[str, object] = {"sent": True, "reached": near}
    assert not a_state(INBOX={"reached": far}, Sent=sent).settled(since)
    assert a_state(INBOX={"reached": far}, Sent={**sent, "reached": far}).settled(since)
    assert a_state(INBOX={"complete": True}, Sent={**sent, "complete": True}).settled(since)
    assert not a_state(INBOX={}).settled(since)
    assert a_state(INBOX={"complete": True}, Work={"reached": near}).settled(since)


def test_how_far_an_import_came_is_remembered() -> None:
    state = a_state(INBOX={"reached": NOW, "rate": 12.5, "rests": "the disk is nearly full"})
    assert state_from_memory(state_to_memory(state)) == state


def test_a_state_of_an_older_version_can_be_read() -> None:
    plain = state_to_memory(a_state(INBOX={"kept": 3}))
    for folder in plain["folders"]:
        for name in ("rate", "rests", "reached"):
            del folder[name]
    assert state_from_memory(plain).folders[0].kept == 3


async def test_several_connections_recognise_the_mails_of_an_earlier_numbering(
    office: Office, serve: Serve
) -> None:
    server = await serve(mails=many(60))
    async with office.following(a_mailbox(server), pace=SHARED):
        await office.until(lambda: complete(office))
    server.uidvalidity, server.mails = 2, {uid + 500: mail for uid, mail in many(61).items()}
    office.states.clear()

    async with office.following(a_mailbox(server), pace=SHARED):
        await office.until(lambda: complete(office))

    anew = [row for row in office.kept() if row.head["uidvalidity"] == 2]
    assert [row.head["uid"] for row in anew] == list(range(561, 500, -1))
    assert [row.body for row in anew if "resighted" not in row.head] == [a_mail(61)]
    assert "60 mails recognised, 1 read anew" in (office.states["mb-bob"].folders[0].alert or "")


@pytest.mark.parametrize("what", ["RFC822.SIZE", "BODY.PEEK[]"])
async def test_a_server_that_answers_half_of_what_is_asked_at_once_loses_no_mail(
    office: Office, serve: Serve, what: str
) -> None:
    server, seen = await serve(mails=many(60)), set[str]()

    async def forget(wire: Wire, tag: str, args: str) -> None:
        if what in args and args not in seen:
            seen.add(args)
            if len(seen) > 4:
                await wire.say(f"{tag} OK done")
                return
        await DEFAULTS["FETCH"](wire, tag, args)

    server.answers["FETCH"] = forget
    async with office.following(a_mailbox(server), pace=SHARED):
        await office.until(lambda: complete(office))

    assert office.uids() == list(range(60, 0, -1))


async def test_a_disk_that_fills_up_meanwhile_stops_the_import_and_it_goes_on_after(
    office: Office, serve: Serve
) -> None:
    server, fill = await serve(mails=many(100)), []

    async def fetch(wire: Wire, tag: str, args: str) -> None:
        fill.append(args)
        if len(fill) == 6:
            office.full = "the disk is nearly full"
        await DEFAULTS["FETCH"](wire, tag, args)

    server.answers["FETCH"] = fetch
    async with office.following(a_mailbox(server), pace=replace(SHARED, full_s=0.02)):
        await office.until(lambda: rests(office) == "the disk is nearly full")
        assert len(office.uids()) < 100
        office.full = None
        await office.until(lambda: complete(office))

    assert office.uids() == list(range(100, 0, -1))


def rests(office: Office) -> str | None:
    state = office.states.get("mb-bob")
    return state.folders[0].rests if state else None
