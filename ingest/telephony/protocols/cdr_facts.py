"""What one leg's record says: who talked and when, how it failed, what was recorded."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ingest.domain.calls import Outcome
from ingest.telephony.fields import Fields, text
from ingest.telephony.protocols import json_cdr
from ingest.telephony.protocols.json_cdr import Profile, Record

#: `hangup_cause`; of a call that the dialplan ended, `originate_disposition` says why.
CAUSES = {
    "NORMAL_CLEARING": Outcome.NO_ANSWER,
    "NO_ANSWER": Outcome.NO_ANSWER,
    "NO_USER_RESPONSE": Outcome.NO_ANSWER,
    "ALLOTTED_TIMEOUT": Outcome.NO_ANSWER,
    "PROGRESS_TIMEOUT": Outcome.NO_ANSWER,
    "LOSE_RACE": Outcome.NO_ANSWER,  # another telephone of the group took it
    "PICKED_OFF": Outcome.NO_ANSWER,
    "ORIGINATOR_CANCEL": Outcome.CANCELLED,
    "USER_BUSY": Outcome.BUSY,
    "CALL_REJECTED": Outcome.REJECTED,
}
SUCCEEDED = ("NONE", "SUCCESS")  #: in `originate_causes`: this leg was not given up
VOICEMAIL_APPS = ("voicemail", "record")


def talks_of(record: Record) -> list[tuple[datetime, Profile | None]]:
    """Return when this leg was joined with which other one to talk, oldest first."""
    causes = _causes(record)
    bridged = text(record.variables, "bridge_uuid")
    talks: list[tuple[datetime, Profile | None]] = []
    for entry in reversed(record.entries):
        if entry.talked_at is None:
            continue
        dialled = entry.originatees
        taken = [
            who
            for who in dialled
            if causes.get(who.uuid or "", "NONE" if who.uuid == bridged else "") in SUCCEEDED
        ]
        if taken:
            talks += [(entry.talked_at, who) for who in taken]
        elif not (dialled and causes):  # of a failed attempt only a tone was heard
            talks.append((entry.talked_at, _sole(record.variables)))
    return talks


def _sole(told: Fields) -> Profile | None:
    """Return the one telephone dialled, for a record that names none of the legs it dialled."""
    phone = only_phone(told)
    return (
        Profile(uuid=text(told, "bridge_uuid"), caller=None, destination=phone) if phone else None
    )


def only_phone(told: Fields) -> str | None:
    """Return the telephone that rang, if it was one: `dialed_user` is the last one dialled."""
    legs = {each.partition(";")[0] for each in _list(told.get("originate_causes"))}
    several = len(legs) > 1 or any(sign in str(told.get("last_arg", "")) for sign in ",|")
    return None if several else text(told, "dialed_user")


def _causes(record: Record) -> dict[str, str]:
    """Return how each dialled leg fared, by its uuid."""
    pairs = (each.partition(";") for each in _list(record.variables.get("originate_causes")))
    return {leg: cause for leg, _, cause in pairs}


def _list(value: Any) -> list[str]:
    """Return the parts of a list as the switch writes it: `ARRAY::one|:two`, or one alone."""
    return value.removeprefix("ARRAY::").split("|:") if isinstance(value, str) and value else []


def failure_of(told: Fields) -> Outcome:
    """Return how a leg failed; a cause that is not known is a failure of the network."""
    return CAUSES.get(text(told, "hangup_cause") or "", Outcome.FAILED)


def is_voicemail(told: Fields) -> bool:
    """Tell whether a machine took the call that no person took."""
    left = text(told, "voicemail_message_len") or text(told, "voicemail_answer_stamp")
    return bool(left) or text(told, "last_app") in VOICEMAIL_APPS


def transfer_of(record: Record) -> str | None:
    """Return how the call was passed on: joined with a second leg, or sent away."""
    cause = text(record.variables, "hangup_cause")
    talks = sum(entry.talked_at is not None for entry in record.entries)
    attended = "att_xfer" in str(record.variables.get("transfer_history", ""))
    if talks > 1 or cause in ("BLIND_TRANSFER", "ATTENDED_TRANSFER"):
        return "attended" if attended or cause == "ATTENDED_TRANSFER" else "blind"
    return None


def queue_of(told: Fields) -> str | None:
    """Return the queue's name without its domain."""
    return (text(told, "cc_queue") or "").partition("@")[0] or None


def recording_of(record: Record, answered_at: datetime | None) -> dict[str, Any]:
    """Return the recording's file. Its name may stand only among the applications that ran."""
    told = record.variables
    if answered_at is None:
        return {}
    folder, name = json_cdr.path(told.get("record_path")), json_cdr.path(told.get("record_name"))
    found = f"{folder.rstrip('/')}/{name}" if folder and name else None
    found = found or json_cdr.path(told.get("cc_record_filename"))
    if found is None:
        ran = [json_cdr.path(data) for app, data in record.applications if app == "record_session"]
        found = next((each for each in ran if each), None)
    return {"recording_id": found, "recording_ready": True} if found else {}
