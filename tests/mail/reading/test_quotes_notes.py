"""Quotes of Lotus Notes, told by a date above a table; what only resembles one is new."""

from __future__ import annotations

import time

import pytest

from ingest.domain.mails import PassageKind
from ingest.mail.passages import part
from tests.mail.reading.test_hostile import CPU_S

PLAIN = """\
Anna Visser/Client@CLIENT
03.05.2024 12:04

To
sales@keep.example
cc

Subject
Order
"""


def quoted(text: str) -> str:
    """Return what of a text is told to be quoted."""
    passages = part(text, answers=True)
    return "".join(text[it.start : it.end] for it in passages if it.kind is PassageKind.QUOTE)


def test_a_block_of_notes_and_all_behind_it_is_quoted() -> None:
    assert quoted(f"Forty, please.\n\n{PLAIN}\nHow many?") == f"{PLAIN}\nHow many?"


def test_words_that_stand_right_above_a_block_are_new() -> None:
    text = f"Forty, please.\n{PLAIN}"

    assert quoted(text) == PLAIN
    assert quoted(text.replace("Anna Visser/Client@CLIENT\n", "")).startswith("03.05.2024")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("To\n", ""),
        ("cc\n", ""),
        ("Subject\n", ""),
        ("03.05.2024 12:04", "until 03.05.2024 12:04"),
        ("03.05.2024 12:04", "03.05.2024 12:04 is fine"),
        ("03.05.2024 12:04", "3.5 12:04"),
        ("To\nsales@keep.example\ncc", "cc\nsales@keep.example\nTo"),
        ("To\nsales", "cc\nsales"),
        ("Subject", "Subject of the offer"),
        ("\n\nTo", "\n" * 16 + "To"),
    ],
)
def test_what_lacks_a_piece_of_the_block_is_new(old: str, new: str) -> None:
    assert old in PLAIN
    assert quoted(f"Forty, please.\n\n{PLAIN}\nHow many?".replace(old, new)) == ""


def test_a_folded_block_is_told_by_its_date_between_dashes() -> None:
    folded = "Anna Visser---03.05.2024 12:04:11---How many boxes?"

    assert quoted(f"Forty.\n\n{folded}\n\nHow many boxes?") == f"{folded}\n\nHow many boxes?"
    assert quoted("Forty.\n\n---03.05.2024 12:04---\nHow many boxes?") == ""
    assert quoted("Forty.\n\nfrom 03.05.2024 12:04 --- to be agreed ---") == ""


@pytest.mark.parametrize(
    "line", ["03.05.2024 12:04", "a@b   To", "To", "a---1.1.24 1:11--", "1.1.24 1:11" + "  x" * 60]
)
def test_hostile_blocks_are_looked_at_in_bounded_time(line: str) -> None:
    text = f"{line}\n" * 8_000
    before = time.process_time()

    part(text)

    assert time.process_time() - before < CPU_S / 2
