"""Every way of writing one mail address has one spelling."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.matching.addresses import LONGEST, normalise_address


@pytest.mark.parametrize(
    ("written", "spelling"),
    [
        ("anna@client.example", "anna@client.example"),
        ("Anna@Client.EXAMPLE", "anna@client.example"),
        ("  <anna@client.example> ", "anna@client.example"),
        ("'anna@client.example'", "anna@client.example"),
        ("mailto:anna@client.example", "anna@client.example"),
        ("anna@client.example.", "anna@client.example"),
        ("\u200banna@client.example\ufeff", "anna@client.example"),
        ('"anna"@client.example', "anna@client.example"),
        ("anna+offer@client.example", "anna+offer@client.example"),
        ("анна@пример.рф", "анна@xn--e1afmkfd.xn--p1ai"),
        ("Анна@ПРИМЕР.РФ", "анна@xn--e1afmkfd.xn--p1ai"),
        ("anna@xn--e1afmkfd.xn--p1ai", "anna@xn--e1afmkfd.xn--p1ai"),
        ("anna@client。example", "anna@client.example"),
        ("rene\u0301@client.example", "ren\u00e9@client.example"),
        ("anna@straße.example", "anna@xn--strae-oqa.example"),
        ("anna@☎.example", "anna@xn--y3h.example"),
        ("anna@under_score.example", "anna@under_score.example"),
        ("root@localhost", "root@localhost"),
        ("root@[192.0.2.7]", "root@[192.0.2.7]"),
    ],
)
def test_one_address_has_one_spelling(written: str, spelling: str) -> None:
    assert normalise_address(written) == spelling


@pytest.mark.parametrize(
    "text",
    [
        *("", "anna", "@client.example", "anna@", "anna@@client.example", "anna visser@b.example"),
        *("a@b..c", "a@-b.example", "a@b.example,c@d.example", "a@[oops]", "a\0@b.example"),
        *("a\u202e@b.example", "a@" + "b" * 64 + ".example", "a" * LONGEST + "@b.example"),
    ],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert normalise_address(text) is None


ALPHABET = st.one_of(st.sampled_from("aA1.-_@@<>\"' [];:xn--ßİıſ。Ж\u0301\u200b"), st.characters())


@given(st.text(ALPHABET, max_size=60))
@example("İ@İ.example")
@example("a@xn--a.example")
@example("a@ß.ẞ")
def test_the_spelling_of_a_spelling_is_itself(text: str) -> None:
    once = normalise_address(text)

    if once is not None:
        assert normalise_address(once) == once
        assert once.count("@") == 1
        assert not any(char.isspace() for char in once)
        assert once.rpartition("@")[2].isascii()
        once.encode("utf-8")


@given(st.text(ALPHABET, min_size=1, max_size=20), st.sampled_from(["пример.рф", "b.example"]))
def test_case_does_not_tell_addresses_apart(local: str, domain: str) -> None:
    lower, upper = f"{local.lower()}@{domain}", f"{local.lower()}@{domain.upper()}"

    assert normalise_address(lower) == normalise_address(upper)


@pytest.mark.parametrize(
    "text", ["@" * 10**6, "a@" + "b." * 10**6, "<" * 10**6, "ж" * 10**6 + "@x"]
)
def test_a_million_characters_are_refused_at_once(text: str) -> None:
    assert normalise_address(text) is None
