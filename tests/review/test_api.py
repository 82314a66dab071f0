"""The API as another program meets it: over HTTP, with a token."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from ingest.domain.coverage import Certificate
from ingest.domain.deliveries import Delivery, End
from ingest.domain.interactions import FlagKind
from ingest.domain.mailboxes import FolderState, MailboxState
from ingest.domain.people import UserRole
from ingest.readers import Reading
from ingest.review.api import add_api
from ingest.review.api_resources import RESOURCES
from storage import directory, facts, people
from storage.coverage import put_certificate
from storage.database import Database, sqlite_url
from storage.tables import sources, tokens
from tests.world import NOW, SOURCE, World, day, postgres_world, region, sqlite_world

OFFICE, ANNAS = "+74951110000", "+74951110001"
SHOP, RIVAL, STRANGER = "+74952220001", "+74953330001", "+74954440001"


@dataclass
class House:
    """A company with its API, and tokens for its people."""

    world: World
    http: TestClient[Any, Any]
    boss: str
    manager: str
    ids: dict[str, str]

    async def get(
        self, path: str, token: str | None = "boss", **parameters: str
    ) -> tuple[int, dict[str, Any]]:
        shown = {"boss": self.boss, "manager": self.manager}.get(token or "", token)
        headers = {"Authorization": f"Bearer {shown}"} if shown else {}
        async with self.http.get(f"/api/v1/{path}", params=parameters, headers=headers) as response:
            return response.status, await response.json()

    async def items(self, path: str, token: str = "boss", **parameters: str) -> list[Any]:
        status, told = await self.get(path, token, **parameters)
        assert status == 200, told
        assert set(told) == {"items", "next"}
        found: list[Any] = told["items"]
        return found


def fill(world: World) -> dict[str, str]:
    boss = world.employee("Vera Boss", login="vera")
    anna = world.employee("Anna", supervisor=boss)
    gone = world.employee("Gleb", supervisor=boss)
    office = world.line(OFFICE, gone)
    world.line(ANNAS, anna)
    world.line("anna@ours.example", anna)
    shop = world.client("Shop", SHOP, "shop@client.example", primary=anna)
    rival = world.client("Rival", RIVAL, primary=gone)
    world.leaves(gone, day(10))
    with world.database.write() as connection:
        facts.record(
            connection,
            sources,
            at=NOW,
            by="test",
            id="source-1",
            name=SOURCE,
            provider="generic",
            zone="Europe/Moscow",
            region="RU",
            config='{"path": "hidden-path"}',
            secrets="hidden-secret",
        )
    ids = {
        "anna": anna,
        "gone": gone,
        "office": office,
        "shop": shop,
        "rival": rival,
        "answered": world.call(SHOP, ANNAS, day(11), talk=40.0),
        "orphan": world.call(RIVAL, OFFICE, day(13, 9, 30), ended=False),
        "mail": world.mail("shop@client.example", ("anna@ours.example",), day(14)),
        "stranger": world.call(STRANGER, OFFICE, day(15)),
    }
    delivery = Delivery(
        log="calls",
        partition=0,
        position=99,
        source=SOURCE,
        key="k-99",
        received_at=day(16),
        head={},
        body=b"",
    )
    world.deliver([Reading(delivery=delivery, end=End.PARKED, reason="no such event")])
    for number in (1, 2):
        certify(world, f"certificate-{number}", day(15 + number))
    return ids


def certify(world: World, id: str, at: datetime) -> None:
    made = Certificate(
        source=SOURCE,
        provider="generic",
        api=None,
        since=day(15),
        until=day(16),
        made_at=at,
        made_with="0.1.0",
        compared=None,
        failed="the provider has no history that can be asked",
    )
    with world.database.write() as connection:
        put_certificate(
            connection,
            made.plain(),
            id=id,
            since=made.since,
            until=made.until,
            at=at,
            by="boss",
        )


def people_of(world: World, ids: dict[str, str]) -> tuple[str, str]:
    """Return a supervisor's and a manager's token."""
    with world.database.write() as connection:
        people.add_user(
            connection,
            login="Boss",
            name="Boss",
            role=UserRole.SUPERVISOR,
            password="hash",
            at=NOW,
            by="test",
        )
        people.add_user(
            connection,
            login="anna",
            name="Anna",
            role=UserRole.MANAGER,
            password="hash",
            employee=ids["anna"],
            at=NOW,
            by="test",
        )
        return (
            people.add_token(connection, login="boss", name="crm", at=NOW, by="test"),
            people.add_token(connection, login="anna", name="phone", at=NOW, by="test"),
        )


def api_of(world: World) -> web.Application:
    app = web.Application()
    add_api(
        app,
        database=world.database,
        clock=lambda: NOW,
        regions=region,
        door=lambda: {
            "sources": {
                SOURCE: {"accepted": 7, "rejected": 2, "last_event_at": "2026-05-19T10:00:00+00:00"}
            }
        },
        mailboxes=lambda: {
            "box-anna@ours.example": MailboxState(
                mailbox="box-anna@ours.example",
                last_event_at=day(19),
                folders=(FolderState(folder="INBOX", connected=True),),
            )
        },
    )
    return app


async def house_of(world: World, ids: dict[str, str], shown: tuple[str, str]) -> House:
    http = TestClient(TestServer(api_of(world)))
    await http.start_server()
    return House(world, http, *shown, ids)


@dataclass(frozen=True)
class Filled:
    """A company's database, to be copied for each test."""

    file: Path
    ids: dict[str, str]
    shown: tuple[str, str]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    where = tmp_path_factory.mktemp("filled")
    world = sqlite_world(where)
    ids = fill(world)
    shown = people_of(world, ids)
    world.database.close()
    return Filled(where / "main.db", ids, shown)


@pytest.fixture
async def house(tmp_path: Path, filled: Filled) -> AsyncIterator[House]:
    copy = shutil.copy(filled.file, tmp_path / "main.db")
    made = await house_of(World(Database(sqlite_url(copy))), filled.ids, filled.shown)
    yield made
    await made.http.close()
    made.world.database.close()


# Who may ask -----------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "", "nonsense", "kl_" + "0" * 64])
async def test_without_a_valid_token_nothing_is_told(house: House, token: str | None) -> None:
    for path in [*RESOURCES, *(f"{name}/x" for name in RESOURCES), "", "openapi.json"]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with house.http.get(f"/api/v1/{path}", headers=headers) as response:
            assert response.status == 401, path
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
            assert set((await response.json())["error"]) == {"code", "message"}


@pytest.mark.parametrize(
    "header", ["Basic {}", "{}", "Bearer", "Bearer {}x", "Bearer x {}", "Token {}"]
)
async def test_a_token_shown_in_any_other_way_is_refused(house: House, header: str) -> None:
    headers = {"Authorization": header.format(house.boss)}
    async with house.http.get("/api/v1/clients", headers=headers) as response:
        assert response.status == 401


async def test_a_token_in_the_address_is_refused(house: House) -> None:
    async with house.http.get("/api/v1/clients", params={"token": house.boss}) as response:
        assert response.status == 401


async def test_a_revoked_token_ends_at_once(house: House) -> None:
    assert (await house.get("clients"))[0] == 200

    with house.world.database.write() as connection:
        [token] = [it for it in people.list_tokens(connection) if it.name == "crm"]
        assert people.revoke_token(connection, token.id, at=NOW, by="test")

    assert (await house.get("clients"))[0] == 401


async def test_a_token_expires_and_goes_with_its_user(house: House) -> None:
    with house.world.database.write() as connection:
        late = people.add_token(
            connection, login="boss", name="late", at=NOW, by="test", expires_at=NOW
        )
        soon = people.add_token(
            connection,
            login="boss",
            name="soon",
            at=NOW,
            by="test",
            expires_at=NOW + timedelta(seconds=1),
        )
    assert (await house.get("clients", late))[0] == 401
    assert (await house.get("clients", soon))[0] == 200

    with house.world.database.write() as connection:
        boss = people.find_user(connection, "boss")
        assert boss is not None
        people.remove_user(connection, boss.id, at=NOW, by="test")

    assert (await house.get("clients", soon))[0] == 401


async def test_the_database_holds_no_token_that_could_be_used(house: House) -> None:
    with house.world.reading() as connection:
        stored = [str(row) for row in connection.execute(tokens.select())]

    assert len(stored) == 2
    assert not [row for row in stored if house.boss[3:] in row or house.manager[3:] in row]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_can_be_written(house: House, method: str) -> None:
    before = house.world.rows()
    headers = {"Authorization": f"Bearer {house.boss}"}
    for path in ("interactions", f"clients/{house.ids['shop']}"):
        async with house.http.request(
            method, f"/api/v1/{path}", headers=headers, json={"role": "supervisor"}
        ) as response:
            assert response.status == 405
            assert response.headers["Allow"] == "GET"
            assert (await response.json())["error"]["code"] == "method_not_allowed"

    assert house.world.rows() == before


# What is told ----------------------------------------------------------------------------------


async def test_an_interaction_is_told_with_its_fields(house: House) -> None:
    status, told = await house.get(f"interactions/{house.ids['orphan']}")

    [flag] = await house.items("flags", client=house.ids["rival"])
    assert status == 200
    assert {name: told[name] for name in told if name not in ("participants", "learned_at")} == {
        "id": house.ids["orphan"],
        "keys": [house.ids["orphan"]],
        "kind": "call",
        "source": SOURCE,
        "direction": "in",
        "occurred_at": "2026-05-13T09:30:00Z",
        "ended": False,
        "ended_at": None,
        "status": "in_progress",
        "default_status": "in_progress",
        "decided_status": None,
        "closed_at": None,
        "closed_by": None,
        "reply_due_at": None,
        "closed_as": None,
        "outcome": None,
        "talk_s": None,
        "own_line": {"id": house.ids["office"], "kind": "sim", "address": OFFICE, "name": ""},
        "employee": None,
        "remote": {"point": f"tel:{RIVAL}", "kind": "tel", "address": RIVAL, "name": None},
        "clients": [{"id": house.ids["rival"], "name": "Rival"}],
        "flags": [{"id": flag["id"], "kind": "manager_left", "open": True}],
        "deliveries": ["calls-0-3"],
        "subject": None,
        "suppressed": False,
    }


async def test_a_flag_is_told_with_its_fields(house: House) -> None:
    [told] = await house.items("flags", client=house.ids["rival"])

    assert told["kind"] == FlagKind.MANAGER_LEFT.value
    assert told["client"] == {"id": house.ids["rival"], "name": "Rival"}
    assert told["point"] is None
    assert told["departed"] == {"id": house.ids["gone"], "name": "Gleb"}
    assert told["state"] == "open"
    assert told["opened_at"] == "2026-05-13T09:30:00Z"
    assert told["handler"]["name"] == "Vera Boss"
    assert told["interactions"] == [house.ids["orphan"]]
    assert told["live"] is True
    assert (await house.get(f"flags/{told['id']}"))[1] == told


async def test_a_flag_of_an_unmatched_number_names_the_point(house: House) -> None:
    [told] = await house.items("flags", number=STRANGER)

    assert (told["client"], told["point"]) == (None, f"tel:{STRANGER}")


async def test_a_withdrawn_flag_says_so(house: House) -> None:
    [flag] = await house.items("flags", client=house.ids["rival"])
    house.world.change(directory.undo_leave, house.ids["gone"], why="a mistake")

    status, told = await house.get(f"flags/{flag['id']}")

    assert (status, told["state"]) == (200, "withdrawn")


async def test_a_review_item_is_told_with_its_fields_and_found_by_its_point(house: House) -> None:
    [told] = await house.items("review-items")

    assert (told["point"], told["cause"], told["count"]) == (f"tel:{STRANGER}", "unknown", 1)
    assert told["first_at"] == told["last_at"] == "2026-05-15T12:00:00Z"
    status, one = await house.get(f"review-items/{told['id']}")
    assert status == 200
    assert one == {**told, "interactions": [house.ids["stranger"]]}


async def test_a_call_is_told_with_its_legs_and_a_mail_is_no_call(house: House) -> None:
    calls = await house.items("calls")

    assert {call["kind"] for call in calls} == {"call"}
    assert len(calls) == 3
    [answered] = [call for call in calls if call["id"] == house.ids["answered"]]
    assert answered["answered_at"] == "2026-05-11T12:00:05Z"
    assert answered["state"] == "ended"
    assert (await house.get(f"calls/{house.ids['mail']}"))[0] == 404
    assert (await house.get(f"interactions/{house.ids['mail']}"))[1]["subject"] == "A subject"


async def test_clients_employees_and_lines_are_told(house: House) -> None:
    [shop] = await house.items("clients", search="sho")
    _, card = await house.get(f"clients/{shop['id']}")
    [gone] = await house.items("employees", status="left")
    [line] = await house.items("lines", number=OFFICE)

    assert shop["primary"]["name"] == "Anna"
    assert {point["address"] for point in card["points"]} == {SHOP, "shop@client.example"}
    assert card["primaries"][0]["employee"]["name"] == "Anna"
    assert (gone["name"], gone["left_at"]) == ("Gleb", "2026-05-10T12:00:00Z")
    assert line["holder"] is None
    assert line["holders"][0]["employee"]["name"] == "Gleb"
    assert (await house.get(f"lines/{line['id']}"))[1] == line
    assert (await house.get(f"employees/{gone['id']}"))[1] == gone


async def test_sources_mailboxes_and_parked_are_told_without_a_secret(house: House) -> None:
    [source] = await house.items("sources")
    [box] = await house.items("mailboxes")
    [parked] = await house.items("parked")

    assert (source["name"], source["accepted"], source["rejected"]) == (SOURCE, 7, 2)
    assert source["last_event_at"] == "2026-05-19T10:00:00Z"
    assert (box["address"], box["connected"]) == ("anna@ours.example", True)
    assert (parked["id"], parked["reason"]) == ("calls-0-99", "no such event")
    assert "hidden" not in str(source)
    assert not {"secret", "secrets", "config", "login"} & (source.keys() | box.keys())
    assert (await house.get(f"sources/{SOURCE}"))[1] == source
    assert (await house.get(f"mailboxes/{box['id']}"))[1] == box
    assert (await house.get("parked/calls-0-99"))[1] == parked


async def test_every_id_is_a_string_and_every_moment_is_rfc_3339_in_utc(house: House) -> None:
    def check(value: Any, name: str = "") -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                check(item, key)
        elif isinstance(value, list):
            for item in value:
                check(item, name)
        elif value is not None and (name == "id" or name.endswith("_id")):
            assert isinstance(value, str), name
        elif value is not None and (name.endswith("_at") or name == "until"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value), (name, value)

    for name in RESOURCES:
        items = await house.items(name)
        assert items, name
        for item in items:
            check(item)
            status, one = await house.get(f"{name}/{item['id']}")
            assert status == 200
            assert one["id"] == item["id"]
            check(one)


# Filters and pages -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"from": "2026-05-14T00:00:00Z"}, {"mail", "stranger"}),
        ({"from": "2026-05-13T12:30:00+03:00", "to": "2026-05-14T00:00:00Z"}, {"orphan"}),
        ({"to": "2026-05-13T09:30:00Z"}, {"answered"}),
        ({"client": "shop"}, {"answered", "mail"}),
        ({"number": RIVAL}, {"orphan"}),
        ({"number": "8 (495) 333-00-01"}, {"orphan"}),
        ({"number": "8 495 333 00 01", "region": "ru"}, {"orphan"}),
        ({"number": "Shop@Client.Example"}, {"mail"}),
        ({"number": f"tel:{RIVAL}"}, {"orphan"}),
        ({"source": SOURCE, "kind": "call", "status": "in_progress"}, {"orphan"}),
        ({"kind": "mail"}, {"mail"}),
        ({"status": "awaiting_reply"}, {"mail"}),
        ({"direction": "out"}, set()),
        ({"overdue": "true"}, {"mail"}),
        ({"overdue": "true", "from": "2026-05-14T12:30:00Z"}, set()),
        ({"employee": "anna"}, {"answered", "mail"}),
        ({"line": "office"}, {"orphan", "stranger"}),
        ({"flag": "manager_left"}, {"orphan", "stranger"}),
        ({"flag": "no such flag"}, set()),
    ],
)
async def test_interactions_are_filtered(
    house: House, asked: dict[str, str], expected: set[str]
) -> None:
    told = {
        name: house.ids.get(value, value) if name in ("client", "employee", "line") else value
        for name, value in asked.items()
    }

    found = await house.items("interactions", **told)

    assert {item["id"] for item in found} == {house.ids[name] for name in expected}


@pytest.mark.parametrize("name", list(RESOURCES))
async def test_pages_join_to_the_whole_list(house: House, name: str) -> None:
    whole = await house.items(name)
    found: list[Any] = []
    more: dict[str, str] = {}
    while True:
        status, told = await house.get(name, limit="1", **more)
        assert status == 200
        found += told["items"]
        if told["next"] is None:
            break
        more = {"cursor": told["next"]}

    assert found == whole


@pytest.mark.parametrize(
    ("path", "asked", "parameter"),
    [
        ("interactions", {"colour": "red"}, "colour"),
        ("interactions/x", {"limit": "1"}, "limit"),
        ("interactions", {"from": "2026-05-01"}, "from"),
        ("interactions", {"from": "yesterday"}, "from"),
        ("interactions", {"to": "2026-05-01T00:00:00"}, "to"),
        ("interactions", {"status": "lost"}, "status"),
        ("interactions", {"kind": ""}, "kind"),
        ("interactions", {"overdue": "false"}, "overdue"),
        ("calls", {"overdue": "true"}, "overdue"),
        ("interactions", {"limit": "0"}, "limit"),
        ("interactions", {"limit": "501"}, "limit"),
        ("interactions", {"limit": "many"}, "limit"),
        ("interactions", {"limit": "１"}, "limit"),
        ("interactions", {"cursor": "from nowhere"}, "cursor"),
        ("clients", {"cursor": "WzEsMl0"}, "cursor"),
        ("sources", {"cursor": "WzEsMl0"}, "cursor"),
        ("interactions", {"number": "hello"}, "number"),
        ("interactions", {"number": "8 495 333 00 01", "region": "Russia"}, "region"),
        ("interactions", {"client": "a\0b"}, "client"),
        ("interactions", {"client": "x" * 500}, "client"),
        ("flags", {"state": "lost"}, "state"),
        ("sources", {"status": "x"}, "status"),
    ],
)
async def test_a_parameter_not_understood_is_named_with_the_fix(
    house: House, path: str, asked: dict[str, str], parameter: str
) -> None:
    status, told = await house.get(path, **asked)

    assert status == 400
    assert told["error"]["code"] == "bad_parameter"
    assert told["error"]["parameter"] == parameter
    assert told["error"]["message"].startswith(f"{parameter}: ")


async def test_a_parameter_given_twice_is_refused(house: House) -> None:
    headers = {"Authorization": f"Bearer {house.boss}"}
    async with house.http.get("/api/v1/calls?limit=1&limit=2", headers=headers) as response:
        assert response.status == 400


async def test_a_plus_that_was_not_encoded_is_understood(house: House) -> None:
    headers = {"Authorization": f"Bearer {house.boss}"}
    for query in (f"number={RIVAL}", "from=2026-05-13T12:30:00+03:00&to=2026-05-14T00:00:00Z"):
        async with house.http.get(f"/api/v1/calls?{query}", headers=headers) as response:
            assert response.status == 200, await response.text()
            assert len((await response.json())["items"]) == 1


@pytest.mark.parametrize("key", ["nothing", "%00", "..%2f..%2fetc", "%ff", "x" * 2000, "tel:"])
async def test_an_id_that_is_none_is_not_found(house: House, key: str) -> None:
    headers = {"Authorization": f"Bearer {house.boss}"}
    for name in RESOURCES:
        async with house.http.get(f"/api/v1/{name}/{key}", headers=headers) as response:
            assert response.status == 404, (name, key)
            assert (await response.json())["error"]["code"] == "not_found"


async def test_an_address_that_does_not_exist_says_which_do(house: House) -> None:
    status, told = await house.get("nonsense")

    assert status == 404
    assert "review-items" in told["error"]["message"]


# Rights ----------------------------------------------------------------------------------------


async def test_a_manager_is_told_nothing_foreign(house: House) -> None:
    foreign = [house.ids["rival"], "Rival", RIVAL, STRANGER, house.ids["stranger"], "no such event"]

    for name in RESOURCES:
        mine = str((await house.get(name, "manager"))[1])
        assert not [word for word in foreign if word in mine], name
        for item in await house.items(name):
            _, one = await house.get(f"{name}/{item['id']}", "manager")
            assert not [word for word in foreign if word in str(one)], name


async def test_a_manager_is_told_his_own(house: House) -> None:
    touches = await house.items("interactions", "manager")
    clients = await house.items("clients", "manager")

    assert {touch["id"] for touch in touches} == {house.ids["answered"], house.ids["mail"]}
    assert [client["name"] for client in clients] == ["Shop"]
    assert await house.items("review-items", "manager") == []
    assert await house.items("parked", "manager") == []
    assert await house.items("sources", "manager") == []


async def test_a_foreign_id_and_one_that_never_was_are_answered_alike(house: House) -> None:
    foreign = await house.get(f"clients/{house.ids['rival']}", "manager")
    nothing = await house.get("clients/never", "manager")

    assert foreign == nothing
    assert foreign[0] == 404


# Trouble ---------------------------------------------------------------------------------------


async def test_a_database_that_is_away_is_told_as_503_without_a_word_of_sql(
    tmp_path: Path,
) -> None:
    world = World(Database(sqlite_url(tmp_path / "gone" / "main.db"), writable=False))
    headers = {"Authorization": "Bearer x"}
    async with (
        TestClient(TestServer(api_of(world))) as http,
        http.get("/api/v1/calls", headers=headers) as response,
    ):
        text = await response.text()

    assert response.status == 503
    assert response.headers["Retry-After"] == "5"
    assert "sqlite" not in text.lower()
    assert str(tmp_path) not in text


async def test_what_goes_wrong_inside_is_told_by_a_number_alone(
    tmp_path: Path, filled: Filled
) -> None:
    copy = shutil.copy(filled.file, tmp_path / "main.db")
    database = Database(sqlite_url(copy))

    def broken() -> dict[str, Any]:
        raise RuntimeError("secret insides")

    app = web.Application()
    add_api(app, database=database, clock=lambda: NOW, regions=region, door=broken)
    headers = {"Authorization": f"Bearer {filled.shown[0]}"}
    async with (
        TestClient(TestServer(app)) as http,
        http.get("/api/v1/sources", headers=headers) as response,
    ):
        text = await response.text()
    database.close()

    assert response.status == 500
    assert response.headers["X-Request-Id"] in text
    assert "insides" not in text
    assert "RuntimeError" not in text


async def test_the_description_names_every_resource_and_its_parameters(house: House) -> None:
    status, told = await house.get("openapi.json")

    assert status == 200
    assert told["openapi"].startswith("3.1")
    for name, resource in RESOURCES.items():
        listed = told["paths"][f"/{name}"]["get"]
        named = {parameter["name"] for parameter in listed["parameters"]}
        assert named == {*resource.parameters, "limit", "cursor"}
        assert f"/{name}/{{id}}" in told["paths"]


async def test_postgres_answers_the_same(postgres_url: str) -> None:
    world = postgres_world(postgres_url)
    ids = fill(world)
    house = await house_of(world, ids, people_of(world, ids))
    try:
        touches = await house.items("interactions")
        assert [it["id"] for it in touches] == [
            house.ids[name] for name in ("stranger", "mail", "orphan", "answered")
        ]
        for name in RESOURCES:
            assert await house.items(name), name
        assert (await house.get("interactions", client="a\0b"))[0] == 400
        mine = await house.items("interactions", "manager")
        assert {it["id"] for it in mine} == {house.ids["answered"], house.ids["mail"]}
    finally:
        await house.http.close()
        house.world.database.close()


# People ----------------------------------------------------------------------------------------


def test_a_session_ends_after_idling_after_a_week_and_with_the_password(tmp_path: Path) -> None:
    world = sqlite_world(tmp_path)
    start = datetime(2026, 5, 1, tzinfo=UTC)
    with world.database.write() as connection:
        user = people.add_user(
            connection,
            login="vera",
            name="Vera",
            role=UserRole.SUPERVISOR,
            password="one",
            at=start,
            by="test",
        )
        shown = people.add_session(connection, user, at=start)

        def alive(at: datetime) -> bool:
            return people.find_session(connection, shown, now=at) is not None

        assert alive(start + people.IDLE - timedelta(seconds=1))
        assert not alive(start + people.IDLE)
        moment = start
        while moment < start + people.LIFETIME:
            people.see_session(connection, shown, now=moment)
            assert alive(moment)
            moment += timedelta(hours=6)
        people.see_session(connection, shown, now=start + people.LIFETIME)
        assert not alive(start + people.LIFETIME)

        second = people.add_session(connection, user, at=start)
        people.set_password(connection, user, "two")
        assert people.find_session(connection, second, now=start) is None
        found = people.find_user(connection, " VERA ")
        assert found is not None
        assert found.password == "two"
    world.database.close()


def test_a_login_is_taken_in_any_case_and_a_manager_needs_an_employee(tmp_path: Path) -> None:
    world = sqlite_world(tmp_path)
    common: dict[str, Any] = {"name": "V", "password": "x", "at": NOW, "by": "test"}
    with world.database.write() as connection:
        people.add_user(connection, login="vera", role=UserRole.SUPERVISOR, **common)
        with pytest.raises(facts.Conflict):
            people.add_user(connection, login="Vera", role=UserRole.SUPERVISOR, **common)
        with pytest.raises(facts.Conflict):
            people.add_user(connection, login="anna", role=UserRole.MANAGER, **common)
        with pytest.raises(facts.Conflict):
            people.add_token(connection, login="nobody", name="t", at=NOW, by="test")
    world.database.close()
