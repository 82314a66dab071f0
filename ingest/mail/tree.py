"""The tree of a message's parts, whoever made it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


class UnreadBody(Exception):
    """The body is left unread: it would cost more than a message may, or no parser reads it."""


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
