"""Following mailboxes on a real server."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from ingest.domain.mailboxes import Tls
from ingest.mail.check import Step, check
from ingest.mail.cursor import cursor_name
from ingest.mail.follower import desk_of
from tests.imap_servers import Dovecot
from tests.mail.imap.conftest import IMPATIENT, QUICK, Office, a_mail, a_mailbox

pytestmark = [pytest.mark.imap, pytest.mark.walk]

PATIENT = replace(IMPATIENT, patience_s=10.0)


def imported(office: Office, mailbox: str) -> bool:
    state = office.states.get(mailbox)
    return bool(state and len(state.folders) == 2 and all(f.complete for f in state.folders))


async def test_first_import_keeps_each_mail_once_newest_first(
    dovecot: Dovecot, office: Office
) -> None:
    mails = [a_mail(number) for number in range(200)]
    dovecot.append("ann", mails)
    before = dovecot.flags("ann")

    async with office.following(a_mailbox(dovecot, "ann"), limits=PATIENT):
        await office.until(lambda: imported(office, "mb-ann"))

    assert office.uids() == list(range(200, 0, -1))
    assert [row.body for row in office.kept()] == mails[::-1]
    inbox = office.states["mb-ann"].folders[0]
    assert (inbox.kept, inbox.total, inbox.low, inbox.high) == (200, 200, 1, 200)
    assert dovecot.flags("ann") == before, "the follower changed flags on the server"


async def test_new_mail_comes_in_during_the_first_import(dovecot: Dovecot, office: Office) -> None:
    dovecot.append("during", [a_mail(number) for number in range(100)])
    pace = replace(QUICK, batch=5)

    async with office.following(a_mailbox(dovecot, "during"), limits=PATIENT, pace=pace):
        await office.until(lambda: len(office.uids()) >= 5)
        await asyncio.to_thread(dovecot.append, "during", [a_mail(1000)])
        await office.until(lambda: imported(office, "mb-during"))

    uids = office.uids()
    assert sorted(uids) == list(range(1, 102))
    assert uids.index(101) < uids.index(1), "the new mail waited for the end of the import"


async def test_a_new_mail_is_kept_within_two_seconds(dovecot: Dovecot, office: Office) -> None:
    async with office.following(a_mailbox(dovecot, "quick"), limits=PATIENT):
        await office.until(lambda: imported(office, "mb-quick"))
        took = []
        for uid in (1, 2, 3):
            began = time.monotonic()
            await asyncio.to_thread(dovecot.append, "quick", [a_mail(uid)])
            await office.until(lambda uid=uid: uid in office.uids())
            took.append(time.monotonic() - began)
    assert min(took) < 2.0, took  # the shortest: this machine may be busy with something else


async def test_sent_mail_is_followed_and_marked(dovecot: Dovecot, office: Office) -> None:
    dovecot.append("sender", [a_mail(1)], folder="Verzonden")

    async with office.following(a_mailbox(dovecot, "sender"), limits=PATIENT):
        await office.until(lambda: imported(office, "mb-sender"))
        await asyncio.to_thread(dovecot.append, "sender", [a_mail(2)], "Verzonden")
        await office.until(lambda: len(office.uids("Verzonden")) == 2)

    assert [row.head["sent"] for row in office.kept()] == [True, True]
    assert office.kept()[0].head["internal_date"].endswith("Z")


async def test_the_cursor_moves_in_the_transaction_of_its_mails(
    dovecot: Dovecot, office: Office
) -> None:
    dovecot.append("crash", [a_mail(number) for number in range(10)])
    seen: list[tuple[int, int]] = []
    name = cursor_name("mb-crash", "INBOX")

    def compare(partition: int, position: int) -> None:
        cursor = office.log.memory(name)
        seen.append((len(office.kept()), cursor["high"] - cursor["low"] + 1))

    office.keeper.on_kept.append(compare)
    pace = replace(QUICK, batch=3)
    async with office.following(a_mailbox(dovecot, "crash"), limits=PATIENT, pace=pace):
        await office.until(lambda: imported(office, "mb-crash"))

    assert seen
    assert all(kept == covered for kept, covered in seen)


async def test_what_was_kept_is_not_read_again_after_a_restart_of_ours(
    dovecot: Dovecot, office: Office
) -> None:
    dovecot.append("again", [a_mail(number) for number in range(10)])
    for _ in range(2):
        office.states.clear()
        async with office.following(a_mailbox(dovecot, "again"), limits=PATIENT):
            await office.until(lambda: imported(office, "mb-again"))

    assert len(office.kept()) == 10
    assert office.keeper.counters.repeated == 0


async def test_a_restart_of_the_server_is_survived(dovecot: Dovecot, office: Office) -> None:
    dovecot.append("restart", [a_mail(1)])

    async with office.following(a_mailbox(dovecot, "restart"), limits=PATIENT):
        await office.until(lambda: imported(office, "mb-restart"))
        await asyncio.to_thread(dovecot.stop)
        await office.until(lambda: not office.states["mb-restart"].connected)
        await asyncio.to_thread(dovecot.start)
        await asyncio.to_thread(dovecot.append, "restart", [a_mail(2)])
        await office.until(lambda: office.uids() == [1, 2])


def expunge(dovecot: Dovecot, user: str, numbers: str) -> None:
    with dovecot.client(user) as client:
        client.select("INBOX")
        client.store(numbers, "+FLAGS", "\\Deleted")
        client.expunge()


async def test_mails_that_people_remove_meanwhile_disturb_nothing(
    dovecot: Dovecot, office: Office
) -> None:
    dovecot.append("tidy", [a_mail(number) for number in range(6)])

    async with office.following(a_mailbox(dovecot, "tidy"), limits=PATIENT):
        await office.until(lambda: imported(office, "mb-tidy"))
        await asyncio.to_thread(expunge, dovecot, "tidy", "2:5")
        await asyncio.to_thread(dovecot.append, "tidy", [a_mail(99)])
        await office.until(lambda: 7 in office.uids())

    assert not any(folder.error for state in office.history for folder in state.folders)


def tidy_up(dovecot: Dovecot, user: str, numbers: str) -> list[bytes]:
    """Change flags and expunge as a client with QRESYNC does; return what the server vanished."""
    with dovecot.client(user) as client:
        client.enable("QRESYNC")
        client.select("INBOX")
        client.store("1:*", "+FLAGS", "\\Seen")
        client.store(numbers, "+FLAGS", "\\Deleted")
        client.expunge()
        return [bytes(each) for each in client.response("VANISHED")[1]]


async def test_another_client_with_qresync_takes_and_doubles_nothing(
    dovecot: Dovecot, office: Office
) -> None:
    dovecot.append("resync", [a_mail(number) for number in range(1, 7)])
    mailbox = a_mailbox(dovecot, "resync")

    async with office.following(mailbox, limits=PATIENT):
        await office.until(lambda: imported(office, "mb-resync"))
        vanished = await asyncio.to_thread(tidy_up, dovecot, "resync", "2:4")
        await asyncio.to_thread(dovecot.append, "resync", [a_mail(7)])
        await office.until(lambda: 7 in office.uids())
    assert vanished == [b"2:4"], "this server has no QRESYNC: nothing is shown"

    await asyncio.to_thread(tidy_up, dovecot, "resync", "1")  # while nobody follows
    await asyncio.to_thread(dovecot.append, "resync", [a_mail(8)])
    async with office.following(mailbox, limits=PATIENT):
        await office.until(lambda: 8 in office.uids())
        await asyncio.to_thread(dovecot.append, "resync", [a_mail(9)])
        await office.until(lambda: 9 in office.uids())

    assert office.uids() == [6, 5, 4, 3, 2, 1, 7, 8, 9]
    assert office.keeper.counters.repeated == 0
    assert not any(folder.error for state in office.history for folder in state.folders)


async def test_another_numbering_makes_sightings_and_no_duplicates(
    dovecot: Dovecot, office: Office
) -> None:
    mails = [a_mail(number) for number in range(30)]
    dovecot.append("renumbered", mails)
    mailbox = a_mailbox(dovecot, "renumbered")
    async with office.following(mailbox, limits=PATIENT):
        await office.until(lambda: imported(office, mailbox.id))
    [before] = {row.head["uidvalidity"] for row in office.kept()}

    await asyncio.to_thread(dovecot.renumber, "renumbered")
    await asyncio.to_thread(dovecot.append, "renumbered", [a_mail(99)])
    office.states.clear()
    async with office.following(mailbox, limits=PATIENT):
        await office.until(lambda: imported(office, mailbox.id))

    anew = [row for row in office.kept() if row.head["uidvalidity"] != before]
    assert len(anew) == 31
    with_bytes = [row for row in anew if "resighted" not in row.head]
    assert [row.body for row in with_bytes] == [a_mail(99)]
    assert all(row.body == b"" for row in anew if "resighted" in row.head)
    assert len({row.head["resighted"] for row in anew if "resighted" in row.head}) == 30
    alert = office.states[mailbox.id].folders[0].alert
    assert alert is not None
    assert "30 mails recognised, 1 read anew" in alert


async def test_two_mailboxes_each_keep_their_copy(dovecot: Dovecot, office: Office) -> None:
    for user in ("first", "second"):
        dovecot.append(user, [a_mail(1)])

    async with office.following(
        a_mailbox(dovecot, "first"), a_mailbox(dovecot, "second"), limits=PATIENT
    ):
        await office.until(lambda: imported(office, "mb-first") and imported(office, "mb-second"))

    assert {row.source for row in office.kept()} == {"mb-first", "mb-second"}


async def test_a_large_mail_is_read_in_slices_and_a_huge_one_by_its_header(
    dovecot: Dovecot, office: Office
) -> None:
    large = a_mail(1, body="\r\n".join(["x" * 70] * 3000))
    huge = a_mail(2, body="\r\n".join(["y" * 70] * 8000))
    dovecot.append("large", [large, huge])
    limits = replace(PATIENT, slice_bytes=64 * 1024, mail_max_bytes=400 * 1024)

    async with office.following(a_mailbox(dovecot, "large"), limits=limits):
        await office.until(lambda: imported(office, "mb-large"))

    second, first = office.kept()
    assert first.body == large
    assert second.head["truncated"] is True
    assert second.body is not None
    assert second.body.endswith(b"Subject: Number 2\r\n\r\n")


@pytest.mark.parametrize("tls", [Tls.IMPLICIT, Tls.STARTTLS])
async def test_mail_is_followed_over_tls(dovecot: Dovecot, office: Office, tls: Tls) -> None:
    user = f"tls-{tls.value}"
    dovecot.append(user, [a_mail(1)])
    port = dovecot.tls_port if tls is Tls.IMPLICIT else dovecot.port
    mailbox = a_mailbox(
        dovecot, user, host="localhost", port=port, tls=tls, ca_file=str(dovecot.certificate)
    )

    async with office.following(mailbox, limits=PATIENT):
        await office.until(lambda: office.uids() == [1])


async def test_an_unknown_certificate_is_refused(dovecot: Dovecot, office: Office) -> None:
    mailbox = a_mailbox(dovecot, "tls", host="localhost", port=dovecot.tls_port, tls=Tls.IMPLICIT)

    async with office.following(mailbox):
        await office.until(
            lambda: (
                "certificate" in (office.states["mb-tls"].error or "")
                if "mb-tls" in office.states
                else False
            )
        )


async def test_what_was_remembered_can_be_read_back(dovecot: Dovecot, office: Office) -> None:
    async with office.following(a_mailbox(dovecot, "remembered"), limits=PATIENT):
        await office.until(lambda: imported(office, "mb-remembered"))
    found = await desk_of(office.keeper).recall(["mailbox:mb-remembered", "nothing"])
    assert list(found) == ["mailbox:mb-remembered"]


async def steps(mailbox: object) -> list[Step]:
    return [step async for step in check(mailbox)]  # type: ignore[arg-type]


async def test_check_says_step_by_step_that_all_is_well(dovecot: Dovecot) -> None:
    dovecot.append("checked", [a_mail(1)])
    before = dovecot.flags("checked")
    mailbox = a_mailbox(
        dovecot,
        "checked",
        host="localhost",
        port=dovecot.tls_port,
        tls=Tls.IMPLICIT,
        ca_file=str(dovecot.certificate),
    )

    found = await steps(mailbox)

    assert [(step.name, step.ok) for step in found] == [
        (name, True)
        for name in ["resolve", "connect", "tls", "login", "capabilities", "folders", "test fetch"]
    ]
    assert "Verzonden" in found[5].text
    assert dovecot.flags("checked") == before


@pytest.mark.parametrize(
    ("changes", "step", "advice"),
    [
        ({"port": 1}, "connect", "host, port: nothing answers"),
        ({"host": "mail.invalid"}, "resolve", "host: no address is known for mail.invalid"),
        ({"tls": Tls.IMPLICIT}, "tls", "starttls"),
        ({"secret": "wrong"}, "login", "login, password: the server refused them"),
        ({"folders": ("Nowhere",)}, "folders", "the server has no folder Nowhere"),
        ({"ca_file": "/nowhere.pem", "tls": Tls.STARTTLS}, "tls", "ca_file: there is no file"),
        ({"tls": Tls.STARTTLS, "host": "localhost"}, "tls", "certificate of localhost"),
    ],
)
async def test_check_names_the_setting_to_correct(
    dovecot: Dovecot, changes: dict[str, object], step: str, advice: str
) -> None:
    found = await steps(a_mailbox(dovecot, "checked", **changes))

    [failed] = [each for each in found if not each.ok]
    assert failed.name == step
    assert advice in failed.text
