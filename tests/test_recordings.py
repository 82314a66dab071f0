"""Sound of calls: fetched from where it may be, kept by its content, and let go by policy."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer
from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from ingest.domain.calls import CallEvent, CallStage, Direction
from ingest.domain.deliveries import Account, Provider
from ingest.domain.histories import ApiRequest, ApiResponse
from ingest.domain.interactions import call_key_id
from ingest.domain.recordings import RecordingOf, Recordings
from ingest.domain.tokens import Grant, Token
from ingest.outbound import Allowed, Forbidden, check, is_public, networks_of
from ingest.recorder import WAITS, Recorder
from ingest.review.pages.recordings import range_of
from ingest.settings import Settings
from ingest.sound import Patience, SoundBucket, SoundFiles, SoundStore, open_sound
from ingest.telephony.histories import vonage
from ingest.telephony.recordings import FetchLimits, NotFetched, fetch, sound_type
from ingest.telephony.sound_tokens import SoundTokens
from storage import directory, recordings
from storage.recordings import Recording, RecordingState
from tests.desk import PROVIDER
from tests.world import NOW, World, sqlite_world

SOUND = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(200_000)
HOST = "media.pbx.example"
LOOPBACK = ("127.0.0.0/8",)


class Names(AbstractResolver):
    """Resolves every name to the addresses given."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        kind = socket.AF_INET
        return [
            ResolveResult(hostname=host, host=it, port=port, family=kind, proto=0, flags=0)
            for it in self.addresses
        ]

    async def close(self) -> None:
        return


@dataclass
class Pbx:
    """A telephone system with recordings, which remembers what it was asked."""

    port: int = 0
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    good_token: int = 1  #: which of its tokens it accepts
    late: int = 0  #: so many times it says that the sound is not there yet

    def url(self, path: str = "/call.wav") -> str:
        return f"http://{HOST}:{self.port}{path}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, request.headers.get("Authorization")))
        path = request.path
        if self.late > 0:
            self.late -= 1
            return web.Response(status=404)
        if path == "/token":
            number = sum(1 for asked, _ in self.asked if asked == path)
            return web.json_response({"access_token": f"t{number}"})
        if path == "/sealed":
            good = request.headers.get("Authorization") == f"Bearer t{self.good_token}"
            return web.Response(body=SOUND) if good else web.Response(status=401)
        if path == "/page.wav":
            return web.Response(text="<html>sign in first</html>", content_type="text/html")
        if path == "/away":
            raise web.HTTPFound(f"http://other.example:{self.port}/call.wav")
        if path == "/inside":
            raise web.HTTPFound("http://10.0.0.1/latest/meta-data")
        if path == "/round":
            raise web.HTTPFound(request.path)
        if path == "/link":
            return web.json_response({"link": self.url()})
        return web.Response(body=SOUND, content_type="audio/wav")


@pytest.fixture
async def pbx() -> AsyncIterator[Pbx]:
    found = Pbx()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", found.answer)
    async with TestServer(app) as server:
        found.port = server.port or 0
        yield found


def a_grant(pbx: Pbx) -> Grant:
    def given(account: Account, answer: ApiResponse, now: datetime) -> Token:
        value = json.loads(answer.body)["access_token"]
        return Token(value=value, expires_at=now + timedelta(hours=1))

    return Grant(
        request=lambda account, old, now: ApiRequest(method="POST", url=pbx.url("/token")),
        granted=given,
    )


def account(**config: Any) -> Account:
    given = {"recording_hosts": [HOST], "recording_networks": list(LOOPBACK), **config}
    return Account(source="office", region="RU", config=given)


def provider(**more: Any) -> Provider:
    values = {name: getattr(PROVIDER, name) for name in ("name", "verify", "key", "parse")}
    return Provider(**values, answer=PROVIDER.answer, recordings=Recordings(**more))


async def fetched(
    url: str,
    path: Path,
    *,
    from_: Provider = PROVIDER,
    limits: FetchLimits | None = None,
    **config: Any,
) -> bytes:
    wanted = RecordingOf(call_key="c1", url=url)
    found = await fetch(
        from_, account(**config), wanted, path, limits=limits, resolver=Names("127.0.0.1")
    )
    sound = read(path)
    assert found.digest == hashlib.sha256(sound).hexdigest()
    assert found.size == len(sound)
    return sound


def read(path: Path) -> bytes:
    return path.read_bytes()


def files(directory: Path) -> list[Path]:
    return list(directory.iterdir())


# Fetching --------------------------------------------------------------------------------------


async def test_a_named_address_is_fetched_whole(pbx: Pbx, tmp_path: Path) -> None:
    assert await fetched(pbx.url(), tmp_path / "draft") == SOUND


async def test_a_link_is_asked_for_and_followed(pbx: Pbx, tmp_path: Path) -> None:
    asks = provider(
        request=lambda account, one: ApiRequest(url=pbx.url("/link"), headers={"X-Key": "k"}),
        link=lambda account, answer: ApiRequest(url=pbx.url()),
    )

    assert await fetched("", tmp_path / "draft", from_=asks) == SOUND
    assert [path for path, _ in pbx.asked] == ["/link", "/call.wav"]


async def test_a_token_of_our_own_making_is_shown_and_goes_no_further(
    pbx: Pbx, tmp_path: Path
) -> None:
    def make(account: Account, now: datetime) -> Token:
        return Token(value=f"{account.source}-{now:%Y}", expires_at=now)

    asks = provider(request=lambda account, one: ApiRequest(url=pbx.url("/away")), made=make)

    found = account(recording_hosts=[HOST, "other.example"])
    wanted, now = RecordingOf(call_key="c1"), datetime(2026, 3, 2, tzinfo=UTC)
    await fetch(asks, found, wanted, tmp_path / "draft", resolver=Names("127.0.0.1"), now=now)

    assert pbx.asked == [("/away", "Bearer office-2026"), ("/call.wav", None)]


async def test_one_token_serves_many_recordings_until_it_is_not_accepted_any_more(
    pbx: Pbx, tmp_path: Path
) -> None:
    asks = provider(
        request=lambda account, one: ApiRequest(url=pbx.url("/sealed")), grant=a_grant(pbx)
    )
    tokens, now = SoundTokens(), datetime(2026, 3, 2, tzinfo=UTC)

    async def get(at: datetime) -> None:
        wanted, names = RecordingOf(call_key="c1"), Names("127.0.0.1")
        draft = tmp_path / f"draft{len(pbx.asked)}"
        await fetch(asks, account(), wanted, draft, resolver=names, now=at, tokens=tokens)

    await get(now)
    await get(now + timedelta(minutes=10))
    pbx.good_token = 2
    await get(now + timedelta(minutes=20))
    pbx.good_token = 3
    await get(now + timedelta(hours=2))

    assert [path for path, _ in pbx.asked] == [
        *("/token", "/sealed", "/sealed"),
        *("/sealed", "/token", "/sealed"),
        *("/token", "/sealed"),
    ]


async def test_a_token_that_is_new_and_not_accepted_is_the_end(pbx: Pbx, tmp_path: Path) -> None:
    pbx.good_token = 9
    asks = provider(
        request=lambda account, one: ApiRequest(url=pbx.url("/sealed")), grant=a_grant(pbx)
    )

    wanted, names = RecordingOf(call_key="c1"), Names("127.0.0.1")
    with pytest.raises(NotFetched, match="401") as told:
        await fetch(asks, account(), wanted, tmp_path / "draft", resolver=names)

    assert told.value.final
    assert [path for path, _ in pbx.asked] == ["/token", "/sealed"]


async def test_a_key_that_makes_no_token_is_said_in_words(tmp_path: Path) -> None:
    asks = provider(
        request=lambda account, one: ApiRequest(url=f"http://{HOST}/call.wav"),
        made=vonage.token,
    )

    with pytest.raises(NotFetched, match="application_id"):
        await fetch(asks, account(), RecordingOf(call_key="c1"), tmp_path / "draft")


async def test_what_proves_us_stays_with_the_host_that_it_is_for(pbx: Pbx, tmp_path: Path) -> None:
    asks = provider(
        request=lambda account, one: ApiRequest(
            url=pbx.url("/away"), headers={"Authorization": "Basic c2VjcmV0"}
        )
    )

    await fetched("", tmp_path / "draft", from_=asks, recording_hosts=[HOST, "other.example"])

    assert pbx.asked == [("/away", "Basic c2VjcmV0"), ("/call.wav", None)]


@pytest.mark.parametrize(
    ("path", "because"),
    [
        ("/page.wav", "no sound"),
        ("/inside", "10.0.0.1 is not among the hosts"),
        ("/round", "sent on too often"),
    ],
)
async def test_what_is_no_sound_leaves_no_file(
    pbx: Pbx, tmp_path: Path, path: str, because: str
) -> None:
    with pytest.raises(NotFetched, match=because):
        await fetched(pbx.url(path), tmp_path / "draft")

    assert files(tmp_path) == []


async def test_a_recording_beyond_the_limit_is_given_up(pbx: Pbx, tmp_path: Path) -> None:
    with pytest.raises(NotFetched, match="larger") as caught:
        await fetched(pbx.url(), tmp_path / "draft", limits=FetchLimits(bytes=100_000))

    assert caught.value.final
    assert files(tmp_path) == []


async def test_a_name_that_leads_inside_is_not_asked(pbx: Pbx, tmp_path: Path) -> None:
    wanted = RecordingOf(call_key="c1", url=f"https://{HOST}:{pbx.port}/call.wav")
    outside = account(recording_networks=[])

    for addresses in (["127.0.0.1"], ["192.0.78.9", "10.1.2.3"], ["169.254.169.254"]):
        with pytest.raises(NotFetched, match="not public") as caught:
            await fetch(PROVIDER, outside, wanted, tmp_path / "draft", resolver=Names(*addresses))
        assert caught.value.final
    assert pbx.asked == []


async def test_plain_http_goes_into_the_named_networks_alone(pbx: Pbx, tmp_path: Path) -> None:
    """A source with a system in the house sends nothing in clear to its other hosts."""
    at_home = account(recording_networks=["10.20.0.0/16"])
    wanted = RecordingOf(call_key="c1", url=pbx.url())

    for addresses in (["192.0.78.9"], ["10.20.0.1", "192.0.78.9"], ["127.0.0.1"]):
        with pytest.raises(NotFetched, match="outside of recording_networks") as caught:
            await fetch(PROVIDER, at_home, wanted, tmp_path / "draft", resolver=Names(*addresses))
        assert caught.value.final
    with pytest.raises(Forbidden, match="outside of recording_networks"):
        check(
            "http://192.0.78.9/x",
            Allowed(hosts=("192.0.78.9",), networks=networks_of(["10.20.0.0/16"])),
        )
    assert pbx.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://media.pbx.example/x.mp3",  # plain, and no network of ours is named
        "https://elsewhere.example/x.mp3",
        "https://media.pbx.example.evil.example/x.mp3",
        "https://evilmedia.pbx.example/x.mp3",
        "https://user:password@media.pbx.example/x.mp3",
        "file:///etc/passwd",
        "gopher://media.pbx.example/x",
        "https://[::1]/x.mp3",
        "https://2130706433/x.mp3",
        "//media.pbx.example/x.mp3",
        "https:///x.mp3",
        "https://media.pbx.example:99999/x.mp3",
    ],
)
def test_an_address_that_is_nobody_s_is_refused(url: str) -> None:
    with pytest.raises(Forbidden):
        check(url, Allowed(hosts=(HOST,)))


def test_named_hosts_and_what_lies_beneath_are_allowed() -> None:
    check(f"https://{HOST.upper()}/x", Allowed(hosts=(HOST,)))
    check("https://a.b.pbx.example/x", Allowed(hosts=(".pbx.example",)))
    check(
        "http://10.1.2.3/x",
        Allowed(hosts=("10.1.2.3",), networks=networks_of(["10.1.0.0/16"])),
    )
    with pytest.raises(Forbidden, match="recording_networks"):
        check("https://10.1.2.3/x", Allowed(hosts=("10.1.2.3",)))


@pytest.mark.parametrize(
    "inside",
    [
        "127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::",
        "224.0.0.1", "255.255.255.255",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_are_known_in_every_disguise(inside: str) -> None:
    from ipaddress import ip_address

    assert not is_public(ip_address(inside))
    assert is_public(ip_address("93.184.216.34"))
    assert is_public(ip_address("64:ff9b::5db8:d822"))


def test_sound_is_told_by_its_first_octets() -> None:
    assert sound_type(SOUND) == "audio/wav"
    assert sound_type(b"\xff\xfb\x90\x44") == "audio/mpeg"
    assert sound_type(b"\x00\x00\x00\x20ftypM4A ") == "audio/mp4"
    assert sound_type(b'{"error": "no"}') is None
    assert sound_type(b"<html>") is None
    assert sound_type(b"") is None


# Keeping ---------------------------------------------------------------------------------------


@pytest.fixture(params=["files", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SoundStore:
    return (
        SoundFiles(tmp_path / "sound") if request.param == "files" else SoundBucket(MemoryStore())
    )


def test_a_store_gives_back_what_it_took(store: SoundStore, tmp_path: Path) -> None:
    digest = hashlib.sha256(SOUND).hexdigest()
    for _ in range(2):  # the same sound twice is one file
        (tmp_path / "draft").write_bytes(SOUND)
        store.take(digest, tmp_path / "draft")

    assert store.size(digest) == len(SOUND)
    assert b"".join(store.read(digest, 0, len(SOUND))) == SOUND
    assert b"".join(store.read(digest, 3, 12)) == SOUND[3:12]
    assert not (tmp_path / "draft").exists()
    store.remove(digest)
    store.remove(digest)
    assert store.size(digest) is None


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-1", (0, 2)),
        ("bytes=90-", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=50-1000", (50, 100)),
        ("bytes=100-", (100, 100)),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("bytes=5-3", None),
        ("lines=1-2", None),
    ],
)
def test_a_range_is_read_as_the_standard_says(asked: str, part: tuple[int, int] | None) -> None:
    assert range_of(asked, 100) == part


# From report to file ---------------------------------------------------------------------------


@dataclass
class Office:
    world: World
    pbx: Pbx
    store: SoundStore
    recorder: Recorder
    now: datetime = NOW

    def told(
        self,
        *,
        ready: bool = True,
        stage: CallStage = CallStage.ENDED,
        call: str = "c1",
        url: str | None = None,
        recording_id: str | None = None,
    ) -> None:
        event = CallEvent(
            call_keys=(call,),
            stage=stage,
            direction=Direction.INBOUND,
            caller="+79035554433",
            callee="+74951110001",
            recording_url=url or self.pbx.url(),
            recording_id=recording_id,
            recording_ready=ready,
        )
        self.world.report(event, self.now)

    async def passes(self, later: timedelta = timedelta(0)) -> Recording:
        self.now += later
        await self.recorder.look()
        await self.recorder.settle()
        return self.one()

    def one(self) -> Recording:
        with self.world.reading() as connection:
            [one] = recordings.of_keys(connection, [call_key_id("office", "c1")])
        return one


@pytest.fixture
async def office(pbx: Pbx, tmp_path: Path) -> AsyncIterator[Office]:
    world, store = sqlite_world(tmp_path), SoundFiles(tmp_path / "sound")
    recorder = Recorder(
        world.database,
        lambda: {"office": (PROVIDER, account())},
        store,
        tmp_path,
        lambda: found.now,
        resolver=Names("127.0.0.1"),
    )
    found = Office(world, pbx, store, recorder)
    yield found
    world.close()


async def test_a_recording_is_fetched_when_a_report_names_it(office: Office) -> None:
    office.told()
    office.told()  # a repeat asks for nothing more

    one = await office.passes()
    await office.passes(timedelta(hours=1))

    assert one.state is RecordingState.KEPT
    assert one.digest == hashlib.sha256(SOUND).hexdigest()
    assert office.store.size(one.digest) == len(SOUND)
    assert len(office.pbx.asked) == 1


async def test_one_that_is_not_ready_is_waited_for_but_not_for_ever(office: Office) -> None:
    office.told(ready=False, stage=CallStage.RINGING)
    assert (await office.passes()).state is RecordingState.EXPECTED

    office.told()
    assert (await office.passes()).state is RecordingState.KEPT


async def test_one_whose_readiness_nobody_reports_is_tried_all_the_same(office: Office) -> None:
    office.told(ready=False, stage=CallStage.RINGING)

    assert (await office.passes(timedelta(minutes=11))).state is RecordingState.KEPT


async def test_what_is_not_there_yet_is_asked_for_again(office: Office) -> None:
    office.pbx.late = 2
    office.told()

    first = await office.passes()
    assert (first.state, first.because) == (RecordingState.WANTED, "the provider answered 404")
    assert first.next_at == office.now + WAITS[0]
    assert (await office.passes(timedelta(seconds=1))).tries == 1  # not before its time
    await office.passes(WAITS[0])
    assert (await office.passes(WAITS[1])).state is RecordingState.KEPT


async def test_what_never_comes_is_given_up_and_a_person_may_ask_again(office: Office) -> None:
    office.pbx.late = 1000
    office.told()

    for wait in (timedelta(0), *WAITS):
        one = await office.passes(wait)
    assert (one.state, one.next_at) == (RecordingState.FAILED, None)

    office.pbx.late = 0
    with office.world.database.write() as connection:
        assert recordings.again(connection, one.id, now=office.now)
    assert (await office.passes()).state is RecordingState.KEPT


async def test_the_sound_of_a_hidden_call_is_not_kept(office: Office) -> None:
    from ingest.domain.directory import PointVerdict

    office.world.judges("+79035554433", PointVerdict.NEVER_LOG)
    office.told()

    one = await office.passes()

    assert one.state is RecordingState.FAILED
    assert office.pbx.asked == []


async def test_sound_goes_when_policy_says_so_and_that_it_was_there_stays(office: Office) -> None:
    office.told()
    one = await office.passes()
    office.world.change(directory.set_policy, "recordings_days", 30, from_at=NOW)

    office.now += timedelta(days=29)
    assert office.recorder.expire() == 0
    office.now += timedelta(days=2)
    assert office.recorder.expire() == 1

    assert office.one().state is RecordingState.EXPIRED
    assert one.digest is not None
    assert office.store.size(one.digest) is None


async def test_a_rebuild_keeps_what_was_fetched(office: Office) -> None:
    office.told()
    before = await office.passes()

    assert office.world.rebuild().rows == 0
    assert office.one() == before


# What goes wrong -------------------------------------------------------------------------------


class Store(SoundFiles):
    """A store that is away for a while, and in which something happens while it takes a file."""

    away = 0
    after_taking: Callable[[], object] | None = None

    def take(self, digest: str, draft: Path) -> None:
        self._if_here()
        super().take(digest, draft)
        if self.after_taking is not None:
            happens, self.after_taking = self.after_taking, None
            happens()

    def remove(self, digest: str) -> None:
        self._if_here()
        super().remove(digest)

    def _if_here(self) -> None:
        if self.away > 0:
            self.away -= 1
            raise OSError("the bucket does not answer")


async def test_sound_that_could_not_be_deleted_is_deleted_at_the_next_look(
    office: Office, tmp_path: Path
) -> None:
    store = office.recorder.store = Store(tmp_path / "sound")
    office.told()
    one = await office.passes()
    office.world.change(directory.set_policy, "recordings_days", 30, from_at=NOW)
    office.now += timedelta(days=31)
    store.away = 1

    with pytest.raises(OSError, match="bucket"):
        office.recorder.expire()
    office.recorder.expire()

    assert one.digest is not None
    assert store.size(one.digest) is None
    assert office.one().state is RecordingState.EXPIRED


async def test_sound_that_two_calls_share_stays_as_long_as_one_may_keep_it(office: Office) -> None:
    office.told()
    one = await office.passes()
    office.now += timedelta(days=20)
    office.told(call="c2")
    await office.passes()
    office.world.change(directory.set_policy, "recordings_days", 30, from_at=NOW)
    office.now += timedelta(days=11)

    office.recorder.expire()

    assert one.digest is not None
    assert office.one().state is RecordingState.EXPIRED
    assert office.store.size(one.digest) == len(SOUND)


async def test_sound_that_is_deleted_while_another_call_brings_it_comes_again(
    office: Office, tmp_path: Path
) -> None:
    store = office.recorder.store = Store(tmp_path / "sound")
    office.told(call="c2")
    await office.recorder.look()
    await office.recorder.settle()
    office.world.change(directory.set_policy, "recordings_days", 30, from_at=NOW)
    office.now += timedelta(days=31)
    office.told()
    store.after_taking = office.recorder.expire

    await office.passes()
    one = await office.passes(WAITS[0])

    assert one.state is RecordingState.KEPT
    assert one.digest is not None
    assert store.size(one.digest) == len(SOUND)


async def test_a_store_that_is_away_costs_no_disk(office: Office, tmp_path: Path) -> None:
    store = office.recorder.store = Store(tmp_path / "sound")
    store.away = 2
    office.told()

    await office.passes()
    one = await office.passes(WAITS[0])

    assert (one.state, one.tries) == (RecordingState.WANTED, 2)
    assert [path.name for path in files(tmp_path) if path.name.startswith(".")] == []


async def test_one_source_that_hangs_does_not_keep_others_from_their_links(
    pbx: Pbx, office: Office
) -> None:
    hangs = asyncio.Event()

    async def slowly(request: web.Request) -> web.Response:
        await hangs.wait()
        return web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{tail:.*}", slowly)
    async with TestServer(app) as server:
        event = CallEvent(call_keys=("x",), stage=CallStage.ENDED, direction=Direction.INBOUND)
        for number in range(70):
            url = f"http://{HOST}:{server.port}/{number}"
            told = replace(event, call_keys=(f"s{number}",), recording_url=url)
            office.world.report(told, office.now, source="slow")
        office.told(ready=False, stage=CallStage.RINGING)  # so its turn is the last
        office.now += timedelta(minutes=11)
        known = {"office": (PROVIDER, account()), "slow": (PROVIDER, account())}
        office.recorder._sources = lambda: known

        async with asyncio.timeout(10):
            while office.one().state is not RecordingState.KEPT:
                await office.recorder.look()
                await asyncio.sleep(0.01)
        hangs.set()
        await office.recorder.settle()


async def test_a_fresh_address_is_asked_at_once_also_after_the_old_one_was_given_up(
    office: Office,
) -> None:
    office.told(recording_id="r1", url=office.pbx.url("/page.wav"))
    for wait in (timedelta(0), *WAITS[:6]):
        await office.passes(wait)
    asked = len(office.pbx.asked)
    await office.passes()
    assert len(office.pbx.asked) == asked  # its next try is in a quarter of an hour

    office.told(recording_id="r1")
    assert (await office.passes()).state is RecordingState.KEPT


async def test_an_address_that_had_ended_is_forgotten_for_a_fresh_one(office: Office) -> None:
    office.told(recording_id="r1", url="https://elsewhere.example/x.mp3")
    assert (await office.passes()).state is RecordingState.FAILED
    office.told(recording_id="r1", url="https://elsewhere.example/x.mp3")
    assert (await office.passes()).state is RecordingState.FAILED

    office.told(recording_id="r1")
    assert (await office.passes()).state is RecordingState.KEPT


async def test_nothing_is_fetched_onto_a_disk_that_is_nearly_full(office: Office) -> None:
    free = 0.01
    office.recorder._has_room = lambda: free > 0.1
    office.told()

    assert (await office.passes()).state is RecordingState.WANTED
    assert office.pbx.asked == []
    free = 0.5
    assert (await office.passes()).state is RecordingState.KEPT


class Hanging(SoundFiles):
    """A store that takes for ever."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.begun = threading.Event()
        self.ends = threading.Event()
        self.thread: threading.Thread | None = None

    def take(self, digest: str, draft: Path) -> None:
        self.thread = threading.current_thread()
        self.begun.set()
        self.ends.wait()


async def test_a_store_that_hangs_is_given_up_tried_again_and_holds_up_no_exit(
    office: Office, tmp_path: Path
) -> None:
    store = office.recorder.store = Hanging(tmp_path / "sound")
    office.recorder._store_s = 0.05
    office.told()

    one = await office.passes()
    store.ends.set()

    assert (one.state, one.because) == (RecordingState.WANTED, "keeping it failed: TimeoutError")
    assert store.thread is not None
    assert store.thread.daemon  # the interpreter waits for no such thread when it ends
    assert [path.name for path in files(tmp_path) if path.name.startswith(".")] == []


async def test_the_recorder_ends_at_once_while_a_store_hangs(
    office: Office, tmp_path: Path
) -> None:
    store = office.recorder.store = Hanging(tmp_path / "sound")
    office.told()
    running = asyncio.create_task(office.recorder.run())
    await asyncio.to_thread(store.begun.wait, 10)

    running.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(running, return_exceptions=True)

    assert not store.ends.is_set()
    store.ends.set()


async def test_a_bucket_that_accepts_and_never_answers_is_an_error_in_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "nowhere")
    (tmp_path / "draft").write_bytes(SOUND)
    short = timedelta(seconds=0.1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"http://127.0.0.1:{mute.getsockname()[1]}"
        told = {"recordings_s3": "s3://sound", "recordings_s3_endpoint": address}
        settings = Settings.model_validate(told)
        store = open_sound(settings, patience=Patience(connect=short, request=short, retries=short))
        async with asyncio.timeout(20):
            with pytest.raises(GenericError, match="retry_timeout: 100ms"):
                await asyncio.to_thread(store.take, "ab" * 32, tmp_path / "draft")
            with pytest.raises(GenericError):
                await asyncio.to_thread(store.size, "ab" * 32)
