"""Text that its sender's program broke into lines (RFC 3676), where it may have cut words."""

from __future__ import annotations

from collections.abc import Mapping

_SIGNATURE = "-- "


def unflowed(text: str, params: Mapping[str, str]) -> str:
    """Return text whose lines were broken with DelSp with those lines joined.

    Without DelSp a line is broken between words and reads as it stands; nothing is done then.
    """
    if params.get("format", "").lower() != "flowed" or params.get("delsp", "").lower() != "yes":
        return text
    lines: list[list[str]] = []
    goes_on: int | None = None  # how deep the line above was quoted, if it goes on
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        words = line[depth:].removeprefix(" ")
        broken = words.endswith(" ") and words != _SIGNATURE
        piece = line[:-1] if broken else line
        if goes_on == depth and words != _SIGNATURE:
            lines[-1].append(piece[depth:].removeprefix(" ") if depth else piece)
        else:
            lines.append([piece])
        goes_on = depth if broken else None
    return "\n".join("".join(pieces) for pieces in lines)
