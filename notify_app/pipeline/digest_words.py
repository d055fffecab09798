"""The words of a digest, written when it leaves: of what it carries, that which is still unread then (requirement A12).

Ten lines are shown, the most pressing first, and all are counted, by category. A line has the inbox's own title and text;
of an event that carries a secret it has no more than the event's own title. Links lead to the reader's inbox.
"""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from notify_app import domains
from notify_app.domains.base import Priority
from notify_app.domains.hub import DIGEST
from notify_app.pipeline.audience import Member
from notify_app.pipeline.render import render
from notify_app.pipeline.step import Step
from notify_app.pipeline.wording import Wording, Words, absolute
from notify_app.policy.channel import channel as channel_type
from notify_app.policy.digest import SHOWN, Line, arrange

__all__ = ["DigestWording", "look"]

LONGEST_TEXT = 160  # characters of a line's text
SAID = {1: "urgent", 2: "high"}  # of the others the priority is no news
# The first of each delivery, and the first of each of its categories with their number: as many rows however much it
# carries. What has all been read at this very moment is shown: whether it leaves is asked again after (`ready`).
LINES = f"""
    SELECT * FROM (
        SELECT CAST(i.delivery_id AS text) AS delivery_id, g.period_start, n.id, n.name, n.category, n.priority, n.title,
               n.text, n.action_url, n.created_at, p.account_id IS NOT NULL AS signs_in,
               row_number() OVER (PARTITION BY i.delivery_id ORDER BY n.priority, n.created_at DESC, n.id) AS place,
               row_number() OVER (PARTITION BY i.delivery_id, n.category ORDER BY n.priority, n.created_at DESC, n.id) AS place_alike,
               count(*) OVER (PARTITION BY i.delivery_id, n.category) AS alike
        FROM digest g
        JOIN delivery_item i ON i.organisation_id = g.organisation_id AND i.delivery_id = g.delivery_id
        JOIN notification n ON n.organisation_id = i.organisation_id AND n.id = i.notification_id
        JOIN person p ON p.organisation_id = n.organisation_id AND p.id = n.person_id
        WHERE g.organisation_id = :org AND g.delivery_id = ANY(CAST(:ids AS uuid[])) AND n.withdrawn_at IS NULL
          AND (n.read_at IS NULL OR NOT EXISTS (
              SELECT FROM delivery_item j JOIN notification m ON m.organisation_id = j.organisation_id AND m.id = j.notification_id
              WHERE j.organisation_id = i.organisation_id AND j.delivery_id = i.delivery_id AND m.read_at IS NULL
                AND m.withdrawn_at IS NULL))
    ) AS line WHERE place <= {SHOWN} OR place_alike = 1 ORDER BY delivery_id, place
"""  # noqa: S608  (constants of this program)


class DigestWording(Wording):
    """The words of one digest."""

    def bodies(self, channel: str, member: Member, action: str) -> dict[str, str]:
        """The channel's body, of the built-in files. Raises TemplateFailed."""
        type_ = channel_type(channel)
        values = render(
            dict.fromkeys(type_.fields),
            {**self.payload, **self.office.context(self, member, action)},
            domain="hub",
            event=DIGEST.name,
            zone=member.zone,
            locale=member.locale,
        ).values
        return {part: values[name] for part, name in type_.parts.items()}


def look(work: Step, office: Words, ids: Sequence[str]) -> dict[str, DigestWording]:
    """The words of these deliveries that carry a digest, by their ids."""
    rows: defaultdict[str, list[Any]] = defaultdict(list)
    for row in work.all(LINES, ids=list(ids)) if ids else ():
        rows[row.delivery_id].append(row)
    return {
        one: DigestWording(office, DIGEST, None, Priority.low, DIGEST.category, _payload(mine))
        for one, mine in rows.items()
    }


def _payload(rows: Sequence[Any]) -> Mapping[str, Any]:
    groups = arrange([_line(row) for row in rows], {row.category: row.alike for row in rows})
    titles = {one.name: one.title for one in domains.categories()}
    count, shown = sum(one.count for one in groups), sum(len(one.lines) for one in groups)
    return {
        "count": count,
        "shown": shown,
        "more": count - shown,
        "since": rows[0].period_start,
        "settings": absolute("/preferences#digest") if rows[0].signs_in else "",
        "groups": [
            {
                "title": titles.get(one.category) or one.category.replace("_", " ").capitalize(),
                "count": one.count,
                "lines": [_shown(line) for line in one.lines],
            }
            for one in groups
        ],
    }


def _line(row: Any) -> Line:
    known = domains.event(row.name)
    at: datetime = row.created_at
    link = absolute(f"/inbox/{row.id}") if row.signs_in else absolute(row.action_url)
    if known and known.secrets:
        return Line(row.category, row.priority, at, known.title, "", link)
    return Line(row.category, row.priority, at, row.title, _short(row.text), link)


def _short(text: str) -> str:
    return textwrap.shorten(text, LONGEST_TEXT, placeholder=" ...")


def _shown(line: Line) -> dict[str, Any]:
    return {
        "title": line.title,
        "text": line.text,
        "at": line.at,
        "link": line.link,
        "priority": SAID.get(line.priority, ""),
    }
