"""What somebody means by an SMS that they send us: no more messages, messages again, what is this, or the code of one.

Pure. A code is short enough to type, has no letters or digits that are taken for others, and counts only from the number
that it was sent to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ALPHABET", "LENGTH", "LIFE_HOURS", "Meaning", "Said", "asking", "new_code", "understood"]

ALPHABET = "ACDEFGHJKMNPQRTUVWXY34679"  # without 0 O, 1 I L, 2 Z, 5 S, 8 B
LENGTH = 5
LIFE_HOURS = 48
# whole words alone: "stop by at noon" is no wish
STOP = frozenset(("STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"))
START = frozenset(("START", "UNSTOP"))
HELP = frozenset(("HELP", "INFO"))
CODE = re.compile(rf"[{ALPHABET}]{{{LENGTH}}}")
AROUND = " \t\r\n.!,;:?\"'()"


class Meaning(StrEnum):
    """What is meant."""

    stop = "stop"
    start = "start"
    help = "help"
    code = "code"
    other = "other"


@dataclass(frozen=True, slots=True)
class Said:
    """What is meant, and the code if it is one."""

    meaning: Meaning
    code: str = ""


def understood(words: str) -> Said:
    """What an SMS means, in any case and with anything around it that people type."""
    said = " ".join(words.upper().split()).strip(AROUND)
    for known, meaning in ((STOP, Meaning.stop), (START, Meaning.start), (HELP, Meaning.help)):
        if said in known:
            return Said(meaning)
    return Said(Meaning.code, said) if CODE.fullmatch(said) else Said(Meaning.other)


def new_code(draw: Callable[[int], int]) -> str:
    """A code; `draw(n)` is a number below n that nobody can guess. None is a word of those above: no word has a digit's
    place, so one digit is always in it."""
    letters = [ALPHABET[draw(len(ALPHABET))] for _ in range(LENGTH)]
    digits = "34679"
    letters[draw(LENGTH)] = digits[draw(len(digits))]
    return "".join(letters)


def asking(text: str, code: str) -> str:
    """The text of an SMS with the code in front, where no cut reaches it."""
    return f"Reply {code} to see to it. {text}"
