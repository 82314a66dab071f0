"""How mail programs mark earlier mails in HTML: by elements around them, or before them.

Told from the tags as they pass; no tree is built.
"""

from __future__ import annotations

import re

#: Classes and ids of elements that contain an earlier mail.
CONTAINERS = (
    *("gmail_quote", "gmail_quote_container", "yahoo_quoted", "protonmail_quote", "zmail_extra"),
    *("moz-forward-container", "ms-outlook-mobile-reference-message", "tutanota_quote"),
    *("wordsection1_quote", "quoted-message", "reply-quote", "mailru-quote", "mail-quote-collapse"),
    *("gmail_extra", "cite-quote", "ydp_quoted", "js-helper js-readmsg-msg-quote"),
)
#: Of elements behind which everything is an earlier mail.
BEGINNINGS = ("divrplyfwdmsg", "appendonsend", "stopspelling", "mail-editor-reference-message")
#: Of an element that holds the attribution alone.
ATTRIBUTIONS = ("moz-cite-prefix", "gmail_attr", "moz-email-headers-table")

#: Elements that may be, or begin, any of these.
_ELEMENTS = frozenset({"div", "blockquote", "hr", "section", "span"})

#: Outlook draws this line above the header block of what it quotes.
_BORDER = re.compile(
    r"border-top:\s{0,3}solid\s{0,3}#(?:e1e1e1|b5c4df|[a-f0-9]{6})\s{0,3}1\.0pt"
    r"|border-top:\s{0,3}1pt\s{0,3}solid",
)
#: A blockquote that only moves text to the right, as an editor's button does.
_INDENT = re.compile(
    r"border:\s{0,3}(?:none|medium none|0)|margin:\s{0,3}0(?:px)? 0(?:px)? 0(?:px)? 40px"
)
_NAMED = re.compile(
    r"\b(?:class|id)\s{0,3}=\s{0,3}(?:\"([^\"]{0,300})\"|'([^']{0,300})'|([^\s>]{1,100}))"
)


class Quoting:
    """Whether the tags read so far lead into an earlier mail."""

    def __init__(self) -> None:
        self._element: str | None = None  #: that contains the quote
        self._depth = 0
        self._rest = False  #: everything from here on

    def turns(self, name: str, attributes: str | None) -> bool:
        """Take a tag (attributes None: an end tag); tell whether a quote begins or ends with it."""
        if self._rest:
            return False
        if self._element is not None:
            if name == self._element:
                self._depth += -1 if attributes is None else 1
            if self._depth:
                return False
            self._element = None
            return True
        if attributes is None or name not in _ELEMENTS:
            return False
        if not attributes and name != "blockquote":
            return False  # nothing says that it is one
        return self._begins(name, attributes.partition(">")[0].lower())

    def _begins(self, name: str, attributes: str) -> bool:
        names = [a or b or c for a, b, c in _NAMED.findall(attributes)]
        if any(_within(one, BEGINNINGS) for one in names):
            self._rest = True
            return True
        if name == "div" and "border-top" in attributes and _BORDER.search(attributes):
            self._rest = "border:none" in attributes.replace(" ", "")
            return self._rest
        contains = any(_within(one, CONTAINERS) for one in names)
        if name == "blockquote":
            contains = contains or not _INDENT.search(attributes)
        if contains or any(_within(one, ATTRIBUTIONS) for one in names):
            if name in ("hr",):
                return False
            self._element, self._depth = name, 1
            return True
        return False


def _within(value: str, words: tuple[str, ...]) -> bool:
    """Tell whether a class or id is one of the words; clients put prefixes before an id."""
    return any(one.endswith(words) for one in value.split())
