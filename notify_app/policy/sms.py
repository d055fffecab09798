"""What an SMS costs in segments and money, and how a text is made to fit.

Decides the encoding (GSM-7 or UCS-2), the number of segments, the estimated price by country, and where a text
that is too long is cut. It refuses nothing: any text comes out as something that can be sent.
Segment sizes are those of 3GPP TS 23.038 and 23.040: 160 septets alone, 153 when joined; 70 and 67 in UCS-2.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Literal

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

__all__ = [
    "LIST_PRICES",
    "MOST_SEGMENTS",
    "Encoding",
    "Prices",
    "Segments",
    "calling_code",
    "country",
    "fit",
    "fold_accents",
    "is_gsm",
    "prices",
    "segments",
    "transliterate",
]

Encoding = Literal["GSM-7", "UCS-2"]

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")  # each takes two septets: an escape and the character
GSM = GSM_BASIC | GSM_EXTENSION
PLAIN = GSM - {"\r", "\f"}  # what needs no transliteration

ALONE: dict[Encoding, int] = {"GSM-7": 160, "UCS-2": 70}
JOINED: dict[Encoding, int] = {"GSM-7": 153, "UCS-2": 67}

# What a keyboard or a word processor puts in, and what GSM-7 can say instead.
TYPOGRAPHY = {
    **dict.fromkeys("‘’‚‛′`´‹›", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008", " "),
    **dict.fromkeys("\u2009\u200a\u202f\u205f\u3000\t", " "),
    **dict.fromkeys("\u2028\u2029\x85\x0b", "\n"),
    "…": "...", "•": "-", "·": ".", "×": "x", "™": "(TM)", "©": "(C)", "®": "(R)", "½": "1/2", "¼": "1/4", "¾": "3/4",
    "→": "->", "←": "<-", "≤": "<=", "≥": ">=", "²": "2", "³": "3",
    "ﬁ": "fi", "ﬂ": "fl",
}  # fmt: skip

DEFAULT_PRICE = Decimal("0.00645")  # US$ a segment where no other is known; requirement A9
DEAREST = Decimal(10)  # US$: a price beyond it is a slip of the keyboard
# US$ a segment, by country: list prices, rounded up, that change with the provider; its invoice decides.
# HUB_SMS_PRICES replaces any of them and adds others.
LIST_PRICES: Mapping[str, Decimal] = {
    "US": DEFAULT_PRICE,
    "AU": Decimal("0.0450"),
    "BR": Decimal("0.0350"),
    "DE": Decimal("0.0950"),
    "ES": Decimal("0.0700"),
    "FR": Decimal("0.0750"),
    "GB": Decimal("0.0430"),
    "IE": Decimal("0.0750"),
    "IN": Decimal("0.0500"),
    "IT": Decimal("0.0800"),
    "MX": Decimal("0.0450"),
    "NZ": Decimal("0.0950"),
}
# A calling code that several countries share is that of the first of them: +1 is "US", in Canada too. Which of them a
# number belongs to would be asked for every message, and changes no price by enough to matter.
COUNTRIES = {str(code): regions[0] for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()}
SHARED = {other: regions[0] for regions in COUNTRY_CODE_TO_REGION_CODE.values() for other in regions[1:]}
NOWHERE = "001"  # what belongs to no country: satellites, international services

ELLIPSIS = "..."  # three dots: the one-character ellipsis would force UCS-2 (requirement A9)
LINK = re.compile(r"https?://\S+")
WORD = re.compile(r"\S+")

MOST_SEGMENTS = 6  # that an organisation may allow, and that what is not to be cut may take
# longer than any number of segments that an organisation may allow
LONGEST_TEXT, LONGEST_LINK = 4000, 2000


@dataclass(frozen=True, slots=True)
class Segments:
    """How a text goes over the air: units are septets (GSM-7) or UTF-16 code units (UCS-2)."""

    encoding: Encoding
    count: int
    units: int


def segments(text: str) -> Segments:
    """Count exactly: a two-unit character is never split over two segments."""
    encoding: Encoding = "GSM-7" if is_gsm(text) else "UCS-2"
    units = len(text) + sum(1 for character in text if _is_wide(character, encoding))
    if units <= ALONE[encoding]:
        return Segments(encoding, 1 if text else 0, units)
    widths = [1 + _is_wide(character, encoding) for character in text]
    return Segments(encoding, _packed(widths, JOINED[encoding]), units)


def is_gsm(text: str) -> bool:
    return GSM.issuperset(text)


def country(number: str) -> str:
    """The country of an E.164 number, in two letters, by its calling code."""
    digits = number.removeprefix("+")
    known = (COUNTRIES.get(digits[:length]) for length in (1, 2, 3))  # no calling code begins another
    return next((one for one in known if one), NOWHERE)


def calling_code(country: str) -> str:
    """The calling code of a country as `country` names it; '' for what belongs to none."""
    return "" if country == NOWHERE else next((code for code, one in COUNTRIES.items() if one == country), "")


@dataclass(frozen=True)
class Prices:
    """What a segment costs in US$, by country."""

    by_country: Mapping[str, Decimal] = field(default_factory=lambda: LIST_PRICES)

    def of(self, number: str) -> Decimal:
        """A segment to this E.164 number."""
        return self.by_country.get(country(number), DEFAULT_PRICE)

    def cost(self, text: str, number: str) -> Decimal:
        """Estimated US$ of sending this text to this number."""
        return segments(text).count * self.of(number)


@cache
def prices(setting: str = "") -> Prices:
    """The list prices with an installation's own, written as "US=0.00645 DE=0.1012". Raises ValueError, a sentence."""
    return Prices({**LIST_PRICES, **dict(map(_own_price, setting.split()))})


def _own_price(said: str) -> tuple[str, Decimal]:
    name, equals, amount = said.partition("=")
    if not equals:
        raise ValueError(f"write {said!r} as a country and its price, such as DE=0.1012")
    if name in SHARED:
        raise ValueError(f"{name} shares its calling code with {SHARED[name]}: set that one")
    if name not in COUNTRIES.values() or name == NOWHERE:
        raise ValueError(f"{name!r} is no country in two capital letters")
    try:
        price = Decimal(amount)
    except InvalidOperation:
        price = Decimal("NaN")
    if not (price.is_finite() and 0 <= price <= DEAREST):
        raise ValueError(f"the price of {name} is in US dollars a segment, from 0 to {DEAREST}: {amount!r}")
    return name, price


def transliterate(text: str) -> str:
    """Typography into plain characters, invisible and control characters out; letters are left alone.

    A name keeps its accents here; `fit` gives them up only when the text would not go out whole otherwise.
    """
    if PLAIN.issuperset(text):
        return text
    plain = "".join(TYPOGRAPHY.get(character, character) for character in unicodedata.normalize("NFC", text))
    return "".join(character for character in plain if _is_visible(character))


def fit(text: str, limit_segments: int = 1, link: str | None = None) -> str:
    """The text in at most that many segments: cut at a word with "...", the link whole at the end.

    `link` is found in the text when it is not given. A link that is too long by itself is left out:
    half a link leads nowhere.
    """
    link = link or _last_link(text[-LONGEST_LINK:])
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]} {link}"
    text = transliterate(text).strip()
    if _fits(text, limit_segments):
        return text
    folded = fold_accents(text)
    if is_gsm(folded) and not is_gsm(text):
        return fit(folded, limit_segments, link)
    return _cut(text, limit_segments, link)


def fold_accents(text: str) -> str:
    """Letters that GSM-7 lacks become their base letter ("ç" is "c"); those it has stay ("é")."""
    return "".join(
        character if is_gsm(character) else _base_letter(character)
        for character in unicodedata.normalize("NFC", text)
    )


def _cut(text: str, limit_segments: int, link: str) -> str:
    body = " ".join(text.replace(link, " ").split(" ")) if link else text
    # what cannot fit anyway is not looked at: a long text must not cost the square of its length
    body = re.sub(r" {2,}", " ", body[: limit_segments * 160 + 160]).strip()
    tail = f"{ELLIPSIS} {link}" if link else ELLIPSIS
    if link and not _fits(tail, limit_segments):
        return _cut(body, limit_segments, "") if not _fits(body, limit_segments) else body
    if link and _fits(f"{body} {link}", limit_segments):
        return f"{body} {link}"
    for word in reversed(list(WORD.finditer(body))):
        shorter = _ended(body[: word.end()], word[0], tail)
        if word.end() < len(body) and _fits(shorter, limit_segments):
            return shorter
    return _cut_inside_a_word(body, limit_segments, tail)


def _ended(kept: str, last: str, tail: str) -> str:
    """What is kept with its dots, which must not become a part of a link."""
    return f"{kept} {tail}" if LINK.search(last) else kept.rstrip(" ,;:.-") + tail


def _cut_inside_a_word(body: str, limit_segments: int, tail: str) -> str:
    kept, first = "", body.split(maxsplit=1)[0] if body else ""
    for character in "" if LINK.search(first) else first:
        if not _fits(kept + character + tail, limit_segments):
            break
        kept += character
    return (kept + tail).strip() if kept else tail.removeprefix(ELLIPSIS).strip() or tail


def _last_link(text: str) -> str:
    links = LINK.findall(text)
    return str(links[-1]) if links else ""


def _fits(text: str, limit_segments: int) -> bool:
    return segments(text).count <= limit_segments


def _is_wide(character: str, encoding: Encoding) -> bool:
    return character in GSM_EXTENSION if encoding == "GSM-7" else ord(character) > 0xFFFF


def _packed(widths: list[int], room: int) -> int:
    count, used = 1, 0
    for width in widths:
        if used + width > room:
            count, used = count + 1, 0
        used += width
    return count


def _is_visible(character: str) -> bool:
    # Cf holds bidi controls and zero-width characters: they hide text, and force UCS-2.
    return character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Cs")


def _base_letter(character: str) -> str:
    base = unicodedata.normalize("NFKD", character)[:1]
    return base if base and is_gsm(base) and unicodedata.category(character).startswith("L") else character
