"""Telephone numbers: one normal form for every spelling, by the region of the line.

The order of readings matters. What starts with the own country code of the line, or is valid in
its region, is that number; then a whole international one whose plus was lost; then one behind
`00` or `011`; and only then what is merely of a possible length, because new number ranges open
faster than tables follow. A national number that a foreign reading would also fit is therefore
national, with one exception (`_is_rather_foreign`).

Three digits are an extension unless they are an emergency number: nobody's client is one. Yet 100
to 109 are always extensions: offices number their telephones 101 and up, and far more calls come
from those than from the services that Russia and Kazakhstan keep at 101 to 104. Four to six digits
are a short code where the region's tables know them as one, else an extension; four digits that
the tables give to a single operator only are an extension too.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberFormat,
    ValidationResult,
)

from ingest.domain.contacts import ContactPoint, Normalised, PointKind
from ingest.matching.spellings import (
    KEYPAD_DIGITS,
    Dialled,
    Garbled,
    Hidden,
    Service,
    clean,
    spell,
)

REMEMBERED_NUMBERS: Final = 65_536  #: distinct dialled forms kept; about 25 MB when full
REMEMBERED_PATTERNS: Final = 100_000  #: phonenumbers needs about 1,300 for all regions
REMEMBERED_POINTS: Final = 65_536  #: distinct spellings kept, as seen by a source
LONGEST_REMEMBERED: Final = 64  #: characters; what is longer is no number, only memory
EXTENSION_DIGITS: Final = range(2, 7)
FOREIGN_DIGITS: Final = 11  #: as many as make a foreign number likelier than a lost trunk 0
NO_REGION: Final = "ZZ"

#: prefixes that mean "a country code follows", dialled from anywhere
INTERNATIONAL_PREFIXES: Final = ("00", "011")

_FIRST_EXTENSIONS: Final = re.compile("10[0-9]")

KIND_WORDS: Final = {
    PointKind.PHONE: "e164",
    PointKind.EXTENSION: "extension",
    PointKind.SHORT: "short",
    PointKind.WITHHELD: "withheld",
    PointKind.UNREADABLE: "unreadable",
}


def _remember_patterns() -> None:
    """Let `re` keep every pattern that phonenumbers uses.

    With room for only 512 they push each other out, and numbers of many countries cost five
    times as much. The name is private to `re`: if it goes, numbers are slower, never wrong.
    """
    names = vars(re)
    if isinstance(names.get("_MAXCACHE"), int):
        names["_MAXCACHE"] = max(names["_MAXCACHE"], REMEMBERED_PATTERNS)


_remember_patterns()


def normalise(text: str, region: str) -> Normalised:
    """Return what the text is, read as dialled on a line of this ISO 3166 region.

    Total: any text gives an answer. `region` may be "ZZ": then only international forms are read.
    """
    return _resolve(text, region)[0]


def as_json(found: Normalised) -> dict[str, str | None]:
    """Return the words that `keepline normalise` prints."""
    return {
        "kind": KIND_WORDS[found.kind],
        "e164": found.e164,
        "ext": found.ext,
        "reason": found.reason,
    }


def to_point(text: str, region: str, source: str) -> ContactPoint:
    """Return the contact point that the text names, as seen by one source."""
    if len(text) > LONGEST_REMEMBERED:
        return _to_point(text, region, source)
    return _remembered_point(text, region, source)


def _to_point(text: str, region: str, source: str) -> ContactPoint:
    found, value = _resolve(text, region)
    if found.kind is PointKind.EXTENSION:
        value = f"{value}@{source}"
    return ContactPoint(found.kind, value)


_remembered_point = lru_cache(maxsize=REMEMBERED_POINTS)(_to_point)


def _resolve(text: str, region: str) -> tuple[Normalised, str]:
    """Return what the text is, and the value of its contact point."""
    known = _known_region(region)
    match spell(text):
        case Hidden(reason):
            return _withheld(reason)
        case Garbled(reason):
            return _unreadable(text, reason)
        case Service(code):
            return _short(code, known, "a code dialled to a machine")
        case dialled:
            return _resolve_digits(dialled, text, known)


def _resolve_digits(dialled: Dialled, text: str, region: str) -> tuple[Normalised, str]:
    digits = dialled.digits
    if not digits and dialled.ext:
        return _extension(dialled.ext)
    if not digits.strip("0"):
        return _withheld("no number was sent")
    if dialled.plus and digits in KEYPAD_DIGITS:
        return _withheld("the caller hid the number")
    e164 = _e164_in_context(dialled, region)
    if digits in KEYPAD_DIGITS and not (e164 and _is_valid(_parse(e164, None))):
        return _withheld("the caller hid the number")
    if e164:
        return Normalised(kind=PointKind.PHONE, e164=e164, ext=dialled.ext), e164
    if len(digits) in EXTENSION_DIGITS and not (dialled.plus or dialled.worded or dialled.ext):
        said = _service(digits, region)
        return _short(digits, region, said) if said else _extension(digits)
    return _unreadable(text, _complaint(digits, dialled.plus, region))


def _withheld(reason: str) -> tuple[Normalised, str]:
    return Normalised(kind=PointKind.WITHHELD, reason=reason), ""


def _unreadable(text: str, reason: str) -> tuple[Normalised, str]:
    return Normalised(kind=PointKind.UNREADABLE, reason=reason), clean(text[:80])[:40]


def _short(code: str, region: str, reason: str) -> tuple[Normalised, str]:
    return Normalised(kind=PointKind.SHORT, reason=reason), f"{code}@{region}"


def _extension(digits: str) -> tuple[Normalised, str]:
    return Normalised(kind=PointKind.EXTENSION, ext=digits), digits


@lru_cache(maxsize=512)
def _known_region(region: str) -> str:
    wanted = region[:3].strip().upper()
    return wanted if wanted in phonenumbers.SUPPORTED_REGIONS else NO_REGION


def _e164_in_context(dialled: Dialled, region: str) -> str | None:
    if dialled.context and not dialled.plus:
        whole = _parse("+" + dialled.context + dialled.digits, None)
        if whole and _is_valid(whole):
            return _spelt(whole)
    return _e164(dialled.plus, dialled.digits, region)


@lru_cache(maxsize=REMEMBERED_NUMBERS)
def _e164(plus: bool, digits: str, region: str) -> str | None:
    """Return the first reading that is valid, else the first of a whole number's length."""
    readings = _readings(plus, digits, region)
    for number in readings:
        if number and _is_valid(number):
            return _spelt(number)
    if len(digits) in EXTENSION_DIGITS:
        return None
    return next(filter(None, map(_if_whole, readings)), None)


def _readings(plus: bool, digits: str, region: str) -> list[PhoneNumber | None]:
    """Return what the digits may be, the likeliest first."""
    if plus:
        whole = _parse("+" + digits.lstrip("0"), None)
        # "+0 30": no country code starts with 0, so it is the trunk prefix of a national number
        return [whole, _parse(digits, region)] if digits.startswith("0") else [whole]
    if len(digits) in EXTENSION_DIGITS and not _has_trunk_prefix(digits, region):
        return [_parse(digits, region)] if region in _tiny_regions() else []
    whole, national = _parse("+" + digits, None), _parse(digits, region)
    prefixed = [
        reading
        for prefix in INTERNATIONAL_PREFIXES
        if digits.startswith(prefix)
        for reading in _readings(True, digits.removeprefix(prefix), region)
    ]
    own = whole and whole.country_code == phonenumbers.country_code_for_region(region)
    if own or _is_rather_foreign(digits, national, region):
        return [whole, national]
    return [national, whole, *prefixed]


def _is_rather_foreign(digits: str, national: PhoneNumber | None, region: str) -> bool:
    """Tell whether a long number without its trunk 0 should first be read as a foreign one.

    Tables of landlines are loose where lengths vary: in Germany nearly all twelve digits are one.
    But there nobody leaves the 0 away, and providers do leave the plus away.
    """
    return (
        len(digits) >= FOREIGN_DIGITS
        and _trunk_prefix(region) == "0"
        and not digits.startswith("0")
        and national is not None
        and phonenumbers.number_type(national) == phonenumbers.PhoneNumberType.FIXED_LINE
    )


def _parse(digits: str, region: str | None) -> PhoneNumber | None:
    if region == NO_REGION:
        return None
    if region is None and (plain := parse_plain(digits[1:])):
        return plain
    try:
        return phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return None


def parse_plain(digits: str) -> PhoneNumber | None:
    """Return what `parse` says of these digits behind a plus, or None where it must be asked.

    It looks for extensions, vanity letters and prefixes in any text, and takes ten times as long.
    Most numbers are a country code and then what may follow it, which no prefix begins.
    """
    for length in (1, 2, 3):
        prefix = _national_prefix(digits[:length])
        if prefix is not None:
            behind = digits[length:]
            if not (behind.isascii() and behind.isdigit()) or len(behind) not in _PLAIN_DIGITS:
                return None
            if behind[0] == "0" or prefix.match(behind):
                return None
            return PhoneNumber(country_code=int(digits[:length]), national_number=int(behind))
    return None


_PLAIN_DIGITS: Final = range(6, 15)
_NO_PREFIX: Final = re.compile("(?!)")  # never matches


@lru_cache(maxsize=2048)
def _national_prefix(code: str) -> re.Pattern[str] | None:
    """Return what a national number behind that country code may begin with; None: no such code."""
    if not (code.isascii() and code.isdigit()) or code[0] == "0":
        return None
    if int(code) not in COUNTRY_CODE_TO_REGION_CODE:
        return None
    region = phonenumbers.region_code_for_country_code(int(code))
    known = PhoneMetadata.metadata_for_region_or_calling_code(int(code), region)
    if known is None or not known.national_prefix_for_parsing:
        return _NO_PREFIX
    return re.compile(known.national_prefix_for_parsing)


def _spelt(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _is_valid(number: PhoneNumber | None) -> bool:
    return number is not None and phonenumbers.is_valid_number(number)


def _if_whole(number: PhoneNumber | None) -> str | None:
    """Return the number spelt, if it is of a length that can be dialled from anywhere.

    Zeros that a table takes for a trunk prefix may go at each reading; the spelling returned is
    one that reads as itself.
    """
    for _ in range(3):
        reason = number and phonenumbers.is_possible_number_with_reason(number)
        if number is None or reason != ValidationResult.IS_POSSIBLE:
            return None
        again = _parse(_spelt(number), None)
        if again == number:
            return _spelt(number) if len(_spelt(number)) > EXTENSION_DIGITS.stop else None
        number = again
    return None


@lru_cache(maxsize=512)
def _trunk_prefix(region: str) -> str:
    return phonenumbers.ndd_prefix_for_region(region, True) or ""


def _has_trunk_prefix(digits: str, region: str) -> bool:
    prefix = _trunk_prefix(region)
    return bool(prefix) and digits.startswith(prefix)


@lru_cache(maxsize=1)
def _tiny_regions() -> frozenset[str]:
    """Return regions whose ordinary numbers have six digits or fewer."""
    return frozenset(
        region
        for region in phonenumbers.SUPPORTED_REGIONS
        if (number := phonenumbers.example_number(region))
        and len(phonenumbers.national_significant_number(number)) in EXTENSION_DIGITS
    )


def _service(digits: str, region: str) -> str | None:
    """Say which service the digits reach in the region, or None: then they are an extension."""
    if region == NO_REGION:
        return "an emergency number" if digits in ("112", "911") else None
    if _FIRST_EXTENSIONS.fullmatch(digits):
        return None
    if phonenumbers.is_emergency_number(digits, region):
        return "an emergency number"
    short = _parse(digits, region)
    if len(digits) < 4 or short is None:
        return None
    if len(digits) == 4 and phonenumbers.is_carrier_specific_for_region(short, region):
        return None  # in the US that is said of nearly every four digits
    known = phonenumbers.is_valid_short_number_for_region(short, region)
    return f"a short code of {region}" if known else None


def _complaint(digits: str, plus: bool, region: str) -> str:
    if len(digits) < EXTENSION_DIGITS.start:
        return "too few digits for a number"
    if region == NO_REGION and not plus:
        return "no region is set for the line, and it is no international number"
    number = _parse("+" + digits if plus else digits, None if plus else region)
    if number is None:
        return "no country has such numbers"
    match phonenumbers.is_possible_number_with_reason(number):
        case ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
            return "a local number without its area code"
        case ValidationResult.TOO_SHORT:
            return "too short for a number"
        case ValidationResult.TOO_LONG:
            return "too long for a number"
        case ValidationResult.INVALID_LENGTH:
            return "no numbers there are of this length"
        case _:
            return "no country has such numbers"
