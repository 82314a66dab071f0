"""A mail as JSON, for `keepline parse-mail` and for whoever tests a reader."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ingest.domain.mails import Mail, MailAddress


def as_json(mail: Mail) -> dict[str, Any]:
    """Return what was read, ready for `json.dumps`; dates in RFC 3339."""
    return {
        "from": _person(mail.from_) if mail.from_ else None,
        "reply_to": [_person(person) for person in mail.reply_to],
        "to": [_person(person) for person in mail.to],
        "cc": [_person(person) for person in mail.cc],
        "subject": mail.subject,
        "date": mail.date.isoformat() if mail.date else None,
        "message_id": mail.message_id,
        "in_reply_to": mail.in_reply_to,
        "references": list(mail.references),
        "text": mail.text,
        "html": mail.html,
        "attachments": [
            {"name": file.name, "type": file.type, "size": file.size} for file in mail.attachments
        ],
        "automatic": mail.automatic,
        "new_text": mail.new_text,
        "quoted": mail.quoted,
        "signature": mail.signature,
        "signed": mail.signed,
        "phones": list(mail.phones),
        "forwarded": [asdict(it) for it in mail.forwarded],
        "failed": [asdict(it) for it in mail.failed],
        "opaque": mail.opaque,
        "warnings": list(mail.warnings),
    }


def _person(person: MailAddress) -> dict[str, str | None]:
    return {"address": person.address, "name": person.name}
