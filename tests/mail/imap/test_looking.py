"""What a folder says of itself, whether it is believed, and archives that rules feed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ingest.domain.mailboxes import Auth
from ingest.mail.cursor import Cursor, to_memory
from ingest.mail.folders import Folder, archives
from ingest.mail.imap import Limits
from ingest.mail.imap_dial import connected
from tests.imap_servers import DEFAULTS, Answer, Dovecot, ScriptedServer, Wire, uids_in
from tests.mail.imap.conftest import IMPATIENT, QUICK, Office, a_mail, a_mailbox

Serve = Callable[..., Awaitable[ScriptedServer]]

PATIENT = Limits(patience_s=5.0)
LOOKING = replace(QUICK, poll_s=0.02, list_s=0.0)


def telling(modseq: Callable[[ScriptedServer], int]) -> Answer:
    """Open the folder as a server with CONDSTORE does."""

    async def examine(wire: Wire, tag: str, args: str) -> None:
        await wire.say(f"* OK [HIGHESTMODSEQ {modseq(wire.server)}] ok")
        await DEFAULTS["EXAMINE"](wire, tag, args)

    return examine


def complete(office: Office, mailbox: str = "mb-bob") -> bool:
    state = office.states.get(mailbox)
    return bool(state and state.folders[0].complete)


def is_marked(office: Office) -> bool:
    remembered = office.log.memory("cursor:mb-bob:INBOX")
    return bool(remembered and remembered["mark"])


def looks(server: ScriptedServer) -> int:
    return sum(" EXAMINE " in line for line in server.heard)


def fetches(server: ScriptedServer) -> int:
    return sum(" FETCH " in line for line in server.heard)


async def test_a_folder_that_says_nothing_changed_is_not_looked_through(
    office: Office, serve: Serve
) -> None:
    server = await serve(mails={1: a_mail(1)}, capabilities="IMAP4rev1 CONDSTORE")
    server.answers["EXAMINE"] = telling(lambda server: 7)

    async with office.following(a_mailbox(server), pace=LOOKING):
        await office.until(lambda: complete(office))
        await office.until(lambda: is_marked(office))
        before, opened = fetches(server), looks(server)
        await office.until(lambda: looks(server) > opened + 5)

    assert fetches(server) == before


async def test_after_a_restart_of_ours_an_unchanged_folder_costs_one_command(
    office: Office, serve: Serve
) -> None:
    server = await serve(mails={1: a_mail(1), 2: a_mail(2)})
    server.answers["EXAMINE"] = telling(lambda server: 7)
    async with office.following(a_mailbox(server)):
        await office.until(lambda: complete(office))
    async with office.following(a_mailbox(server)):
        await office.until(lambda: is_marked(office))
    server.heard.clear()
    office.states.clear()

    async with office.following(a_mailbox(server)):
        await office.until(lambda: complete(office))

    assert fetches(server) == 0


def vanishing(changes: asyncio.Queue[tuple[str, int]]) -> Answer:
    """Let messages go and another one come while we wait in IDLE, and say so in QRESYNC's words."""

    async def idle(wire: Wire, tag: str, args: str) -> None:
        await wire.say("+ idling")
        done = asyncio.ensure_future(wire.hear())
        while not done.done():
            change = asyncio.ensure_future(changes.get())
            await asyncio.wait({done, change}, return_when=asyncio.FIRST_COMPLETED)
            if change.done():
                gone, come = change.result()
                for uid in uids_in(gone):
                    del wire.server.mails[uid]
                wire.server.mails[come] = a_mail(come)
                await wire.say(
                    "* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (9))",
                    "* VANISHED (EARLIER) 1:99",
                    f"* VANISHED {gone}",
                    f"* {len(wire.server.mails)} EXISTS",
                )
            change.cancel()
        await done
        await wire.say(f"{tag} OK done")

    return idle


async def test_messages_that_vanish_unasked_hide_no_mail_and_double_none(
    office: Office, serve: Serve
) -> None:
    """As some servers say it to everybody once one client asked for QRESYNC (RFC 7162)."""
    changes: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    server = await serve(mails={uid: a_mail(uid) for uid in (1, 2, 3, 4)})
    server.answers |= {"UIDS": only_existing, "IDLE": vanishing(changes)}
    async with office.following(a_mailbox(server)):
        await office.until(lambda: complete(office))
        for gone, come in (("2:3", 5), ("4", 6), ("5", 7)):
            await changes.put((gone, come))
            await office.until(lambda come=come: come in office.uids())

    del server.mails[1]  # while nobody follows
    server.mails[8] = a_mail(8)
    async with office.following(a_mailbox(server)):
        await office.until(lambda: 8 in office.uids())

    assert office.uids() == [4, 3, 2, 1, 5, 6, 7, 8]
    assert office.keeper.counters.repeated == 0
    assert not any(folder.error for state in office.history for folder in state.folders)


async def test_what_vanished_is_not_counted_any_more(office: Office, serve: Serve) -> None:
    server = await serve(mails={1: a_mail(1), 2: a_mail(2)})
    server.answers["UIDS"] = only_existing

    async def vanish(wire: Wire, tag: str, args: str) -> None:
        vanished = [f"* VANISHED {uid}" for uid in (1, 2) if wire.server.mails.pop(uid, None)]
        await wire.say(*vanished, "+ idling")
        await wire.hear()
        await wire.say(f"{tag} OK done")

    server.answers["IDLE"] = vanish
    async with office.following(a_mailbox(server), pace=LOOKING):
        await office.until(lambda: complete(office))
        await office.until(lambda: looks(server) > 3)

    assert not any(folder.error for state in office.history for folder in state.folders)


async def only_existing(wire: Wire, tag: str, args: str) -> None:
    """Refuse sequence numbers that no message has, as strict servers do."""
    if max(uids_in(args.partition(" ")[0])) > len(wire.server.mails):
        await wire.say(f"{tag} BAD Invalid messageset")
    else:
        await DEFAULTS["UIDS"](wire, tag, args)


@pytest.mark.parametrize("stuck_uidnext", [None, 2], ids=["modseq", "modseq and uidnext"])
async def test_counts_that_stand_still_hide_no_mail(
    office: Office, serve: Serve, stuck_uidnext: int | None
) -> None:
    server = await serve(mails={1: a_mail(1)}, uidnext=stuck_uidnext)
    server.answers["EXAMINE"] = telling(lambda server: 7)

    async with office.following(a_mailbox(server), pace=replace(LOOKING, trust_s=0.1)):
        await office.until(lambda: is_marked(office))
        server.mails = {2: a_mail(2)}  # one came, one went: even the count is as it was
        await office.until(lambda: office.uids() == [1, 2])


async def test_mail_that_was_not_kept_is_found_although_nothing_changed(
    office: Office, serve: Serve
) -> None:
    """Cut off between two batches of new mail: the mark is set only when all is kept."""
    server = await serve(mails={1: a_mail(1)})
    server.answers["EXAMINE"] = telling(lambda server: len(server.mails))
    async with office.following(a_mailbox(server)):
        await office.until(lambda: complete(office))
    server.mails.update({uid: a_mail(uid) for uid in range(2, 12)})
    pace = replace(QUICK, batch=2)
    async with office.following(a_mailbox(server), pace=pace):
        await office.until(lambda: len(office.uids()) >= 3)

    async with office.following(a_mailbox(server), pace=pace):
        await office.until(lambda: sorted(office.uids()) == list(range(1, 12)))


# -- archives --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Archive", "Архив", "INBOX.Archief", "Archiv"])
def test_an_archive_is_found_by_its_mark_or_else_its_name(name: str) -> None:
    named = Folder(name=name, wire_name=name)
    marked = Folder(name="Old", wire_name="Old", attributes=frozenset({"\\archive"}))
    assert archives([named, Folder(name="Work", wire_name="Work")]) == (named,)
    assert archives([named, marked]) == (marked,)


async def test_an_archive_is_followed_when_rules_move_mail_there_before_we_see_it(
    dovecot: Dovecot, office: Office
) -> None:
    dovecot.append("ruled", [a_mail(1)])
    with dovecot.client("ruled") as client:
        client.create("Archive")
    pace = replace(QUICK, poll_s=0.1, list_s=0.0)

    async with office.following(
        a_mailbox(dovecot, "ruled"), pace=pace, limits=PATIENT, clock=lambda: datetime.now(UTC)
    ):
        await office.until(lambda: complete(office, "mb-ruled"))
        await asyncio.to_thread(move, dovecot, "ruled")  # what a person puts there was seen
        await asyncio.to_thread(dovecot.append, "ruled", [a_mail(3)])
        await office.until(lambda: 2 in office.uids())
        assert "Archive" not in {folder.folder for folder in office.states["mb-ruled"].folders}
        await asyncio.to_thread(dovecot.append, "ruled", [a_mail(2)], "Archive")
        await office.until(lambda: office.uids("Archive"))

    followed = {folder.folder for folder in office.states["mb-ruled"].folders}
    assert "Archive" in followed
    bodies = [row.body for row in office.kept() if row.head["folder"] == "Archive"]
    assert a_mail(2) in bodies


def move(dovecot: Dovecot, user: str) -> None:
    """Put the first mail of INBOX into the archive, as a person does."""
    with dovecot.client(user) as client:
        client.select("INBOX")
        client.copy("1", "Archive")
        client.store("1", "+FLAGS", "\\Deleted")
        client.expunge()


async def test_an_archive_once_followed_stays_followed(office: Office, serve: Serve) -> None:
    folders = '* LIST () "/" INBOX\r\n* LIST (\\Archive) "/" Archive'
    server = await serve(mails={1: a_mail(1)}, folders=folders)
    await office.keeper.keep_many([], {"cursor:mb-bob:Archive": kept_cursor()})

    async with office.following(a_mailbox(server)):
        await office.until(lambda: complete(office))
        await office.until(lambda: len(office.states["mb-bob"].folders) == 2)


def kept_cursor() -> dict[str, object]:
    return to_memory(Cursor(uidvalidity=1, low=1, high=1, complete=True))


# -- compression and tokens ------------------------------------------------------------------


async def test_dovecot_compresses_where_it_is_asked_to(dovecot: Dovecot) -> None:
    if not dovecot.compresses:
        pytest.skip("this Dovecot has no plugin for COMPRESS")
    dovecot.append("zip", [a_mail(1, body="again " * 2_000)])
    box = a_mailbox(dovecot, "zip")
    async with connected(box, replace(PATIENT, squeeze_near=True)) as session:
        await session.sign_in(box)
        assert await session.squeeze()
        opened = await session.open("INBOX")
        [uid] = await session.uids_at(1, opened.exists)
        outlines = await session.outlines([uid])
        assert await session.bodies(list(outlines.values())) == {
            uid: a_mail(1, body="again " * 2_000)
        }


async def test_to_this_machine_nothing_is_compressed(dovecot: Dovecot) -> None:
    box = a_mailbox(dovecot, "zip")
    async with connected(box, PATIENT) as session:
        await session.sign_in(box)
        assert not await session.squeeze()


@pytest.mark.parametrize("auth", [Auth.XOAUTH2, Auth.OAUTHBEARER])
async def test_a_refused_token_is_answered_with_an_empty_line(
    office: Office, serve: Serve, auth: Auth
) -> None:
    """The error comes as one more challenge; who does not answer it waits for ever."""
    answered: list[str] = []

    async def refuse(wire: Wire, tag: str, args: str) -> None:
        await wire.say("+ ")
        await wire.hear()
        await wire.say("+ eyJzdGF0dXMiOiI0MDEifQ==")
        answered.append(await wire.hear())
        await wire.say(f"{tag} NO [AUTHENTICATIONFAILED] no")

    server = await serve(answers={"AUTHENTICATE": refuse})
    box = a_mailbox(server, auth=auth)
    async with connected(box, IMPATIENT) as session:
        with pytest.raises(Exception, match='"status":"401"'):
            await session.sign_in(box)
    assert answered == [""]
