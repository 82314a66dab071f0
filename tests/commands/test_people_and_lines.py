"""`keepline employee leave`, `keepline line assign`, `keepline policy set`."""

from __future__ import annotations

import pytest

from tests.commands.conftest import Keepline


def _id_of(company: Keepline, login: str) -> str:
    [row] = [it for it in company.fine("employee", "list").splitlines() if it.startswith(login)]
    return row.split()[-1]


@pytest.mark.parametrize("who", ["ivanova", "Иванова", "иван", "анна"])
def test_who_leaves_is_a_login_or_any_part_of_a_name_that_one_person_has(
    company: Keepline, who: str
) -> None:
    said = company.fine("employee", "leave", who, "--on", "2026-05-31")
    assert said.startswith("Анна Иванова left at 2026-06-01 00:00 Europe/Moscow.")


def test_who_leaves_may_be_an_id(company: Keepline) -> None:
    said = company.fine("employee", "leave", _id_of(company, "petrov"), "--on", "2026-05-31")
    assert said.startswith("Пётр Петров left")


def test_an_ambiguous_name_is_refused_with_the_list(company: Keepline) -> None:
    said = company.refused("employee", "leave", "Петров", "--on", "2026-05-31")

    assert "Петров can mean 2 people; use the login" in said
    assert "petrov  Пётр Петров" in said
    assert "ppetrov  Павел Петров" in said
    assert "2026" not in company.fine("employee", "list")  # nothing was recorded


def test_nobody_of_that_name_is_refused_with_the_command_that_lists_everyone(
    company: Keepline,
) -> None:
    said = company.refused("employee", "leave", "Сидоров", "--on", "2026-05-31")
    assert "nobody is called Сидоров; `keepline employee list` shows everyone" in said


def test_a_moment_is_in_the_company_s_zone_unless_it_names_one(company: Keepline) -> None:
    said = company.fine("employee", "leave", "ivanova", "--at", "2026-05-31T18:00")
    assert "left at 2026-05-31 18:00" in said
    said = company.fine("employee", "leave", "ppetrov", "--at", "2026-05-31T18:00+00:00")
    assert "left at 2026-05-31 21:00" in said


def test_the_future_is_allowed_and_said(company: Keepline) -> None:
    assert "leaves at 2101-01-01" in company.fine(
        "employee", "leave", "ivanova", "--on", "2100-12-31"
    )


def test_the_list_says_who_left_and_who_will_leave_in_the_company_s_zone(
    company: Keepline,
) -> None:
    company.fine("employee", "leave", "ivanova", "--on", "2026-05-31")
    company.fine("employee", "leave", "petrov", "--on", "2100-12-31")

    head, *rows = company.fine("employee", "list").splitlines()

    cells = {row.split()[0]: row for row in rows}
    assert cells["ivanova"].index("2026-06-01 00:00 Europe/Moscow") == head.index("left_at")
    assert cells["petrov"].index("2101-01-01 00:00 Europe/Moscow") == head.index("leaves_at")
    assert "Europe" not in cells["ppetrov"]


def test_a_departure_is_taken_back_and_only_once(company: Keepline) -> None:
    company.fine("employee", "leave", "ivanova", "--on", "2026-05-31")

    assert "Анна Иванова did not leave" in company.fine("employee", "leave", "ivanova", "--undo")

    assert "2026" not in company.fine("employee", "list")
    assert "Анна Иванова: " in company.refused("employee", "leave", "ivanova", "--undo")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "say --on DATE (the last day of work) or --at MOMENT"),
        (("--on", "2026-05-31", "--at", "2026-05-31T18:00"), "one of them"),
        (("--on", "31.05.2026"), "--on: write it like 2026-05-31"),
        (("--at", "noon"), "--at: write it like 2026-05-31T18:00"),
    ],
)
def test_a_departure_without_a_clear_moment_is_refused(
    company: Keepline, options: tuple[str, ...], sentence: str
) -> None:
    assert sentence in company.refused("employee", "leave", "ivanova", *options)


def test_a_line_is_given_to_somebody_from_a_date_on(company: Keepline) -> None:
    said = company.fine(
        "line", "assign", "8 916 000-00-01", "--to", "petrov", "--since", "2026-06-01"
    )
    assert said == "+79160000001 is held by Пётр Петров since 2026-06-01 00:00 Europe/Moscow.\n"


def test_a_line_may_be_held_by_nobody_and_a_new_one_is_made(company: Keepline) -> None:
    said = company.fine("line", "assign", "+79160000009", "--since", "2026-06-01")
    assert said.startswith("+79160000009 is held by nobody since")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("101", "--kind", "extension", "--to", "petrov"), "an extension needs its source"),
        (("12", "--to", "petrov"), "12 is no whole telephone number in region RU"),
        (("+79160000001", "--to", "Петров"), "can mean 2 people"),
        (("+79160000001", "--to", "petrov", "--since", "June"), "--since: write it like"),
    ],
)
def test_a_line_that_cannot_be_assigned_is_refused_with_the_reason(
    company: Keepline, arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in company.refused("line", "assign", *arguments)


def test_a_rule_is_set_from_a_moment_on(company: Keepline) -> None:
    said = company.fine("policy", "set", "history_after", "1209600", "--since", "2026-06-01")
    assert said == "history_after is 1209600 from 2026-06-01 00:00 Europe/Moscow on.\n"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("weather", "fine", "NAME: zone, region, duty"),
        ("history_after", "two weeks", "VALUE: for history_after"),
        ("zone", "Moscow", "there is no zone Moscow"),
        ("duty", "Сидоров", "nobody is called Сидоров"),
        ("duty_line", "999@office", "999@office is none of our lines"),
        ("region", "XX", "there is no region XX"),
        ("history_after", '"soon"', "VALUE: for history_after"),
        ("status", "[]", "VALUE: for history_after"),
        ("status", '{"call/in/missed": "soon"}', "VALUE: for history_after"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(
    company: Keepline, name: str, value: str, sentence: str
) -> None:
    assert sentence in company.refused("policy", "set", name, value)


def test_a_status_for_a_situation_is_set_as_the_help_shows(company: Keepline) -> None:
    said = company.fine("policy", "set", "status", '{"call/in/missed": "callback_due"}')
    assert said.startswith("status is {'call/in/missed': 'callback_due'} from ")


def test_who_or_what_is_on_duty_is_set_by_name_and_address(company: Keepline) -> None:
    company.fine("line", "assign", "300", "--source", "office", "--kind", "extension")

    person = company.fine("policy", "set", "duty", "petrov")
    lines = company.fine("policy", "set", "duty_line", "300@office, +79160000001")
    nobody = company.fine("policy", "set", "duty", "nobody", "--since", "2026-06-01")

    assert person.startswith("duty is ")
    assert lines.count("-") > 8  # two ids
    assert nobody.startswith("duty is None from 2026-06-01 00:00")
