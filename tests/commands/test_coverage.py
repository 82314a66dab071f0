"""`keepline coverage`, and the silent sources that `keepline check` names."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from storage.database import Database
from tests.commands.conftest import Keepline
from tests.test_silence import came
from tests.world import World

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def add(keepline: Keepline, name: str, provider: str, *secrets: str) -> None:
    given = [part for secret in secrets for part in ("--secret", secret)]
    keepline.fine(
        *("source", "add", name, "--provider", provider),
        *("--zone", "Europe/Moscow", "--region", "RU", *given),
    )


def test_a_provider_without_history_is_certified_as_not_compared(keepline: Keepline) -> None:
    keepline.fine("init", "--zone", "Europe/Moscow", "--region", "RU")
    add(keepline, "office", "generic", f"secret={SECRET}")
    file = keepline.folder / "certificate.json"

    said = keepline(
        *("coverage", "--source", "office", "--from", "2026-05-01", "--to", "2026-05-02"),
        *("--json", "--output", str(file)),
    )

    assert said.status == 1
    made = json.loads(said.out)
    assert made["failed"] == "the provider has no history that can be asked"
    assert (made["from"], made["to"]) == ("2026-04-30T21:00:00Z", "2026-05-02T21:00:00Z")
    assert json.loads(file.read_text("utf-8")) == made


def test_without_the_running_service_a_history_is_not_asked(keepline: Keepline) -> None:
    keepline.fine("init", "--zone", "Europe/Moscow", "--region", "RU")
    add(keepline, "office", "mango", "vpbx_api_key=k", "vpbx_api_salt=s")

    said = keepline.refused(
        "coverage", "--source", "office", "--from", "2026-05-01", "--to", "2026-05-02"
    )

    assert "keepline serve" in said


def test_a_source_that_is_not_there_is_refused_with_those_there_are(keepline: Keepline) -> None:
    keepline.fine("init", "--zone", "Europe/Moscow", "--region", "RU")
    add(keepline, "office", "generic", f"secret={SECRET}")

    said = keepline.refused(
        "coverage", "--source", "offise", "--from", "2026-05-01", "--to", "2026-05-02"
    )

    assert "there is no source offise; there are: office" in said


def test_check_names_a_source_that_is_silent_beyond_its_rhythm(keepline: Keepline) -> None:
    keepline.fine("init", "--zone", "Europe/Moscow", "--region", "RU")
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    world = World(Database(keepline.settings.main_url))
    came(world, "stopped", until=now - timedelta(hours=6))
    came(world, "going", until=now)
    world.close()

    said = keepline("check")

    assert "source stopped: silent since" in said.out
    assert "source going" not in said.out
