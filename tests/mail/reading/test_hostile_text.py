"""Whatever is read out of a mail's text is read in bounded time, from a hostile megabyte too."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ingest.mail.bounces import MOST, failed_recipients
from ingest.mail.forwarded import senders_attached, senders_within
from ingest.mail.headers import Headers
from ingest.mail.signed import MOST_NUMBERS, name_in, numbers_written
from ingest.mail.webform import MOST_FIELDS, form_fields
from ingest.matching.signed import numbers_in
from tests.mail.reading.test_passages import CPU_S, HOSTILE, ONE_MB

NO_HEADERS = Headers(fields=())
MORE = {
    "digits and spaces": "1 " * (ONE_MB // 2),
    "numbers": "+31 10 123 4567, " * (ONE_MB // 17),
    "brackets": "+(" * (ONE_MB // 2),
    "labels and addresses": "E-mail: a@b.example\n" * (ONE_MB // 20),
    "forwards": "---------- Forwarded message ---------\nFrom: a@b.example\n" * (ONE_MB // 60),
    "a forward of endless colons": "---------- Forwarded message ---------\n" + "a:\n" * 300_000,
    "addresses of one letter": "a@b " * (ONE_MB // 4),
    "at signs": "@" * ONE_MB,
    "report fields": "Final-Recipient: rfc822; a@b.example\nStatus: 5.1.1\n\n" * (ONE_MB // 55),
}

READERS: dict[str, Callable[[str], int]] = {
    "forwarded": lambda text: len(senders_within(text, "Fwd: x")),
    "attached": lambda text: len(senders_attached([text.encode()])),
    "numbers": lambda text: len(numbers_in(numbers_written(text), "RU")) - MOST_NUMBERS,
    "name": lambda text: len(name_in(text, "Anna Visser") or "") - 300,
    "form": lambda text: len(form_fields(text)) - MOST_FIELDS,
    "bounce by words": lambda text: len(failed_recipients(NO_HEADERS, None, text)) - MOST,
    "bounce by report": lambda text: len(failed_recipients(NO_HEADERS, text.encode(), "")) - MOST,
}


@pytest.mark.parametrize("reader", READERS)
def test_hostile_megabytes_are_read_in_bounded_time_and_say_little(reader: str) -> None:
    for name, text in {**HOSTILE, **MORE}.items():
        began = time.process_time()

        found = READERS[reader](text)

        assert time.process_time() - began < CPU_S, name
        assert found <= 5, name
