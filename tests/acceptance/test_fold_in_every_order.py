"""The recorded reports in every order there is, where they are few enough to try them all.

`tests/telephony/test_fold.py` draws orders, repetitions and groupings of all scenarios at random.
"""

from __future__ import annotations

from itertools import combinations, permutations

import pytest

from ingest.telephony.calls import fold, tie
from tests.telephony.recorded import scenarios

MOST = 5  #: reports; five have 120 orders and 31 subsets
FEW = sorted(name for name, reports in scenarios().items() if 2 <= len(reports) <= MOST)


def test_most_scenarios_are_tried_whole() -> None:
    assert len(FEW) > 20


@pytest.mark.parametrize("name", FEW)
def test_every_subset_in_every_order_gives_one_call(name: str) -> None:
    reports = scenarios()[name]
    for size in range(1, len(reports) + 1):
        for subset in combinations(reports, size):
            once = fold(subset)
            assert all(fold(order) == once for order in permutations(subset))


@pytest.mark.parametrize("name", FEW)
def test_every_order_is_tied_into_the_same_calls(name: str) -> None:
    reports = scenarios()[name]
    calls = [fold(group) for group in tie(reports)]

    for order in permutations(reports):
        assert [fold(group) for group in tie(order)] == calls
