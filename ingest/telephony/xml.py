"""XML as telephone systems send it, read into a small tree of values, with bounds.

Only elements, attributes and text: a document type, and with it every entity of its own, and
processing instructions are refused, so that nothing is expanded and nothing is fetched. The text is
UTF-8 whatever its declaration says. docs/decisions/0007 says why no child process is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn
from xml.parsers import expat

from ingest.domain.deliveries import UnreadableDelivery
from ingest.telephony.request import MAX_BODY

MAX_DEPTH = 32  #: elements within each other; the deepest known has 8
MAX_ELEMENTS = 5_000  #: of one document; a group of 70 telephones makes so many
MAX_ATTRIBUTES = 32  #: of one element
MAX_ATTRIBUTE = 8_192  #: characters of one attribute's value; applications are logged in them


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element. Names come without their namespace's prefix."""

    name: str
    attributes: Mapping[str, str]
    text: str  #: what stands in it directly, without surrounding blanks
    children: tuple[Element, ...]

    def all(self, name: str) -> Iterator[Element]:
        """Yield the children of that name, in order."""
        return (child for child in self.children if child.name == name)

    def at(self, *path: str) -> Element | None:
        """Return the first element at the end of that path of names, if there is one."""
        found: Element | None = self
        for name in path:
            found = next(found.all(name), None) if found else None
        return found

    def texts(self) -> dict[str, str]:
        """Return the texts of its children by name; of several of one name the first."""
        found: dict[str, str] = {}
        for child in self.children:
            found.setdefault(child.name, child.text)
        return found


class IllFormed(UnreadableDelivery):
    """The text is no well-formed XML in UTF-8; it waits parked for a fix."""


def document(octets: bytes) -> Element:
    """Return the root of an XML document.

    Raises IllFormed for what is no well-formed XML in UTF-8, and UnreadableDelivery for a document
    type, a processing instruction, and what is beyond the bounds above.
    """
    if len(octets) > MAX_BODY:
        raise UnreadableDelivery(f"the XML is larger than {MAX_BODY} octets")
    found = _read(octets)
    if isinstance(found, Element):
        return found
    kind, why = found
    raise kind(why)


@lru_cache(maxsize=8)
def _read(octets: bytes) -> Element | tuple[type[UnreadableDelivery], str]:
    """Return the root, or why there is none.

    The last few are remembered: verify, key and parse look at the same body in turn.
    """
    try:
        return _parsed(octets)
    except UnreadableDelivery as error:
        return type(error), str(error)


def _parsed(octets: bytes) -> Element:
    if b"\0" in octets:  # UTF-16 with its mark would be believed, whatever we ask for
        raise IllFormed("no XML in UTF-8: it holds NUL octets")
    reading = _Reading()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = reading.begin
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.take
    parser.StartDoctypeDeclHandler = _no_document_type
    parser.EntityDeclHandler = _no_document_type
    parser.ProcessingInstructionHandler = _no_instruction
    try:
        parser.Parse(octets, True)
    except expat.ExpatError as error:
        raise IllFormed(f"no well-formed XML in UTF-8: {error}") from error
    return reading.root


#: An element that has not ended: its name, attributes, texts and children so far.
_Open = tuple[str, dict[str, str], list[str], list[Element]]


class _Reading:
    """The elements that are open while the parser goes through a document."""

    def __init__(self) -> None:
        self._open: list[_Open] = [("", {}, [], [])]  # around the document
        self._elements = 0

    @property
    def root(self) -> Element:
        return self._open[0][3][0]

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise UnreadableDelivery(f"the XML has more than {MAX_ELEMENTS} elements")
        if len(self._open) > MAX_DEPTH:
            raise UnreadableDelivery(f"the XML is nested deeper than {MAX_DEPTH} elements")
        own = _checked(attributes) if attributes else attributes
        self._open.append((name.rpartition(":")[2], own, [], []))

    def end(self, qualified: str) -> None:
        name, attributes, texts, children = self._open.pop()
        done = Element(
            name=name,
            attributes=attributes,
            text="".join(texts).strip(),
            children=tuple(children),
        )
        self._open[-1][3].append(done)

    def take(self, text: str) -> None:
        self._open[-1][2].append(text)


def _checked(attributes: dict[str, str]) -> dict[str, str]:
    """Return the attributes by their own names, without declarations of namespaces."""
    if len(attributes) > MAX_ATTRIBUTES:
        raise UnreadableDelivery(f"an element has more than {MAX_ATTRIBUTES} attributes")
    if any(len(value) > MAX_ATTRIBUTE for value in attributes.values()):
        raise UnreadableDelivery(f"an attribute has more than {MAX_ATTRIBUTE} characters")
    return {
        name.rpartition(":")[2]: value
        for name, value in attributes.items()
        if not name.startswith("xmlns")
    }


def _no_document_type(*declared: object) -> NoReturn:
    raise UnreadableDelivery("XML with a document type or entities is not read")


def _no_instruction(*told: object) -> NoReturn:
    raise UnreadableDelivery("XML with processing instructions is not read")
