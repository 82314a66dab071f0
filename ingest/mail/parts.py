"""The MIME tree of a message: which leaves are its body, which are attached.

Two parsers build the same tree: fast-mail-parser, and behind it the standard library's
`email` under compat32, for what the first refuses or would lose (torn base64, raw octets in
quoted-printable, uuencode). `policy.default` is not used: it raises on what strangers send.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import compat32

import fast_mail_parser as fast

from ingest.mail.charsets import guess
from ingest.mail.limits import LIMITS, Limits
from ingest.mail.words import parameters

_WORTH_MENDING = 2 * 1024 * 1024  #: octets of a message: torn files in larger ones stay torn


class UnreadBody(Exception):
    """The body is left unread: it would cost more than a message may, or no parser reads it."""


class _TrySlow(Exception):
    """fast-mail-parser refuses this message, or would lose something of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One node of the tree. A container has children and no content."""

    type: str  #: media type in lower case
    params: dict[str, str] = field(default_factory=dict)  #: of the type
    disposition: str | None = None  #: "inline", "attachment"; None: not said
    file_name: str | None = None
    content: bytes = b""  #: transfer-decoded
    torn: int = 0  #: octets as sent, where they could not be decoded and are left out
    children: tuple[Part, ...] = ()  #: not those of an attached message: it is one thing

    def walk(self) -> Iterator[Part]:
        """Yield this part and all beneath it."""
        yield self
        for child in self.children:
            yield from child.walk()


def read_parts(raw: bytes, *, limits: Limits = LIMITS) -> tuple[Part, tuple[str, ...]]:
    """Return the tree of a whole message, and what was mended. Raises UnreadBody."""
    warnings: tuple[str, ...] = ()
    root = _tree(raw, limits)
    if root.type.startswith("multipart/") and not root.children:
        kind = root.type
        mended = _with_boundary(raw, kind)
        if mended is None:
            return _as_text(raw), (f"{kind} without parts, read as text",)
        root = _tree(mended, limits)
        warnings = (f"{kind} with a wrong or missing boundary",)
    return root, warnings


def _tree(raw: bytes, limits: Limits) -> Part:
    try:
        return _fast_tree(raw, limits)
    except _TrySlow:
        pass
    if raw.count(b"\n--") > limits.delimiters:
        raise UnreadBody("too many lines that may begin a part")
    try:
        return _slow_tree(raw, limits)
    except RecursionError:
        raise UnreadBody(f"parts nested more than {limits.depth} deep") from None
    except (UnicodeError, LookupError, ValueError, TypeError, AttributeError) as error:
        # Known of the library on broken messages, never the same kind for long.
        raise UnreadBody(f"no parser reads it: {type(error).__name__}") from error


# --- fast-mail-parser ---------------------------------------------------------------------


def _fast_tree(raw: bytes, limits: Limits) -> Part:
    try:
        root = fast.parse_email_tree(raw, mode="lazy")
    except fast.MimeStructureError as error:
        raise UnreadBody(f"parts nested more than {limits.depth} deep") from error
    except fast.ParseError as error:
        raise _TrySlow from error
    _count(root, limits)
    return _of_fast(root, raw)


def _count(root: fast.PyLazyMimePart, limits: Limits) -> None:
    """Raise UnreadBody for a tree with too many parts or too deep, before it is copied."""
    level, seen = [root], 0
    for _ in range(limits.depth + 1):
        seen += len(level)
        if seen > limits.parts:
            raise UnreadBody(f"more than {limits.parts} parts")
        level = [child for part in level for child in part.children]
        if not level:
            return
    raise UnreadBody(f"parts nested more than {limits.depth} deep")


def _of_fast(node: fast.PyLazyMimePart, raw: bytes) -> Part:
    headers = {name.lower(): values[0] for name, values in node.headers.items() if values}
    children = () if node.is_message else node.children
    content = _of_leaf(node, headers.get("content-transfer-encoding", ""), raw)
    return _part(
        _unlatin(headers.get("content-type", "")),
        _unlatin(headers.get("content-disposition", "")),
        content=content or b"",
        children=tuple(_of_fast(child, raw) for child in children),
        torn=node.encoded_size or 0 if content is None else 0,
    )


def _of_leaf(node: fast.PyLazyMimePart, encoding: str, raw: bytes) -> bytes | None:
    """Return the octets of a leaf, None for a torn file; _TrySlow where text would be lost."""
    is_text = node.content_type.lower().startswith("text/")
    encoding = encoding.strip().lower()
    if "uue" in encoding or (is_text and encoding == "quoted-printable" and not raw.isascii()):
        raise _TrySlow
    try:
        return node.content or b""
    except fast.DecodeError as error:
        if is_text or len(raw) < _WORTH_MENDING:
            raise _TrySlow from error
        return None


def _unlatin(value: str) -> str:
    """Undo the reading of raw octets as Latin-1: they are rarely that."""
    if value.isascii():
        return value
    try:
        return guess(value.encode("latin-1"))[0]
    except UnicodeEncodeError:
        return value


# --- the standard library -----------------------------------------------------------------


def _slow_tree(raw: bytes, limits: Limits) -> Part:
    message = message_from_bytes(raw, policy=compat32)
    seen = 0
    level = [message]
    for _ in range(limits.depth + 1):
        seen += len(level)
        if seen > limits.parts:
            raise UnreadBody(f"more than {limits.parts} parts")
        level = [child for node in level for child in _children(node)]
        if not level:
            return _of_slow(message)
    raise UnreadBody(f"parts nested more than {limits.depth} deep")


def _children(node: Message) -> list[Message]:
    if not node.is_multipart():  # asked first: reading text may raise on its character set
        return []
    return [child for child in node.get_payload() if isinstance(child, Message)]


def _of_slow(node: Message) -> Part:
    kind = _field(node, "Content-Type")
    attached = node.get_content_maintype() == "message"
    return _part(
        kind,
        _field(node, "Content-Disposition"),
        content=_octets_within(node) if attached else _octets(node),
        children=() if attached else tuple(_of_slow(child) for child in _children(node)),
    )


def _field(node: Message, name: str) -> str:
    value = next((text for key, text in node.raw_items() if key.lower() == name.lower()), "")
    return guess(str(value).encode("utf-8", "surrogateescape"))[0]


def _octets(node: Message) -> bytes:
    payload = node.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _octets_within(node: Message) -> bytes:
    """Return an attached message as octets, near enough to tell its size."""
    try:
        return b"".join(child.as_bytes() for child in _children(node)) or _octets(node)
    except (UnicodeError, LookupError, ValueError, TypeError, AttributeError):
        return b""  # the library cannot write what it has read


# --- both ---------------------------------------------------------------------------------


def _part(
    content_type: str,
    disposition: str,
    *,
    content: bytes,
    children: tuple[Part, ...],
    torn: int = 0,
) -> Part:
    kind, params = parameters(content_type)
    placed, its_params = parameters(disposition)
    if not re.fullmatch(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,80}", kind):
        kind = "multipart/mixed" if children else "text/plain"
    name = its_params.get("filename") or its_params.get("name") or params.get("name")
    return Part(
        type=kind,
        params=params,
        disposition=placed or None,
        file_name=name or None,
        content=content,
        children=children,
        torn=torn,
    )


_DELIMITER = re.compile(rb"^--([^\r\n]{1,70}?)[ \t]*\r?\nContent-", re.MULTILINE | re.IGNORECASE)
_HEADER_END = re.compile(rb"\n\r?\n")


def _with_boundary(raw: bytes, kind: str) -> bytes | None:
    """Return the message under a header that names the boundary its body really uses."""
    end = _HEADER_END.search(raw)
    found = end and _DELIMITER.search(raw, end.end() - 1)
    if not end or not found or b'"' in found[1]:
        return None
    header = b'Content-Type: %b; boundary="%b"\r\n\r\n' % (kind.encode(), found[1])
    return header + raw[end.end() :]


def _as_text(raw: bytes) -> Part:
    end = _HEADER_END.search(raw)
    return Part(type="text/plain", content=raw[end.end() :] if end else b"")
