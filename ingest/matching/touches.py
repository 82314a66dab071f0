"""From a folded call or a read mail to a touch: two sides, a moment, an employee, an opinion.

A touch is a pure function of the call or mail and of what is known about the points on it; its
neighbours in time are looked at afterwards, by `decide`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ingest.domain.calls import Call, CallState, Direction, Outcome
from ingest.domain.contacts import ContactPoint, PointKind
from ingest.domain.directory import Directory, Line, PointFacts
from ingest.domain.interactions import (
    Kind,
    Participant,
    Policies,
    Policy,
    Role,
    Side,
    Status,
    Touch,
)
from ingest.domain.mails import Mail, MailAddress, Sighting
from ingest.mail.threads import subject_names
from ingest.matching.match import (
    NOTHING_KNOWN,
    Linked,
    Match,
    Mistaken,
    Nobody,
    Ours,
    Unlinked,
    match,
)
from ingest.matching.numbers import to_point
from ingest.matching.original import as_written, original_senders
from ingest.telephony.calls import with_direction
from ingest.telephony.sides import Sides, sides

PointOf = Callable[[str], ContactPoint]

#: A copied mailbox keeps new INTERNALDATEs; the topmost Received then tells the real moment.
COPIED_AFTER = timedelta(hours=1)

#: Contact points a mail may put on record; a list of thousands is no list of correspondents.
MOST_PARTICIPANTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What is known when a touch is made of a call or mail."""

    directory: Directory
    policies: Policies = field(default_factory=Policies)
    points: Mapping[str, PointFacts] = field(default_factory=dict)  #: `str(point)` -> facts
    #: key -> a person's latest status, with the number of that decision
    statuses: Mapping[str, tuple[int, Status]] = field(default_factory=dict)

    def match(self, point: ContactPoint, at: datetime) -> Match:
        """Return whose point it was at that moment."""
        return match(point, at, self.directory, self.points.get(str(point), NOTHING_KNOWN))

    def decided(self, keys: Iterable[str]) -> Status | None:
        """Return a person's status; of joined keys with different ones the latest counts."""
        found = [self.statuses[key] for key in keys if key in self.statuses]
        return max(found)[1] if found else None


# Calls -----------------------------------------------------------------------------------------


def points_of_call(call: Call, *, source: str, region: str, directory: Directory) -> set[str]:
    """Return every point of a call that something may be known about.

    National numbers are read both as the source says and as our line on the call says.
    """
    raw = [text for text in (call.caller, call.callee, call.line, call.forwarded_to) if text]
    points = {to_point(text, region, source) for text in raw}
    regions = {line.region for point in points if (line := directory.line_of(point))}
    for other in regions - {region, "ZZ"}:
        points |= {to_point(text, other, source) for text in raw}
    return {str(point) for point in points}


def touch_of_call(
    call: Call, *, keys: Sequence[str], source: str, region: str, known: Knowledge
) -> Touch | None:
    """Return the touch that a call is, seen with what is known now about its moment.

    None: so far no report names a number or a direction, so nobody touched anybody yet.
    """
    directory, at = known.directory, call.started_at

    def point_of(text: str) -> ContactPoint:
        return to_point(text, region, source)

    def is_ours(text: str) -> bool:
        return isinstance(known.match(point_of(text), at), Ours)

    two = sides(call, is_ours)
    own = point_of(two.own) if two.own else None
    line = directory.line_of(own)
    if line is not None and line.region != "ZZ":
        region = line.region  # from here on: numbers are dialled from where the line is
        two = sides(call, is_ours)
    if two.direction is None:
        return None
    call = with_direction(call, two.direction)
    if two.direction is Direction.INTERNAL:
        parts = _internal_participants(call, point_of)
    else:
        parts = _call_participants(call, two, own, line, point_of, known)
    agents = [directory.line_of(point_of(agent)) for agent in call.talked]
    remote = parts[0].point if parts else None
    mistaken = remote is not None and isinstance(known.match(remote, at), Mistaken)
    outcome = call.outcome
    if outcome is None and call.state is CallState.STALE and call.answered_at is not None:
        outcome = Outcome.ANSWERED
    touch = Touch(
        id=keys[0],
        kind=Kind.CALL,
        keys=tuple(keys),
        occurred_at=at,
        learned_at=call.first_received_at,
        direction=two.direction,
        ended=call.state in (CallState.ENDED, CallState.STALE),
        ended_at=call.ended_at,
        outcome=outcome,
        talk_s=call.talk_s,
        dialled=(line.id,) if line is not None and two.direction is Direction.INBOUND else (),
        own_line=line.id if line else None,
        employee=_employee_of_call(directory, agents, line, at),
        participants=parts,
        machine=remote is not None and remote.kind is PointKind.SHORT,
        suppressed=remote is not None and _is_suppressed(known, remote, at),
        status=Status.IN_PROGRESS,
        decided=known.decided(keys) or (Status.WRONG_NUMBER if mistaken else None),
        details=_call_details(call),
    )
    return replace(touch, status=opinion(touch, known.policies.at(at)))


def _call_participants(
    call: Call,
    two: Sides,
    own: ContactPoint | None,
    line: Line | None,
    point_of: PointOf,
    known: Knowledge,
) -> tuple[Participant, ...]:
    if two.remote and not call.withheld:
        remote = point_of(two.remote)
    else:
        remote = ContactPoint(PointKind.WITHHELD, "")
    if remote.kind is PointKind.WITHHELD:
        remote = ContactPoint(PointKind.WITHHELD, line.id if line else "")
    parts = [_correspondent(remote, Role.REMOTE, call.started_at, known, principal=True)]
    # Behind the line named, also the number that dialled: whether it is ours decides the sides.
    near = call.caller if two.direction is Direction.OUTBOUND and call.caller else None
    for point in dict.fromkeys((own, point_of(near) if near else None)):
        if point is not None:
            parts.append(Participant(point=point, role=Role.LINE, side=Side.OWN))
    for agent in dict.fromkeys((*call.rang, *call.talked)):
        parts.append(Participant(point=point_of(agent), role=Role.LEG, side=Side.OWN))
    return tuple(parts)


def _internal_participants(call: Call, point_of: PointOf) -> tuple[Participant, ...]:
    """Return our own people on both ends, and every telephone that took part."""
    ends = [(text, Role.LINE) for text in (call.caller, call.callee, call.line) if text]
    legs = [(agent, Role.LEG) for agent in (*call.rang, *call.talked)]
    points = {point_of(text): role for text, role in reversed([*ends, *legs])}
    return tuple(
        Participant(point=point, role=role, side=Side.OWN)
        for point, role in reversed(points.items())
    )


def _correspondent(
    point: ContactPoint,
    role: Role,
    at: datetime,
    known: Knowledge,
    *,
    name: str | None = None,
    principal: bool = False,
) -> Participant:
    """Return the other side, linked if exactly one client held the point."""
    part = Participant(point=point, role=role, side=Side.OTHER, name=name, principal=principal)
    match known.match(point, at):
        case Ours():
            return replace(part, side=Side.OWN, principal=False)
        case Linked(client, contact, method):
            return replace(
                part,
                side=Side.CLIENT,
                client=client,
                contact=contact,
                method=method,
                subject=f"client:{client}",
            )
        case Unlinked(cause):
            return replace(part, cause=cause, subject=str(point))
        case Nobody() if point.kind is PointKind.SHORT or str(point) == "withheld:":
            return part
        case Nobody() | Mistaken():
            return replace(part, subject=str(point))


def _employee_of_call(
    directory: Directory, agents: Sequence[Line | None], line: Line | None, at: datetime
) -> str | None:
    """Return the effective holder of what talked last, else of the line."""
    talked = [agent for agent in agents if agent is not None]
    if talked:
        return directory.holder_at(talked[-1].id, at)
    return directory.holder_at(line.id, at) if line else None


def _is_suppressed(known: Knowledge, point: ContactPoint, at: datetime) -> bool:
    found = known.match(point, at)
    return isinstance(found, Unlinked) and found.suppressed


def _call_details(call: Call) -> dict[str, Any]:
    """Return what pages show of a call and nothing else needs."""
    details: dict[str, Any] = {
        "state": call.state.value,
        "answered_at": call.answered_at,
        "duration_s": call.duration_s,
        "rang": list(call.rang),
        "talked": list(call.talked),
        "legs": [
            {
                "agent": leg.agent,
                "rang_at": leg.rang_at,
                "answered_at": leg.answered_at,
                "ended_at": leg.ended_at,
            }
            for leg in call.legs
        ],
        "provider_keys": list(call.keys),
        "recording_url": call.recording_url,
        "recording_id": call.recording_id,
        "forwarded_to": call.forwarded_to,
        "queue": call.queue,
        "transfer": call.transfer,
        "doubted": call.doubted or None,
    }
    return {name: value for name, value in details.items() if value not in (None, [])}


# Mails -----------------------------------------------------------------------------------------


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
    mail, form = as_written(mail, sightings, directory, known.policies.at(at))
    parts = [
        _correspondent(point, role, at, known, name=name)
        for role, point, name in _header_points(mail)
    ]
    direction = _direction_of_mail(parts, sightings)
    if direction is Direction.INTERNAL or mail.automatic is not None:
        # What needs nothing, closes nothing and raises nothing lies in nobody's timeline: a robot
        # that writes a thousand mails would otherwise be decided a thousand times over.
        parts = [replace(part, subject=None, cause=None) for part in parts]
    else:
        parts = _subjects_of_mail(parts, direction)
    parts += _behind(mail, form, direction, at, known)
    lines = _own_lines(directory, parts, direction)
    if not lines:  # a blind copy, a list, an alias: the mailboxes that saw it are our side
        seen_by = _mailboxes(directory, sightings)
        parts += [Participant(point=box, role=Role.LINE, side=Side.OWN) for box in seen_by]
        lines = [line.id for box in seen_by if (line := directory.line_of(box)) is not None]
    sender = next((part for part in parts if part.role is Role.FROM), None)
    if any(part.client for part in parts):
        sender = None  # what was decided about a stranger hides no client beside him
    suppressed = sender is not None and _is_suppressed(known, sender.point, at)
    mistaken = sender is not None and isinstance(known.match(sender.point, at), Mistaken)
    touch = Touch(
        id=mail.identity,
        kind=Kind.MAIL,
        keys=(mail.identity,),
        occurred_at=at,
        learned_at=min(seen.first_received_at for seen in sightings),
        direction=direction,
        ended=True,
        dialled=tuple(lines) if direction is Direction.INBOUND else (),
        own_line=lines[0] if lines else None,
        employee=directory.holder_at(lines[0], at) if lines else None,
        participants=tuple(parts),
        machine=mail.automatic is not None,
        suppressed=suppressed,
        status=Status.IN_PROGRESS,
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
    return replace(touch, status=opinion(touch, known.policies.at(at)))


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
        part = _correspondent(point, Role.VIA, at, known, name=form.name)
        found.append(_unlinked(part))
    trusted = direction is Direction.INTERNAL and mail.automatic is None
    for point, name in original_senders(mail):
        part = _correspondent(point, Role.FORWARDED, at, known, name=name)
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


def _header_points(mail: Mail) -> list[tuple[Role, ContactPoint, str | None]]:
    """Return who wrote and who was written to, each once, in order."""
    headers: list[tuple[Role, Sequence[MailAddress]]] = [
        (Role.FROM, (mail.from_,) if mail.from_ else ()),
        (Role.TO, mail.to),
        (Role.CC, mail.cc),
    ]
    found: dict[tuple[Role, ContactPoint], str | None] = {}
    for role, addresses in headers:
        for entry in addresses:
            if entry.address and len(found) < MOST_PARTICIPANTS:
                found.setdefault((role, ContactPoint(PointKind.EMAIL, entry.address)), entry.name)
    return [(role, point, name) for (role, point), name in found.items()]


def _direction_of_mail(parts: Sequence[Participant], sightings: Sequence[Sighting]) -> Direction:
    """Return who wrote to whom, from our addresses and the folder of sent mail together.

    Sent mail from an address that is not known to be ours is an alias of ours, unless a client
    holds it: a client's mail that somebody dragged into Sent is still the client's.
    """
    sender = next((part for part in parts if part.role is Role.FROM), None)
    outside = any(part.role is not Role.FROM and part.side is not Side.OWN for part in parts)
    if sender is not None and sender.side is Side.OWN:
        return Direction.OUTBOUND if outside else Direction.INTERNAL
    of_a_client = sender is not None and sender.side is Side.CLIENT
    sent = any(seen.sent for seen in sightings) and outside and not of_a_client
    return Direction.OUTBOUND if sent else Direction.INBOUND


def _subjects_of_mail(parts: Sequence[Participant], direction: Direction) -> list[Participant]:
    """Return the participants with only those left as subjects whose timelines it belongs to.

    Every linked client is one. Without a client it is the one who wrote (or was written to). An
    unknown sender beside a linked client still waits for review, but raises no flag of its own.
    """
    main = Role.FROM if direction is Direction.INBOUND else Role.TO
    linked = any(part.client for part in parts)
    first_main = next((part for part in parts if part.role is main and part.subject), None)
    chosen = []
    for part in parts:
        if part.client is None and part.role is not main:
            part = replace(part, subject=None, cause=None)
        elif part.client is None:
            part = replace(part, quiet=linked)
        chosen.append(
            replace(part, principal=True) if part.subject and _same(part, first_main) else part
        )
    return chosen


def _same(part: Participant, other: Participant | None) -> bool:
    return other is not None and (part.role, part.point) == (other.role, other.point)


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


# Opinion ---------------------------------------------------------------------------------------


def opinion(touch: Touch, policy: Policy) -> Status:
    """Return what the touch needs by the company's table, before later touches are looked at."""
    if touch.direction is Direction.INTERNAL:
        return Status.INTERNAL
    if touch.kind is Kind.MAIL and touch.machine:
        return Status.AUTO
    if touch.learned_at - touch.occurred_at > policy.history_after:
        return Status.HISTORY
    if not touch.ended:
        return Status.IN_PROGRESS
    return policy.statuses.get(
        (touch.kind, touch.direction, _how_it_went(touch, policy)), Status.NEEDS_COMMENT
    )


def _how_it_went(touch: Touch, policy: Policy) -> str:
    if touch.kind is Kind.MAIL:
        return "person"
    if touch.outcome is Outcome.FORWARDED:
        return "forwarded" if touch.direction is Direction.INBOUND else "answered"
    if touch.outcome is not Outcome.ANSWERED:
        return "missed"
    short = touch.talk_s is not None and touch.talk_s < policy.short_call.total_seconds()
    return "short" if short and touch.direction is Direction.INBOUND else "answered"
