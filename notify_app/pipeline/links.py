"""Where a message's button leads: a page of the reader's own kind, or a private link for those who do not sign in.

A message that asks something leads to its own answers, whatever it is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from notify_app.ids import new_id
from notify_app.pipeline.step import hub
from notify_app.secrets import LINK_LIFE, Secrets
from notify_app.work.people import Member

if TYPE_CHECKING:
    from notify_app.pipeline.world import World

__all__ = ["PAGES", "to_answers", "to_item"]

# action links differ by the kind of recipient (A4)
PAGES = {"technician": "/jobs/{id}", "contact": "/repairs/{id}"}
OFFICE_PAGE = "/work/{id}"


def to_item(world: World, member: Member, item_id: UUID | None) -> str:
    """The path of the item's page for this person; '' where the message is about no item."""
    if item_id is None:
        return ""
    if member.signs_in:
        return PAGES.get(member.role, OFFICE_PAGE).format(id=item_id)
    return _private(world, member, item_id=item_id)


def to_answers(world: World, member: Member, notification_id: UUID) -> str:
    """The path where this person answers the message."""
    if member.signs_in:
        return f"/inbox/{notification_id}"
    return _private(world, member, notification_id=notification_id)


def _private(
    world: World, member: Member, *, item_id: UUID | None = None, notification_id: UUID | None = None
) -> str:
    token = Secrets(hub().secret_key).new_link()
    row = {
        "id": new_id(),
        "token_hash": Secrets.hash_token(token),
        "person_id": member.id,
        "expires_at": world.step.now + LINK_LIFE,
    }
    if item_id:
        world.writes.links.append({**row, "item_id": item_id})
    else:
        world.writes.answer_links.append({**row, "notification_id": notification_id})
    return f"/l/{token}"
