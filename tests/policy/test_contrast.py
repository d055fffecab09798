"""Contrast as WCAG 2.2 counts it: known ratios, and that words on any colour can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_app.policy.contrast import ink_on, ratio

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("one", "other", "known"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#ffffff", 4.54),
    ],
)
def test_ratios_are_those_of_the_standard(one: str, other: str, known: float) -> None:
    assert ratio(one, other) == pytest.approx(known, abs=0.01)
    assert ratio(other, one) == ratio(one, other)


@given(colour=COLOURS)
def test_words_on_any_colour_can_be_read(colour: str) -> None:
    assert ratio(colour, ink_on(colour)) >= 4.0  # on a grey between both; the black is not quite black
