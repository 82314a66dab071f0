"""Asterisk's manager interface: messages of `Key: value` lines, and the conversation over them.

Only what tells of calls is kept; the rest of the stream (devices, media, the steps of the dialplan)
is many times as much. Events carry no time unless manager.conf says `timestampevents = yes`.
Facts: asterisk/documentation AMI-v2-Specification; asterisk/asterisk main/manager.c; recorded from
22.10.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum, auto

from ingest.domain.deliveries import Account, UnreadableDelivery
from ingest.domain.streams import Message, Said
from ingest.telephony.protocols.framing import Frames, TooLong
from ingest.telephony.request import storable

BANNER = b"Asterisk Call Manager"
MAX_LINES = 1_000  #: of one message; an event has about 40
CLASSES = "call,agent,cdr,dialplan"  #: of events that are asked for; the user may be allowed less

Lines = Mapping[str, str]

VOICEMAIL = frozenset({"voicemail", "minivm"})  #: applications in which a machine takes the call
_CEL = frozenset(
    {
        "CHAN_START", "ANSWER", "BRIDGE_ENTER", "HANGUP", "CHAN_END", "LINKEDID_END",
        "BLINDTRANSFER", "ATTENDEDTRANSFER", "PICKUP",
    }
)  # fmt: skip


def _always(lines: Lines) -> bool:
    return True


def _tells_of_an_app(lines: Lines) -> bool:
    app = lines.get("application", "").lower()
    return lines.get("eventname") in _CEL or (
        lines.get("eventname") == "APP_START" and (app in VOICEMAIL or app in ("dial", "queue"))
    )


#: Events that are kept, by name in lower case, and when.
KEPT: Mapping[str, Callable[[Lines], bool]] = {
    "newchannel": _always,
    "newstate": lambda lines: lines.get("channelstate") == "5",
    "dialbegin": _always,
    "dialend": _always,
    "bridgeenter": _always,
    "hold": _always,
    "unhold": _always,
    "hangup": _always,
    "blindtransfer": _always,
    "attendedtransfer": _always,
    "pickup": _always,
    "queuecallerjoin": _always,
    "agentconnect": _always,
    "cdr": _always,
    "cel": _tells_of_an_app,
    "newexten": lambda lines: lines.get("application", "").lower() in VOICEMAIL,
    "varset": lambda lines: lines.get("variable") == "MIXMONITOR_FILENAME",
}


def lines_of(message: bytes) -> dict[str, str]:
    """Return a message's values by their keys in lower case; of a repeated key the first.

    Raises UnreadableDelivery for what is no message.
    """
    rows = message.split(b"\n", MAX_LINES)
    if len(rows) > MAX_LINES:
        raise UnreadableDelivery(f"the message has more than {MAX_LINES} lines")
    found: dict[str, str] = {}
    for row in rows:
        name, colon, value = row.rstrip(b"\r").partition(b":")
        if colon:
            key = name.decode("ascii", "replace").strip().lower()
            found.setdefault(key, storable(value.decode("utf-8", "replace")).strip())
    if "event" not in found and "response" not in found:
        raise UnreadableDelivery("the message is neither an event nor a response")
    return found


class _At(Enum):
    GREETING = auto()
    CHALLENGE = auto()
    LOGIN = auto()
    READY = auto()
    OVER = auto()


class AmiTalk:
    """One connection to a manager interface: greeted, logged in, then listening.

    The secret is never sent: it answers a challenge (MD5), unless the source says `login` = plain.
    """

    def __init__(self, account: Account) -> None:
        secrets = account.secrets[0] if account.secrets else {}
        self._user = secrets.get("ami_username", "")
        self._secret = secrets.get("ami_secret", "")
        self._plain = account.config.get("login") == "plain"
        self._frames = Frames(b"\n")
        self._at = _At.GREETING

    def opened(self) -> Said:
        """Say nothing: Asterisk greets first."""
        return Said()

    def quiet(self) -> Said:
        """Ask whether it lives."""
        return Said(send=_action("Ping", ActionID="ping")) if self._at is _At.READY else Said()

    def received(self, data: bytes, now: datetime) -> Said:
        """Take what one read gave: many messages, or part of one."""
        if self._at is _At.OVER:
            return Said()
        self._frames.feed(data)
        send, ready = b"", False
        keep: list[Message] = []
        try:
            while (frame := self._frames.cut()) is not None:
                if self._at is _At.READY:
                    keep += _event(frame)
                    continue
                said = self._before_login(frame)
                send, ready = send + said.send, ready or said.ready
                if said.failed is not None:
                    self._at = _At.OVER
                    return Said(send=send, failed=said.failed, refused=said.refused)
        except TooLong as error:
            self._at = _At.OVER
            return Said(send=send, keep=tuple(keep), ready=ready, failed=f"it sent {error}")
        return Said(send=send, keep=tuple(keep), ready=ready)

    def _before_login(self, frame: bytes) -> Said:
        """Take what comes until events do; an event among it was not asked for yet."""
        if self._at is _At.GREETING:
            return self._greeted(frame)
        try:
            lines = lines_of(frame)
        except UnreadableDelivery:
            return Said()
        return self._answered(lines) if "response" in lines else Said()

    def _greeted(self, line: bytes) -> Said:
        if not line.startswith(BANNER):
            return Said(failed="host, port: what answers there is no Asterisk manager interface")
        rest = self._frames.rest
        self._frames = Frames(b"\r\n\r\n")
        self._frames.feed(rest)
        if self._plain:
            self._at = _At.LOGIN
            return Said(send=self._login(Secret=self._secret))
        self._at = _At.CHALLENGE
        return Said(send=_action("Challenge", ActionID="1", AuthType="MD5"))

    def _answered(self, lines: Lines) -> Said:
        if lines["response"].lower() != "success":
            because = lines.get("message") or "no reason was given"
            return Said(failed=f"the login was refused: {because}", refused=True)
        if self._at is _At.CHALLENGE and "challenge" in lines:
            self._at = _At.LOGIN
            digest = hashlib.md5(  # the protocol's own; it knows no other
                (lines["challenge"] + self._secret).encode(), usedforsecurity=False
            )
            return Said(send=self._login(AuthType="MD5", Key=digest.hexdigest()))
        self._at = _At.READY
        return Said(ready=True)

    def _login(self, **proof: str) -> bytes:
        return _action("Login", ActionID="2", Username=self._user, **proof, Events=CLASSES)


def _event(frame: bytes) -> list[Message]:
    """Return the message, if it is an event that is kept. Responses are to our questions."""
    if frame[:6].lower() != b"event:":
        return []
    try:
        lines = lines_of(frame)
    except UnreadableDelivery:
        return [Message(body=frame)]  # to be parked: what is wrong with it shall be seen
    wanted = KEPT.get(lines["event"].lower())
    return [Message(body=frame)] if wanted is not None and wanted(lines) else []


def _action(name: str, **headers: str) -> bytes:
    rows = [f"Action: {name}", *(f"{key}: {value}" for key, value in headers.items())]
    return "".join(f"{_one_line(row)}\r\n" for row in rows).encode() + b"\r\n"


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")
