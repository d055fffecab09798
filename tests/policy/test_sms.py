"""Segments, price and cutting of an SMS (A9)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_app.policy import sms

LINK = "https://hub.example.com/r/abc123"


@pytest.mark.parametrize(
    ("text", "encoding", "count", "units"),
    [
        ("", "GSM-7", 0, 0),
        ("a" * 160, "GSM-7", 1, 160),
        ("a" * 161, "GSM-7", 2, 161),
        ("a" * 306, "GSM-7", 2, 306),
        ("a" * 307, "GSM-7", 3, 307),
        ("€" * 80, "GSM-7", 1, 160),
        ("€" * 81, "GSM-7", 2, 162),
        ("a" * 152 + "€" * 77, "GSM-7", 3, 306),  # an escape pair does not straddle two segments
        ("ñ" * 160, "GSM-7", 1, 160),
        ("ç", "UCS-2", 1, 1),
        ("я" * 70, "UCS-2", 1, 70),
        ("я" * 71, "UCS-2", 2, 71),
        ("я" * 134, "UCS-2", 2, 134),
        ("я" * 135, "UCS-2", 3, 135),
        ("🔧" * 35, "UCS-2", 1, 70),
        ("🔧" * 36, "UCS-2", 2, 72),
        ("a" * 66 + "🔧" + "a" * 66, "UCS-2", 3, 134),  # nor does a surrogate pair
    ],
)
def test_segments_are_counted_as_the_network_counts_them(
    text: str, encoding: sms.Encoding, count: int, units: int
) -> None:
    assert sms.segments(text) == sms.Segments(encoding, count, units)


def test_typography_becomes_plain_and_hidden_characters_go() -> None:
    assert (
        sms.transliterate("“It’s ready” – today…\u00a0see\u200b \u202eus")
        == '"It\'s ready" - today... see us'
    )


def test_a_name_keeps_its_accents_while_the_message_fits() -> None:
    assert sms.fit("Hi João, your repair is done.") == "Hi João, your repair is done."


def test_accents_go_before_words_do() -> None:
    text = "Hi João, your windshield repair is done and the car is ready to be collected at the front desk."
    assert sms.fit(text) == text.replace("ã", "a")


def test_what_cannot_be_folded_is_cut_to_seventy() -> None:
    short = sms.fit("Готово " * 30)
    assert sms.segments(short).count == 1
    assert short.endswith("Готово...")


def test_a_long_text_is_cut_at_a_word_with_three_dots_and_the_whole_link() -> None:
    short = sms.fit(f"The repair of the windshield {'of the long vehicle ' * 12}is ready: {LINK}")
    assert short.endswith(f"... {LINK}")
    assert sms.segments(short).count == 1
    assert len(short) > 140
    assert "…" not in short
    assert short.removesuffix(f"... {LINK}").split()[-1] in {"of", "the", "long", "vehicle"}


def test_a_link_in_the_middle_moves_to_the_end_when_the_text_is_cut() -> None:
    short = sms.fit(f"Please approve at {LINK} because {'it is urgent ' * 20}")
    assert short.endswith(f" {LINK}")
    assert short.count(LINK) == 1


def test_more_segments_are_used_when_the_office_allows_them() -> None:
    text = "word " * 80
    assert sms.segments(sms.fit(text, 2)).count == 2
    assert sms.segments(sms.fit(text, 3)).count == 3


def test_a_link_that_is_too_long_by_itself_is_left_out() -> None:
    assert sms.fit(f"Ready to collect: https://hub.example.com/{'x' * 200}") == "Ready to collect:"


def test_one_endless_word_is_cut_inside() -> None:
    short = sms.fit("x" * 500)
    assert short == "x" * 157 + "..."


def test_price_follows_the_longest_calling_code() -> None:
    assert sms.cost("hello", "+12025550101") == Decimal("0.00645")
    assert sms.cost("a" * 200, "+12025550101") == 2 * Decimal("0.00645")
    assert sms.price("+353871234567") == sms.PRICES["353"]
    assert sms.price("+447911123456") == sms.PRICES["44"]
    assert sms.price("+998901234567") == sms.DEFAULT_PRICE


@given(st.text(max_size=400), st.integers(1, 3), st.sampled_from(["", f" {LINK}"]))
def test_whatever_comes_fits_and_keeps_its_link(text: str, limit: int, tail: str) -> None:
    short = sms.fit(text + tail, limit)
    assert sms.segments(short).count <= limit
    if tail:
        assert LINK in short


@given(st.text(max_size=160, alphabet=sorted(sms.GSM_BASIC - set("\r"))))
def test_a_short_gsm_text_is_never_changed_except_at_its_ends(text: str) -> None:
    assert sms.fit(text) == sms.transliterate(text).strip()
