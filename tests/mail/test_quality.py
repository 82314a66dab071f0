"""Labelled sets: how well mails are understood, and that a wrong label shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.mail.quality import Score, records, score_of, scores

SETS = Path(__file__).parent / "sets"
FLOOR = 0.97
LANGUAGES = ("de", "en", "nl", "ru")


@pytest.fixture(scope="module")
def found() -> list[Score]:
    return scores(SETS)


def test_every_set_is_understood_as_its_labels_say(found: list[Score]) -> None:
    below = [it.name for it in found if min(it.precision, it.recall) < FLOOR]

    assert not below, [(it.name, it.wrong) for it in found if it.name in below]


def test_there_is_a_set_for_each_thing_and_ten_mails_in_each_language(found: list[Score]) -> None:
    examples = {it.name: it.examples for it in found}

    assert {"automatic", "direction", "forwarded", "numbers", "numbers name"} <= examples.keys()
    for language in LANGUAGES:
        for kind in ("new", "quote", "signature"):
            assert examples[f"quotes.{language} {kind}"] >= 10


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("quotes.nl", "S|Anna Visser", "N|Anna Visser"),
        ("forwarded", "senders: karl@client.example", "senders: other@client.example"),
        ("numbers", "numbers: +74951234567\n", "numbers: +74951234568\n"),
        ("automatic", "reason: bulk", "reason: -"),
        ("direction", "direction: in\n", "direction: out\n"),
    ],
)
def test_a_wrong_label_lowers_the_figure(name: str, right: str, wrong: str) -> None:
    text = (SETS / f"{name}.txt").read_text("utf-8")
    assert right in text

    before, after = score_of(name, text), score_of(name, text.replace(right, wrong, 1))

    assert [it.wrong for it in after] != [it.wrong for it in before]
    assert sum(it.precision + it.recall for it in after) < sum(
        it.precision + it.recall for it in before
    )


def test_a_label_for_a_line_that_is_not_in_the_mail_is_refused() -> None:
    html = "=== a\nfrom: a@b.example\nhtml:\n<p>one</p>\ntext:\nN|two\n"

    with pytest.raises(ValueError, match="its lines are not those of the mail"):
        score_of("quotes.en", html)


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no set is read so"):
        score_of("songs", "=== a\n")


def test_a_record_has_a_name_fields_and_a_body() -> None:
    [one, two] = records("=== first\na: 1\n\nwords\n\nmore\n=== second\nb: 2\n\n")

    assert (one.name, one.fields, one.body) == ("first", {"a": "1"}, "words\n\nmore")
    assert (two.name, two.fields) == ("second", {"b": "2"})
