"""What the demo says to whoever started it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from ingest.commands.calling import errors, say
from ingest.demo import company as office
from ingest.demo import scenes_of_leavers, setup
from ingest.demo.house import House


def welcome(house: House) -> None:
    """Print where the site is, who may sign in, and three things to try."""
    supervisor, manager = house.people[setup.SUPERVISOR], house.people[setup.MANAGER]
    config = house.settings.data_dir / "keepline.toml"
    yesterday = house.company.annas_last_day.isoformat()
    caller = scenes_of_leavers.annas_caller(house.company)
    say(house.settings.inner_url)
    say(f"Sign in as {supervisor.login} with password {supervisor.password}")
    say("")
    say("Three things to try:")
    say(f"1. {caller.name} is ringing right now. Its manager, {office.NAMES[office.ANNA]},")
    say("   left yesterday: see Today, and who answers for it now.")
    say(f"2. Link the unknown number {scenes_of_leavers.STRANGER}: its consequences are shown")
    say("   first, and it can be undone.")
    say("3. Let somebody leave, and watch what that changes:")
    say(f"   keepline --config {config} employee leave fedor --on {yesterday}")
    say("")
    say(f"A manager sees less: user {manager.login}, password {manager.password}. Ctrl-C ends it.")


def hint(text: str) -> None:
    """Say how far things are; not on standard output, whose first line is the address."""
    errors.print(text, markup=False)


def progress(title: str) -> Callable[[str, int, int], None]:
    """Return what shows how far something is: one line that rewrites itself on a terminal."""

    def show(what: str, done: int, total: int) -> None:
        if errors.is_terminal:
            end = "\n" if done >= total else "\r"
            sys.stderr.write(f"  {title} {what}: {done} of {total}   {end}")
        elif done >= total:
            hint(f"  {title} {what}: {done} of {total}")

    return show


def has_display() -> bool:
    """Tell whether a browser could be seen here."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
