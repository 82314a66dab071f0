"""The queries that only pages ask, called as a manager: no foreign row, count or name."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from ingest.domain.people import UserRole, Viewer
from storage import pages, reads
from tests.review.serving import UNKNOWN, Company, told_company
from tests.world import NOW, day


@pytest.fixture
def office(tmp_path: Path) -> Company:
    found = told_company(tmp_path)
    return found


def boris(office: Company) -> Viewer:
    return Viewer(
        user="u",
        login="boris",
        name="Boris",
        role=UserRole.MANAGER,
        employee=office.employees["boris"],
    )


VERA = Viewer(user="v", login="vera", name="Vera", role=UserRole.SUPERVISOR)


def test_every_query_takes_connection_and_viewer_first() -> None:
    queries = [
        function
        for name, function in inspect.getmembers(pages, inspect.isfunction)
        if function.__module__ == pages.__name__ and not name.startswith("_")
    ]

    assert len(queries) >= 10
    for query in queries:
        assert list(inspect.signature(query).parameters)[:2] == ["connection", "viewer"], query


def test_a_manager_finds_nothing_foreign(office: Company) -> None:
    viewer, point = boris(office), f"tel:{UNKNOWN}"
    foreign = f"client:{office.clients['chamomile']}"
    with office.world.reading() as connection:
        touch = reads.interaction(connection, VERA, office.touches["before"], now=NOW)
        mail = reads.interaction(connection, VERA, office.touches["letter"], now=NOW)
        assert touch is not None
        assert mail is not None

        assert pages.badges(connection, viewer, now=NOW) == pages.Badges()
        assert pages.summaries(connection, viewer, [point], now=NOW) == {}
        assert pages.touched(connection, viewer, point) == pages.Touched()
        assert pages.last_said(connection, viewer, foreign, day(15), now=NOW) is None
        assert pages.readings(connection, viewer, touch) == ()
        assert pages.mail_reading(connection, viewer, mail) is None
        assert pages.parked_classes(connection, viewer) == ()
        assert pages.parked_ids(connection, viewer, "office", "why") == ()
        assert pages.strange_lines(connection, viewer, now=NOW) == ()
        assert pages.client_names(connection, viewer, [office.clients["chamomile"]]) == {}


def test_a_supervisor_finds_all_of_it(office: Company) -> None:
    point, subject = f"tel:{UNKNOWN}", f"client:{office.clients['chamomile']}"
    with office.world.reading() as connection:
        touch = reads.interaction(connection, VERA, office.touches["before"], now=NOW)
        assert touch is not None

        assert pages.badges(connection, VERA, now=NOW).parked == 3
        [used] = pages.summaries(connection, VERA, [point], now=NOW)[point].lines
        assert used.left
        assert pages.touched(connection, VERA, point).calls == 10
        said = pages.last_said(connection, VERA, subject, day(15), now=NOW)
        assert said is not None
        assert said.touch == touch.id
        assert len(pages.readings(connection, VERA, touch)) == 2
        [parked] = pages.parked_classes(connection, VERA)
        assert parked.count == 3
        ids = pages.parked_ids(connection, VERA, parked.source, parked.reason)
        assert ids == ("calls-0-1", "calls-0-2", "calls-0-3")


def test_numbers_used_on_our_side_that_are_in_no_line_are_offered(office: Company) -> None:
    office.world.call("+74991112233", "+79169998877", day(19), talk=20)

    with office.world.reading() as connection:
        found = pages.strange_lines(connection, VERA, now=NOW)

    assert [(it.point, it.touches) for it in found] == [("tel:+79169998877", 1)]
