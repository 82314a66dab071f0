"""Rebuild changes nothing: what was derived step by step is what the facts say as a whole."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from storage.tables import DERIVED
from tests.interleaved import (
    Company,
    Op,
    Played,
    a_company,
    deliveries,
    facts_,
    judgements,
    readings,
)
from tests.world import World

#: Shrinking plays the whole house again for minutes; a failure prints what was played.
NO_SHRINKING = settings(
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
SAME_EVERY_TIME = settings(NO_SHRINKING, derandomize=True, database=None)


def examples(number: int) -> settings:
    """Return how a property is tried: always the same few, or as many as `make fuzz` asks for."""
    if settings.get_current_profile_name() == "fuzz":
        return settings(NO_SHRINKING, max_examples=settings.get_profile("fuzz").max_examples)
    return settings(SAME_EVERY_TIME, max_examples=number)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return a_company(tmp_path_factory.mktemp("company"))


def a_copy(company: Company) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as directory:
        world = company.world(Path(directory) / "main.db")
        yield world
        world.close()


@examples(60)
@given(
    wire=st.lists(deliveries, min_size=3, max_size=10),
    people=st.lists(st.one_of(facts_, judgements), min_size=1, max_size=10),
    data=st.data(),
)
def test_rebuild_changes_nothing_after_anything_in_any_order(
    company: Company, wire: list[Op], people: list[Op], data: st.DataObject
) -> None:
    said = readings(wire)
    order = data.draw(st.permutations([*said, *people]), label="order")
    for world in a_copy(company):
        played = Played(world, company)
        for it in order:
            if isinstance(it, tuple):
                played.play(it)
            else:
                world.deliver([it])
        before = world.rows()

        rebuilt = world.rebuild()

        assert world.rows() == before
        assert rebuilt.rows == 0
        wipe(world)
        world.rebuild()
        assert world.rows() == before


def wipe(world: World) -> None:
    """Drop every derived row."""
    with world.database.write() as connection:
        for table in DERIVED:
            connection.execute(delete(table))
