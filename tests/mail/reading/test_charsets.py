"""Octets without a declared character set, and declared ones that are wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.mail.charsets import decode, guess


@pytest.mark.parametrize("charset", ["cp1251", "koi8-r", "utf-8"])
@pytest.mark.parametrize(
    "text",
    [
        *("Иван", "Юрий", "Да", "СРОЧНО", "ООО «Ромашка»", "Счёт-фактура и акт"),
        *("Re: оплата 5 мая", "Иванов Иван Иванович", "ПАО ГАЗ"),
        "Добрый день! Пришлите, пожалуйста, счёт.",
    ],
)
def test_russian_is_told_by_its_letters(text: str, charset: str) -> None:
    if charset == "koi8-r":  # it has no such quotes
        text = text.replace("«", '"').replace("»", '"')

    assert guess(text.encode(charset))[0] == text


@pytest.mark.parametrize("text", ["Jörg Müller", "Café", "naïve façade", "Schöne Grüße aus Köln"])
def test_letters_alone_among_latin_ones_are_western(text: str) -> None:
    assert guess(text.encode("latin-1"))[0] == text


def test_a_set_named_elsewhere_in_the_mail_decides() -> None:
    assert guess("КП".encode("koi8-r"), hint="koi8-r")[0] == "КП"


@pytest.mark.parametrize(
    "name", ["idna", "punycode", "unicode_escape", "hex", "zip", "rot13", "../x"]
)
def test_a_codec_that_is_no_character_set_is_not_run(name: str) -> None:
    text, wrong = decode("ü \\u0041 xn--".encode(), name)

    assert text == "ü \\u0041 xn--"
    assert wrong == f"character set {name.replace('_', '-')!r} unknown, read as utf-8"


@given(
    st.binary(max_size=200), st.text(max_size=20) | st.sampled_from(["utf-7", "utf-16", "gb2312"])
)
def test_decoding_gives_text_whatever_comes(octets: bytes, charset: str) -> None:
    assert isinstance(decode(octets, charset)[0], str)
    assert isinstance(guess(octets, hint=charset)[0], str)


def test_text_cut_within_a_character_is_still_utf8() -> None:
    octets = "Привет".encode()[:-1]

    assert decode(octets, "utf-8", whole=False) == ("Приве", None)
