"""Departures, links, transfers and policies recorded late: what they touch, and only that."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy.engine import make_url

from ingest.domain.calls import Outcome
from ingest.domain.directory import BEGINNING, PointVerdict
from ingest.domain.interactions import Status, call_key_id
from ingest.pipeline import record
from ingest.steps import Directories
from storage import directory, facts
from storage.database import Database, sqlite_url
from tests.world import (
    NOW,
    SOURCE,
    World,
    call_events,
    day,
    point,
    postgres_world,
    region,
    report_of,
    sqlite_world,
)

LEFT, UNHELD = "manager_left", "line_unheld"
SIM, DESK, GROUP = "+74951110001", "+74951110002", "+74951110003"
CLIENT, OTHER, STRANGER = "+79161110001", "+79161110002", "+79161110009"
XBOX, YBOX = "xenia@ours.example", "yuri@ours.example"


class Office(World):
    """Xenia and Yuri, each with a SIM and a mailbox; Zoya; a shared line; one client of Xenia's."""

    def open(self) -> Office:
        self.x, self.y, self.z = (self.employee(name) for name in ("Xenia", "Yuri", "Zoya"))
        self.sim, self.desk = self.line(SIM, self.x), self.line(DESK, self.y)
        self.group = self.line(GROUP, shared=True)
        self.xbox, self.ybox = self.line(XBOX, self.x), self.line(YBOX, self.y)
        self.c = self.client("Client", CLIENT, "c@client.example", primary=self.x)
        return self

    def flag(self, kind: str, subject: str, number: int = 1, *, open: bool = True) -> tuple:
        subject = subject if ":" in subject else f"client:{subject}"
        return (kind, subject, number, open)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """The office on SQLite before anything happened; each test works on a copy of its file."""
    path = tmp_path_factory.mktemp("office")
    found = Office(sqlite_world(path).database).open()
    found.close()
    return found


@pytest.fixture
def office(furnished: Office, tmp_path: Path) -> Iterator[Office]:
    """The office on SQLite; at the end of each test a rebuild must change nothing."""
    original = make_url(furnished.database.url).database
    assert original is not None
    shutil.copy(original, tmp_path / "main.db")
    found = copy.copy(furnished)
    found.database, found.known = Database(sqlite_url(tmp_path / "main.db")), Directories()
    yield found
    assert_rebuilt(found)


@pytest.fixture(params=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest) -> Iterator[Office]:
    """The office on each database, for what must hold on both."""
    if request.param == "sqlite":
        yield request.getfixturevalue("office")
        return
    found = Office(postgres_world(request.getfixturevalue("postgres_url")).database).open()
    yield found
    assert_rebuilt(found)


def assert_rebuilt(office: Office) -> None:
    before = office.rows()
    rebuilt = office.rebuild()
    after = office.rows()
    office.close()
    assert after == before
    assert rebuilt.rows == 0


def changed(before: dict[str, list[str]], after: dict[str, list[str]]) -> set[str]:
    """Return every row that is not what it was, byte for byte."""
    return {row for table in before for row in set(before[table]) ^ set(after[table])}


# The ten cases ---------------------------------------------------------------------------------


def test_the_client_of_someone_who_left_yesterday_answered_by_the_successor_on_the_old_sim(
    either: Office,
):
    either.leaves(either.x, day(5))
    either.assigns(either.sim, either.y, day(5))
    either.names(either.c, either.y, day(5, 13))

    call = either.call(CLIENT, SIM, day(6), talk=60)

    assert either.touch(call)["employee_id"] == either.y
    assert either.status(call) is Status.NEEDS_COMMENT
    [flag] = either.flag_rows()
    assert (flag["kind"], flag["departed"]) == (LEFT, either.x)
    assert flag["opened_at"] == flag["closed_at"] == day(6)


def test_the_same_missed(either: Office):
    either.leaves(either.x, day(5))
    either.assigns(either.sim, either.y, day(5))
    either.names(either.c, either.y, day(5, 13))

    call = either.call(CLIENT, SIM, day(6))

    assert either.status(call) is Status.CALLBACK_DUE
    assert either.flags() == [either.flag(LEFT, either.c)]


def test_the_successor_on_the_old_sim_who_is_not_named_leaves_the_flag_open(office: Office):
    office.leaves(office.x, day(5))
    office.assigns(office.sim, office.y, day(5))

    office.call(CLIENT, SIM, day(6), talk=60)

    assert office.flags() == [office.flag(LEFT, office.c)]


def test_a_client_never_with_a_primary_on_a_line_whose_holder_left(either: Office):
    free = either.client("Free", OTHER)
    either.leaves(either.x, day(5))

    either.call(OTHER, SIM, day(6))

    assert either.flags() == [either.flag(LEFT, free)]
    assert either.flag_rows()[0]["departed"] == either.x


def test_an_unmatched_number_there_later_linked_to_the_client_of_someone_employed(either: Office):
    either.leaves(either.x, day(5))
    call = either.call(STRANGER, SIM, day(6))
    assert either.flags() == [either.flag(LEFT, f"tel:{STRANGER}")]
    assert either.waiting() == {f"tel:{STRANGER}": "unknown"}
    theirs = either.client("Yuri's", primary=either.y)

    decision = either.links(STRANGER, theirs)

    # Its primary is here, but the line it called is nobody's.
    assert either.flags() == [either.flag(UNHELD, theirs)]
    assert either.touch(call)["clients"] == [theirs]
    assert either.waiting() == {}

    either.undoes(decision)
    assert either.flags() == [either.flag(LEFT, f"tel:{STRANGER}")]


def test_dismissed_then_a_new_call(either: Office):
    either.leaves(either.x, day(5))
    either.call(CLIENT, SIM, day(6))
    either.dismisses(f"client:{either.c}", day(7))

    either.call(CLIENT, SIM, day(8))

    assert either.flags() == [
        either.flag(LEFT, either.c, 1, open=False),
        either.flag(LEFT, either.c, 2),
    ]


def test_the_departure_undone(either: Office):
    call = either.call(CLIENT, SIM, day(6), talk=60)
    before = either.rows()
    either.leaves(either.x, day(5))
    assert either.touch(call)["employee_id"] is None
    assert either.flags() == [either.flag(LEFT, either.c)]

    either.never_left(either.x)

    assert either.rows() == before


def test_a_future_departure(either: Office):
    either.leaves(either.x, day(6))

    either.call(CLIENT, SIM, day(6) - timedelta(seconds=1))
    assert either.flags() == []
    either.call(CLIENT, SIM, day(6))

    assert either.flags() == [either.flag(LEFT, either.c)]


def test_two_clients_on_one_mail_one_orphaned(either: Office):
    other = either.client("Other", "o@other.example", primary=either.y)
    either.leaves(either.x, day(5))

    mail = either.mail("o@other.example", (YBOX,), day(6), cc=("c@client.example",))

    assert either.touch(mail)["clients"] == sorted([either.c, other])
    assert either.flags() == [either.flag(LEFT, either.c)]


def test_the_successors_call_unanswered_then_answered(either: Office):
    either.leaves(either.x, day(5))
    missed = either.call(CLIENT, SIM, day(6))
    either.names(either.c, either.y, day(6, 13))

    tried = either.call(CLIENT, DESK, day(7), out=True)
    assert either.status(tried) is Status.NOT_REACHED
    assert either.flags() == [either.flag(LEFT, either.c)]
    either.call(CLIENT, DESK, day(8), out=True, talk=30)

    assert either.flags() == [either.flag(LEFT, either.c, open=False)]
    assert either.status(missed) is either.status(tried) is Status.DONE
    assert either.touch(missed)["closed_at"] == day(8)


def test_a_ring_group_with_the_clients_manager_among_ten(either: Office):
    extensions = tuple(str(101 + n) for n in range(10))
    for ext in extensions:
        either.line(ext, either.x if ext == "104" else either.y)

    here = either.call(CLIENT, GROUP, day(4), rang=extensions)
    assert either.flags() == []
    either.leaves(either.x, day(5))
    either.call(OTHER, GROUP, day(6), rang=extensions)
    taken = either.call(CLIENT, GROUP, day(6), rang=extensions, talk=60, agent="105")

    # The orphaned client is flagged; a stranger is not, though a leaver's telephone rang.
    assert either.flags() == [either.flag(LEFT, either.c)]
    assert either.touch(taken)["employee_id"] == either.y
    assert either.touch(here)["employee_id"] is None


# Late, and only what is concerned --------------------------------------------------------------


def busy(office: Office) -> dict[str, str]:
    """A week in which everybody calls everybody; what Xenia has no part in is Yuri's."""
    office.yc = office.client("Yuri's", OTHER, "o@other.example", primary=office.y)
    return {
        "before": office.call(CLIENT, SIM, day(4), talk=60),
        "after": office.call(CLIENT, SIM, day(8), talk=60),
        "stranger": office.call(STRANGER, SIM, day(8)),
        "mail": office.mail("c@client.example", (XBOX,), day(9)),
        "yuri": office.call(OTHER, DESK, day(8), talk=60),
        "yuri missed": office.call(OTHER, DESK, day(9)),
        "yuri mail": office.mail("o@other.example", (YBOX,), day(9)),
        "unknown": office.call("+79161110077", DESK, day(9)),
    }


def test_a_departure_recorded_three_days_late_and_taken_back(office: Office):
    keys = busy(office)
    before = office.rows()

    office.leaves(office.x, day(6))

    after = office.rows()
    assert office.touch(keys["before"])["employee_id"] == office.x
    assert office.touch(keys["after"])["employee_id"] is None
    assert office.touch(keys["mail"])["employee_id"] is None
    assert set(office.flags()) == {
        office.flag(LEFT, office.c),
        office.flag(LEFT, f"tel:{STRANGER}"),
    }
    untouched = [keys["before"], *(key for name, key in keys.items() if "yuri" in name)]
    assert not [row for row in changed(before, after) for key in untouched if f'"{key}"' in row]

    office.never_left(office.x)

    assert office.rows() == before


def test_a_number_added_to_a_client_brings_its_calls_and_moves_nothing_else(office: Office):
    keys = busy(office)
    before = office.rows()

    office.holds(office.c, STRANGER)

    assert office.touch(keys["stranger"])["clients"] == [office.c]
    assert f"tel:{STRANGER}" not in office.waiting()
    rows = changed(before, office.rows())
    assert rows
    assert all(keys["stranger"] in row or STRANGER in row for row in rows)


def test_a_number_added_from_a_day_on_leaves_what_was_before_it(office: Office):
    early, late = office.call(STRANGER, DESK, day(4)), office.call(STRANGER, DESK, day(8))

    office.holds(office.c, STRANGER, day(6))

    assert office.touch(early)["clients"] == []
    assert office.touch(late)["clients"] == [office.c]


def test_a_holding_period_that_ends_passes_the_number_to_the_next_holder(office: Office):
    next_holder = office.client("Next")
    calls = [office.call(STRANGER, DESK, day(number)) for number in (4, 6, 8)]

    office.holds(office.c, STRANGER, until=day(6))
    office.holds(next_holder, STRANGER, day(6))

    assert [office.touch(key)["clients"] for key in calls] == [
        [office.c],
        [next_holder],
        [next_holder],
    ]


def test_a_second_holder_of_a_number_makes_it_ambiguous_and_never_guessed(office: Office):
    call = office.call(CLIENT, DESK, day(6))

    office.holds(office.client("Second"), CLIENT)

    assert office.touch(call)["clients"] == []
    assert office.waiting() == {f"tel:{CLIENT}": "ambiguous"}


def test_a_line_transfer_back_dated_re_attributes_from_its_day_to_the_next_change(office: Office):
    office.assigns(office.sim, office.z, day(9))
    keys = [office.call(CLIENT, SIM, day(number), talk=60) for number in (4, 6, 8, 9, 10)]
    before = office.rows()

    office.assigns(office.sim, office.y, day(6))

    x, y, z = office.x, office.y, office.z
    assert [office.touch(key)["employee_id"] for key in keys] == [x, y, y, z, z]
    rows = changed(before, office.rows())
    assert not [row for row in rows for key in (keys[0], *keys[3:]) if f'"id": "{key}"' in row]


def test_a_transfer_moves_what_closes_and_who_reached_with_it(office: Office):
    office.leaves(office.x, day(5))
    office.names(office.c, office.y, day(5, 13))
    missed = office.call(CLIENT, DESK, day(6))
    office.call(CLIENT, SIM, day(7), out=True, talk=60)  # by the leaver, as far as we know
    assert office.status(missed) is Status.CALLBACK_DUE
    assert office.flags() == [office.flag(LEFT, office.c)]

    office.assigns(office.sim, office.y, day(5))

    assert office.status(missed) is Status.DONE
    assert office.flags() == [office.flag(LEFT, office.c, open=False)]


@pytest.mark.parametrize(
    ("rule", "value", "number", "before", "after"),
    [
        ("status", {"call/in/missed": "done"}, 1, Status.CALLBACK_DUE, Status.DONE),
        ("short_call", 61, 2, Status.NEEDS_COMMENT, Status.SHORT_CALL),
        ("history_after", 0, 1, Status.CALLBACK_DUE, Status.HISTORY),
    ],
)
def test_a_policy_edit_acts_from_its_own_date_on(
    office: Office, rule: str, value: object, number: int, before: Status, after: Status
):
    def calls(on: int) -> list[str]:
        return [
            office.call(STRANGER, DESK, day(on)),
            office.call(f"+7916222{on:04}", DESK, day(on), talk=60),
        ]

    early, at_once, late = calls(4), calls(6), calls(8)
    rows = office.rows()

    office.change(directory.set_policy, rule, value, from_at=day(6))

    touches = [day_of[number - 1] for day_of in (early, at_once, late)]
    assert [office.status(key) for key in touches] == [before, after, after]
    now = changed(rows, office.rows())
    assert not [row for row in now for key in early if f'"id": "{key}"' in row]


def test_a_line_added_later_for_a_number_so_far_thought_external(office: Office):
    call = office.call(STRANGER, DESK, day(6))
    mail = office.mail("new@ours.example", (YBOX,), day(6), box=YBOX)
    assert set(office.waiting()) == {f"tel:{STRANGER}", "mail:new@ours.example"}

    office.line(STRANGER, office.z)
    office.line("new@ours.example", office.z)
    office.settle()

    assert office.status(call) is office.status(mail) is Status.INTERNAL
    assert office.waiting() == {}


def test_a_line_that_calls_came_to_before_it_was_recorded_gives_them_their_employee(office: Office):
    call = office.call(CLIENT, "+74951110099", day(6), talk=60)
    assert office.touch(call)["employee_id"] is None

    office.line("+74951110099", office.z)
    office.settle()

    assert office.touch(call)["employee_id"] == office.z


def test_the_line_named_on_an_internal_call_and_its_later_holder(office: Office):
    call = office.call(DESK, SIM, day(6), did=GROUP)
    assert office.status(call) is Status.INTERNAL

    office.assigns(office.group, office.z, day(5))

    assert office.touch(call)["employee_id"] == office.z


def test_a_colleagues_number_behind_a_named_line_undone_again(office: Office):
    call = office.call(CLIENT, STRANGER, day(6), did=DESK, out=True, told=False)
    before = office.rows()
    decision = office.judges(STRANGER, PointVerdict.EMPLOYEE)
    assert office.touch(call)["direction"] == "out"

    office.undoes(decision)

    assert office.rows() == before


def test_a_blind_copy_belongs_to_the_mailbox_that_saw_it_also_after_a_transfer(office: Office):
    mail = office.mail("c@client.example", ("list@client.example",), day(6), box=XBOX)
    assert office.touch(mail)["employee_id"] == office.x

    office.assigns(office.xbox, office.y, day(5))

    assert office.touch(mail)["employee_id"] == office.y


def test_a_primary_named_late_turns_a_lines_flag_into_none_or_the_clients(office: Office):
    free = office.client("Free", OTHER)
    office.leaves(office.x, day(5))
    office.call(OTHER, SIM, day(6))
    assert office.flags() == [office.flag(LEFT, free)]

    office.names(free, office.y, BEGINNING)
    assert office.flags() == [office.flag(UNHELD, free)]
    office.names(free, office.x, day(4))

    assert office.flags() == [office.flag(LEFT, free)]
    assert office.flag_rows()[0]["departed"] == office.x


def test_two_primaries_in_one_day_recorded_in_the_wrong_order(office: Office):
    office.leaves(office.x, day(5, 12))
    office.call(CLIENT, DESK, day(5, 14))
    office.names(office.c, office.z, day(5, 11))
    assert office.flags() == []

    office.names(office.c, office.x, day(5, 11, 30))

    assert office.flags() == [office.flag(LEFT, office.c)]


def test_a_change_at_the_very_moment_of_another_is_refused_and_changes_nothing(office: Office):
    busy(office)
    office.names(office.c, office.y, day(6))
    before = office.rows()

    with pytest.raises(facts.Conflict):
        office.names(office.c, office.z, day(6))
    with pytest.raises(facts.Conflict):
        office.assigns(office.sim, office.y, BEGINNING)

    assert office.rows() == before


def test_a_batch_in_flight_is_never_missed_by_a_fact_of_another_connection(either: Office):
    """The fact waits for the batch, and finds what it recorded; or the batch sees the fact."""
    others = Database(either.database.url)
    written = Event()

    def write() -> None:
        with others.write() as connection:
            directory.hold(connection, point(STRANGER), either.c, at=NOW, by="test")
        written.set()

    thread = Thread(target=write)
    either.position += 1
    [event] = call_events("k", STRANGER, DESK, day(6), ended=False)
    with either.database.write() as connection:
        record(
            connection,
            [report_of(event, day(6), either.position)],
            either.known,
            region,
            now=NOW,
        )
        thread.start()
        assert not written.wait(0.3)
    thread.join(10)
    others.close()
    either.settle()

    assert either.touch(call_key_id(SOURCE, "k"))["clients"] == [either.c]


# Calls that turn out to be one -----------------------------------------------------------------


def test_calls_merge_when_a_tie_arrives_late_and_each_old_id_goes_on_resolving(office: Office):
    first = office.call(CLIENT, DESK, day(6), key="a")
    second = office.call(CLIENT, SIM, day(6, 12, 1), key="b", talk=30)

    office.ties("b", "a", at=day(6, 13))

    assert office.touch(first)["id"] == office.touch(second)["id"] == first
    assert office.status(second) is Status.NEEDS_COMMENT
    assert len(office.rows()["interactions"]) == 1


def test_a_merge_keeps_the_id_of_its_smallest_key_whatever_came_first(office: Office):
    office.call(CLIENT, DESK, day(6), key="b")
    old = call_key_id(SOURCE, "b")
    office.ties("a", "b", at=day(6, 13))

    assert office.touch(old)["id"] == call_key_id(SOURCE, "a")


def test_joined_keys_with_different_statuses_show_the_latest_and_keep_both(office: Office):
    first = office.call(CLIENT, DESK, day(6), key="a")
    second = office.call(CLIENT, DESK, day(6, 12, 1), key="b")
    office.sets_status(second, Status.SPAM, at=day(7))
    latest = office.sets_status(first, Status.DONE, at=day(8))

    office.ties("a", "b", at=day(6, 13))
    assert office.status(first) is Status.DONE

    office.undoes(latest)
    assert office.status(first) is Status.SPAM


def test_a_flag_survives_the_merge_of_the_calls_that_raised_it(office: Office):
    office.leaves(office.x, day(5))
    office.call(CLIENT, SIM, day(6), key="b")
    [before] = office.flag_rows()
    office.ties("a", "b", at=day(6, 13))

    [after] = office.flag_rows()
    assert after["id"] == before["id"]
    assert after["opened_by"] == call_key_id(SOURCE, "a")


# People's decisions ----------------------------------------------------------------------------


def test_a_persons_status_is_never_overwritten_by_whatever_is_learned_later(office: Office):
    call = office.call(CLIENT, SIM, day(6))
    office.sets_status(call, Status.SPAM, at=day(7))

    office.leaves(office.x, day(5))
    office.change(directory.set_policy, "status", {"call/in/missed": "done"}, from_at=day(1))
    office.holds(office.client("Second"), CLIENT)
    office.call(CLIENT, DESK, day(8), talk=60)

    assert office.status(call) is Status.SPAM
    assert office.flags() == []


def test_a_persons_link_is_never_overwritten_by_a_holder_found_later(office: Office):
    theirs = office.client("Linked")
    call = office.call(STRANGER, DESK, day(6))
    office.links(STRANGER, theirs, at=day(7))

    office.holds(office.c, STRANGER, at=day(8))

    assert office.touch(call)["clients"] == [theirs]


def test_of_two_links_the_latest_counts_and_an_undo_shows_the_earlier_again(office: Office):
    one, two = office.client("One"), office.client("Two")
    call = office.call(STRANGER, DESK, day(6))
    office.links(STRANGER, one, at=day(7))
    later = office.links(STRANGER, two, at=day(8))
    assert office.touch(call)["clients"] == [two]

    office.undoes(later)

    assert office.touch(call)["clients"] == [one]


def test_a_decision_undone_after_a_later_one_leaves_the_later_one(office: Office):
    one, two = office.client("One"), office.client("Two")
    call = office.call(STRANGER, DESK, day(6))
    earlier = office.links(STRANGER, one, at=day(7))
    office.links(STRANGER, two, at=day(8))

    office.undoes(earlier)

    assert office.touch(call)["clients"] == [two]


def test_never_log_hides_a_point_until_a_client_turns_out_to_hold_it(office: Office):
    office.leaves(office.x, day(5))
    call = office.call(STRANGER, SIM, day(6))
    office.judges(STRANGER, PointVerdict.NEVER_LOG, at=day(7))
    assert office.touch(call)["suppressed"]
    assert (office.waiting(), office.flags()) == ({}, [])

    office.holds(office.c, STRANGER, at=day(8))

    assert not office.touch(call)["suppressed"]
    assert office.flags() == [office.flag(LEFT, office.c)]


def test_never_log_decided_after_a_link_counts(office: Office):
    call = office.call(STRANGER, DESK, day(6))
    office.links(STRANGER, office.c, at=day(7))

    office.judges(STRANGER, PointVerdict.NEVER_LOG, at=day(8))

    assert office.touch(call)["suppressed"]
    assert office.touch(call)["clients"] == []


def test_wrong_number_closes_what_was_and_lets_the_next_call_count(office: Office):
    call = office.call(STRANGER, DESK, day(6))
    office.judges(STRANGER, PointVerdict.WRONG_NUMBER, at=day(7))
    assert office.status(call) is Status.WRONG_NUMBER
    assert office.waiting() == {}

    later = office.call(STRANGER, DESK, day(8))

    assert office.status(later) is Status.CALLBACK_DUE
    assert office.waiting() == {f"tel:{STRANGER}": "unknown"}


@pytest.mark.parametrize("verdict", [PointVerdict.NEVER_LOG, PointVerdict.WRONG_NUMBER])
def test_a_decision_about_a_sender_hides_no_client_on_the_same_mail(
    office: Office, verdict: PointVerdict
):
    office.leaves(office.x, day(5))
    mail = office.mail("news@list.example", (YBOX,), day(6), cc=("c@client.example",))

    office.judges("news@list.example", verdict, at=day(7))

    assert office.flags() == [office.flag(LEFT, office.c)]
    assert office.status(mail) is Status.AWAITING_REPLY


def test_a_points_dismissal_counts_in_its_clients_timeline_and_parts_again(office: Office):
    office.leaves(office.x, day(5))
    office.call(STRANGER, SIM, day(6))
    office.dismisses(f"tel:{STRANGER}", day(7))

    link = office.links(STRANGER, office.c)
    assert office.flags() == []
    office.call(STRANGER, SIM, day(8))
    assert office.flags() == [office.flag(LEFT, office.c)]

    office.undoes(link)
    assert office.flags() == [
        office.flag(LEFT, f"tel:{STRANGER}", 1, open=False),
        office.flag(LEFT, f"tel:{STRANGER}", 2),
    ]


def test_a_dismissal_taken_back_opens_the_flag_again_with_what_came_since(office: Office):
    office.leaves(office.x, day(5))
    office.call(CLIENT, SIM, day(6))
    dismissal = office.dismisses(f"client:{office.c}", day(7))
    office.call(CLIENT, SIM, day(8))

    office.undoes(dismissal)

    assert office.flags() == [office.flag(LEFT, office.c)]


def test_a_late_call_from_before_a_dismissal_is_covered_by_it(office: Office):
    office.leaves(office.x, day(5))
    office.dismisses(f"client:{office.c}", day(9))

    office.call(CLIENT, SIM, day(8), learned=day(10))

    assert office.flags() == [office.flag(LEFT, office.c, open=False)]


def test_a_new_client_goes_with_its_decision_unless_something_refers_to_it(office: Office):
    call = office.call(STRANGER, DESK, day(6))
    decision = office.links(STRANGER, new_client="New", at=day(7))
    [new] = office.touch(call)["clients"]
    office.links("+79161110077", new, at=day(8))

    undone = office.undoes(decision)

    assert undone.stays == ("The client New stays: +79161110077 belongs to it by now.",)
    assert office.touch(call)["clients"] == []
    again = office.links("+79161110088", new)
    assert office.undoes(again).stays == ()


def test_a_new_client_nobody_refers_to_is_gone_with_its_decision(office: Office):
    decision = office.links(STRANGER, new_client="New", at=day(7))

    assert office.undoes(decision).stays == ()
    with pytest.raises(facts.Conflict):
        office.undoes(decision)


# History ---------------------------------------------------------------------------------------


def test_what_is_first_learned_long_after_is_history_and_raises_no_flag(office: Office):
    office.leaves(office.x, day(1))

    at_the_edge = office.call(CLIENT, SIM, day(2), learned=day(16))
    beyond = office.call(CLIENT, SIM, day(2), learned=day(16) + timedelta(microseconds=1))

    assert office.status(beyond) is Status.HISTORY
    assert office.status(at_the_edge) is Status.CALLBACK_DUE
    assert office.touch(beyond)["clients"] == [office.c]
    [flag] = office.flag_rows()
    assert flag["opened_by"] == at_the_edge


def test_history_reaches_and_closes(office: Office):
    office.leaves(office.x, day(5))
    office.names(office.c, office.y, day(5))
    office.call(CLIENT, SIM, day(5, 11))
    missed = office.call(CLIENT, DESK, day(6), outcome=Outcome.VOICEMAIL)

    office.call(CLIENT, DESK, day(7), out=True, talk=60, learned=NOW + timedelta(days=20))

    assert office.status(missed) is Status.DONE


def test_a_clients_mail_dragged_into_sent_is_still_the_clients(office: Office):
    world = office
    leaver = world.employee("Vera")
    world.line("vera@ours.example", leaver)
    client = world.client("Dragged", "client@dragged.example", primary=leaver)
    world.leaves(leaver, day(10))

    mail = world.mail("client@dragged.example", ("vera@ours.example",), day(12), message_id="d@x")
    world.mail(
        "client@dragged.example", ("vera@ours.example",), day(12), message_id="d@x", sent=True
    )

    assert world.touch(mail)["direction"] == "in"
    assert ("manager_left", f"client:{client}", 1, True) in world.flags()


def test_two_lines_of_another_region_are_an_internal_call(office: Office):
    world = office
    holder = world.employee("Jan")
    world.line("+31201234567", holder, region="NL")
    world.line("+31201234568", holder, region="NL")

    call = world.call("0201234568", "+31201234567", day(3))

    assert world.touch(call)["direction"] == "internal"


def test_a_rule_that_cannot_be_read_is_refused(office: Office):
    with pytest.raises(facts.Conflict):
        office.change(
            directory.set_policy, "status", {"call/in/missed": "nonsense"}, from_at=day(1)
        )
