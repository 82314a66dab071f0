"""`keepline import`: the company's directory from CSV files."""

from __future__ import annotations

import pytest

from tests.commands.conftest import CLIENTS, EMPLOYEES, LINES, Keepline


@pytest.mark.parametrize(
    ("kind", "content"), [("employees", EMPLOYEES), ("lines", LINES), ("clients", CLIENTS)]
)
def test_the_same_file_twice_changes_nothing(company: Keepline, kind: str, content: str) -> None:
    said = company.fine("import", kind, company.file("again.csv", content))
    assert said.endswith("rows read, 0 of them new or changed.\n")


def test_what_is_new_in_a_file_is_counted(company: Keepline) -> None:
    more = CLIENTS + "3;Василёк;+7 903 000-00-00;;petrov\n"
    said = company.fine("import", "clients", company.file("more.csv", more))
    assert said == "3 rows read, 1 of them new or changed.\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
def test_files_of_every_common_encoding_are_read_alike(company: Keepline, encoding: str) -> None:
    content = "name,login\nЁлка Щукина,shchukina\n".encode(encoding)

    company.fine("import", "employees", company.file("new.csv", content))

    assert "Ёлка Щукина" in company.fine("employee", "list")


def test_a_departure_in_the_file_is_the_last_day_of_work(company: Keepline) -> None:
    company.fine("import", "employees", company.file("e.csv", "name,left_on\nИван Гусь,2026-05-31"))
    assert "2026-06-01 00:00 Europe/Moscow" in company.fine("employee", "list")  # 00:00 in Moscow


@pytest.mark.parametrize(
    ("kind", "content", "sentences"),
    [
        ("clients", "title\nx\n", ("line 1: the column name is missing; clients files have name",)),
        ("clients", 'name\n"never closed\n', ("line 2: ", "check the quotes there")),
        ("clients", "name\nx\0y\n", ("line 2: it holds a NUL byte; save the file",)),
        ("clients", "name,phones\nx,12\n", ("line 2: 12 is no whole telephone number",)),
        ("clients", "name,emails\nx,at home\n", ("line 2: at home is no mail address",)),
        ("clients", "name,manager\nx,nobody\n", ("line 2: WHO: nobody is called nobody",)),
        ("clients", "name,manager\nx,Петров\n", ("line 2: WHO: Петров can mean 2 people",)),
        ("clients", "name\na\n\n,\n", ("line 4: the name is empty",)),
        ("lines", "kind,address\npigeon,1\n", ("line 2: kind: pigeon is not one of sim",)),
        ("lines", "kind,address\nextension,101\n", ("line 2: an extension needs its source",)),
        ("employees", "name,left_on\nx,31.05.2026\n", ("line 2: left_on: ", "2026-05-31")),
        ("employees", "name,from\nx,soon\n", ("line 2: from: ", "2026-05-31")),
    ],
)
def test_a_bad_file_is_refused_naming_the_line_and_the_fix(
    company: Keepline, kind: str, content: str, sentences: tuple[str, ...]
) -> None:
    said = company.refused("import", kind, company.file("bad.csv", content))
    assert "bad.csv" in said
    assert all(sentence in said for sentence in sentences), said


def test_a_bad_row_leaves_nothing_of_its_slice(company: Keepline) -> None:
    company.refused("import", "employees", company.file("e.csv", "name\nНовый Человек\n,\n,x\n"))
    assert "Новый Человек" not in company.fine("employee", "list")


def test_a_file_that_is_not_there_is_named(company: Keepline) -> None:
    assert "there is no file nowhere.csv" in company.refused("import", "clients", "nowhere.csv")


def test_another_kind_of_file_is_refused_with_those_there_are(company: Keepline) -> None:
    said = company.refused("import", "pigeons", company.file("x.csv", "name\n"))
    assert "clients" in said
    assert "employees" in said
