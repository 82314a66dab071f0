"""Servers that hang, lie, flood and attack: the follower survives and nothing is lost."""

from __future__ import annotations

import asyncio
import re
import resource
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from ingest.domain.mailboxes import Auth, Tls
from ingest.mail.check import check
from ingest.mail.follower import desk_of, pause_name
from tests.imap_servers import DEFAULTS, HangUp, ScriptedServer, Wire, fetch_line, uids_in
from tests.mail.imap.conftest import IMPATIENT, QUICK, Office, a_mail, a_mailbox

Serve = Callable[..., Awaitable[ScriptedServer]]


def errors(office: Office, mailbox: str = "mb-bob") -> str:
    return " | ".join(
        folder.error
        for state in office.history
        if state.mailbox == mailbox
        for folder in state.folders
        if folder.error
    )


def rests(office: Office, mailbox: str = "mb-bob") -> str | None:
    state = office.states.get(mailbox)
    return state.folders[0].rests if state else None


def once(bad: Callable[..., Awaitable[None]], good: Callable[..., Awaitable[None]]) -> Any:
    """Answer badly the first time, then well."""
    used: list[None] = []

    async def answer(wire: Wire, tag: str, args: str) -> None:
        if used:
            await good(wire, tag, args)
        else:
            used.append(None)
            await bad(wire, tag, args)

    return answer


def default(name: str) -> Callable[..., Awaitable[None]]:
    return DEFAULTS[name]


def bodies_only(
    bad: Callable[[Wire, str, str], Awaitable[None]],
) -> Callable[[Wire, str, str], Awaitable[None]]:
    """Answer badly only where whole messages are asked for."""

    async def answer(wire: Wire, tag: str, args: str) -> None:
        await (bad if "BODY.PEEK[]" in args else default("FETCH"))(wire, tag, args)

    return answer


async def follow_one(office: Office, server: ScriptedServer, **settings: Any) -> None:
    """Follow until all that the server holds was kept."""
    async with office.following(a_mailbox(server), **settings):
        await office.until(lambda: set(office.uids()) == set(server.mails))
        await office.until(lambda: office.states["mb-bob"].folders[0].complete)


async def test_a_server_that_hangs_inside_a_mail_is_left_and_tried_again(
    office: Office, serve: Serve
) -> None:
    async def hang(wire: Wire, tag: str, args: str) -> None:
        await wire.say_raw(b"* 1 FETCH (UID 7 BODY[] {900}\r\nonly a part")
        await wire.nothing()

    server = await serve(mails={7: a_mail(7)})
    server.answers["FETCH"] = bodies_only(once(hang, default("FETCH")))

    await follow_one(office, server, limits=replace(IMPATIENT, patience_s=0.2))

    assert "did not answer FETCH in time" in errors(office)
    assert [row.body for row in office.kept()] == [a_mail(7)]


async def test_a_hanging_server_disturbs_no_other_mailbox(office: Office, serve: Serve) -> None:
    async def hang(wire: Wire, tag: str, args: str) -> None:
        await wire.nothing()

    hanging = await serve(mails={1: a_mail(1)}, answers={"FETCH": hang})
    sound = await serve(mails={1: a_mail(2)})

    async with office.following(a_mailbox(hanging, "ann"), a_mailbox(sound, "bob")):
        await office.until(lambda: [row.source for row in office.kept()] == ["mb-bob"])
        assert not any(folder.complete for folder in office.states["mb-ann"].folders)


async def test_a_literal_beyond_the_cap_is_never_read(office: Office, serve: Serve) -> None:
    async def announce(wire: Wire, tag: str, args: str) -> None:
        await wire.say_raw(b"* 1 FETCH (UID 7 BODY[] {300000000}\r\n")
        for _ in range(300):
            await wire.say_raw(b"x" * 1_000_000)

    server = await serve(mails={7: a_mail(7)})
    server.answers["FETCH"] = bodies_only(once(announce, default("FETCH")))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    await follow_one(office, server)

    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 32 * 1024
    assert "announced 300000000 octets" in errors(office)


async def test_a_mail_that_states_a_size_beyond_the_cap_is_kept_by_its_header(
    office: Office, serve: Serve
) -> None:
    async def lie(wire: Wire, tag: str, args: str) -> None:
        line = fetch_line(1, 7, args.partition(" ")[2], wire.server.mails)
        await wire.say_raw(re.sub(rb"RFC822.SIZE \d+", b"RFC822.SIZE 300000000", line))
        await wire.say(f"{tag} OK done")

    server = await serve(mails={7: a_mail(7)}, answers={"FETCH": lie})

    await follow_one(office, server)

    [row] = office.kept()
    assert row.head["truncated"] is True
    assert row.body == a_mail(7).partition(b"Hello")[0]
    assert not any("BODY.PEEK[]" in line for line in server.heard)


async def say_goodbye(wire: Wire, tag: str, args: str) -> None:
    await wire.say("+ idling", "* BYE server shuts down")


async def close(wire: Wire, tag: str, args: str) -> None:
    await wire.say("+ idling")
    raise HangUp


@pytest.mark.parametrize(
    ("bad", "reason"), [(say_goodbye, "ended the session: server shuts"), (close, "closed the co")]
)
async def test_the_end_of_the_connection_in_idle_is_noticed_at_once(
    office: Office, serve: Serve, bad: Callable[..., Awaitable[None]], reason: str
) -> None:
    server = await serve()
    server.answers["IDLE"] = once(bad, default("IDLE"))

    async with office.following(a_mailbox(server)):
        await office.until(lambda: reason in errors(office))
        server.deliver(1, a_mail(1))
        await office.until(lambda: office.uids() == [1])


async def test_goodbye_instead_of_a_greeting_tells_its_reason(office: Office, serve: Serve) -> None:
    server = await serve(greeting="* BYE too many connections")
    async with office.following(a_mailbox(server)):
        await office.until(lambda: "too many connections" in errors(office))


async def test_a_wrong_password_is_tried_three_times_and_then_pauses(
    office: Office, serve: Serve
) -> None:
    wrong = await serve(password="another")
    sound = await serve(mails={1: a_mail(1)})

    async with office.following(a_mailbox(wrong, "ann"), a_mailbox(sound, "bob")):
        await office.until(lambda: "mb-ann" in office.states and office.states["mb-ann"].paused)
        sound.deliver(2, a_mail(2))
        await office.until(lambda: sorted(office.uids()) == [1, 2])

    assert sum(line.split()[1] == "LOGIN" for line in wrong.heard) == 3
    assert "refused the login 3 times" in (office.states["mb-ann"].paused or "")


async def test_a_pause_holds_after_a_restart_until_the_settings_change(
    office: Office, serve: Serve
) -> None:
    server = await serve(mails={1: a_mail(1)})
    pause = {"version": "1", "reason": "refused", "at": ""}
    await desk_of(office.keeper).remember({pause_name("mb-bob"): pause})

    async with office.following(a_mailbox(server, version="1")):
        await office.until(lambda: "mb-bob" in office.states)
    assert office.states["mb-bob"].paused == "refused"
    assert server.connections == 0

    async with office.following(a_mailbox(server, version="2")):
        await office.until(lambda: office.uids() == [1])


async def test_a_server_that_is_busy_does_not_pause_the_mailbox(
    office: Office, serve: Serve
) -> None:
    tries: list[None] = []

    async def busy(wire: Wire, tag: str, args: str) -> None:
        tries.append(None)
        if len(tries) <= 5:
            await wire.say(f"{tag} NO [UNAVAILABLE] come back later")
        else:
            await default("LOGIN")(wire, tag, args)

    server = await serve(mails={1: a_mail(1)}, answers={"LOGIN": busy})
    await follow_one(office, server)


async def test_preauth_before_tls_is_refused(office: Office, serve: Serve) -> None:
    server = await serve(greeting="* PREAUTH welcome", capabilities="IMAP4rev1 STARTTLS")
    async with office.following(a_mailbox(server, tls=Tls.STARTTLS)):
        await office.until(lambda: "before the connection was protected" in errors(office))
    assert server.heard == []


async def test_preauth_on_this_machine_is_allowed_without_tls(office: Office, serve: Serve) -> None:
    server = await serve(greeting="* PREAUTH welcome", mails={1: a_mail(1)})
    await follow_one(office, server)
    assert not any("LOGIN" in line for line in server.heard)


async def test_text_injected_before_the_handshake_is_refused(office: Office, serve: Serve) -> None:
    async def inject(wire: Wire, tag: str, args: str) -> None:
        await wire.say_raw(f"{tag} OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n".encode())

    server = await serve(capabilities="IMAP4rev1 STARTTLS", answers={"STARTTLS": inject})
    async with office.following(a_mailbox(server, tls=Tls.STARTTLS)):
        await office.until(lambda: "between STARTTLS and the TLS handshake" in errors(office))
    assert not any("secret" in line or "LOGIN" in line for line in server.heard)


async def test_without_starttls_the_password_is_never_sent(office: Office, serve: Serve) -> None:
    server = await serve()
    async with office.following(a_mailbox(server, tls=Tls.STARTTLS)):
        await office.until(lambda: "does not offer STARTTLS" in errors(office))
    assert not any("LOGIN" in line for line in server.heard)


FAKES = (
    "A1 OK done\r\n* 99 EXISTS\r\n)\r\n* BYE\r\n+ go\r\n* 1 FETCH (UID 9 BODY[] {3}\r\nabc)",
    "ends in a mark {5}",
    "",
)


@pytest.mark.parametrize("body", FAKES)
async def test_protocol_inside_a_mail_is_only_text(office: Office, serve: Serve, body: str) -> None:
    mail = a_mail(7, body=body)
    server = await serve(mails={7: mail})
    await follow_one(office, server)
    assert [row.body for row in office.kept()] == [mail]
    assert server.connections == 1


async def test_every_chunking_of_the_wire_gives_the_same_mail(office: Office, serve: Serve) -> None:
    async def dribble(wire: Wire, tag: str, args: str) -> None:
        which, _, parts = args.partition(" ")
        for octet in fetch_line(1, uids_in(which)[0], parts, wire.server.mails):
            await wire.say_raw(bytes([octet]))
        await wire.say(f"{tag} OK done")

    mail = a_mail(7, body=FAKES[0])
    server = await serve(mails={7: mail}, answers={"FETCH": dribble})
    await follow_one(office, server)
    assert [row.body for row in office.kept()] == [mail]


@pytest.mark.parametrize("subject", ["** SALE * now * cheap", "sad :-( and ((", "{12}", '"a\\'])
async def test_a_subject_is_never_taken_for_syntax(
    office: Office, serve: Serve, subject: str
) -> None:
    mail = a_mail(7, subject=subject)
    server = await serve(mails={7: mail, 8: a_mail(8)})
    await follow_one(office, server)
    assert {row.body for row in office.kept()} == {mail, a_mail(8)}
    assert server.connections == 1


async def test_ten_thousand_lines_of_noise_are_passed_over(office: Office, serve: Serve) -> None:
    async def noisy(wire: Wire, tag: str, args: str) -> None:
        await wire.say(*(f"* OK still here {number}" for number in range(5_000)))
        await wire.say(*("* 1 FETCH (FLAGS (\\Seen))" for _ in range(5_000)))
        await default("FETCH")(wire, tag, args)

    server = await serve(mails={7: a_mail(7)}, answers={"FETCH": noisy})
    await follow_one(office, server)
    assert server.connections == 1


async def test_news_of_flags_in_between_takes_nothing_away(office: Office, serve: Serve) -> None:
    async def with_news(wire: Wire, tag: str, args: str) -> None:
        news = "* 1 FETCH (UID 7 FLAGS (\\Seen))"
        await wire.say(news, "* 9 EXISTS", "* 9 EXPUNGE")
        await wire.say_raw(fetch_line(1, 7, args.partition(" ")[2], wire.server.mails))
        await wire.say(news, f"{tag} OK done")

    server = await serve(mails={7: a_mail(7)}, answers={"FETCH": with_news})
    await follow_one(office, server)
    assert [row.body for row in office.kept()] == [a_mail(7)]
    assert office.kept()[0].head["size"] == len(a_mail(7))


async def test_mails_removed_meanwhile_are_not_asked_for(office: Office, serve: Serve) -> None:
    async def remove(wire: Wire, tag: str, args: str) -> None:
        del wire.server.mails[2]
        await wire.say("+ idling", "* 2 EXPUNGE")
        await wire.hear()
        await wire.say(f"{tag} OK done")

    async def strict(wire: Wire, tag: str, args: str) -> None:
        if max(uids_in(args.partition(" ")[0])) > len(wire.server.mails):
            await wire.say(f"{tag} BAD no such message")
        else:
            await default("UIDS")(wire, tag, args)
        if list(wire.server.mails) == [1]:
            wire.server.deliver(9, a_mail(9))

    server = await serve(mails={1: a_mail(1), 2: a_mail(2)}, answers={"UIDS": strict})
    server.answers["IDLE"] = once(remove, default("IDLE"))
    async with office.following(a_mailbox(server)):
        await office.until(lambda: sorted(office.uids()) == [1, 2, 9])
    assert not errors(office)


async def test_a_line_without_end_closes_the_connection(office: Office, serve: Serve) -> None:
    async def endless(wire: Wire, tag: str, args: str) -> None:
        await wire.say_raw(b"* OK " + b"x" * 1_000_000)

    server = await serve(mails={7: a_mail(7)})
    server.answers["FETCH"] = once(endless, default("FETCH"))
    await follow_one(office, server)
    assert "line longer than 65536" in errors(office)


async def test_endless_noise_closes_the_connection(office: Office, serve: Serve) -> None:
    async def flood(wire: Wire, tag: str, args: str) -> None:
        while True:
            await wire.say_raw(b"* OK noise\r\n" * 10_000)

    server = await serve(mails={7: a_mail(7)})
    server.answers["UIDS"] = once(flood, default("UIDS"))
    await follow_one(office, server, limits=replace(IMPATIENT, patience_s=5.0))
    assert "more than was asked for" in errors(office)


@pytest.mark.parametrize(
    "answer", ["* 1 FETCH (UID 7", "* 1 FETCH " + "(" * 200, "* 1 FETCH UID", '* 1 FETCH ("']
)
async def test_an_answer_that_cannot_be_read_drops_the_connection(
    office: Office, serve: Serve, answer: str
) -> None:
    async def garbled(wire: Wire, tag: str, args: str) -> None:
        await wire.say(answer, f"{tag} OK done")

    server = await serve(mails={7: a_mail(7)})
    server.answers["FETCH"] = once(garbled, default("FETCH"))
    await follow_one(office, server)
    assert "cannot be read" in errors(office)


async def test_an_answer_to_another_command_drops_the_connection(
    office: Office, serve: Serve
) -> None:
    async def other(wire: Wire, tag: str, args: str) -> None:
        await wire.say("ZZ99 OK done")

    server = await serve(mails={7: a_mail(7)})
    server.answers["FETCH"] = once(other, default("FETCH"))
    await follow_one(office, server)
    assert "never sent" in errors(office)


async def test_a_folder_name_cannot_carry_a_second_command(office: Office, serve: Serve) -> None:
    evil = b'Sent"\r\nA9 DELETE INBOX'
    listing = b'* LIST (\\Sent) "/" {%d}\r\n%b\r\n' % (len(evil), evil)

    async def answer(wire: Wire, tag: str, args: str) -> None:
        await wire.say_raw(listing + b'* LIST (\\Sent) "/" "a\\"b &BB4EQg- c"\r\n')
        await wire.say(f"{tag} OK done")

    server = await serve(answers={"LIST": answer})
    async with office.following(a_mailbox(server)):
        await office.until(
            lambda: (
                len(office.states["mb-bob"].folders) == 2 if "mb-bob" in office.states else False
            )
        )
        await office.until(lambda: office.states["mb-bob"].connected)

    assert office.states["mb-bob"].folders[1].folder == 'a"b От c'
    assert not any("DELETE" in line for line in server.heard)
    assert any(line.endswith('EXAMINE "a\\"b &BB4EQg- c"') for line in server.heard)


async def test_login_and_password_are_quoted(office: Office, serve: Serve) -> None:
    server = await serve(password='pa\\"ss', mails={1: a_mail(1)})
    server.password = 'pa\\\\\\"ss'  # as it looks on the wire
    async with office.following(a_mailbox(server, "bob", login='b"ob x', secret='pa\\"ss')):
        await office.until(lambda: office.uids() == [1])
    assert any(line.endswith('LOGIN "b\\"ob x" "pa\\\\\\"ss"') for line in server.heard)


async def test_plain_sign_in_carries_any_character(office: Office, serve: Serve) -> None:
    server = await serve(
        password="пароль", capabilities="IMAP4rev1 AUTH=PLAIN IDLE", mails={1: a_mail(1)}
    )
    async with office.following(a_mailbox(server, secret="пароль")):
        await office.until(lambda: office.uids() == [1])


@pytest.mark.parametrize("auth", [Auth.XOAUTH2, Auth.OAUTHBEARER])
async def test_a_refused_token_tells_its_reason(office: Office, serve: Serve, auth: Auth) -> None:
    async def refuse(wire: Wire, tag: str, args: str) -> None:
        await wire.say("+ ")
        await wire.hear()
        await wire.say("+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=")
        assert await wire.hear() == ""
        await wire.say(f"{tag} NO [AUTHENTICATIONFAILED] no")

    server = await serve(answers={"AUTHENTICATE": refuse})
    async with office.following(a_mailbox(server, auth=auth)):
        await office.until(lambda: "mb-bob" in office.states and office.states["mb-bob"].paused)
    assert "invalid_token" in (office.states["mb-bob"].paused or "")


async def test_a_mail_expunged_before_it_was_fetched_is_skipped(
    office: Office, serve: Serve
) -> None:
    async def meanwhile(wire: Wire, tag: str, args: str) -> None:
        wire.server.mails.pop(2, None)
        await default("FETCH")(wire, tag, args)

    server = await serve(mails={number: a_mail(number) for number in (1, 2, 3)})
    server.answers["FETCH"] = meanwhile
    await follow_one(office, server)
    assert office.uids() == [3, 1]
    assert not errors(office)


async def test_a_mail_expunged_between_its_size_and_its_body_is_skipped(
    office: Office, serve: Serve
) -> None:
    async def meanwhile(wire: Wire, tag: str, args: str) -> None:
        wire.server.mails.pop(2, None)
        await default("FETCH")(wire, tag, args)

    server = await serve(mails={number: a_mail(number) for number in (1, 2, 3)})
    server.answers["FETCH"] = bodies_only(meanwhile)
    await follow_one(office, server)
    assert office.uids() == [3, 1]


async def test_a_mail_that_the_server_refuses_to_give_out_blocks_no_other(
    office: Office, serve: Serve
) -> None:
    async def refuse(wire: Wire, tag: str, args: str) -> None:
        if 2 in uids_in(args.partition(" ")[0]):
            await wire.say(f"{tag} NO [SERVERBUG] internal error")
        else:
            await default("FETCH")(wire, tag, args)

    server = await serve(mails={number: a_mail(number) for number in (1, 2, 3)})
    server.answers["FETCH"] = bodies_only(refuse)
    await follow_one(office, server)

    assert office.uids() == [3, 2, 1]
    assert [row.head.get("truncated", False) for row in office.kept()] == [False, True, False]
    assert office.kept()[1].body == a_mail(2).partition(b"Hello")[0]
    assert server.connections == QUICK.refusal_tries


async def test_a_mail_of_which_nothing_can_be_had_blocks_no_other(
    office: Office, serve: Serve
) -> None:
    async def refuse(wire: Wire, tag: str, args: str) -> None:
        if 2 in uids_in(args.partition(" ")[0]):
            await wire.say(f"{tag} NO [SERVERBUG] internal error")
        else:
            await default("FETCH")(wire, tag, args)

    server = await serve(mails={number: a_mail(number) for number in (1, 2, 3)})
    server.answers["FETCH"] = refuse
    await follow_one(office, server)

    assert office.uids() == [3, 2, 1]
    assert [row.body for row in office.kept()] == [a_mail(3), b"", a_mail(1)]


async def test_a_mail_refused_for_a_while_is_kept_whole_afterwards(
    office: Office, serve: Serve
) -> None:
    async def refuse(wire: Wire, tag: str, args: str) -> None:
        await wire.say(f"{tag} NO [UNAVAILABLE] the store is away")

    server = await serve(mails={1: a_mail(1)})
    server.answers["FETCH"] = once(refuse, default("FETCH"))
    await follow_one(office, server)
    assert [row.body for row in office.kept()] == [a_mail(1)]


async def test_refused_idle_falls_back_to_looking(office: Office, serve: Serve) -> None:
    async def refuse(wire: Wire, tag: str, args: str) -> None:
        await wire.say(f"{tag} NO not today")

    server = await serve(answers={"IDLE": refuse})
    async with office.following(a_mailbox(server), pace=replace(QUICK, poll_s=0.05)):
        await office.until(lambda: "mb-bob" in office.states and office.states["mb-bob"].connected)
        server.deliver(1, a_mail(1))
        await office.until(lambda: office.uids() == [1])
    assert server.connections == 1


async def test_an_overstated_uidnext_hides_no_mail(office: Office, serve: Serve) -> None:
    server = await serve(mails={1: a_mail(1)}, uidnext=1000)
    async with office.following(a_mailbox(server)):
        await office.until(lambda: office.uids() == [1])
        server.deliver(2, a_mail(2))
        await office.until(lambda: office.uids() == [1, 2])


async def test_the_first_import_rests_while_the_disk_is_nearly_full(
    office: Office, serve: Serve
) -> None:
    server = await serve(mails={1: a_mail(1)})
    office.disk_free = 0.05
    async with office.following(a_mailbox(server), pace=replace(QUICK, full_s=0.1)):
        await office.until(lambda: rests(office) == "the disk is nearly full")
        assert office.uids() == []
        office.disk_free = 0.5
        await office.until(lambda: office.uids() == [1])
        await office.until(lambda: rests(office) is None)

    assert errors(office) == ""
    assert server.connections == 1


async def test_numberings_that_change_back_and_forth_lose_and_double_nothing(
    office: Office, serve: Serve
) -> None:
    def a_server_with(uidvalidity: int, numbers: list[int]) -> None:
        server.uidvalidity = uidvalidity
        server.mails = {uid: a_mail(number) for uid, number in enumerate(numbers, 1)}

    server = await serve()
    for uidvalidity, numbers in ((1, [1, 2, 3]), (2, [3, 4]), (1, [5, 2, 6]), (2, [3, 4, 7])):
        a_server_with(uidvalidity, numbers)
        office.states.clear()
        async with office.following(a_mailbox(server)):
            await office.until(
                lambda: "mb-bob" in office.states and office.states["mb-bob"].folders[0].complete
            )

    with_bytes = [row.body for row in office.kept() if "resighted" not in row.head]
    assert sorted(with_bytes) == sorted(a_mail(number) for number in range(1, 8))


async def test_a_mail_without_message_id_is_read_again_after_a_renumbering(
    office: Office, serve: Serve
) -> None:
    nameless = a_mail(1).partition(b"\r\n")[2]
    server = await serve(mails={1: nameless})
    await follow_one(office, server)
    server.uidvalidity, server.mails = 2, {5: nameless}
    await follow_one_more(office, server, 5)
    assert [row.body for row in office.kept()] == [nameless, nameless]


async def follow_one_more(office: Office, server: ScriptedServer, uid: int) -> None:
    async with office.following(a_mailbox(server)):
        await office.until(lambda: uid in office.uids())


async def test_a_server_without_idle_is_asked_again_and_again(office: Office, serve: Serve) -> None:
    server = await serve(capabilities="IMAP4rev1")
    async with office.following(a_mailbox(server), pace=replace(QUICK, poll_s=0.05)):
        await office.until(lambda: "mb-bob" in office.states and office.states["mb-bob"].connected)
        server.deliver(1, a_mail(1))
        await office.until(lambda: office.uids() == [1])
    assert not any("IDLE" in line for line in server.heard)


async def test_news_that_idle_does_not_tell_is_found_by_looking(
    office: Office, serve: Serve
) -> None:
    server = await serve()
    async with office.following(a_mailbox(server), pace=replace(QUICK, poll_s=0.1)):
        await office.until(
            lambda: "mb-bob" in office.states and office.states["mb-bob"].folders[0].complete
        )
        server.mails[1] = a_mail(1)  # without a word to those who wait
        await office.until(lambda: office.uids() == [1])
    assert server.connections == 1


async def test_uids_far_apart_are_found_without_searching_between(
    office: Office, serve: Serve
) -> None:
    uids = [3, 70_000, 4_000_000_000]
    server = await serve(mails={uid: a_mail(uid) for uid in uids})
    await follow_one(office, server)
    assert office.uids() == uids[::-1]
    assert len(server.heard) < 30


async def test_a_server_that_hides_its_mails_is_no_empty_mailbox(
    office: Office, serve: Serve
) -> None:
    async def hide(wire: Wire, tag: str, args: str) -> None:
        await wire.say(f"{tag} OK done")

    server = await serve(mails={1: a_mail(1)})
    server.answers["UIDS"] = once(hide, default("UIDS"))
    await follow_one(office, server)
    assert "does not list messages" in errors(office)


async def test_a_long_absence_is_caught_up_in_order(office: Office, serve: Serve) -> None:
    server = await serve(mails={1: a_mail(1)})
    await follow_one(office, server)
    server.mails |= {uid: a_mail(uid) for uid in range(2, 400)}
    await follow_one(office, server)
    assert office.uids() == list(range(1, 400))


async def test_nothing_that_changes_a_mailbox_is_ever_sent(office: Office, serve: Serve) -> None:
    server = await serve(mails={1: a_mail(1), 2: a_mail(2)})
    await follow_one(office, server)
    said = {line.partition(" ")[2].removeprefix("UID ").split(" ")[0] for line in server.heard}
    assert said <= {"CAPABILITY", "LOGIN", "LIST", "EXAMINE", "FETCH", "NOOP", "IDLE", ""}
    assert all("BODY.PEEK" in line for line in server.heard if "BODY" in line)


async def test_plain_text_is_never_spoken_to_another_machine(serve: Serve) -> None:
    own_address = await another_address_of_this_machine()
    if own_address is None:
        pytest.skip("this machine has only loopback addresses")
    server = ScriptedServer()
    listener = await asyncio.start_server(server._serve, own_address, 0)
    port = listener.sockets[0].getsockname()[1]
    mailbox = a_mailbox(server, host=own_address, port=port)

    found = [step async for step in check(mailbox)]

    assert not found[-1].ok
    assert "only to a server on this machine" in found[-1].text
    assert server.heard == []
    listener.close()


async def another_address_of_this_machine() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return None if address.startswith("127.") else address
