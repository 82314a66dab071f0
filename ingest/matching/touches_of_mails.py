"""From a read mail and where it was seen to a touch: direction, participants, an opinion.

A pure function, as for calls in `touches`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ingest.domain.calls import Direction
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import Directory
from ingest.domain.interactions import (
    Kind,
    Participant,
    Policies,
    Role,
    Side,
    Status,
    Touch,
)
from ingest.domain.mails import Mail, MailAddress, Sighting
from ingest.mail.threads import subject_names
from ingest.matching.knowledge import Knowledge, bystander, correspondent, matched, needed
from ingest.matching.match import Linked, Match, Mistaken, Ours, Unlinked
from ingest.matching.original import as_written, original_senders

#: A copied mailbox keeps new INTERNALDATEs; the topmost Received then tells the real moment.
COPIED_AFTER = timedelta(hours=1)

#: Contact points a mail may put on record; a list of thousands is no list of correspondents.
MOST_PARTICIPANTS = 200

Named = tuple[Role, ContactPoint, str | None]  #: by a header, with the name there


def points_of_mail(
    mail: Mail, sightings: Sequence[Sighting], directory: Directory, policies: Policies
) -> set[str]:
    """Return every point of a mail that something may be known about."""
    policy = policies.at(moment_of(sightings))
    written, form = as_written(mail, sightings, directory, policy)
    points = {str(point) for _, point, _ in _header_points(written)}
    points |= {str(point) for point, _ in original_senders(mail)}
    return points | {f"{PointKind.EMAIL.value}:{form.address}"} if form else points


def moment_of(sightings: Sequence[Sighting]) -> datetime:
    """Return when a mail happened: never by its own Date, which strangers write."""
    moments = []
    for seen in sightings:
        moment = seen.internal_date or seen.first_received_at
        top = seen.received_top
        if top is not None and not seen.sent and top < moment - COPIED_AFTER:
            moment = top
        moments.append(moment)
    return min(moments)


def touch_of_mail(mail: Mail, sightings: Sequence[Sighting], known: Knowledge) -> Touch:
    """Return the touch that a mail is, with every mailbox that saw it as a witness."""
    directory, at = known.directory, moment_of(sightings)
    policy = known.policies.at(at)
    mail, form = as_written(mail, sightings, directory, policy)
    named = _header_points(mail)
    whose = [known.match(point, at) for _, point, _ in named]
    direction = _direction_of_mail(named, whose, sightings)
    if direction is Direction.INTERNAL or mail.automatic is not None:
        # What needs nothing, closes nothing and raises nothing lies in nobody's timeline: a robot
        # that writes a thousand mails would otherwise be decided a thousand times over.
        parts = [
            bystander(found, point, role, name=name)
            for (role, point, name), found in zip(named, whose, strict=True)
        ]
    else:
        parts = _subjects_of_mail(named, whose, direction)
    parts += _behind(mail, form, direction, at, known)
    lines = _own_lines(directory, parts, direction)
    if not lines:  # a blind copy, a list, an alias: the mailboxes that saw it are our side
        seen_by = _mailboxes(directory, sightings)
        parts += [Participant(point=box, role=Role.LINE, side=Side.OWN) for box in seen_by]
        lines = [line.id for box in seen_by if (line := directory.line_of(box)) is not None]
    sender = _sender(named, whose)
    if any(part.client for part in parts):
        sender = None  # what was decided about a stranger hides no client beside him
    suppressed = isinstance(sender, Unlinked) and sender.suppressed
    mistaken = isinstance(sender, Mistaken)
    learned_at = min(seen.first_received_at for seen in sightings)
    machine = mail.automatic is not None
    return Touch(
        id=mail.identity,
        kind=Kind.MAIL,
        keys=(mail.identity,),
        occurred_at=at,
        learned_at=learned_at,
        direction=direction,
        ended=True,
        dialled=tuple(lines) if direction is Direction.INBOUND else (),
        own_line=lines[0] if lines else None,
        employee=directory.holder_at(lines[0], at) if lines else None,
        participants=tuple(parts),
        machine=machine,
        suppressed=suppressed,
        status=needed(
            policy, kind=Kind.MAIL, direction=direction, machine=machine, age=learned_at - at
        ),
        decided=known.decided((mail.identity,)) or (Status.WRONG_NUMBER if mistaken else None),
        message_id=mail.message_id,
        answers=_answers(mail, parts),
        details={
            name: value
            for name, value in {
                "subject": mail.subject,
                "automatic": mail.automatic,
                "attachments": len(mail.attachments) or None,
                "mailboxes": sorted({seen.mailbox for seen in sightings}),
            }.items()
            if value not in (None, "")
        },
    )


def _answers(mail: Mail, parts: Sequence[Participant]) -> tuple[str, ...]:
    """Return the ids that a mail answers; without any, what its subject may be known by."""
    named = (*((mail.in_reply_to,) if mail.in_reply_to else ()), *mail.references)
    outside = (
        str(part.point)
        for part in parts
        if part.side is not Side.OWN and part.role in (Role.FROM, Role.TO, Role.CC)
    )
    return tuple(dict.fromkeys(named)) or subject_names(mail, outside)


def _behind(
    mail: Mail, form: MailAddress | None, direction: Direction, at: datetime, known: Knowledge
) -> list[Participant]:
    """Return the form that wrote in a person's name, and who wrote what is forwarded.

    A forwarder's program states the latter in the text, where anybody may write anything: only
    what one colleague forwards to another counts as a client's touch. It lies in that client's
    timeline, closes nothing there and raises nothing, for it is internal.
    """
    found = []
    if form is not None:
        point = ContactPoint(PointKind.EMAIL, form.address)
        part = correspondent(point, Role.VIA, at, known, name=form.name)
        found.append(_unlinked(part))
    trusted = direction is Direction.INTERNAL and mail.automatic is None and form is None
    for point, name in original_senders(mail):
        part = correspondent(point, Role.FORWARDED, at, known, name=name)
        if part.side is Side.OWN:
            continue  # forwarded among ourselves before
        if trusted and part.client:
            found.append(replace(part, method="forwarded"))
        else:
            found.append(_unlinked(part))
        break
    return found


def _unlinked(part: Participant) -> Participant:
    side = Side.OWN if part.side is Side.OWN else Side.OTHER
    return Participant(point=part.point, role=part.role, side=side, name=part.name)


def _header_points(mail: Mail) -> list[Named]:
    """Return who wrote and who was written to, each once, in order."""
    headers: list[tuple[Role, Sequence[MailAddress]]] = [
        (Role.FROM, (mail.from_,) if mail.from_ else ()),
        (Role.TO, mail.to),
        (Role.CC, mail.cc),
    ]
    found: list[Named] = []
    for role, addresses in headers:
        once: set[str] = set()
        for entry in addresses:
            address = entry.address
            if address and address not in once and len(found) < MOST_PARTICIPANTS:
                once.add(address)
                found.append((role, ContactPoint(PointKind.EMAIL, address), entry.name))
    return found


def _direction_of_mail(
    named: Sequence[Named], whose: Sequence[Match], sightings: Sequence[Sighting]
) -> Direction:
    """Return who wrote to whom, from our addresses and the folder of sent mail together.

    Sent mail from an address that is not known to be ours is an alias of ours, unless a client
    holds it: a client's mail that somebody dragged into Sent is still the client's.
    """
    sender = _sender(named, whose)
    outside = any(
        role is not Role.FROM and not isinstance(match, Ours)
        for (role, _, _), match in zip(named, whose, strict=True)
    )
    if isinstance(sender, Ours):
        return Direction.OUTBOUND if outside else Direction.INTERNAL
    of_a_client = isinstance(sender, Linked)
    sent = any(seen.sent for seen in sightings) and outside and not of_a_client
    return Direction.OUTBOUND if sent else Direction.INBOUND


def _sender(named: Sequence[Named], whose: Sequence[Match]) -> Match | None:
    """Return as whom the sender was matched; he is named first, if he is named at all."""
    return whose[0] if named and named[0][0] is Role.FROM else None


def _subjects_of_mail(
    named: Sequence[Named], whose: Sequence[Match], direction: Direction
) -> list[Participant]:
    """Return the participants, only those as subjects whose timelines the mail belongs to.

    Every linked client is one. Without a client it is the one who wrote (or was written to). An
    unknown sender beside a linked client still waits for review, but raises no flag of its own.
    """
    main = Role.FROM if direction is Direction.INBOUND else Role.TO
    linked = any(isinstance(match, Linked) for match in whose)
    principal = True  # the first who can be one
    parts = []
    for (role, point, name), match in zip(named, whose, strict=True):
        if role is not main and not isinstance(match, Linked):
            parts.append(bystander(match, point, role, name=name))
            continue
        first = principal and role is main and not isinstance(match, Ours)
        quiet = linked and not isinstance(match, Linked)
        parts.append(matched(match, point, role, name=name, principal=first, quiet=quiet))
        principal = principal and not first
    return parts


def _own_lines(
    directory: Directory, parts: Sequence[Participant], direction: Direction
) -> list[str]:
    """Return our mailboxes on the mail: written to (To before Cc), or written from."""
    roles = (Role.TO, Role.CC) if direction is Direction.INBOUND else (Role.FROM,)
    found = [
        line.id
        for role in roles
        for part in parts
        if part.role is role and (line := directory.line_of(part.point)) is not None
    ]
    return list(dict.fromkeys(found))


def _mailboxes(directory: Directory, sightings: Sequence[Sighting]) -> list[ContactPoint]:
    """Return the addresses of the mailboxes that saw the mail."""
    addresses = {directory.mailboxes.get(seen.mailbox, "") for seen in sightings}
    return [ContactPoint(PointKind.EMAIL, text) for text in sorted(addresses) if text]
