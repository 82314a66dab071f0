"""The conversation with FreeSWITCH's event socket (inbound mode): log in, subscribe, take events.

Messages are a head of lines, an empty line, and a body where the head announces one. The switch
speaks first; it answers commands in their order. It resends nothing: what happened while nobody
listened is known from its records only.
Facts: signalwire/freeswitch mod_event_socket.c; recorded from 1.11.1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import unquote

from ingest.domain.deliveries import Account
from ingest.domain.streams import Message, Said, Talk
from ingest.telephony.protocols.framing import Frames, TooLong

PORT = 8021
MOST_FILTERS = 20
#: What is subscribed to; nothing else is sent, so nothing else is kept.
EVENTS = (
    "CHANNEL_CREATE", "CHANNEL_PROGRESS", "CHANNEL_PROGRESS_MEDIA", "CHANNEL_ANSWER",
    "CHANNEL_BRIDGE", "CHANNEL_HOLD", "CHANNEL_UNHOLD", "CHANNEL_HANGUP_COMPLETE", "RECORD_STOP",
)  # fmt: skip

_SUBSCRIBE = f"event plain {' '.join(EVENTS)}"


def talk(account: Account) -> Talk:
    """Return a conversation with the source's secrets `esl_password` and, if set, `esl_user`.

    `filters` of its config, a list of texts such as `variable_domain_name acme.example.org`, has
    the switch send only events of which one filter holds.
    """
    known = next((each for each in account.secrets if each.get("esl_password")), {})
    user, password = known.get("esl_user"), known.get("esl_password", "")
    if not password:
        return _Silent("esl_password: the source has none")
    if problem := filters_problem(account):
        return _Silent(problem)
    login = f"userauth {user}:{password}" if user else f"auth {password}"
    if _breaks(login):
        return _Silent("esl_password, esl_user: they cannot hold line ends")
    filters = account.config.get("filters", ())
    return _Conversation([login, *(f"filter {each}" for each in filters), _SUBSCRIBE])


def filters_problem(account: Account) -> str | None:
    """Return why the source's setting `filters` cannot be said to a switch; None if it can."""
    filters = account.config.get("filters", ())
    if not isinstance(filters, list | tuple) or len(filters) > MOST_FILTERS:
        return f'filters: write at most {MOST_FILTERS} like ["variable_domain_name example.org"]'
    for each in filters:
        if not isinstance(each, str) or len(each.split(" ", 1)) != 2 or _breaks(each):
            return f"filters: {each!r} is no name of a line, a blank and its value"
    return None


def _breaks(text: str) -> bool:
    return "\n" in text or "\r" in text


class _Silent:
    """A conversation that is over before it began, and why."""

    def __init__(self, because: str) -> None:
        self._over = Said(failed=because, refused=True)

    def opened(self) -> Said:
        return self._over

    def received(self, data: bytes, now: datetime) -> Said:
        return self._over

    def quiet(self) -> Said:
        return self._over


class _Conversation:
    """One connection: what is still to be said, and what is not yet whole."""

    def __init__(self, commands: list[str]) -> None:
        self._commands = deque(commands)
        self._frames = Frames(b"\n\n")
        self._head: Mapping[str, str] | None = None  #: of a message whose body is not yet whole
        self._asked = ""  #: the command that waits for its reply

    def opened(self) -> Said:
        """Wait: the switch speaks first."""
        return Said()

    def quiet(self) -> Said:
        """Subscribe again: it changes nothing, needs no further right, and is answered."""
        return Said() if self._commands else Said(send=_line(_SUBSCRIBE))

    def received(self, data: bytes, now: datetime) -> Said:
        """Take what one read gave."""
        self._frames.feed(data)
        send, ready, failed, refused = b"", False, None, False
        keep: list[Message] = []
        try:
            while failed is None and (message := self._next()) is not None:
                said = self._heard(*message)
                send += said.send
                keep += said.keep
                ready = ready or said.ready
                failed, refused = said.failed, said.refused
        except TooLong as error:
            failed = f"the switch does not keep to its protocol: {error}"
        return Said(send=send, keep=tuple(keep), ready=ready, failed=failed, refused=refused)

    def _next(self) -> tuple[Mapping[str, str], bytes] | None:
        """Return the next whole message: its head and its body. Raises TooLong."""
        if self._head is None:
            octets = self._frames.cut()
            if octets is None:
                return None
            self._head = _fields(octets)
        size = self._head.get("content-length", "0")
        if not (size.isascii() and size.isdigit() and len(size) < 10):
            raise TooLong(f"a message of {size[:20]!r} octets")
        body = self._frames.take(int(size))
        if body is None:
            return None
        head, self._head = self._head, None
        return head, body

    def _heard(self, head: Mapping[str, str], body: bytes) -> Said:
        match head.get("content-type"):
            case "auth/request":
                return self._say_next()
            case "command/reply":
                return self._replied(head.get("reply-text", ""))
            case "text/event-plain":
                return Said(keep=(Message(body=body),))
            case "text/rude-rejection":
                return Said(failed="the switch's access list does not let us in", refused=True)
            case "text/disconnect-notice" if head.get("content-disposition") != "linger":
                return Said(failed="the switch ended the connection")
        return Said()

    def _replied(self, reply: str) -> Said:
        """Go on after +OK; what is refused ends the connection."""
        if not self._asked:
            return Said()  # to a subscription said again
        if reply.startswith("+OK"):
            return self._say_next() if self._commands else self._done()
        asked = self._asked.partition(" ")[0]
        if asked in ("auth", "userauth"):
            return Said(
                failed=f"esl_password: the switch refused the login ({reply})", refused=True
            )
        return Said(failed=f"the switch refused the command {asked} ({reply})", refused=True)

    def _say_next(self) -> Said:
        if not self._commands:
            return Said()
        self._asked = self._commands.popleft()
        return Said(send=_line(self._asked))

    def _done(self) -> Said:
        self._asked = ""
        return Said(ready=True)


def _line(command: str) -> bytes:
    return command.encode("utf-8", "surrogatepass") + b"\n\n"


def _fields(octets: bytes) -> dict[str, str]:
    """Return the lines of a message's head, names in lower case."""
    lines = octets.decode("utf-8", "replace").strip("\n").split("\n")
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}
