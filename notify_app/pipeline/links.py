"""Where a message's button leads: a page of the reader's own kind, or a private link for those who do not sign in.

A message that asks something leads to its own answers, whatever it is about. A private link
is bound to one person, and to one item with the version of it that the message tells of, or to one notification.
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

__all__ = ["page", "to_answers", "to_item"]

# action links differ by the kind of recipient (A4), and a customer's repair has kept its first address
OFFICE_PAGE, JOB_PAGE, CONTACT_PAGE = "/work/{id}", "/jobs/{id}", "/mine/{id}"
CONTACT_PAGES = {"repair": "/repairs/{id}"}


def page(role: str, item_id: UUID, kind: str = "") -> str:
    """The path of an item's page for somebody of this role who signs in. Without its `kind` it is one that every item of
    theirs has."""
    if role == "technician":
        return JOB_PAGE.format(id=item_id)
    if role == "contact":
        return CONTACT_PAGES.get(kind, CONTACT_PAGE).format(id=item_id)
    return OFFICE_PAGE.format(id=item_id)


def to_item(world: World, member: Member, item_id: UUID | None) -> str:
    """The path of the item's page for this person; '' where the message is about no item."""
    if item_id is None:
        return ""
    item = world.glance(item_id)
    if member.signs_in:
        return page(member.role, item_id, item.kind if item else "")
    return _private(world, member, item_id=item_id, version=item.version if item else None)


def to_answers(world: World, member: Member, notification_id: UUID) -> str:
    """The path where this person answers the message."""
    if member.signs_in:
        return f"/inbox/{notification_id}"
    return _private(world, member, notification_id=notification_id)


def _private(
    world: World,
    member: Member,
    *,
    item_id: UUID | None = None,
    version: int | None = None,
    notification_id: UUID | None = None,
) -> str:
    token = Secrets(hub().secret_key).new_link()
    row = {
        "id": new_id(),
        "token_hash": Secrets.hash_token(token),
        "person_id": member.id,
        "expires_at": world.step.now + LINK_LIFE,
    }
    if item_id:
        world.writes.links.append({**row, "item_id": item_id, "item_version": version})
    else:
        world.writes.answer_links.append({**row, "notification_id": notification_id})
    return f"/l/{token}"
