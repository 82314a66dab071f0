"""The words of IMAP, as values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.mail.imap_words import (
    Part,
    Unparsable,
    answers,
    from_wire_name,
    quoted,
    read_fetch,
    read_internal_date,
    read_list,
    tokens,
    uid_set,
)


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("INBOX", "INBOX"),
        ("Отправленные", "&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-"),
        ("Q&A", "Q&-A"),
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("😀", "&2D3eAA-"),
        ("Éléments envoyés", "&AMk-l&AOk-ments envoy&AOk-s"),
    ],
)
def test_folder_names_are_read_from_modified_utf7(name: str, wire: str) -> None:
    assert from_wire_name(wire.encode()) == name


@given(st.binary())
def test_no_folder_name_is_an_error(wire: bytes) -> None:
    from_wire_name(wire)


@pytest.mark.parametrize("name", ["a\r\nA1 DELETE INBOX", "a\0", "a\nb", "\x7f"])
def test_names_with_control_characters_are_refused(name: str) -> None:
    with pytest.raises(ValueError):
        quoted(name)


def test_quotes_and_backslashes_are_escaped() -> None:
    assert quoted('a"b\\c') == '"a\\"b\\\\c"'


def test_lines_are_parted_into_answers_by_their_literals() -> None:
    lines: list[Part] = [b"1 EXISTS", b"1 FETCH (X {1}", bytearray(b"a"), b")", b"2 FETCH ()"]
    assert list(answers(lines)) == [[b"1 EXISTS"], lines[1:4], [b"2 FETCH ()"]]


def test_what_stands_in_a_literal_is_not_looked_at() -> None:
    found = read_fetch([b"1 FETCH (UID 7 BODY[] {5}", bytearray(b"(()\r\n"), b" FLAGS (\\Seen))"])
    assert found is not None
    assert found.content == b"(()\r\n"
    assert found.flags == ("\\Seen",)


@pytest.mark.parametrize(
    ("line", "content"),
    [
        (b"1 FETCH (UID 7 BODY[] NIL)", b""),
        (b'1 FETCH (UID 7 BODY[] "short \\"mail\\"")', b'short "mail"'),
        (b'1 FETCH (BODY[HEADER.FIELDS (FROM TO)]<0> "x" UID 7)', b"x"),
        (b"1 FETCH (UID 7 FLAGS ())", None),
    ],
)
def test_contents_come_in_several_spellings(line: bytes, content: bytes | None) -> None:
    found = read_fetch([line])
    assert found is not None
    assert found.content == content


def test_news_of_flags_without_uid_is_passed_over() -> None:
    assert read_fetch([b"1 FETCH (FLAGS (\\Seen))"]) is None


ITEMS = st.sampled_from(
    [
        b"UID 7",
        b"uid 8",
        b"RFC822.SIZE 99",
        b"RFC822.SIZE 9999999999999999999",
        b'INTERNALDATE "17-Jul-2026 02:44:25 +0300"',
        b'INTERNALDATE "31-Feb-2026 02:44:25 +0300"',
        b'INTERNALDATE ""',
        b"FLAGS (\\Seen  $x\ty \xff)",
        b"FLAGS ()",
    ]
)


@given(st.lists(ITEMS, min_size=1, max_size=6))
def test_the_short_way_reads_what_the_grammar_reads(items: list[bytes]) -> None:
    usual = b"1 FETCH (" + b" ".join(items) + b")"
    unusual = usual[:-1] + b" X-MORE (1))"
    assert read_fetch([usual]) == read_fetch([unusual])


@pytest.mark.parametrize(
    "line", [b"1 FETCH (", b"1 FETCH )", b'1 FETCH ("', b"1 FETCH " + b"(" * 99]
)
def test_broken_answers_are_unparsable(line: bytes) -> None:
    with pytest.raises(Unparsable):
        read_fetch([line])


@given(st.lists(st.one_of(st.binary(), st.binary().map(bytearray)), max_size=5))
def test_any_answer_is_read_or_unparsable(parts: list[Part]) -> None:
    readers = (tokens, read_fetch, read_list)
    for reader in readers:
        try:
            reader(parts)  # type: ignore[operator]
        except Unparsable:
            continue


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (b"17-Jul-1996 02:44:25 -0700", datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)),
        (b" 1-jan-2026 00:00:00 +0300", datetime(2025, 12, 31, 21, 0, tzinfo=UTC)),
        (b"31-Feb-2026 00:00:00 +0000", None),
        (b"01-Jan-0001 00:00:00 +0300", None),
        (b"01-Jan-2026 00:00:00 +9999", None),
        (b"yesterday", None),
    ],
)
def test_internal_dates_are_read_in_utc(text: bytes, moment: datetime | None) -> None:
    assert read_internal_date(text) == moment


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ([b'LIST (\\HasNoChildren \\Sent) "/" "Sent Items"'], b"Sent Items"),
        ([b'LIST (\\Sent) NIL "a\\"b"'], b'a"b'),
        ([b'LIST (\\Sent) "." {3}', bytearray(b"a b"), b""], b"a b"),
    ],
)
def test_listed_folders_are_read(parts: Sequence[Part], name: bytes) -> None:
    found = read_list(parts)
    assert found is not None
    assert found[1] == name
    assert "\\sent" in found[0] or "\\hasnochildren" in found[0]


def test_neighbouring_uids_are_named_as_ranges() -> None:
    assert uid_set([5, 1, 2, 3, 9, 3]) == "1:3,5,9"
