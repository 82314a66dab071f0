"""Commands that look at things: normalise, parse-mail, conformance, mail-quality."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.commands.conftest import Keepline

CASES = Path(__file__).parents[1] / "telephony" / "providers"


@pytest.mark.parametrize(
    ("text", "region", "kind", "value"),
    [
        ("8 (495) 123-45-67", "RU", "e164", "+74951234567"),
        ("-8 495 123 45 67", "RU", "e164", "+74951234567"),
        ("101", "RU", "extension", None),
        ("anonymous", "RU", "withheld", None),
        ("112", "RU", "short", None),
        ("my sister", "RU", "unreadable", None),
    ],
)
def test_normalise_prints_one_line_of_json(
    keepline: Keepline, text: str, region: str, kind: str, value: str | None
) -> None:
    [line] = keepline.fine("normalise", text, "--region", region).splitlines()

    said = json.loads(line)
    assert list(said) == ["kind", "e164", "ext", "reason"]
    assert (said["kind"], said["e164"]) == (kind, value)


def test_normalise_reads_lines_with_a_region_each_from_standard_input(keepline: Keepline) -> None:
    typed = "8 495 123-45-67\tRU\n020 123 4567\tNL\r\n8 495 123-45-67\n\n"

    said = keepline.fine("normalise", "-", "--region", "RU", typed=typed)

    assert [json.loads(line)["e164"] for line in said.splitlines()] == [
        "+74951234567",
        "+31201234567",
        "+74951234567",
        None,
    ]


def test_parse_mail_prints_what_a_mail_says(keepline: Keepline) -> None:
    mail = (
        "From: =?utf-8?B?0J7Qu9GM0LPQsA==?= <olga@client.example>\r\nTo: desk@ours.example\r\n"
        "Subject: An order\r\nMessage-ID: <1@client.example>\r\nAuto-Submitted: auto-replied\r\n"
        "\r\nGood day\r\n"
    )

    said = json.loads(keepline.fine("parse-mail", keepline.file("order.eml", mail)))

    assert said["from"] == {"address": "olga@client.example", "name": "Ольга"}
    assert said["to"] == [{"address": "desk@ours.example", "name": None}]
    assert (said["subject"], said["message_id"]) == ("An order", "1@client.example")
    assert said["text"].strip() == "Good day"
    assert said["automatic"]
    assert {"cc", "date", "in_reply_to", "references", "html", "attachments"} <= set(said)
    assert json.loads(keepline.fine("parse-mail", "-", typed=mail)) == said


def test_parse_mail_names_a_file_that_is_not_there(keepline: Keepline) -> None:
    said = keepline.refused("parse-mail", "nowhere.eml")
    assert "FILE: No such file or directory: nowhere.eml" in said


def test_conformance_passes_cases_recursively_and_counts_them(keepline: Keepline) -> None:
    said = keepline("conformance", str(CASES / "generic"))

    assert said.status == 0
    assert " passed, 0 failed, " in said.out.splitlines()[-1]


def test_conformance_prints_a_mismatch_and_fails(keepline: Keepline) -> None:
    shutil.copytree(CASES / "generic", keepline.folder / "cases")
    changed = 0
    for path in (keepline.folder / "cases").rglob("*.json"):
        text = path.read_text()
        if '"no_answer"' in text and not changed:
            path.write_text(text.replace('"no_answer"', '"busy"'))
            changed += 1
    assert changed

    said = keepline("conformance", str(keepline.folder / "cases"))

    assert said.status == 1
    assert " 1 failed" in said.out.splitlines()[-1]
    assert "busy" in said.out


def test_conformance_names_a_directory_that_is_not_there(keepline: Keepline) -> None:
    assert "DIR: there is no directory nowhere" in keepline.refused("conformance", "nowhere")


def test_mail_quality_prints_precision_and_recall(keepline: Keepline) -> None:
    record = (
        "=== one\nsubject: Fwd: x\nsenders: {}\n\n"
        "Begin forwarded message:\n\nFrom: {}\nDate: x\nTo: y\n"
    )
    right, wrong = "a@client.example", "b@client.example"
    keepline.file("forwarded.txt", record.format(right, right) + record.format(right, wrong))

    said = keepline.fine("mail-quality", ".")

    [figures] = [line for line in said.splitlines() if line.startswith("forwarded")]
    assert figures.split() == ["forwarded", "2", "2", "2", "0.500", "0.500"]
    assert f"one: said {wrong}, labelled {right}" in said


def test_mail_quality_says_which_directory_holds_no_sets(keepline: Keepline) -> None:
    assert "no sets in" in keepline.refused("mail-quality", "nowhere")
