"""The recorded cases of every provider, and that the run sees what differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.telephony.conformance import main, run
from ingest.telephony.providers import PROVIDERS
from tests.telephony.recorded import CASES, cases


def test_every_recorded_case_comes_out_as_expected():
    summary = run(CASES)

    assert not summary.failed, str(summary)
    assert summary.passed > 100


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_every_provider_has_an_answered_a_missed_an_outgoing_and_a_broken_case(provider: str):
    of_it = [case for name, case in cases().items() if name.startswith(f"{provider}/")]
    expected = [each for case in of_it for each in expectations(case)]

    assert any(e.get("answered_at") and e.get("direction") == "in" for e in expected)
    assert any(e.get("missed") for e in expected)
    assert any(e.get("direction") == "out" for e in expected)
    assert any(BROKEN & set(e) or e.get("state") == "rejected" for e in expected)


#: Words of a case in which something is refused or waits parked.
BROKEN = {"http_status", "quarantined", "error"}


def expectations(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a case expects: of the call, of each of several, and of the delivery."""
    whole = case.get("expect_merged", case.get("expect", {}))
    return [whole, *whole.get("calls", ()), *case.get("expect_calls", ())]


def test_the_last_line_counts_and_the_exit_status_tells(tmp_path: Path, capsys: Any):
    write(tmp_path, "01.json", a_case())

    assert main(str(tmp_path)) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 0 failed, 0 skipped"


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("call_id", "another"),
        ("direction", "out"),
        ("from_e164", "+79001234500"),
        ("to_e164", None),
        ("state", "ringing"),
        ("outcome", "busy"),
        ("missed", True),
        ("started_at", "2026-11-18T09:00:05Z"),
        ("answered_at", None),
        ("ended_at", "2026-11-18T09:02:00Z"),
        ("duration_s", 66),
        ("talk_s", 0),
        ("employee_ext", "101"),
        ("participants_ext", ["101", "102"]),
        ("rung_exts", ["102"]),
        ("recording_url", None),
        ("interactions", 0),
        ("calls", []),
        ("word_of_tomorrow", 1),
    ],
)
def test_a_case_that_expects_something_else_fails(
    tmp_path: Path, capsys: Any, word: str, value: Any
):
    case = a_case()
    case["expect"][word] = value
    case["tolerance_s"] = 0
    write(tmp_path, "01.json", case)

    assert main(str(tmp_path)) == 1
    assert "FAILED 01.json" in capsys.readouterr().out


def test_a_directory_that_is_not_there_is_a_failure_not_zero_cases(tmp_path: Path):
    assert main(str(tmp_path / "nowhere")) == 1


def test_an_answer_that_differs_fails(tmp_path: Path):
    case = a_case()
    case["requests"][0]["respond"] = {"status": 200, "json": {"redirect": "101"}}
    write(tmp_path, "01.json", case)

    assert run(tmp_path).failed == 1


@pytest.mark.parametrize(
    "answer", [{"must_subscribe": ["onHangup"]}, {"headers": {"X-Token": "a"}}, {"status": 404}]
)
def test_an_answer_that_lacks_something_fails(tmp_path: Path, answer: dict[str, Any]):
    case = a_case()
    case["requests"][0]["respond"] = answer
    write(tmp_path, "01.json", case)

    assert run(tmp_path).failed == 1


def test_what_a_failing_receiver_once_answered_is_asked_of_nobody(tmp_path: Path):
    case = a_case()
    case["requests"][0]["respond"] = {"status": 503}
    write(tmp_path, "01.json", case)

    assert run(tmp_path).passed == 1


def test_a_record_in_xml_is_run_and_compared(tmp_path: Path):
    case = json.loads(json.dumps(cases()["fusionpbx/01-xml-cdr-inbound-answered.json"]))
    write(tmp_path, "good.json", case)
    case["expect"]["employee_ext"] = "1002"
    write(tmp_path, "wrong.json", case)

    summary = run(tmp_path)

    assert (summary.passed, summary.failed, summary.skipped) == (1, 1, 0)
    assert "FAILED wrong.json: employee_ext" in summary.lines[0]


def test_a_handshake_that_asks_for_a_proof_is_no_acceptance(tmp_path: Path):
    name = "freeswitch/recorded-40-digest-probe-empty-body.json"
    case = json.loads(json.dumps(cases()[name]))
    write(tmp_path, "probe.json", case)
    case["expect"] = {"state": "ignored", "calls": []}
    write(tmp_path, "wrong.json", case)

    summary = run(tmp_path)

    assert (summary.passed, summary.failed) == (1, 1)


def test_a_provider_that_is_not_here_is_skipped_by_name_and_reason(tmp_path: Path):
    write(tmp_path, "other.json", {**a_case(), "provider": "acme"})

    summary = run(tmp_path)

    assert (summary.passed, summary.failed, summary.skipped) == (0, 0, 1)
    assert "skipped other.json: no provider 'acme' yet" in summary.lines


def test_a_case_that_lacks_what_its_kind_needs_fails_and_is_not_skipped(tmp_path: Path):
    write(tmp_path, "history.json", {"provider": "mango", "kind": "pull"})
    write(tmp_path, "files.json", {"provider": "asterisk", "files": []})
    write(tmp_path, "socket.json", {"provider": "asterisk", "transcript": []})
    write(tmp_path, "lookup.json", {**a_case(), "expect": {"state": "lookup"}})

    assert run(tmp_path).failed == 4


def test_a_file_that_is_no_case_fails_and_the_run_goes_on(tmp_path: Path):
    (tmp_path / "broken.json").write_text("{")
    write(tmp_path, "hollow.json", {"provider": "generic", "requests": [{}]})
    write(tmp_path, "good.json", a_case())

    summary = run(tmp_path)

    assert (summary.passed, summary.failed) == (1, 2)


def a_case() -> dict[str, Any]:
    return json.loads(json.dumps(cases()["generic/01-inbound-answered.json"]))


def write(folder: Path, name: str, case: dict[str, Any]) -> None:
    (folder / name).write_text(json.dumps(case))
