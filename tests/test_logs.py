"""What a line of the log shows of an exception: its end, where the cause stands, masked."""

from __future__ import annotations

from ingest.logs import LONGEST, mask


def test_a_long_traceback_keeps_its_end():
    raised = "".join(f'  File "one.py", line {line}, in f\n    f()\n' for line in range(500))

    shown = mask(None, "error", {"exception": f"Traceback:\n{raised}KeyError: 'the cause'"})

    assert shown["exception"].endswith("KeyError: 'the cause'")
    assert len(shown["exception"]) < 2_100


def test_numbers_and_addresses_in_a_traceback_are_masked():
    shown = mask(None, "error", {"exception": "ValueError: +7 916 111-00-01 of ann@acme.example"})

    assert shown["exception"] == "ValueError: …01 of …@acme.example"


def test_other_values_keep_their_beginning():
    shown = mask(None, "info", {"subject": "s" * 1_000})

    assert shown["subject"] == "s" * LONGEST + "…"
