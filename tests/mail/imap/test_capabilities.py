"""What a server offers before and after signing in may differ; what counts is what it says last."""

from __future__ import annotations

from tests.imap_servers import ScriptedServer, Wire
from tests.mail.imap.conftest import Office, a_mail, a_mailbox


async def test_what_a_server_offers_is_asked_again_after_signing_in(office: Office) -> None:
    """IDLE is offered to nobody who has not signed in; afterwards it must be used."""
    signed_in: list[None] = []

    async def login(wire: Wire, tag: str, args: str) -> None:
        signed_in.append(None)
        await wire.say(f"{tag} OK welcome")

    async def capability(wire: Wire, tag: str, args: str) -> None:
        offered = "IMAP4rev1 IDLE" if signed_in else "IMAP4rev1"
        await wire.say(f"* CAPABILITY {offered}", f"{tag} OK done")

    server = ScriptedServer(
        mails={1: a_mail(1)}, answers={"LOGIN": login, "CAPABILITY": capability}
    )
    listener = await server.start()
    async with office.following(a_mailbox(server)):
        await office.until(lambda: office.uids() == [1])
        server.deliver(2, a_mail(2))  # told in IDLE alone: the next look is 30 s away
        await office.until(lambda: office.uids() == [1, 2])
    listener.close()

    assert any(line.endswith(" IDLE") for line in server.heard)
