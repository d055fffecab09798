"""Lines of an inbox that are shown as one group that opens: of one event type, within a minute (A14).

What is urgent is never folded away, except where its event may join a burst. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from notify_app import domains

__all__ = ["FEWEST", "folded"]

WITHIN = timedelta(minutes=1)
FEWEST = 5  # four lines fit on the screen of a phone
URGENT = 1
Line = TypeVar("Line")


def folded(
    lines: Sequence[Line], row_of: Callable[[Line], Any], more: Callable[[Line], Any]
) -> list[Sequence[Line]]:
    """The lines, newest first as they come, each alone or with all that are folded with it, where the newest of them
    stood. `row_of` gives a line's notification; `more` what else its group must have in common."""
    groups: list[list[Line]] = []
    latest: dict[Any, list[Line]] = {}
    for line in lines:
        row = row_of(line)
        key = (row.name, more(line))
        group = latest.get(key)
        if group is not None and _may_fold(row) and row_of(group[0]).created_at - row.created_at <= WITHIN:
            group.append(line)
        else:
            latest[key] = group = [line]
            groups.append(group)
    return _worth_it(groups, lines)


def _may_fold(row: Any) -> bool:
    type_ = domains.event(row.name)
    return row.priority != URGENT or bool(type_ and type_.in_bursts)


def _worth_it(groups: list[list[Line]], lines: Sequence[Line]) -> list[Sequence[Line]]:
    """Groups that are too small fall apart again, each line to its own place."""
    big = [group for group in groups if len(group) >= FEWEST]
    inside = {id(line): group for group in big for line in group}
    shown: list[Sequence[Line]] = []
    for line in lines:
        group = inside.get(id(line))
        if group is None:
            shown.append([line])
        elif group[0] is line:
            shown.append(group)
    return shown
