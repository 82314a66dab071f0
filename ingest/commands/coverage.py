"""The command `coverage`: a provider's history and ours, compared and certified."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ingest.commands.calling import call, fail, say


def coverage(
    *,
    source: str,
    from_: Annotated[str, Parameter(name="--from")],
    to: str,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    output: Path | None = None,
) -> None:
    """Compare a source's calls with its provider's history, and print the certificate.

    Exit status 0: the same set of calls. 1: they differ, or the history cannot be asked.

    Examples:
      keepline coverage --source office --from 2026-05-01 --to 2026-05-31
      keepline coverage --source office --from 2026-05-01T09:00 --to 2026-05-01T12:00 --json

    Parameters
    ----------
    source
        The source whose provider is asked. It needs the secrets of its history: docs/providers.md.
    from_
        Beginning of the period: a date, or date and time, in the company's zone.
    to
        End of the period; a date is that whole day.
    as_json
        Print JSON instead of text.
    output
        Write the certificate to this file as well.
    """
    from ingest.domain.coverage import as_text

    made = call("coverage", title="Asking the history", source=source, since=from_, until=to)
    text = json.dumps(made, ensure_ascii=False, indent=2) + "\n" if as_json else as_text(made)
    if output is not None:
        try:
            output.write_text(text, "utf-8")
        except OSError as error:
            fail(f"--output: {error.strerror}: {output}")
    if as_json:
        print(text, end="")
    else:
        say(text.rstrip())
    sys.exit(0 if made["same"] else 1)
