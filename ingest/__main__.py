"""The command `keepline`; `python -m ingest` is the same."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from ingest.commands import access, company, mailboxes, tools
from ingest.commands.calling import call, fail, say, settings
from ingest.commands.coverage import coverage

HELP = """Telephony and email ingestion that keeps a company's clients with the company.

First steps:
  keepline init --zone Europe/Moscow --region RU
  keepline import employees employees.csv
  keepline user add olga --name "Olga" --role administrator
  keepline serve

Settings come from keepline.toml (or --config FILE) and KEEPLINE_... variables.
Every command explains itself, with an example: keepline COMMAND --help
"""

# Plain text: the examples keep their lines, and <TAB> is no markup.
app = App(name="keepline", help=HELP, help_format="plaintext", version="0.1.0")
for group in (
    access.source,
    mailboxes.mailbox,
    mailboxes.oauth,
    access.user,
    access.token,
    company.employee,
    company.line,
    company.policy,
):
    app.command(group)
app.command(company.import_, name="import")
app.command(company.rebuild)
app.command(company.replay)
app.command(company.reread)
app.command(tools.normalise_, name="normalise")
app.command(tools.parse_mail)
app.command(tools.conformance)
app.command(coverage)
app.command(tools.mail_quality)
app.command(tools.export)
app.command(tools.check)


@app.command
def serve(
    *,
    part: Literal["all", "edges", "core"] = "all",
    parent: Annotated[int | None, Parameter(show=False)] = None,
) -> None:
    """Run the service until it is asked to end.

    Example: KEEPLINE_DATA_DIR=/var/lib/keepline keepline serve

    Parameters
    ----------
    part
        With two processes: which of them this one is.
    parent
        The process that started it, without which it ends.
    """
    from ingest.secrets import BadKey
    from storage.owner import AlreadyOwned

    chosen = settings()
    try:
        if part == "all" and chosen.processes == 2:
            from ingest.supervisor import serve as supervise

            sys.exit(supervise(chosen))
        from ingest.app import serve as run

        sys.exit(run(chosen, part, parent))
    except (AlreadyOwned, BadKey) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error}; check public_listen, inner_listen and data_dir")


@app.command
def init(*, zone: str, region: str) -> None:
    """Make the databases and the key, and set the company's zone and region.

    Example: keepline init --zone Europe/Moscow --region RU

    Parameters
    ----------
    zone
        The company's zone: days begin and end in it.
    region
        The company's region: national numbers are read in it, unless a line says otherwise.
    """
    done = call("init", zone=zone, region=region)
    say(f"Zone {done['zone']}, region {done['region']}. Data lies in {settings().data_dir}.")
    say("Next: keepline import employees FILE, keepline source add NAME, keepline user add LOGIN")


@app.command
def demo(
    *,
    seconds: float | None = None,
    browser: bool = True,
    port: int = 8080,
    data_dir: Path | None = None,
) -> None:
    """Run the whole product with an invented company whose telephones ring and mails come.

    Examples:
      keepline demo                              (goes on until Ctrl-C)
      keepline demo --seconds 60 --no-browser    (plays the story, checks it, exits 0 or 1)

    Parameters
    ----------
    seconds
        Play the story in so many seconds, at least 15, and check what came of it.
    browser
        Open the site in the browser, where there is a display.
    port
        Of the public door; the inner door has the next one. Taken: the next free ones.
    data_dir
        A new folder that is kept. Without it: a temporary one, removed at the end.
    """
    from ingest.demo.run import Asked
    from ingest.demo.run import demo as run

    sys.exit(run(Asked(seconds=seconds, browser=browser, port=port, data_dir=data_dir)))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; the process's own arguments unless others are given."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["--config"] and len(arguments) > 1:
        if not Path(arguments[1]).is_file():
            fail(f"--config: there is no file {arguments[1]}", 2)
        os.environ["KEEPLINE_CONFIG"] = arguments[1]
        arguments = arguments[2:]
    app(arguments)


if __name__ == "__main__":
    main()
