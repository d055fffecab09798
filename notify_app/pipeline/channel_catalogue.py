"""The channels as a document: docs/channels.md, written from what each declares; `flask channels` prints it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TypeVar

from notify_app.domains.base import Priority
from notify_app.policy.channel import ChannelType, Provider, Schedule, channels, spoken

__all__ = ["document"]

HEAD = """\
# Channels

Written by `flask channels` from the declarations in `notify_app/channels/`: do not edit it by hand. Every message stands in its
reader's inbox, always; these are the ways by which it leaves the house besides. [How to add one](add-a-channel.md).

`HUB_<CHANNEL>_PROVIDER` names who sends by a channel, `HUB_<CHANNEL>_ACCOUNTS` several accounts instead, as addresses with spaces
between them ([what they do](operations.md#providers-several-accounts-rates-and-what-happens-when-one-fails)); `off` is no such channel. Where nothing
is set, messages stay on this machine and are shown on the outbox page. Only a channel that people connect for themselves is off
in production until it is given a provider, and endpoints are posted to there (`HUB_ENDPOINT_PROVIDER=off` ends that).
"""
Value = TypeVar("Value")
UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def document() -> str:
    """The whole of docs/channels.md."""
    return "\n".join([HEAD, *(line for one in channels() for line in _channel(one))]).rstrip("\n") + "\n"


def _channel(one: ChannelType) -> Iterator[str]:
    yield f"## {one.title}"
    yield ""
    yield one.text
    yield ""
    yield "| | |"
    yield "|---|---|"
    for name, said in (
        ("name", f"`{one.name}`"),
        ("goes by it", _told(one)),
        ("stands in", _stands_in(one)),
        ("address", _address(one)),
        ("a message is", ", ".join(f"{part}: `{field}`" for part, field in one.parts.items())),
        ("tried", _tries(one.schedule)),
        ("given up after", _by_priority(one.schedule.max_age)),
        ("in doubt", _doubt(one.schedule)),
        ("at most, to one person", _limits(one)),
    ):
        yield f"| {name} | {said} |"
    yield ""
    yield "| provider | what it is | as an address | rate |"
    yield "|---|---|---|---|"
    for name, provider in one.providers.items():
        yield f"| `{name}` | {provider.text} | {_addresses(provider)} | {provider.rate or 'none'} |"
    yield ""


def _told(one: ChannelType) -> str:
    if not one.personal:
        return "each event that it was asked for; no person is reached by it"
    when = _and(one.told) if one.told else "nothing by itself"
    if one.replaces:
        when += f", in place of {_and(spoken(name) for name in one.replaces)} unless urgent"
    return f"{when}; for people who have connected it" if one.by_wish else when


def _stands_in(one: ChannelType) -> str:
    if one.rank is None:
        return "for nothing; its failure is no reason to go another way"
    return "where the planned channels reach nobody"


def _address(one: ChannelType) -> str:
    field = one.address
    if not one.personal:
        return "an administrator's, on a page of its own; each is a system that fails for itself"
    what = f"{field.label}, as {field.sample}" if field else "connected, not typed"
    return f"{what}; each has its own message" if one.every else f"{what}; the first that works is used"


def _tries(schedule: Schedule) -> str:
    waits = ", ".join(_span(one) for one in schedule.gaps)
    return f"{schedule.attempts} times, after {waits} (the last one repeats)"


def _doubt(schedule: Schedule) -> str:
    def said(count: int) -> str:
        return (
            "not sent again" if count == 0 else "sent once more" if count == 1 else f"sent {count} times more"
        )

    return "; ".join(
        f"{priority or 'the rest'}: {said(count)}" for priority, count in _rows(schedule.ambiguous_retries)
    )


def _limits(one: ChannelType) -> str:
    return ", ".join(f"{limit.most} in {_span(limit.window)}" for limit in one.limits) or "without limit"


def _addresses(provider: Provider) -> str:
    options = "".join(f", `?{name}=…`" for name in provider.options)
    return (
        " ".join(f"`{scheme}://…`" for scheme in provider.schemes) + options
        if provider.schemes
        else "by its settings"
    )


def _by_priority(ages: Mapping[str, timedelta]) -> str:
    return "; ".join(f"{priority or 'the rest'}: {_span(age)}" for priority, age in _rows(ages))


def _rows(by_priority: Mapping[str, Value]) -> list[tuple[str, Value]]:
    order = [*(one.value for one in Priority), ""]
    return [(name, by_priority[name]) for name in order if name in by_priority]


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    size, unit = next((size, unit) for size, unit in UNITS if seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _and(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
