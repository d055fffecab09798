"""What a channel is: its name, its address, what its messages hold, its patience and its providers, as data.

Each channel declares itself in a file of its own in `notify_app/channels/` (docs/add-a-channel.md); routing, retries, forms,
checks and documents read what stands there and name no channel. Filled when `notify_app.channels` is imported, then only
read. Pure: a declaration says how an address is written and who sends, and does neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

__all__ = [
    "INBOX",
    "AddressField",
    "ChannelType",
    "Limit",
    "Provider",
    "Schedule",
    "channel",
    "channels",
    "declare",
    "forget",
    "gaps",
    "in_order",
    "limits",
    "longest",
    "shown",
    "sign",
    "spoken",
]

INBOX = "inapp"  # has every message, always: it is no channel that leaves the house


@dataclass(frozen=True, slots=True)
class Schedule:
    """One channel's patience. `gaps[n]` is the longest wait after attempt n + 1; the last one repeats."""

    attempts: int
    gaps: tuple[timedelta, ...]
    max_age: Mapping[str, timedelta]  # by priority; "" is the rest
    # After a failure that may have been a success: how often it is sent again, and after how long.
    ambiguous_retries: Mapping[str, int]
    ambiguous_wait: timedelta | None = None  # None: the ordinary gap

    def gap(self, attempt: int) -> timedelta:
        return self.gaps[min(attempt, len(self.gaps)) - 1]

    def oldest(self, priority: str) -> timedelta:
        return self.max_age.get(priority, self.max_age[""])


def gaps(*seconds: int) -> tuple[timedelta, ...]:
    """Waits of so many seconds."""
    return tuple(timedelta(seconds=one) for one in seconds)


@dataclass(frozen=True)
class Limit:
    """At most `most` messages to one person by `channel` in any `window`; `name` is the office's setting."""

    name: str
    channel: str
    most: int
    window: timedelta
    title: str = ""  # what a page calls it: "SMS in an hour"


@dataclass(frozen=True)
class AddressField:
    """The field in which somebody types an address: what it is called (`label`, and `title` where one is added), what stands
    in it, and what a page says where there is none. `clean` returns the one form that is stored and raises ValueError, a sentence for who typed it; the flag says
    whether domains that exist for tests are taken. `kind`, `mode` and `complete` are the attributes of HTML."""

    label: str
    title: str
    sample: str
    missing: str
    clean: Callable[[str, bool], str]
    kind: str = "text"
    mode: str = "text"
    complete: str = "off"
    named: str = ""  # what forms call it; empty: as the channel
    # from what is written as within the country of the office (its two letters) to the whole address; None: there is no such
    within: Callable[[str, str], str] | None = None


@dataclass(frozen=True)
class Provider:
    """One way to send by a channel. `make(settings, url)` returns a `channels.base.Channel`, or raises ValueError; `url` is
    the account's address, or '' where the settings alone say it. It begins with one of `schemes` (without any, there is
    only the account of the settings), and may have these `options`, beside `rate`; `rate` is what the provider usually
    allows. `text` is what an operator reads of it."""

    text: str
    make: Callable[[Any, str], Any]
    schemes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    rate: str = ""


@dataclass(frozen=True)
class ChannelType:
    """One channel.

    `title` is what people call it, `spoken` how it stands in a sentence, `text` a sentence for who chooses. `parts` is what
    a message holds (subject, text, html) → the field of the template that says it. `told` are the priorities of which a
    message goes by it. `rank` is its place among those that stand in where the planned ones reach nobody; None stands in for
    nothing, and its failure is no reason to go another way. `by_wish`: it is thought of only for people who have connected
    it. `replaces` are the channels in whose place such a person has it, unless it is urgent. `every`: each address has its
    own message, instead of the first that works. One that is not `personal` reaches no people: each of its addresses is a
    system, which fails for itself. `usual` is its provider in production where the settings name none.
    """

    name: str
    title: str
    spoken: str
    text: str
    sign: str
    parts: Mapping[str, str]
    schedule: Schedule
    providers: Mapping[str, Provider]
    address: AddressField | None = None
    told: tuple[str, ...] = ()
    rank: int | None = None
    place: int = 100
    by_wish: bool = False
    replaces: tuple[str, ...] = ()
    every: bool = False
    limits: tuple[Limit, ...] = ()
    # how an address stands on pages, where it is nothing that a person would know again
    shown: Callable[[str], str] = str
    # how its reader acknowledges from it: "code" is sent back, "button" is pressed; '' is by its link
    answers: str = ""
    # an address of which its provider says that it is gone is forgotten, not blocked: nobody typed it
    forgets: bool = False
    personal: bool = True
    usual: str = ""

    @property
    def lists(self) -> bool:
        """Whether a message has room for a link to each of several matters."""
        return "html" in self.parts

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of a template that a message of it is written from."""
        return tuple(dict.fromkeys(self.parts.values()))


_known: dict[str, ChannelType] = {}


def declare(*types: ChannelType) -> None:
    """Make channels known. Raises ValueError for a name that is taken, or a wrong declaration (it names which)."""
    for one in types:
        if one.name in _known or one.name == INBOX:
            raise ValueError(f"the channel {one.name!r} is declared twice")
        if not one.name.isidentifier() or not one.name.islower():
            raise ValueError(f"the channel {one.name!r}: a name is small letters, digits and _")
        if "text" not in one.parts or not set(one.parts) <= {"subject", "text", "html"}:
            raise ValueError(f"the channel {one.name!r}: its parts are text, and perhaps subject and html")
        if not one.providers:
            raise ValueError(f"the channel {one.name!r} has no provider")
        wrong = next((limit for limit in one.limits if limit.channel != one.name), None)
        if wrong:
            raise ValueError(f"the channel {one.name!r}: the limit {wrong.name!r} is of another channel")
        _known[one.name] = one
    _changed()


def forget(name: str) -> None:
    """Take a channel back: what a test has declared ends with it."""
    del _known[name]
    _changed()


def _changed() -> None:
    for known in (channels, in_order, limits, longest):
        known.cache_clear()


@cache
def channels() -> tuple[ChannelType, ...]:
    """All, in the order of pages."""
    return tuple(sorted(_known.values(), key=lambda one: (one.place, one.name)))


def channel(name: str) -> ChannelType:
    """The one of this name. Raises KeyError."""
    return _known[name]


@cache
def in_order() -> tuple[ChannelType, ...]:
    """All, those that stand in for others first, in the order in which they are taken."""
    return tuple(sorted(_known.values(), key=lambda one: (one.rank is None, one.rank or 0, one.name)))


@cache
def limits() -> tuple[Limit, ...]:
    """The limits of all channels."""
    return tuple(limit for one in channels() for limit in one.limits)


@cache
def longest() -> timedelta:
    """The longest window of any limit."""
    return max((limit.window for limit in limits()), default=timedelta(0))


def shown(name: str, address: str) -> str:
    """An address as its owner knows it; one of another release as it is."""
    return _known[name].shown(address) if name in _known else address


def sign(name: str) -> str:
    """The sign that stands for a channel on pages; one of another release has that of whatever is sent."""
    if name == INBOX:
        return "inbox"
    return _known[name].sign if name in _known else "send"


def spoken(name: str) -> str:
    """How a channel stands in a sentence; one of another release as its name."""
    if name == INBOX:
        return "the inbox"
    return _known[name].spoken if name in _known else name
