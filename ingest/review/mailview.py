"""A stranger's HTML mail as a document that can do nothing and fetch nothing.

Cleaned by nh3, shown in a sandboxed frame, under a policy of its own that allows no script, no
form and no request. Pictures are left out: to fetch one tells its sender that the mail was read.
"""

from __future__ import annotations

import base64
import hashlib

import nh3

MOST_CHARACTERS = 2_000_000

TAGS = frozenset(
    {
        *("a", "abbr", "b", "bdi", "bdo", "blockquote", "br", "caption", "center", "cite"),
        *("code", "col", "colgroup", "dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3"),
        *("h4", "h5", "h6", "hr", "i", "ins", "kbd", "li", "ol", "p", "pre", "q", "s", "samp"),
        *("small", "span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot"),
        *("th", "thead", "tr", "tt", "u", "ul"),
    }
)
ATTRIBUTES = {
    "*": {"dir", "lang", "title"},
    "td": {"colspan", "rowspan", "align", "valign"},
    "th": {"colspan", "rowspan", "align", "valign"},
    "ol": {"start"},
}
STYLE = (
    "html{color-scheme:light}body{margin:16px;background:#fff;color:#16201c;"
    "font:14.5px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',"
    "sans-serif;overflow-wrap:anywhere}table{border-collapse:collapse;max-width:100%}"
    "td,th{padding:3px 8px;text-align:left;vertical-align:top}"
    "blockquote{margin:8px 0;padding-left:12px;border-left:3px solid #c6cdc6;color:#46534d}"
    "pre{white-space:pre-wrap}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'none'; "
        "base-uri 'none'; frame-ancestors 'self'; sandbox"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
}


def document(html: str) -> str:
    """Return a whole page that shows the mail's text and structure, and nothing of its own will."""
    cleaned = nh3.clean(
        html[:MOST_CHARACTERS],
        tags=set(TAGS),
        attributes=ATTRIBUTES,
        clean_content_tags={"script", "style", "title", "svg", "math", "template", "noscript"},
        url_schemes=set(),
        link_rel=None,
    )
    return (
        '<!doctype html><html lang="und"><head><meta charset="utf-8"><title>Mail</title>'
        f"<style>{STYLE}</style></head><body>{cleaned}</body></html>"
    )
