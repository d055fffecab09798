"""The tables, one file a family. No sending, no HTTP, no decisions."""

from notify_app.models.base import Base, Scoped
from notify_app.models.broadcast import Broadcast
from notify_app.models.clock import HubClock
from notify_app.models.message import (
    Attempt,
    Content,
    Decision,
    Delivery,
    DeliveryItem,
    DeliveryState,
    Event,
    Notification,
    Outcome,
    Priority,
)
from notify_app.models.organisation import (
    Account,
    AccountSession,
    Address,
    Grade,
    InboxCounter,
    Organisation,
    Person,
    Role,
    Source,
    Suppression,
)
from notify_app.models.wish import Preference, PreferenceChoice, Template
from notify_app.models.work import Change, Inbound, InboundState, ItemPerson, Link, WorkItem

__all__ = [
    "Account",
    "AccountSession",
    "Address",
    "Attempt",
    "Base",
    "Broadcast",
    "Change",
    "Content",
    "Decision",
    "Delivery",
    "DeliveryItem",
    "DeliveryState",
    "Event",
    "Grade",
    "HubClock",
    "Inbound",
    "InboundState",
    "InboxCounter",
    "ItemPerson",
    "Link",
    "Notification",
    "Organisation",
    "Outcome",
    "Person",
    "Preference",
    "PreferenceChoice",
    "Priority",
    "Role",
    "Scoped",
    "Source",
    "Suppression",
    "Template",
    "WorkItem",
]
