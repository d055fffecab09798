"""The words of a collected message: what was held for one address, the most pressing first.

It says the lines as they stand in the inbox. What was read or withdrawn since is left out; if one is left, that goes out
in its own words (`bodies`). Its links are the lines' own; a reader with an inbox is led there. What leads somebody without
one anywhere is never part of an SMS (`sweeps.collect`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from notify_app.domains.base import Draft
from notify_app.domains.hub import COLLECTED
from notify_app.pipeline.audience import Member
from notify_app.pipeline.render import safe_link
from notify_app.pipeline.step import Step
from notify_app.pipeline.wording import absolute, on_behalf
from notify_app.policy.reasons import Reason

__all__ = ["draft", "leads_to", "parts"]

MOST_LISTED = 50  # in an email; nobody reads more
INBOX = "/inbox"
PARTS = """
    SELECT CAST(i.delivery_id AS text) AS delivery_id, n.id, n.event_id, n.title, n.text, n.category, n.priority AS of_priority,
           n.action_url, n.created_at, n.read_at IS NOT NULL AND n.priority > 1 AS seen, a.name AS stands_in_for
    FROM delivery_item i JOIN notification n ON n.organisation_id = i.organisation_id AND n.id = i.notification_id
    LEFT JOIN person a ON a.organisation_id = n.organisation_id AND a.id = n.for_person_id
    WHERE i.organisation_id = :org AND i.delivery_id = ANY(CAST(:ids AS uuid[])) AND n.withdrawn_at IS NULL
    ORDER BY n.priority, n.created_at, n.id
"""


def parts(work: Step, ids: Iterable[str]) -> Mapping[str, list[Any]]:
    """What these deliveries still have to say, in its order; of one whose lines were all read this very moment, all."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for row in work.all(PARTS, ids=list(ids)):
        found[row.delivery_id].append(row)
    return {key: [row for row in rows if not row.seen] or rows for key, rows in found.items()}


def draft(lines: Sequence[Any], member: Member, why: str | None) -> Draft:
    """What is to be said of `lines`; `why` is the reason for which all of them had waited, if it is one."""
    listed = lines[:MOST_LISTED]
    return Draft(
        COLLECTED.name,
        {
            "count": len(lines),
            "more": len(lines) - len(listed),
            "quiet": why == Reason.quiet_hours,
            "messages": [_said(one, member) for one in listed],
        },
    )


def _said(line: Any, member: Member) -> dict[str, Any]:
    where = f"{INBOX}/{line.id}" if member.signs_in else line.action_url
    link = safe_link(absolute(where)) if where else None
    title = on_behalf(line.stands_in_for, line.title) if line.stands_in_for else line.title
    return {"title": title, "text": line.text, "at": line.created_at, "link": link or None}


def leads_to(member: Member) -> str:
    """Where the message as a whole leads; '' where each line has its own link and there is no inbox."""
    return INBOX if member.signs_in else ""
