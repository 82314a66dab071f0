"""Every spelling of a telephone number comes to one normal form."""

import json
import re
import time

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.contacts import ContactPoint, Normalised, PointKind
from ingest.matching.numbers import as_json, normalise, parse_plain, to_point

WHOLE: dict[str, dict[str, str]] = {
    "RU": {
        "8 (495) 123-45-67": "+74951234567",
        "8(495)1234567": "+74951234567",
        "84951234567": "+74951234567",
        "8-495-123-45-67": "+74951234567",
        "8 495 123 45 67": "+74951234567",
        "8.495.123.45.67": "+74951234567",
        "8/495/1234567": "+74951234567",
        "495/123-45-67": "+74951234567",
        "(495) 123-45-67": "+74951234567",
        "4951234567": "+74951234567",
        "74951234567": "+74951234567",
        "7 (495) 123-45-67": "+74951234567",
        "+7 (495) 123-45-67": "+74951234567",
        "+74951234567": "+74951234567",
        "+7\u00a0495\u00a0123\u201145\u201167": "+74951234567",
        "+7 495 123\u201345\u201467": "+74951234567",
        "+7 (8) 495 123 45 67": "+74951234567",
        "+8 (495) 123-45-67": "+74951234567",
        "+8 800 700 00 42": "+78007000042",
        "+7 8 495 1234567": "+74951234567",
        "\u200f+7 495 123 45 67\u202c": "+74951234567",
        "\u202a84951234567\u202c": "+74951234567",
        "\uff18\uff14\uff19\uff15\uff11\uff12\uff13\uff14\uff15\uff16\uff17": "+74951234567",
        "\uff0b\uff17\uff14\uff19\uff15\uff11\uff12\uff13\uff14\uff15\uff16\uff17": "+74951234567",
        "\u0668\u0664\u0669\u0665\u0661\u0662\u0663\u0664\u0665\u0666\u0667": "+74951234567",
        "\u06f8\u06f4\u06f9\u06f5\u06f1\u06f2\u06f3\u06f4\u06f5\u06f6\u06f7": "+74951234567",
        "тел. 8(495)1234567": "+74951234567",
        "Тел.: +7 495 1234567": "+74951234567",
        "моб. 8 916 000 01 01": "+79160000101",
        "8 495 1234567 (Иван)": "+74951234567",
        "Иван 8 495 1234567": "+74951234567",
        "  84951234567\n": "+74951234567",
        "'84951234567": "+74951234567",
        "=84951234567": "+74951234567",
        "79160000101": "+79160000101",
        "9160000101": "+79160000101",
        "8-916-000-01-01": "+79160000101",
        "+79160000101": "+79160000101",
        "+79001234501": "+79001234501",
        "+74951230001": "+74951230001",
        "74951230001": "+74951230001",
        "8-800-700-00-42": "+78007000042",
        "88007000042": "+78007000042",
        "8007000042": "+78007000042",
        "+78007000042": "+78007000042",
        "78007000042": "+78007000042",
        "810442079460123": "+442079460123",
        "8 10 44 20 7946 0123": "+442079460123",
        "8~10 44 20 7946 0123": "+442079460123",
        "8w10442079460123": "+442079460123",
        "8-10-1-202-555-01-43": "+12025550143",
        "810 998 90 123 45 67": "+998901234567",
        "998901234567": "+998901234567",
        "442079460123": "+442079460123",
        "12025550143": "+12025550143",
        "+12025550143": "+12025550143",
        "375291234567": "+375291234567",
        "0079161234567": "+79161234567",
        "007 495 123 45 67": "+74951234567",
        "00442079460123": "+442079460123",
        "011442079460123": "+442079460123",
        "+0079161234567": "+79161234567",
        "7272123456": "+77272123456",
        "8 (727) 212-34-56": "+77272123456",
        "+7 727 212 34 56": "+77272123456",
        "sip:+74951234567@203.0.113.7": "+74951234567",
        "sip:84951234567@pbx.example.org:5060": "+74951234567",
        "sips:74951234567@pbx.example.org;transport=tls?x=1": "+74951234567",
        "sip:%2B74951234567@pbx.example.org": "+74951234567",
        "SIP:+7-495-123-45-67@pbx.example.org;user=phone": "+74951234567",
        '"Ivan" <sip:+74951234567@pbx.example.org>': "+74951234567",
        '"74950000000" <sip:+74951234567@pbx.example.org>': "+74951234567",
        "79161234567@pbx.example.org": "+79161234567",
        "tel:+7-495-123-45-67": "+74951234567",
        "tel:84951234567": "+74951234567",
        "tel:1234567;phone-context=+7495": "+74951234567",
        "callto:+74951234567": "+74951234567",
        "*67 +74951234567": "+74951234567",
        "#31#84951234567": "+74951234567",
        "84440001122": "+74440001122",
        "8613812345678": "+8613812345678",
    },
    "KZ": {
        "8 (727) 212-34-56": "+77272123456",
        "77272123456": "+77272123456",
        "+7 701 234 5678": "+77012345678",
        "87012345678": "+77012345678",
        "7012345678": "+77012345678",
        "8 495 123 45 67": "+74951234567",
        "810 49 30 1234567": "+49301234567",
    },
    "US": {
        "(202) 555-0143": "+12025550143",
        "202-555-0143": "+12025550143",
        "202.555.0143": "+12025550143",
        "202 555 0143": "+12025550143",
        "2025550143": "+12025550143",
        "12025550143": "+12025550143",
        "1 (202) 555-0143": "+12025550143",
        "1-202-555-0143": "+12025550143",
        "+1 202 555 0143": "+12025550143",
        "+1.202.555.0143": "+12025550143",
        "+12025550143": "+12025550143",
        "011 44 20 7946 0123": "+442079460123",
        "0044 20 7946 0123": "+442079460123",
        "442079460123": "+442079460123",
        "74951230001": "+74951230001",
        "01174951230001": "+74951230001",
        "+52 55 1234 5678": "+525512345678",
        "7378742833": "+17378742833",
        "8765551234": "+18765551234",
    },
    "GB": {
        "020 7946 0123": "+442079460123",
        "(020) 7946 0123": "+442079460123",
        "02079460123": "+442079460123",
        "2079460123": "+442079460123",
        "442079460123": "+442079460123",
        "+44 (0)20 7946 0123": "+442079460123",
        "+44 20 7946 0123": "+442079460123",
        "0044 20 7946 0123": "+442079460123",
        "00 44 (0) 20 7946 0123": "+442079460123",
        "07400 123456": "+447400123456",
        "74951230001": "+74951230001",
        "0033 1 23 45 67 89": "+33123456789",
        "12025550143": "+12025550143",
        "011 1 202 555 0143": "+12025550143",
    },
    "DE": {
        "030/1234567": "+49301234567",
        "030 / 123 45 67": "+49301234567",
        "(030) 1234567": "+49301234567",
        "030 123456-78": "+493012345678",
        "+49 (0)30 1234567": "+49301234567",
        "+49-30-1234567": "+49301234567",
        "+49 30 1234567": "+49301234567",
        "0049 30 1234567": "+49301234567",
        "0049 (0)30 1234567": "+49301234567",
        "493023125012": "+493023125012",
        "03023125012": "+493023125012",
        "+0 30 1234567": "+49301234567",
        "0151 23456789": "+4915123456789",
        "4915123456789": "+4915123456789",
        "15123456789": "+4915123456789",
        "3012345678": "+493012345678",
        "442079460123": "+442079460123",
        "79161112233": "+79161112233",
        "Telefon: 030 1234567": "+49301234567",
        "0231 / 12 34 56": "+49231123456",
    },
    "NL": {
        "020-1234567": "+31201234567",
        "(020) 123 45 67": "+31201234567",
        "020/1234567": "+31201234567",
        "0201234567": "+31201234567",
        "201234567": "+31201234567",
        "31201234567": "+31201234567",
        "+31 (0)20 123 4567": "+31201234567",
        "0031201234567": "+31201234567",
        "06-12345678": "+31612345678",
        "06 12 34 56 78": "+31612345678",
        "+31 6 12345678": "+31612345678",
        "31612345678": "+31612345678",
    },
    "FR": {
        "01 23 45 67 89": "+33123456789",
        "01.23.45.67.89": "+33123456789",
        "0123456789": "+33123456789",
        "123456789": "+33123456789",
        "+33 1 23 45 67 89": "+33123456789",
        "+33 (0)1 23 45 67 89": "+33123456789",
        "0033123456789": "+33123456789",
        "33123456789": "+33123456789",
        "06 12 34 56 78": "+33612345678",
        "Tél. 01 23 45 67 89": "+33123456789",
    },
    "BR": {
        "(11) 98765-4321": "+5511987654321",
        "11 98765 4321": "+5511987654321",
        "011 98765-4321": "+5511987654321",
        "0 21 11 98765-4321": "+5511987654321",
        "+55 11 98765-4321": "+5511987654321",
        "5511987654321": "+5511987654321",
        "0055 11 98765 4321": "+5511987654321",
        "+55 11 8765-4321": "+551187654321",
        "(11) 3456-7890": "+551134567890",
    },
    "ZZ": {
        "+442079460123": "+442079460123",
        "442079460123": "+442079460123",
        "0079161234567": "+79161234567",
        "+7 (495) 123-45-67": "+74951234567",
    },
    "no such region": {"+74951234567": "+74951234567"},
    "ru": {"84951234567": "+74951234567"},
}

WITH_EXTENSION = [
    ("84951234567 доб. 12", "RU", "+74951234567", "12"),
    ("8 (495) 123-45-67 (доб. 12)", "RU", "+74951234567", "12"),
    ("8 495 123-45-67 добавочный 1204", "RU", "+74951234567", "1204"),
    ("8 495 123-45-67 вн. 12", "RU", "+74951234567", "12"),
    ("8 495 123-45-67 x12", "RU", "+74951234567", "12"),
    ("8 495 123-45-67 х12", "RU", "+74951234567", "12"),
    ("84951234567#101", "RU", "+74951234567", "101"),
    ("84951234567,,101", "RU", "+74951234567", "101"),
    ("84951234567;ext=12", "RU", "+74951234567", "12"),
    ("tel:+7-495-123-45-67;ext=12", "RU", "+74951234567", "12"),
    ("sip:+74951234567;ext=12@pbx.example.org", "RU", "+74951234567", "12"),
    ("+1 202 555 0143 ext. 7", "US", "+12025550143", "7"),
    ("202.555.0143x7", "US", "+12025550143", "7"),
    ("(202) 555-0143 extension 700", "US", "+12025550143", "700"),
    ("020-1234567 toestel 33", "NL", "+31201234567", "33"),
    ("030 1234567 Durchwahl 12", "DE", "+49301234567", "12"),
    ("01 23 45 67 89 poste 4", "FR", "+33123456789", "4"),
    ("(11) 3456-7890 ramal 22", "BR", "+551134567890", "22"),
]

EXTENSIONS = [
    ("101", "RU", "101"),
    ("100", "RU", "100"),
    ("109", "KZ", "109"),
    ("42", "RU", "42"),
    ("911", "RU", "911"),
    ("7042", "RU", "7042"),
    ("8101", "RU", "8101"),
    ("70421", "RU", "70421"),
    ("704212", "RU", "704212"),
    ("200", "DE", "200"),
    ("7042", "DE", "7042"),
    ("123456", "DE", "123456"),
    ("1234", "US", "1234"),
    ("311", "US", "311"),
    ("101", "GB", "101"),
    ("0123", "NL", "0123"),
    ("101", "ZZ", "101"),
    ("доб. 101", "RU", "101"),
    ("x101", "US", "101"),
    ("ext 5", "US", "5"),
    ("#101", "RU", "101"),
    ("sip:101@pbx.example.org", "RU", "101"),
    ('"Ivan" <sip:101@pbx.example.org>', "RU", "101"),
    ("101@pbx.example.org", "RU", "101"),
    ("tel:7042;phone-context=example.com", "RU", "7042"),
    ("15678*1101@pbx.example.org", "RU", "1101"),
]

SHORT = [
    ("112", "RU"), ("112", "NL"), ("112", "DE"), ("112", "ZZ"), ("1-1-2", "RU"),
    ("911", "US"), ("999", "GB"), ("110", "DE"), ("190", "BR"), ("15", "FR"), ("02", "RU"),
    ("sip:112@pbx.example.org", "DE"), ("40404", "US"), ("3646", "FR"), ("118218", "FR"),
    ("118118", "GB"), ("*100", "RU"), ("*97", "US"), ("*100#", "RU"),
]  # fmt: skip

WITHHELD = [
    "", " ", "\u200f", "+", "-", "0", "00", "000", "+0", "anonymous", "Anonymous", "ANONYMOUS",
    "Restricted", "Private", "private number", "Unavailable", "unknown", "<unknown>",
    "Unknown caller",
    "Withheld", "Not available", "N/A", "null", "No Caller ID", "Скрытый номер", "номер скрыт",
    "Номер не определён", "Аноним", "Unbekannt", "Onbekend nummer", "Numéro masqué",
    "número privado",
    "sip:anonymous@anonymous.invalid", "sip:+74951234567@anonymous.invalid",
    '"Anonymous" <sip:anonymous@anonymous.invalid>', "tel:anonymous", "anonymous@pbx.example.org",
    "+266696687", "266696687", "+7378742833", "+2562533", "+8656696", "+86282452253", "+7748283",
]  # fmt: skip

UNREADABLE = [
    ("1" * 1_000_000, "RU", "longer than 200 characters"),
    ("+7495" + "\u200f" * 1000, "RU", "longer than 200 characters"),
    ("1" * 31, "RU", "too many digits for a number"),
    ("1234567", "RU", "a local number without its area code"),
    ("5550143", "US", "a local number without its area code"),
    ("02079460123", "ZZ", "no region is set for the line, and it is no international number"),
    ("+7495123", "RU", "too short for a number"),
    ("+12025550143999", "US", "too long for a number"),
    ("+999123456789", "RU", "no country has such numbers"),
    ("5", "RU", "too few digits for a number"),
    ("Ivan", "RU", "a word, not a number"),
    ("number", "RU", "a word, not a number"),
    ("ivan@example.com", "RU", "a word, not a number"),
    ("sip:ivan2@example.com", "RU", "letters among the digits"),
    ("1-800-FLOWERS-2", "US", "letters among the digits"),
    ("8 495 1234567, 8 916 1234567", "RU", "more than one number"),
    ("8 495 1234567 / 8 916 1234567", "RU", "more than one number"),
    ("+7 495 1234567 +7 916 1234567", "RU", "more than one number"),
    ("495*1234567*1", "RU", "signs that only a machine understands"),
]


@pytest.mark.parametrize(
    ("text", "region", "e164"),
    [(text, region, e164) for region, rows in WHOLE.items() for text, e164 in rows.items()],
)
def test_a_whole_number_comes_to_e164(text: str, region: str, e164: str) -> None:
    assert normalise(text, region) == Normalised(kind=PointKind.PHONE, e164=e164)


@pytest.mark.parametrize(("text", "region", "e164", "ext"), WITH_EXTENSION)
def test_an_extension_behind_a_number_is_kept_apart(
    text: str, region: str, e164: str, ext: str
) -> None:
    assert normalise(text, region) == Normalised(kind=PointKind.PHONE, e164=e164, ext=ext)


@pytest.mark.parametrize(("text", "region", "ext"), EXTENSIONS)
def test_few_digits_are_an_extension(text: str, region: str, ext: str) -> None:
    assert normalise(text, region) == Normalised(kind=PointKind.EXTENSION, ext=ext)


@pytest.mark.parametrize(("text", "region"), SHORT)
def test_emergency_and_service_numbers_are_short(text: str, region: str) -> None:
    found = normalise(text, region)

    assert (found.kind, found.e164, found.ext) == (PointKind.SHORT, None, None)
    assert found.reason


@pytest.mark.parametrize("region", ["RU", "US", "GB", "ZZ"])
@pytest.mark.parametrize("text", WITHHELD)
def test_a_hidden_caller_is_withheld(text: str, region: str) -> None:
    found = normalise(text, region)

    assert (found.kind, found.e164, found.ext) == (PointKind.WITHHELD, None, None)
    assert found.reason


@pytest.mark.parametrize(("text", "region", "reason"), UNREADABLE)
def test_what_is_no_number_says_why(text: str, region: str, reason: str) -> None:
    assert normalise(text, region) == Normalised(kind=PointKind.UNREADABLE, reason=reason)


def test_a_word_typed_on_the_keypad_stays_a_number_where_it_is_one() -> None:
    assert normalise("7378742833", "US").e164 == "+17378742833"
    assert normalise("+7378742833", "US").kind is PointKind.WITHHELD


def test_the_table_has_at_least_150_spellings() -> None:
    assert sum(map(len, WHOLE.values())) + len(WITH_EXTENSION) + len(EXTENSIONS) >= 150


@pytest.mark.parametrize(
    ("text", "region", "point"),
    [
        ("8 (495) 123-45-67 доб. 3", "RU", "tel:+74951234567"),
        ("101", "RU", "ext:101@office"),
        ("112", "RU", "short:112@RU"),
        ("*100#", "RU", "short:*100#@RU"),
        ("anonymous", "RU", "withheld:"),
        ("Ivan\x00 Petrov", "RU", "unreadable:Ivan Petrov"),
        ("z" * 1000, "RU", "unreadable:" + "z" * 40),
    ],
)
def test_a_contact_point_has_one_spelling(text: str, region: str, point: str) -> None:
    found = to_point(text, region, "office")

    assert str(found) == point
    assert ContactPoint.parse(point) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("8 495 1234567 x9", {"kind": "e164", "e164": "+74951234567", "ext": "9", "reason": None}),
        ("101", {"kind": "extension", "e164": None, "ext": "101", "reason": None}),
        ("112", {"kind": "short", "e164": None, "ext": None, "reason": "an emergency number"}),
        ("0", {"kind": "withheld", "e164": None, "ext": None, "reason": "no number was sent"}),
        (
            "?!x",
            {"kind": "unreadable", "e164": None, "ext": None, "reason": "a word, not a number"},
        ),
    ],
)
def test_the_command_prints_kind_number_extension_and_reason(
    text: str, words: dict[str, str | None]
) -> None:
    assert json.loads(json.dumps(as_json(normalise(text, "RU")))) == words


REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
ODD = st.text(alphabet="0123456789+*#,;:/()-. xх~@<>%доб\u200f\u0661\uff11ext=sip:tel", max_size=60)


@given(text=st.one_of(st.text(max_size=300), ODD), region=st.sampled_from([*REGIONS, "ZZ", ""]))
def test_any_text_gives_an_answer_and_a_found_number_stands(text: str, region: str) -> None:
    found = normalise(text, region)
    point = to_point(text, region, "office")

    assert ContactPoint.parse(str(point)) == point
    assert (found.e164 is not None) is (found.kind is PointKind.PHONE)
    assert (found.reason is None) is (found.kind in (PointKind.PHONE, PointKind.EXTENSION))
    if found.e164:
        assert re.fullmatch(r"\+[0-9]{5,17}", found.e164)
        assert normalise(found.e164, region) == Normalised(kind=PointKind.PHONE, e164=found.e164)


@given(digits=st.from_regex(r"\+?[0-9]{7,16}", fullmatch=True), region=st.sampled_from(REGIONS))
def test_a_normal_form_is_its_own_normal_form(digits: str, region: str) -> None:
    found = normalise(digits, region)

    if found.e164:
        assert normalise(found.e164, region).e164 == found.e164


KINDS = (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE)
SPELLINGS = (
    phonenumbers.PhoneNumberFormat.E164,
    phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    phonenumbers.PhoneNumberFormat.RFC3966,
    phonenumbers.PhoneNumberFormat.NATIONAL,
)


@pytest.mark.parametrize("region", REGIONS)
def test_example_numbers_of_every_region_are_read_in_every_spelling(region: str) -> None:
    for kind in KINDS:
        number = phonenumbers.example_number_for_type(region, kind)
        if number is None:
            continue
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        assert normalise(e164[1:], region).e164 == e164, "the plus was lost"
        for spelling in SPELLINGS:
            text = phonenumbers.format_number(number, spelling)
            if len(re.sub(r"\D", "", text)) <= 6 and spelling == SPELLINGS[-1]:
                continue  # numbers as short as extensions: asked below
            assert normalise(text, region).e164 == e164, text


def test_in_regions_with_tiny_numbers_they_are_whole_numbers() -> None:
    assert normalise("22212", "SH").e164 == "+29022212"


HOSTILE = [
    "1" * 1_000_000, "x " * 100, "#1" * 100, "1," * 100, "\ufdfa" * 200, "+" * 200, "1a" * 100,
    "<" * 200, "9" * 29, "8" * 15, "%31" * 66 + "@x", "ext" * 66 + "1", " " * 1_000_000, "(" * 200,
    "".join(map(chr, range(0x660, 0x660 + 200))), "tel:" * 50, "\u200f" * 200,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_takes_a_millisecond(text: str) -> None:
    def once(number: int) -> float:
        start = time.process_time()
        normalise(text + str(number), "RU")  # another each time: none is remembered
        return time.process_time() - start

    assert min(map(once, range(10))) < 0.001  # the shortest: the machine may be busy


def test_patterns_of_all_countries_are_remembered() -> None:
    for region in REGIONS:
        normalise("1234567890", region)
    patterns = [f"keepline-{number}" for number in range(2_000)]
    first = [re.compile(pattern) for pattern in patterns]

    assert all(re.compile(p) is kept for p, kept in zip(patterns, first, strict=True))


def test_plain_international_digits_are_read_as_the_library_reads_them():
    examples = [
        phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        for kind in (0, 1, 3)
        if (found := phonenumbers.example_number_for_type(region, kind))
    ]
    spelt = {f"{text[:at]}{digit}{text[at + 1 :]}" for text in examples for at, digit in CHANGED}
    plain = {text: found for text in spelt if (found := parse_plain(text[1:]))}

    assert len(plain) > len(spelt) / 3
    assert plain == {text: phonenumbers.parse(text, None) for text in plain}


CHANGED = ((1, "0"), (2, "7"), (4, "0"), (4, "8"), (8, "5"), (9, ""))
