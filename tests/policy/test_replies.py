"""What an SMS means, whatever is typed around it; codes that are told apart."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_app.policy import sms
from notify_app.policy.replies import (
    ALPHABET,
    HELP,
    LENGTH,
    START,
    STOP,
    Meaning,
    asking,
    new_code,
    understood,
)


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        *((word, Meaning.stop) for word in STOP),
        *((word, Meaning.start) for word in START),
        *((word, Meaning.help) for word in HELP),
        (" stop. ", Meaning.stop),
        ("Stop\n", Meaning.stop),
        ("stop  all", Meaning.stop),
        ("“quit”", Meaning.other),
        ('"quit"', Meaning.stop),
        ("Please stop by at noon", Meaning.other),
        ("stopping", Meaning.other),
        ("", Meaning.other),
        ("k4tp7", Meaning.code),
        (" K4TP7! ", Meaning.code),
        ("K4TP", Meaning.other),
        ("K4TP70", Meaning.other),
        ("K4TP0", Meaning.other),
        ("see to K4TP7", Meaning.other),
    ],
)
def test_what_is_meant(words: str, meaning: Meaning) -> None:
    assert understood(words).meaning is meaning


@given(st.text())
def test_anything_may_be_typed(words: str) -> None:
    said = understood(words)
    assert (said.meaning is Meaning.code) == bool(said.code)


@given(st.integers())
def test_a_code_is_read_back_and_is_no_word(seed: int) -> None:
    code = new_code(random.Random(seed).randrange)
    assert len(code) == LENGTH
    assert set(code) <= set(ALPHABET)
    said = understood(code.lower())
    assert (said.meaning, said.code) == (Meaning.code, code)
    assert any(character.isdigit() for character in code)


def test_the_alphabet_has_nothing_that_is_taken_for_something_else() -> None:
    assert not set(ALPHABET) & set("0O1IL2Z5S8B")
    assert len(set(ALPHABET)) == len(ALPHABET)


def test_the_code_stands_where_no_cut_reaches_it() -> None:
    text = sms.fit(asking("word " * 60 + "https://hub.example.com/l/abc", "K4TP7"))
    assert text.startswith("Reply K4TP7 to see to it.")
    assert text.endswith("https://hub.example.com/l/abc")
    assert sms.segments(text).count == 1
