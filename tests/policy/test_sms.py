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


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+12025550101", "US"),
        ("+16135550101", "US"),  # Canada shares its calling code
        ("+353871234567", "IE"),
        ("+447911123456", "GB"),
        ("+79261234567", "RU"),
        ("+998901234567", "UZ"),
        ("+88169312345", "001"),  # a satellite telephone
        ("+999", "001"),
        ("", "001"),
    ],
)
def test_the_country_is_that_of_the_calling_code(number: str, country: str) -> None:
    assert sms.country(number) == country


def test_no_calling_code_is_the_beginning_of_another() -> None:
    codes = list(sms.COUNTRIES)
    assert not [(a, b) for a in codes for b in codes if a != b and b.startswith(a)]


def test_a_message_costs_its_segments_at_the_price_of_the_country() -> None:
    known = sms.prices()
    assert known.cost("hello", "+12025550101") == Decimal("0.00645")
    assert known.cost("a" * 200, "+12025550101") == 2 * Decimal("0.00645")
    assert known.cost("ç" * 71, "+353871234567") == 2 * sms.LIST_PRICES["IE"]
    assert known.of("+998901234567") == sms.DEFAULT_PRICE


def test_an_installation_has_its_own_prices() -> None:
    own = sms.prices("DE=0.1012 UZ=0.2")
    assert own.of("+4915112345678") == Decimal("0.1012")
    assert own.of("+998901234567") == Decimal("0.2")
    assert own.of("+447911123456") == sms.LIST_PRICES["GB"]


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("DE", "a country and its price"),
        ("de=0.1", "no country"),
        ("49=0.1", "no country"),
        ("001=0.1", "no country"),
        ("CA=0.1", "shares its calling code with US"),
        ("DE=cheap", "in US dollars"),
        ("DE=-1", "in US dollars"),
        ("DE=NaN", "in US dollars"),
        ("DE=1012", "in US dollars"),
    ],
)
def test_a_price_that_cannot_be_read_is_said(setting: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        sms.prices(setting)


@given(st.text(max_size=400), st.integers(1, 3), st.sampled_from(["", f" {LINK}"]))
def test_whatever_comes_fits_and_keeps_its_link(text: str, limit: int, tail: str) -> None:
    short = sms.fit(text + tail, limit)
    assert sms.segments(short).count <= limit
    if tail:
        assert LINK in short


GSM_LINES = (
    "@£$¥èéùìòÇ\nØø\rÅå Δ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ !\"#¤%&'()*+,-./ 0123456789:;<=>? "
    "¡ABCDEFGHIJKLMNO PQRSTUVWXYZÄÖÑÜ§ ¿abcdefghijklmno pqrstuvwxyzäöñüà"
)
ESCAPED = "^{}\\[~]|€\f"


def counted_simply(text: str) -> int:
    """Segments, worked out by laying characters of one or two units into boxes: no line of it is the product's."""
    if not text:
        return 0
    if all(character in GSM_LINES or character in ESCAPED for character in text):
        widths, alone, box = [2 if character in ESCAPED else 1 for character in text], 160, 153
    else:
        widths, alone, box = [len(character.encode("utf-16-be")) // 2 for character in text], 70, 67
    if sum(widths) <= alone:
        return 1
    boxes: list[int] = []
    for width in widths:
        if boxes and boxes[-1] + width <= box:
            boxes[-1] += width
        else:
            boxes.append(width)
    return len(boxes)


# surrogates are no characters: nothing that can be stored holds one
CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=400),
    st.text(st.sampled_from(sorted(set(GSM_LINES) | set(ESCAPED))), min_size=140, max_size=480),
    st.text(st.sampled_from("aé€🔧я"), min_size=60, max_size=220),
)


@given(TEXTS)
def test_segments_are_as_many_as_a_simple_count_finds(text: str) -> None:
    assert sms.segments(text).count == counted_simply(text)


@given(TEXTS)
def test_transliteration_invents_nothing_that_needs_more(text: str) -> None:
    """What is plain stays as it is, doing it twice changes nothing, and what was GSM-7 stays so."""
    once = sms.transliterate(text)
    assert sms.transliterate(once) == once
    assert sms.is_gsm(once) or not sms.is_gsm(text)


@given(st.text(max_size=160, alphabet=sorted(sms.GSM_BASIC - set("\r"))))
def test_a_short_gsm_text_is_never_changed_except_at_its_ends(text: str) -> None:
    assert sms.fit(text) == sms.transliterate(text).strip()


LINKS = st.from_regex(r"https://[a-z]{1,12}\.example/[a-zA-Z0-9.,;:-]{0,60}", fullmatch=True)
PROSE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=25).filter(
    lambda word: "http" not in word
)


@given(st.lists(st.one_of(PROSE, PROSE, LINKS), max_size=60), st.integers(1, 3))
def test_a_link_is_whole_or_not_there(words: list[str], limit: int) -> None:
    """However many there are and wherever it is cut: nothing that looks like a link leads anywhere else."""
    short = sms.fit(" ".join(words), limit)
    assert sms.segments(short).count <= limit
    assert set(sms.LINK.findall(short)) <= set(sms.LINK.findall(" ".join(map(sms.transliterate, words))))
    links = [word for word in words if word.startswith("https://")]
    if links and sms.segments(f"... {links[-1]}").count <= limit:
        assert links[-1] in short.split()


def test_the_dots_stand_apart_from_a_link() -> None:
    short = sms.fit(f"See https://one.example/a- {'word ' * 60}{LINK}")
    assert short.startswith("See https://one.example/a- ")
    assert short.endswith(f"... {LINK}")
    first = f"https://one.example/{'a' * 170}"
    assert sms.fit(f"{first} {'word ' * 20}{LINK}") == LINK
