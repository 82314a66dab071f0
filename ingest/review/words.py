"""What the pages call things: tables of English words, each translatable.

`_` marks a text for translation and returns it in the language of the process; texts with a count
go through `ngettext`. Catalogues lie in `locale/` beside this file; without one it is English.
"""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from pathlib import Path

_catalogue = gettext.translation("keepline", Path(__file__).with_name("locale"), fallback=True)
_ = _catalogue.gettext
ngettext = _catalogue.ngettext

STATUSES: Mapping[str, str] = {
    "in_progress": _("Going on"),
    "needs_comment": _("Needs a comment"),
    "short_call": _("Short call"),
    "callback_due": _("Call back"),
    "not_reached": _("Not reached"),
    "awaiting_reply": _("Awaiting reply"),
    "done": _("Done"),
    "auto": _("Automatic"),
    "internal": _("Internal"),
    "wrong_number": _("Wrong number"),
    "spam": _("Spam"),
    "history": _("History"),
}
STATUS_TONES: Mapping[str, str] = {
    "in_progress": "info",
    "needs_comment": "warn",
    "callback_due": "alert",
    "not_reached": "warn",
    "awaiting_reply": "warn",
    "done": "ok",
}
OUTCOMES: Mapping[str, str] = {
    "answered": _("answered"),
    "no_answer": _("no answer"),
    "busy": _("busy"),
    "failed": _("failed"),
    "cancelled": _("cancelled"),
    "rejected": _("rejected"),
    "voicemail": _("voicemail"),
    "forwarded": _("taken at an outside number"),
}
DIRECTIONS: Mapping[str, str] = {
    "in": _("Incoming"),
    "out": _("Outgoing"),
    "internal": _("Internal"),
}
KINDS: Mapping[str, str] = {"call": _("Call"), "mail": _("Mail")}
FLAGS: Mapping[str, str] = {
    "manager_left": _("Manager left"),
    "line_unheld": _("Line without a holder"),
}
CLOSED_WHY: Mapping[str, str] = {
    "dismissed": _("dismissed"),
    "handed_over": _("handed over"),
    "reached": _("the client was reached"),
}
CLOSED_AS: Mapping[str, str] = {
    "called_back": _("called back"),
    "called_back_late": _("called back late"),
    "client_reached_us": _("client reached us"),
}
CAUSES: Mapping[str, str] = {
    "unknown": _("Unknown"),
    "ambiguous": _("Several holders"),
    "never_log": _("Never logged"),
    "wrong_number": _("Wrong number"),
}
LINE_KINDS: Mapping[str, str] = {
    "sim": _("SIM"),
    "extension": _("Extension"),
    "did": _("Number"),
    "mailbox": _("Mailbox"),
}
METHODS: Mapping[str, str] = {
    "person": _("a person decided"),
    "exact": _("exact match"),
    "forwarded": _("a colleague forwarded the mail"),
}
#: Why a mail is taken for a machine's.
AUTOMATIC: Mapping[str, str] = {
    "bounce": _("says that a mail was not delivered"),
    "receipt": _("says that a mail was delivered or read"),
    "complaint": _("says that somebody called a mail spam"),
    "loop": _("went round in a circle"),
    "auto-reply": _("an automatic reply"),
    "calendar": _("an answer of a calendar"),
    "list": _("of a mailing list"),
    "generated": _("made by a program"),
    "bulk": _("sent to many"),
    "no-reply": _("its sender takes no replies"),
}
ROLES: Mapping[str, str] = {
    "remote": _("Other side"),
    "line": _("Our line"),
    "leg": _("Telephone"),
    "from": _("From"),
    "to": _("To"),
    "cc": _("Cc"),
    "via": _("By web form"),
    "forwarded": _("Wrote what is forwarded"),
}
USER_ROLES: Mapping[str, str] = {
    "administrator": _("Administrator"),
    "supervisor": _("Supervisor"),
    "manager": _("Manager"),
}
PROVENANCES: Mapping[str, str] = {
    "decision": _("a person's decision"),
    "import": _("imported"),
    "typed": _("typed in"),
}
CALL_STAGES: Mapping[str, str] = {
    "ringing": _("rings"),
    "answered": _("answered"),
    "held": _("on hold"),
    "leg_ended": _("one telephone hung up"),
    "ended": _("ended"),
    "recording": _("recording"),
    "tied": _("joined with another call"),
    "stale": _("closed by the clock, the end is unknown"),
}
ENDS: Mapping[str, str] = {
    "read": _("read"),
    "ignored": _("ignored"),
    "parked": _("parked"),
}
#: What a report of a call says, as the view of a test event lists it.
EVENT_FIELDS: Mapping[str, str] = {
    "call_keys": _("The call's id"),
    "stage": _("What happened"),
    "occurred_at": _("When"),
    "direction": _("Direction"),
    "caller": _("Caller"),
    "callee": _("Called number"),
    "line": _("Our line"),
    "withheld": _("Number withheld"),
    "agent": _("Telephone or employee"),
    "leg": _("Id of this telephone's part"),
    "outcome": _("Outcome"),
    "started_at": _("Began"),
    "answered_at": _("Answered"),
    "ended_at": _("Ended"),
    "duration_s": _("Seconds in all"),
    "talk_s": _("Seconds of talk"),
    "recording_url": _("Address of the recording"),
    "recording_id": _("Id of the recording"),
    "recording_ready": _("The recording is ready"),
    "forwarded_to": _("Forwarded to"),
    "queue": _("Queue"),
    "transfer": _("Transfer"),
    "side": _("Whose telephone"),
    "leg_counts": _("The call lasts as long as this part"),
}
#: Values of those fields that are words of ours.
EVENT_VALUES: Mapping[str, Mapping[str, str]] = {
    "stage": CALL_STAGES,
    "direction": DIRECTIONS,
    "outcome": OUTCOMES,
    "side": {"ours": _("ours"), "theirs": _("theirs")},
    "withheld": {"True": _("yes")},
    "recording_ready": {"True": _("yes")},
    "leg_counts": {"True": _("yes")},
}
#: What the public door counts of a source.
DOOR: Mapping[str, str] = {
    "accepted": _("Accepted"),
    "repeated": _("Repeated"),
    "changed": _("Changed"),
    "rejected": _("Rejected"),
    "handshakes": _("Checks of the set-up"),
    "asked": _("Asked us who is calling"),
    "named": _("Answered with a name"),
    "overloaded": _("Sent away, too many"),
    "failed": _("Sent away, not stored"),
}
#: Of those, what is shown also while it is 0.
DOOR_ALWAYS = ("accepted", "repeated", "changed", "rejected", "handshakes")
RECORDINGS: Mapping[str, str] = {
    "expected": _("Recordings announced"),
    "wanted": _("Recordings to be fetched"),
    "kept": _("Recordings kept"),
    "failed": _("Recordings given up"),
    "expired": _("Recordings deleted by policy"),
}
#: Settings of a source that have a field of their own in its form.
SETTINGS: Mapping[str, str] = {
    "own_numbers": _("Own numbers"),
    "unsigned_from": _("Networks that may send unsigned"),
}
#: What runs for a source beside the public door.
PARTS: Mapping[str, str] = {
    "stream": _("Connection to the telephone system"),
    "listening": _("Connection from the telephone system"),
    "history": _("Call history at the provider"),
    "subscription": _("Registration for its reports"),
    "folder": _("Folder of call files"),
    "record-folder": _("Folder of call lists"),
    "file:cdr": _("File of finished calls"),
    "file:cel": _("File of call events"),
}
#: How each of them is: the word of the chip, and its tone. Files and folders share theirs.
PART_STATES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "connection": {
        "connected": (_("connected"), "ok"),
        "connecting": (_("connecting"), "info"),
        "away": (_("not connected"), "alert"),
        "refused": (_("refused"), "alert"),
    },
    "history": {
        "waiting": (_("in order"), "ok"),
        "asking": (_("being asked"), "info"),
        "away": (_("not reached"), "warn"),
        "refused": (_("refused"), "alert"),
        "asked to wait": (_("asked us to wait"), "warn"),
    },
    "subscription": {
        "subscribed": (_("registered"), "ok"),
        "asking": (_("registering"), "info"),
        "away": (_("not reached"), "warn"),
        "refused": (_("refused"), "alert"),
    },
    "file": {
        "following": (_("read as it grows"), "ok"),
        "watching": (_("watched"), "ok"),
        "waiting": (_("stuck"), "warn"),
        "missing": (_("not there"), "alert"),
        "unreadable": (_("cannot be read"), "alert"),
    },
}
#: What a person may decide: the word of the button, of the heading, and what it means.
DECISIONS: Mapping[str, tuple[str, str, str]] = {
    "link": (
        _("Link to a client"),
        _("Link {point} to {client}?"),
        _("Every touch with it so far and from now on belongs to this client."),
    ),
    "new_client": (
        _("New client"),
        _("Make {client} a client with {point}?"),
        _("A client of this name is created, and every touch with it belongs to this client."),
    ),
    "employee": (
        _("Own employee"),
        _("Is {point} an employee's own?"),
        _("Its touches are taken as internal and appear in no client's history."),
    ),
    "never_log": (
        _("Never log"),
        _("Never log {point}?"),
        _("Its touches are counted with their time; their content is not shown again."),
    ),
    "wrong_number": (
        _("Wrong number"),
        _("Were the touches of {point} so far mistakes?"),
        _("They are closed and ask for nothing. A touch after this decision waits here again."),
    ),
    "dismiss": (
        _("Dismiss"),
        _("Dismiss this flag of {point}?"),
        _("It closes. The client's next touch raises a new one if the reason still holds."),
    ),
    "ack": (
        _("Acknowledge"),
        _("Acknowledge this flag of {point}?"),
        _("It stays open. The next touch takes the acknowledgement back."),
    ),
    "status": (
        _("Set status"),
        _("Set the status of this touch to {client}?"),
        _("A person's status stands above the machine's; undo brings that back."),
    ),
    "tie": (
        _("They are one call"),
        _("Are these two reports of one call?"),
        _("They become one touch. What was decided about either stays with it."),
    ),
    "part": (
        _("They are two calls"),
        _("Are these two calls, each reported by one source?"),
        _("They become two touches, and are not tied again unless you undo this."),
    ),
}
#: How a decision reads in the list of decisions.
DECIDED: Mapping[str, str] = {
    "link": _("Linked to a client"),
    "new_client": _("New client"),
    "employee": _("Own employee"),
    "never_log": _("Never logged"),
    "wrong_number": _("Wrong number"),
    "dismiss": _("Flag dismissed"),
    "ack": _("Flag acknowledged"),
    "status": _("Status set"),
    "tie": _("Taken as one call"),
    "part": _("Taken as two calls"),
}
#: Why two sources' reports are one touch.
TIED: Mapping[str, str] = {
    "agreed": _("number, direction and answer time agree, and no other call fits"),
    "person": _("a person said so"),
}
DECISION_ICONS: Mapping[str, str] = {
    "tie": "link",
    "part": "wrong",
    "link": "link",
    "new_client": "plus",
    "employee": "badge",
    "never_log": "mute",
    "wrong_number": "wrong",
    "dismiss": "flag",
    "ack": "check",
    "status": "check",
}
