"""The words of the message that verifies an address, written when it is asked for: the hub's own, whatever templates an
office has, and nobody's line in an inbox."""

from __future__ import annotations

from datetime import datetime

from notify_app.domains.base import Priority
from notify_app.domains.hub import ADDRESS_CODE
from notify_app.pipeline.audience import Member
from notify_app.pipeline.render import render
from notify_app.pipeline.step import Step
from notify_app.pipeline.wording import Wording, Words
from notify_app.policy.channel import channel as channel_type

__all__ = ["body"]


def body(step: Step, channel: str, member: Member, code: str, until: datetime, action: str) -> dict[str, str]:
    """The channel's body; `action` is the path of the link, '' where there is none. Raises TemplateFailed."""
    office, type_ = Words(step), channel_type(channel)
    says = Wording(office, ADDRESS_CODE, None, Priority.high, ADDRESS_CODE.category, {})
    values = render(
        dict.fromkeys(type_.fields),
        {"code": code, "until": until, **office.context(says, member, action)},
        domain="hub",
        event=ADDRESS_CODE.name,
        zone=member.zone,
        locale=member.locale,
    ).values
    return {part: values[name] for part, name in type_.parts.items()}
