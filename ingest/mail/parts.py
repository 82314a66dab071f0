"""The MIME tree of a message: which leaves are its body, which are attached.

Two parsers build the same tree: fast-mail-parser, and behind it the standard library's
`email` under compat32, for what the first refuses or would lose (torn base64, raw octets in
quoted-printable, uuencode). `policy.default` is not used: it raises on what strangers send.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from functools import cached_property
from itertools import pairwise

import fast_mail_parser as fast

from ingest.mail.charsets import guess
from ingest.mail.limits import LIMITS, Limits
from ingest.mail.tree import Part, UnreadBody
from ingest.mail.words import parameters, unbase64
from ingest.mail.wrappers import MOST_WRAPPERS, Budget, opened

_WORTH_MENDING = 2 * 1024 * 1024  #: octets of a message: torn files in larger ones stay torn

_MOST_MENDED = 10  #: containers in one message

#: What a part is that does not say it, by what it stands in (RFC 2046, section 5.1.5).
_DEFAULTS = {"multipart/digest": "message/rfc822"}

_ENCODINGS = frozenset({"", "7bit", "8bit", "binary", "base64", "quoted-printable"})
_ENCODING = re.compile(r"[\"' \t]*([a-z0-9-]+)")
_NO_VALUE = re.compile(r";[^=;]*+(?:;|\Z)")  #: a parameter that is none
_KIND = re.compile(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,80}")


class _TrySlow(Exception):
    """fast-mail-parser refuses this message, or would lose something of it."""


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
    root = _with_parts_mended(root, limits)
    return _Opening(limits).opened(root), warnings


def _with_parts_mended(root: Part, limits: Limits) -> Part:
    """Return the tree with the parts of containers that name no boundary, or as text."""
    left = _MOST_MENDED

    def mended(part: Part) -> Part:
        nonlocal left
        if part.children:
            return replace(part, children=tuple(mended(child) for child in part.children))
        if not (left and part.content.strip() and part.type.startswith("multipart/")):
            return part
        left -= 1
        whole = _with_boundary(b"\n\n" + part.content, part.type)
        found = _tree(whole, limits) if whole else None
        return found if found and found.children else replace(part, type="text/plain")

    torn = [it for it in root.walk() if not it.children and it.type.startswith("multipart/")]
    return mended(root) if torn else root


class _Opening:
    """Opens wrappers, one within another, up to as many parts as one message may have."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parts = limits.parts
        self._depth = 0
        self._budget = Budget()

    def opened(self, root: Part) -> Part:
        return opened(root, self._read, self._budget)

    def _read(self, raw: bytes) -> Part:
        if self._depth >= MOST_WRAPPERS:
            return Part(type="application/octet-stream", content=raw)
        root = _tree(raw, replace(self._limits, parts=self._parts))
        self._parts -= sum(1 for _ in root.walk())
        self._depth += 1
        try:
            return self.opened(root)
        finally:
            self._depth -= 1


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
        if _is_too_much(raw, limits):
            raise UnreadBody("broken, and too large to be mended") from error
        raise _TrySlow from error
    _count(root, limits)
    octets = _Octets(
        raw=raw, are_few=len(raw) < _WORTH_MENDING, are_too_many=_is_too_much(raw, limits)
    )
    tree = _of_fast(root, octets)
    if not octets.are_too_many and tree.children and _boundaries_are_similar(tree):
        raise _TrySlow
    return tree


def _is_too_much(raw: bytes, limits: Limits) -> bool:
    """Tell whether the slow parser would take too long over a message, or too much memory."""
    if len(raw) <= min(limits.slow_octets, limits.slow_lines):
        return False  # it cannot have as many lines
    return len(raw) > limits.slow_octets or raw.count(b"\n") > limits.slow_lines


@dataclass(frozen=True, kw_only=True)
class _Octets:
    """What is asked of a whole message at each of its parts, some of it seldom."""

    raw: bytes
    are_few: bool
    are_too_many: bool  #: for the slow parser: what is torn stays torn

    @cached_property
    def are_ascii(self) -> bool:
        return self.raw.isascii()

    @cached_property
    def hold_words(self) -> bool:
        return b"=?" in self.raw


def _boundaries_are_similar(root: Part) -> bool:
    """Tell whether one boundary begins another: the fast parser takes the one for the other."""
    known = sorted({part.params.get("boundary", "") for part in root.walk()} - {""})
    return any(longer.startswith(shorter) for shorter, longer in pairwise(known))


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


def _of_fast(node: fast.PyLazyMimePart, raw: _Octets, within: str = "") -> Part:
    headers = {name.lower(): values[0] for name, values in node.headers.items() if values}
    kind = _unlatin(headers.get("content-type", _DEFAULTS.get(within, "")))
    placed = _unlatin(headers.get("content-disposition", ""))
    if _is_spoilt(kind, raw) or _is_spoilt(placed, raw):
        raise _TrySlow
    children = () if node.is_message else node.children
    lost = within and not children and kind.lstrip()[:10].lower() == "multipart/"
    if lost and not raw.are_too_many:  # it has no word of what stands in there
        raise _TrySlow
    content = _of_leaf(node, headers.get("content-transfer-encoding", ""), raw)
    own = kind.partition(";")[0].strip().lower() if children else ""
    return _part(
        kind,
        placed,
        content=content or b"",
        children=tuple(_of_fast(child, raw, own) for child in children),
        torn=node.encoded_size or 0 if content is None else 0,
    )


def _is_spoilt(field: str, raw: _Octets) -> bool:
    """Tell whether a field lost its marks: the parser decodes words before we look for parameters.

    Then a quote or a semicolon within a word, or a word over two parameters, reads as a mark.
    """
    if not (field and raw.are_few):
        return False
    quotes = field.count('"')
    odd = "\ufffd" in field or "=?" in field or quotes != 2 * field.count('="')
    bare = not quotes and _NO_VALUE.search(field) is not None
    return (odd or bare) and raw.hold_words


def _of_leaf(node: fast.PyLazyMimePart, encoding: str, raw: _Octets) -> bytes | None:
    """Return the octets of a leaf, None for a torn file; _TrySlow where text would be lost."""
    is_text = node.content_type.lower().startswith("text/")
    encoding = encoding.strip().lower()
    if encoding not in _ENCODINGS:
        mended = _mended(encoding, lambda: node.content or b"")
        if mended is not None:
            return mended
    odd = "uue" in encoding or (is_text and encoding == "quoted-printable" and not raw.are_ascii)
    if odd and not raw.are_too_many:
        raise _TrySlow
    try:
        return node.content or b""
    except fast.DecodeError as error:
        if not raw.are_too_many and (is_text or raw.are_few):
            raise _TrySlow from error
        return None


def _mended(encoding: str, octets: Callable[[], bytes]) -> bytes | None:
    """Return the octets of a leaf whose encoding is named oddly, None where that is not so.

    `base64;`, `"quoted-printable"` and `base64 (of the file)` are no names to the parsers.
    """
    name = _ENCODING.match(encoding)
    if name is None or name[1] == encoding or name[1] not in ("base64", "quoted-printable"):
        return None
    data = octets()
    if name[1] == "quoted-printable":
        return binascii.a2b_qp(data)
    try:
        return binascii.a2b_base64(data) if len(data) > _WORTH_MENDING else unbase64(data)
    except binascii.Error:
        return b""


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
    kind = _field(node, "Content-Type") or node.get_default_type()
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
    octets = payload if isinstance(payload, bytes) else b""
    encoding = _field(node, "Content-Transfer-Encoding").strip().lower()
    mended = _mended(encoding, lambda: octets)
    return octets if mended is None else mended


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
    placed, its_params = parameters(disposition) if disposition else ("", {})
    if not _KIND.fullmatch(kind):
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
