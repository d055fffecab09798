"""A person's own order of the channels: plain data, names that may be of another release."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["arranged", "moved"]


def arranged(channels: Sequence[str], order: Sequence[str]) -> tuple[str, ...]:
    """These channels as `order` has them; those that it does not name come after, as they were. What it names besides is
    not known here, and passed over."""
    named = tuple(one for one in dict.fromkeys(order) if one in channels)
    return (*named, *(one for one in channels if one not in named))


def moved(channels: Sequence[str], name: str, *, later: bool) -> tuple[str, ...]:
    """The same with this one a place earlier or later; at either end, and for what is not there, as it was."""
    if name not in channels:
        return tuple(channels)
    order = list(channels)
    here = order.index(name)
    there = min(max(here + (1 if later else -1), 0), len(order) - 1)
    order[here], order[there] = order[there], order[here]
    return tuple(order)
