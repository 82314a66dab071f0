"""From values to pages: templates, the words and times they use, and the files they refer to."""

from __future__ import annotations

import hashlib
import math
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import phonenumbers
from jinja2 import (
    BytecodeCache,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    select_autoescape,
)
from jinja2.bccache import Bucket
from markupsafe import Markup

from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import LineKind
from ingest.review import words
from ingest.review.words import _, ngettext
from storage.reads_common import OwnLine

HERE = Path(__file__).parent
STATIC = HERE / "static"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file that pages refer to, under an address that changes with its bytes."""

    url: str
    body: bytes
    content_type: str


def static_files(folder: Path = STATIC) -> dict[str, StaticFile]:
    """Return every static file by its name within the folder.

    All addresses begin with one hash of all bytes, so that files may refer to each other.
    """
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    digest = hashlib.sha256(b"\0".join(name.encode() + body for name, body in found.items()))
    version = digest.hexdigest()[:16]
    return {
        name: StaticFile(f"/static/{version}/{name}", body, _content_type(name))
        for name, body in found.items()
    }


def _content_type(name: str) -> str:
    if name.endswith(".js"):
        return "text/javascript; charset=utf-8"
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed


class _Compiled(BytecodeCache):
    """Compiled templates, kept for every site of this process by the hash of their text."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        held = self._held.get(bucket.key + bucket.checksum)
        if held is not None:
            bucket.bytecode_from_string(held)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._held[bucket.key + bucket.checksum] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


def environment(static: Mapping[str, StaticFile]) -> Environment:
    """Return the templates, with everything that they may use."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        bytecode_cache=_COMPILED,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    env.install_gettext_callables(_, ngettext, newstyle=True)  # type: ignore[attr-defined]
    icons = static["icons.svg"].url
    env.globals.update(
        words=words,
        static=lambda name: static[name].url,
        icon=lambda name, more="": Markup(  # both values are our own
            '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>'
        ).format(more, icons, name),
        point_url=lambda point: f"/points/{quote(point, safe='')}",
    )
    env.filters.update(
        point=pretty_point,
        line=own_line,
        number=number,
        duration=duration,
        speed=speed,
        roughly=roughly,
        initials=initials,
        word=lambda value, table: getattr(words, table).get(str(value), str(value)),
        status_tone=lambda value: words.STATUS_TONES.get(str(value), ""),
        size=size,
    )
    return env


# Words of values -------------------------------------------------------------------------------


def pretty_point(point: str) -> str:
    """Return a stored contact point as people write it."""
    try:
        parsed = ContactPoint.parse(point)
    except ValueError:
        return point
    if parsed.kind is PointKind.PHONE:
        return pretty_number(parsed.value)
    if parsed.kind is PointKind.WITHHELD:
        return _("Number withheld")
    if parsed.kind in (PointKind.EXTENSION, PointKind.SHORT):
        return parsed.value.partition("@")[0]
    return parsed.value


def pretty_number(number: str) -> str:
    """Return an E.164 number in groups that an eye can hold."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def own_line(line: OwnLine) -> str:
    """Return one of our lines by its name, else by its number or address."""
    if line.name:
        return line.name
    if line.kind in (LineKind.SIM, LineKind.DID) and line.address.startswith("+"):
        return pretty_number(line.address)
    if line.kind == LineKind.EXTENSION:
        return line.address.partition("@")[0]
    return line.address


def number(value: int) -> str:
    """Return a whole number with thousands apart."""
    return f"{value:,}"


def duration(seconds: float | None) -> str:
    """Return a length of time as on a telephone: 0:07, 12:45, 1:02:00."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def speed(rate: float) -> str:
    """Return how many mails a second, or a minute where that is less than one a second."""
    if rate >= 1:
        count = round(rate)
        return ngettext("{n} mail a second", "{n} mails a second", count).format(n=number(count))
    count = max(round(rate * 60), 1)
    return ngettext("{n} mail a minute", "{n} mails a minute", count).format(n=number(count))


def roughly(seconds: float) -> str:
    """Return a length of time that nobody knows exactly: 5 min, 3 h, 2 days."""
    minutes = max(math.ceil(seconds / 60), 1)
    if minutes < 90:
        return _("{n} min").format(n=minutes)
    if minutes < 36 * 60:
        return _("{n} h").format(n=round(minutes / 60))
    days = round(minutes / 60 / 24)
    return ngettext("{n} day", "{n} days", days).format(n=number(days))


def size(octets: int) -> str:
    """Return a size in the largest unit that it fills."""
    if octets < 1024:
        return f"{octets} B"
    if octets < 1024 * 1024:
        return f"{octets / 1024:.0f} KiB"
    return f"{octets / 1024 / 1024:.1f} MiB"


def initials(name: str) -> str:
    """Return the one or two letters that stand for a person or firm."""
    letters = [word[0] for word in name.split() if word[0].isalnum()]
    return "".join(letters[:2]).upper() or "?"


@dataclass(frozen=True, slots=True)
class Times:
    """Moments as one person reads them: in the company's zone, beside the present."""

    zone: ZoneInfo
    now: datetime

    def full(self, moment: datetime) -> str:
        """Return date and time to the second, with the zone's name."""
        return f"{moment.astimezone(self.zone):%d %b %Y, %H:%M:%S %Z}"

    def full_of(self, written: str) -> str:
        """Return a moment that was stored as text as `full` does; another text as it is."""
        try:
            return self.full(datetime.fromisoformat(written))
        except ValueError:
            return written

    def second(self, moment: datetime | str | None) -> str:
        """Return the time of day to the second; "" for no moment."""
        if moment is None:
            return ""
        known = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return f"{known.astimezone(self.zone):%H:%M:%S}"

    def long_day(self, moment: datetime) -> str:
        """Return a day with its weekday and the zone that its times are in."""
        local = moment.astimezone(self.zone)
        return f"{local:%A}, {day(local.date())} {local:%Y} · {local:%Z}"

    def clock(self, moment: datetime) -> str:
        """Return the time of day."""
        return f"{moment.astimezone(self.zone):%H:%M}"

    def short(self, moment: datetime) -> str:
        """Return the time of a moment today, else its day."""
        local, today = moment.astimezone(self.zone), self.now.astimezone(self.zone)
        if local.date() == today.date():
            return f"{local:%H:%M}"
        if local.date() == today.date() - timedelta(days=1):
            return _("yesterday") + f" {local:%H:%M}"
        if local.year == today.year:
            return f"{local.day} {local:%b, %H:%M}"
        return f"{local.day} {local:%b %Y}"

    def day(self, moment: datetime) -> str:
        """Return the day of a moment."""
        local, today = moment.astimezone(self.zone), self.now.astimezone(self.zone)
        if local.date() == today.date():
            return _("Today")
        if local.date() == today.date() - timedelta(days=1):
            return _("Yesterday")
        return day(local.date()) if local.year == today.year else f"{day(local.date())} {local:%Y}"

    def since(self, moment: datetime) -> str:
        """Return the day of a moment for the middle of a sentence: `12 March`, `today`."""
        local, today = moment.astimezone(self.zone), self.now.astimezone(self.zone)
        if local.date() == today.date():
            return _("today")
        if local.year == today.year:
            return day(local.date())
        return f"{day(local.date())} {local:%Y}"

    def tag(self, moment: datetime | None, form: str = "short") -> Markup:
        """Return a `<time>` element; nothing for no moment."""
        if moment is None:
            return Markup("")
        shown = {"short": self.short, "clock": self.clock, "full": self.full, "day": self.day}
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            moment.isoformat(), self.full(moment), shown[form](moment)
        )

    def ago(self, moment: datetime) -> str:
        """Return how long ago a moment is, roughly."""
        seconds = (self.now - moment).total_seconds()
        if seconds < 60:
            return _("just now")
        for size, one, many in (
            (3600 * 24, "{n} day ago", "{n} days ago"),
            (3600, "{n} hour ago", "{n} hours ago"),
            (60, "{n} minute ago", "{n} minutes ago"),
        ):
            if seconds >= size:
                count = int(seconds // size)
                return ngettext(one, many, count).format(n=count)
        return ""


def day(value: Any) -> str:
    """Return a day as `12 March`."""
    return f"{value.day} {value:%B}"


def listed(parts: list[str]) -> str:
    """Return texts as a person enumerates them: a, b and c."""
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + " " + _("and") + " " + parts[-1]
