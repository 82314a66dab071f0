"""Which mailboxes are followed as they are added, changed and taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ingest.domain.mailboxes import Auth, Mailbox, Tls
from ingest.following import Followers

SALES = Mailbox(
    id="sales",
    address="sales@ours.example",
    host="mail.ours.example",
    port=993,
    tls=Tls.IMPLICIT,
    auth=Auth.PASSWORD,
    login="sales",
    secret="invented",
    version="1",
)
CHANGED = replace(SALES, version="2")


@dataclass
class Servers:
    """What followers do, and how many of a mailbox do it at once."""

    told: list[str] = field(default_factory=list)
    leaving: asyncio.Event = field(default_factory=asyncio.Event)  #: old followers may end
    fails: int = 0

    async def follow(self, mailbox: Mailbox, stop: asyncio.Event) -> None:
        if self.fails:
            self.fails -= 1
            self.told.append("failed")
            raise RuntimeError("a fault of ours")
        self.told.append(f"begins {mailbox.version}")
        await stop.wait()
        await self.leaving.wait()
        self.told.append(f"ends {mailbox.version}")


async def looks(followers: Followers, wanted: Mapping[str, Mailbox]) -> None:
    """Look which are wanted, and let the followers do what they can without waiting."""
    followers.keep_to(wanted)
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_changed_mailbox_is_followed_anew_only_when_its_old_follower_has_ended():
    servers = Servers()
    followers = Followers(servers.follow)
    await looks(followers, {"sales": SALES})
    await looks(followers, {"sales": CHANGED})
    await looks(followers, {"sales": CHANGED})
    assert servers.told == ["begins 1"]

    servers.leaving.set()
    await looks(followers, {"sales": CHANGED})
    await looks(followers, {"sales": CHANGED})

    assert servers.told == ["begins 1", "ends 1", "begins 2"]
    await followers.stop()


async def test_stopping_waits_for_followers_of_mailboxes_that_are_gone():
    servers = Servers()
    followers = Followers(servers.follow)
    await looks(followers, {"sales": SALES})
    await looks(followers, {})
    stopping = asyncio.create_task(followers.stop())
    await asyncio.sleep(0)
    assert not stopping.done()

    servers.leaving.set()
    await stopping

    assert servers.told == ["begins 1", "ends 1"]


async def test_a_follower_that_failed_does_not_keep_the_service_from_stopping():
    servers = Servers(fails=1)
    followers = Followers(servers.follow, again_s=3_600)
    await looks(followers, {"sales": SALES})

    async with asyncio.timeout(5):
        await followers.stop()

    assert servers.told == ["failed"]


async def test_a_follower_that_failed_is_started_again():
    servers = Servers(fails=1)
    servers.leaving.set()
    followers = Followers(servers.follow, again_s=0)
    await looks(followers, {"sales": SALES})
    await looks(followers, {"sales": SALES})
    await followers.stop()

    assert servers.told == ["failed", "begins 1", "ends 1"]


async def test_a_mailbox_that_is_paused_is_not_begun_again_until_it_changes():
    begun: list[str] = []

    async def paused(mailbox: Mailbox, stop: asyncio.Event) -> None:
        begun.append(mailbox.version)

    followers = Followers(paused)
    for wanted in (SALES, SALES, CHANGED, CHANGED):
        await looks(followers, {"sales": wanted})
    await followers.stop()

    assert begun == ["1", "2"]


async def test_one_that_does_not_heed_the_stop_does_not_hold_up_the_end_of_the_service():
    ended: list[str] = []

    async def deaf(thing: str, stop: asyncio.Event) -> None:
        try:
            await asyncio.sleep(3600)  # as while an answer is waited for
        finally:
            ended.append(thing)

    followers = Followers(deaf, patience_s=0.01)
    followers.keep_to({"sales": "sales"})
    await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await followers.stop()
    assert ended == ["sales"]
