"""Mails as mail programs and robots write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr


def letter(
    *,
    message_id: str,
    sender: tuple[str, str],
    to: Sequence[str],
    subject: str,
    text: str,
    at: datetime,
    cc: Sequence[str] = (),
    answers: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return a mail's bytes; `sender` is name and address, ids are without angle brackets."""
    mail = EmailMessage()
    mail["From"] = formataddr(sender)
    mail["To"] = ", ".join(to)
    if cc:
        mail["Cc"] = ", ".join(cc)
    mail["Subject"] = subject
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{message_id}>"
    if answers:
        mail["In-Reply-To"] = mail["References"] = f"<{answers}>"
    for name, value in (headers or {}).items():
        mail[name] = value
    mail.set_content(text)
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
