"""What is posted to an endpoint: an event of the organisation, shaped as its reader takes it. Pure.

Three shapes, built here and not by templates, because programs read them: the hub's own, which Standard Webhooks signs, and those
that Slack and Microsoft Teams show in a channel. All say the same: title, text, priority, what it is about, and the
office's own page of it. None says who was told, or holds anybody's private link. Nothing that somebody wrote acts as markup.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

__all__ = ["FORMATS", "Format", "Said", "body", "matches"]

LONGEST_TITLE, LONGEST_TEXT = 150, 3000  # what Slack takes of a header and of a section
LONGEST_FALLBACK = 300


class Format(StrEnum):
    """Who reads it."""

    standard = "standard"
    slack = "slack"
    teams = "teams"


FORMATS = {
    Format.standard: "A program (signed JSON)",
    Format.slack: "Slack",
    Format.teams: "Microsoft Teams",
}
# a word and a sign, so that neither colour nor sign alone says it
SIGNS = {
    "urgent": ":rotating_light: Urgent",
    "high": ":large_orange_circle: High priority",
    "medium": ":large_blue_circle: Medium priority",
    "low": ":white_circle: Low priority",
}
STYLES = {"urgent": "attention", "high": "warning", "medium": "accent", "low": "default"}
WORDS = {
    "urgent": "Urgent",
    "high": "High priority",
    "medium": "Medium priority",
    "low": "Low priority",
}


@dataclass(frozen=True)
class Said:
    """An event in words. `about` are the plain facts of its work item, `page` the office's page of it, '' without one."""

    event: str
    event_id: str
    title: str
    text: str
    category: str
    category_title: str
    priority: str
    organisation: str
    occurred_at: datetime
    about: Mapping[str, str] | None = None
    page: str = ""
    test: bool = False


def matches(categories: list[str] | None, least_priority: int, category: str, priority: int) -> bool:
    """Whether an endpoint wants such an event; 1 is the most pressing priority."""
    return priority <= least_priority and (categories is None or category in categories)


def body(said: Said, format: str) -> str:
    """The body, as JSON."""
    shape = {Format.slack: _slack, Format.teams: _teams}.get(Format(format), _standard)
    return json.dumps(shape(said), ensure_ascii=False, separators=(",", ":"))


def _standard(said: Said) -> dict[str, Any]:
    """`type`, `timestamp` and `data`, as Standard Webhooks advises."""
    return {
        "type": said.event,
        "timestamp": said.occurred_at.isoformat(),
        "data": {
            "id": said.event_id,
            "title": said.title,
            "text": said.text,
            "category": said.category,
            "priority": said.priority,
            "organisation": said.organisation,
            "item": dict(said.about) if said.about else None,
            "url": said.page or None,
            "test": said.test,
        },
    }


# --- Slack ---------------------------------------------------------------------------------------------------------


def _slack(said: Said) -> dict[str, Any]:
    """Block Kit: a header, the text, what it is, and a button."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(said.title, LONGEST_TITLE)}}
    ]
    if said.text.strip():
        blocks.append({"type": "section", "text": _mrkdwn(said.text, LONGEST_TEXT)})
    small = f"{said.category_title} · {said.organisation}"
    blocks.append(
        {
            "type": "context",
            "elements": [
                {"type": "mrkdwn", "text": SIGNS[said.priority], "verbatim": True},
                _mrkdwn(small, LONGEST_TITLE),
            ],
        }
    )
    if said.page:
        button = {"type": "button", "text": {"type": "plain_text", "text": "Open in the hub"}}
        blocks.append({"type": "actions", "elements": [{**button, "url": said.page}]})
    return {"text": _escaped(f"{WORDS[said.priority]}: {said.title}", LONGEST_FALLBACK), "blocks": blocks}


def _mrkdwn(text: str, longest: int) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": _escaped(text, longest), "verbatim": True}


def _escaped(text: str, longest: int) -> str:
    """As Slack wants what is no markup of its own, `longest` characters at most and no entity cut in two."""
    cut = longest
    while True:
        escaped = _cut(text, cut).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        if len(escaped) <= longest:
            return escaped
        cut -= max(1, (len(escaped) - longest) // 5)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


# --- Microsoft Teams ---------------------------------------------------------------------------------------------------


def _teams(said: Said) -> dict[str, Any]:
    """A message with an Adaptive Card, as a Workflows webhook takes it. Its texts are runs, in which nothing is markup."""
    title = _run(_cut(said.title, LONGEST_TITLE), weight="bolder", size="large")
    lines = [
        {
            "type": "Container",
            "style": STYLES[said.priority],
            "bleed": True,
            "items": [_line(_run(WORDS[said.priority], weight="bolder")), _line(title)],
        }
    ]
    if said.text.strip():
        lines += [
            _line(_run(one or " ")) | {"spacing": "small"}
            for one in _cut(said.text, LONGEST_TEXT).split("\n")
        ]
    lines.append(_line(_run(f"{said.category_title} · {said.organisation}", isSubtle=True, size="small")))
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "fallbackText": _cut(said.title, LONGEST_FALLBACK),
        "msteams": {"width": "Full"},
        "body": lines,
    }
    if said.page:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open in the hub", "url": said.page}]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _line(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **look: Any) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **look}
