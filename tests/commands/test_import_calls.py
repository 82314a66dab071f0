"""`keepline import calls`: a preview first, then each call once."""

from __future__ import annotations

import json

from storage.log_sqlite import open_reader
from tests.commands.conftest import Keepline
from tests.telephony.test_call_files import OTHER, PLAIN, SIM


def with_source(company: Keepline) -> Keepline:
    company.fine(
        "source", "add", "mobile", "--provider", "callfile", "--zone", "Europe/Moscow",
        "--region", "RU",
    )  # fmt: skip
    return company


def kept(company: Keepline) -> list[dict[str, object]]:
    if not company.settings.log_file("calls").exists():
        return []
    reader = open_reader(company.settings.log_file("calls"), name="calls")
    try:
        return [dict(it.head) for it in reader.read(0, 0, 100)]
    finally:
        reader.close()


def test_a_new_kind_of_file_is_shown_first_and_imported_only_when_agreed(
    company: Keepline,
) -> None:
    file = with_source(company).file("may.csv", PLAIN)

    said = company("import", "calls", file, "--source", "mobile")
    assert said.status == 1
    assert "when       Дата и время" in said.out
    assert f"{OTHER}" in said.out
    assert "--yes" in said.err
    assert kept(company) == []

    out = company.fine("import", "calls", file, "--source", "mobile", "--profile", "op", "--yes")
    assert "2 rows kept by profile op, 2 of them new." in out
    assert [it["line"] for it in kept(company)] == [2, 3]


def test_the_saved_profile_is_found_by_the_columns_and_the_same_file_adds_nothing(
    company: Keepline,
) -> None:
    first = with_source(company).file("may.csv", PLAIN)
    company.fine("import", "calls", first, "--source", "mobile", "--profile", "op", "--yes")
    again = company.file("renamed.csv", PLAIN.encode("utf-16"))

    out = company.fine("import", "calls", again, "--source", "mobile")

    assert out.endswith("2 rows kept by profile op, 0 of them new.\n")
    shown = company.fine("source", "show", "mobile")
    assert "'op'" in shown or '"op"' in shown


def test_rows_that_cannot_be_read_are_named_and_parked(company: Keepline) -> None:
    torn = PLAIN + f"18.11.2026 11:00:00;Загадочный;{SIM};{OTHER};1\n"
    file = with_source(company).file("may.csv", torn)

    out = company.fine("import", "calls", file, "--source", "mobile", "--yes")

    assert "1 rows could not be read and wait parked:" in out
    assert "line 4: the direction is not known: 'Загадочный'" in out
    assert len(kept(company)) == 3


def test_the_zone_of_the_file_is_saved_with_its_profile(company: Keepline) -> None:
    file = with_source(company).file("may.csv", PLAIN)

    company.fine(
        "import", "calls", file, "--source", "mobile", "--zone", "Asia/Yekaterinburg", "--yes"
    )

    head = kept(company)[0]
    assert json.loads(json.dumps(head["read_as"]))["zone"] == "Asia/Yekaterinburg"


def test_what_cannot_be_imported_says_why(company: Keepline) -> None:
    with_source(company)
    file = company.file("may.csv", "a,b\n1,2\n")

    assert "--source" in company.refused("import", "calls", file)
    assert "there is no file" in company.refused(
        "import", "calls", "none.csv", "--source", "mobile"
    )
    assert "names columns of calls" in company.refused(
        "import", "calls", file, "--source", "mobile"
    )
    assert "are for calls" in company.refused("import", "clients", file, "--yes")


def test_neighbours_are_declared_between_sources_that_are_there(company: Keepline) -> None:
    with_source(company)
    assert "there is no source office" in company.refused(
        "source", "neighbours", "office", "mobile"
    )
    company.fine(
        "source", "add", "other", "--provider", "callfile", "--zone", "UTC", "--region", "RU"
    )

    out = company.fine("source", "neighbours", "other", "mobile", "--since", "ever")

    assert "other and mobile report the same calls, since ever" in out
    listed = company.fine("source", "neighbours")
    assert " ".join(listed.splitlines()[1].split()) == "mobile other ever report the same calls"
    assert "name two" in company.refused("source", "neighbours", "other")
    assert "do not report" in company.fine("source", "neighbours", "other", "mobile", "--apart")
