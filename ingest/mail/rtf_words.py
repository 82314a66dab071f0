"""Words of RTF: which of them are letters, which begin what no reader sees, and its code pages.

Source: the Rich Text Format specification, version 1.9.1.
"""

from __future__ import annotations

#: Words that stand for a letter or for the end of something.
LETTERS = {
    **dict.fromkeys(("par", "line", "sect", "page", "column", "row", "nestrow"), "\n"),
    **dict.fromkeys(("tab", "cell", "nestcell"), "\t"),
    "emdash": "\N{EM DASH}",
    "endash": "\N{EN DASH}",
    "emspace": "\N{EM SPACE}",
    "enspace": "\N{EN SPACE}",
    "bullet": "\N{BULLET}",
    "lquote": "\N{LEFT SINGLE QUOTATION MARK}",
    "rquote": "\N{RIGHT SINGLE QUOTATION MARK}",
    "ldblquote": "\N{LEFT DOUBLE QUOTATION MARK}",
    "rdblquote": "\N{RIGHT DOUBLE QUOTATION MARK}",
    "zwj": "\N{ZERO WIDTH JOINER}",
    "zwnj": "\N{ZERO WIDTH NON-JOINER}",
}

#: The same of what is one sign and no word. A line end after a backslash ends a paragraph.
SIGNS = {
    "\\": "\\",
    "{": "{",
    "}": "}",
    "\r": "\n",
    "\n": "\n",
    "\t": "\t",
    "~": "\N{NO-BREAK SPACE}",
    "_": "\N{NON-BREAKING HYPHEN}",
}

#: Words that begin a group whose text is not the mail's. Those behind `\*` need no line here.
UNSEEN = frozenset(
    (
        *("colortbl", "stylesheet", "info", "pict", "object", "objdata", "listtable"),
        *("header", "headerf", "headerl", "headerr", "footer", "footerf", "footerl", "footerr"),
        *("rsidtbl", "generator", "filetbl", "revtbl", "xe", "tc", "rxe", "txe", "private"),
    )
)

#: The code page of a font, by the number of its set.
SETS = {
    **{0: "cp1252", 2: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab"},
    **{134: "gb18030", 136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258"},
    **{177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250"},
    **{254: "cp437", 255: "cp850"},
}

#: Code pages by number. A table, for looking up a stranger's number searches the disk and stays.
_PAGES = {
    **{number: f"cp{number}" for number in (437, 720, 737, 775, 850, 852, 855, 857, 858)},
    **{number: f"cp{number}" for number in (860, 861, 862, 863, 864, 865, 866, 869, 874)},
    **{number: f"cp{number}" for number in (932, 949, 950, 1250, 1251, 1252, 1253, 1254)},
    **{number: f"cp{number}" for number in (1255, 1256, 1257, 1258)},
    **{936: "gb18030", 1361: "johab", 10000: "mac_roman", 10006: "mac_greek"},
    **{10007: "mac_cyrillic", 10029: "mac_latin2", 10081: "mac_turkish"},
    **{20866: "koi8_r", 21866: "koi8_u", 54936: "gb18030", 65001: "utf-8"},
    **{28591 + n: f"iso8859_{n + 1}" for n in range(9)},
}


def code_page(number: int) -> str:
    """Return the name of a code page; the western one where nobody knows the number."""
    return _PAGES.get(number, "cp1252")
