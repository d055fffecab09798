"""Endpoints as administrators see to them: added, changed, paused, tried, given another secret, removed.

The address is looked at when it is saved, and again each time that something is posted there (`outgoing`). It and the secret
are encrypted, shown once or never, and stand in no record: of the address only the host does.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from notify_app import domains
from notify_app.channels import kept_here
from notify_app.channels.base import Invalid as BadAddress
from notify_app.channels.endpoint import clean_url
from notify_app.domains.base import Priority
from notify_app.domains.hub import TEST_MESSAGE
from notify_app.errors import Conflict, FieldError, Invalid, NotFound
from notify_app.ids import new_id
from notify_app.outgoing import Inside, check
from notify_app.pipeline import endpoints
from notify_app.pipeline.again import TEST
from notify_app.pipeline.step import Step, hub
from notify_app.policy import endpoint as shapes
from notify_app.policy.endpoint import Format, Said
from notify_app.secrets import Secrets
from notify_app.work import record
from notify_app.work.record import By, What

__all__ = [
    "MOST",
    "OVERLAP",
    "Sheet",
    "deliveries",
    "known",
    "make",
    "one",
    "pause",
    "remove",
    "resume",
    "rotate",
    "save",
    "test",
]

MOST = 20  # of one organisation
LONGEST_NAME = 100
SECRET_BYTES = 32  # Standard Webhooks: 24 to 64
OVERLAP = timedelta(hours=24)  # so long what is sent is signed with the old secret too
SHOWN = 50

KNOWN = """
    SELECT e.*, m.name AS made_by, CASE WHEN e.previous_until > hub_now() THEN e.previous_until END AS both_until
    FROM endpoint e LEFT JOIN person m ON m.organisation_id = e.organisation_id AND m.id = e.created_by
    WHERE e.organisation_id = :org AND e.removed_at IS NULL {one} ORDER BY lower(e.name), e.id
"""
DELIVERIES = """
    SELECT d.id, d.created_at, d.state, d.reason, d.purpose, d.priority, d.attempts, d.next_attempt_at, d.settled_at,
           c.body ->> 'subject' AS title, a.outcome, a.response, a.error, a.finished_at
    FROM delivery d
    LEFT JOIN content c ON c.organisation_id = d.organisation_id AND c.id = d.content_id
    LEFT JOIN LATERAL (
        SELECT outcome, response, error, finished_at FROM attempt a
        WHERE a.organisation_id = d.organisation_id AND a.delivery_id = d.id ORDER BY number DESC LIMIT 1
    ) a ON true
    WHERE d.organisation_id = :org AND d.endpoint_id = :id ORDER BY d.id DESC LIMIT :limit
"""
SAVE = """
    UPDATE endpoint SET name = :name, categories = :categories, least_priority = :least, url = coalesce(:url, url),
        host = coalesce(:host, host)
    WHERE organisation_id = :org AND id = :id
"""
RESUME = """
    UPDATE endpoint SET paused_at = NULL, disabled_at = NULL, disabled_why = NULL, failing_since = NULL
    WHERE organisation_id = :org AND id = :id
"""
ROTATE = """
    UPDATE endpoint SET previous_secret = secret, previous_until = hub_now() + :overlap, secret = :secret
    WHERE organisation_id = :org AND id = :id
"""
REMOVE = """
    UPDATE endpoint SET removed_at = hub_now(), url = NULL, secret = NULL, previous_secret = NULL, previous_until = NULL
    WHERE organisation_id = :org AND id = :id
"""


@dataclass(frozen=True)
class Sheet:
    """What is typed. `url` may be empty where the endpoint has one; no `categories` is a mistake, all of them every one
    there will be."""

    name: str
    url: str
    format: str
    categories: tuple[str, ...]
    least_priority: int


def known(step: Step) -> list[Any]:
    """All of the organisation, by name."""
    return step.all(KNOWN.format(one=""))


def one(step: Step, endpoint_id: UUID) -> Any:
    """This one. Raises NotFound."""
    found = step.one(KNOWN.format(one="AND e.id = :id"), id=endpoint_id)
    if found is None:
        raise NotFound("There is no such endpoint.")
    return found


def deliveries(step: Step, endpoint_id: UUID) -> list[Any]:
    """The newest of its deliveries, each with its last attempt."""
    return step.all(DELIVERIES, id=endpoint_id, limit=SHOWN)


def make(step: Step, sheet: Sheet, by: By) -> tuple[UUID, str]:
    """Add one: its id, and the secret with which its messages are signed ('' where they are not), which is not shown again.
    Raises Invalid, which names the fields."""
    sheet, url = _checked(sheet, url_needed=True)
    step.one(
        "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", key=f"endpoints/{step.organisation_id}"
    )
    if len(known(step)) >= MOST:
        raise Invalid(
            "Nothing was added.", FieldError("name", f"There are {MOST} endpoints; remove one first.")
        )
    made, secret = new_id(), _new_secret() if sheet.format == Format.standard else ""
    step.run(
        "INSERT INTO endpoint (organisation_id, id, name, format, url, host, secret, categories, least_priority, created_by) "
        "VALUES (:org, :id, :name, :format, :url, :host, :secret, :categories, :least, :by)",
        id=made,
        name=sheet.name,
        format=sheet.format,
        url=_sealed(made, "url", url),
        host=_host(url),
        secret=_sealed(made, "secret", secret) if secret else None,
        categories=_categories(sheet),
        least=sheet.least_priority,
        by=by.person_id,
    )
    record.note(step, by, What.endpoint_added, after={"name": sheet.name, "host": _host(url)})
    return made, secret


def save(step: Step, endpoint_id: UUID, sheet: Sheet, by: By) -> None:
    """Change it; its format stays. Raises NotFound, and Invalid, which names the fields."""
    before = one(step, endpoint_id)
    sheet, url = _checked(sheet, url_needed=False)
    step.run(
        SAVE,
        id=endpoint_id,
        name=sheet.name,
        categories=_categories(sheet),
        least=sheet.least_priority,
        url=_sealed(endpoint_id, "url", url) if url else None,
        host=_host(url) if url else None,
    )
    was, now = record.differing(_shown(before), _shown(one(step, endpoint_id)))
    if url or now:
        record.note(
            step,
            by,
            What.endpoint_changed,
            before={"name": before.name, **was},
            after={"name": sheet.name, **now},
        )


def pause(step: Step, endpoint_id: UUID, by: By) -> None:
    """Tell it nothing until it is switched on again. Raises NotFound."""
    row = one(step, endpoint_id)
    if row.paused_at is None:
        step.run(
            "UPDATE endpoint SET paused_at = hub_now() WHERE organisation_id = :org AND id = :id",
            id=endpoint_id,
        )
        record.note(step, by, What.endpoint_paused, after={"name": row.name})


def resume(step: Step, endpoint_id: UUID, by: By) -> None:
    """Switch it on again, whoever switched it off. Raises NotFound."""
    row = one(step, endpoint_id)
    if row.paused_at is not None or row.disabled_at is not None:
        step.run(RESUME, id=endpoint_id)
        record.note(step, by, What.endpoint_resumed, after={"name": row.name})


def rotate(step: Step, endpoint_id: UUID, by: By) -> str:
    """Another secret, which is not shown again; for a day what is sent is signed with both. Raises NotFound, and Conflict where
    nothing is signed or the last change is not a day old."""
    row = one(step, endpoint_id)
    if row.secret is None:
        raise Conflict("What is posted there is not signed.")
    if row.both_until is not None:
        raise Conflict(
            "The secret was changed within a day; the one before it is still good. Try again when it is not."
        )
    secret = _new_secret()
    step.run(ROTATE, id=endpoint_id, secret=_sealed(endpoint_id, "secret", secret), overlap=OVERLAP)
    record.note(step, by, What.endpoint_secret, after={"name": row.name})
    return secret


def remove(step: Step, endpoint_id: UUID, by: By) -> None:
    """Take it away, with its address and secrets. Raises NotFound."""
    row = one(step, endpoint_id)
    step.run(REMOVE, id=endpoint_id)
    record.note(step, by, What.endpoint_removed, before={"name": row.name, "host": row.host})


def test(step: Step, endpoint_id: UUID, asked_by: str) -> UUID:
    """Post a test there, also while it is paused: the id of its delivery. Raises NotFound."""
    row = one(step, endpoint_id)
    office = step.one("SELECT name FROM organisation WHERE id = :org")
    made = new_id()
    said = Said(
        event=TEST_MESSAGE.name,
        event_id=str(made),
        title="A test from the hub",
        text=f"{asked_by} tries whether messages arrive here. There is nothing to do.",
        category=TEST_MESSAGE.category,
        category_title="Test",
        priority="low",
        organisation=office.name,
        occurred_at=step.now,
        page=f"{hub().base_url}/endpoints/{endpoint_id}",
        test=True,
    )
    written = endpoints.row(
        endpoint_id, said.title, shapes.body(said, row.format), str(made), Priority.urgent.rank, TEST
    )
    endpoints.put(step, [written])  # urgent for the queue alone: somebody waits for the answer
    return UUID(str(written["id"]))


# --- what is typed ---------------------------------------------------------------------------------------------------


def _checked(sheet: Sheet, *, url_needed: bool) -> tuple[Sheet, str]:
    """The sheet in order, and the address, '' where none is typed and none is needed. Raises Invalid."""
    problems = []
    name = " ".join(sheet.name.split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        problems.append(
            FieldError("name", f"Say in a few words (at most {LONGEST_NAME} letters) what is there.")
        )
    if sheet.format not in list(Format):
        problems.append(FieldError("format", "Choose who reads it."))
    categories = tuple(one.name for one in domains.categories() if one.name in sheet.categories)
    if not categories:
        problems.append(FieldError("categories", "Choose at least one."))
    if sheet.least_priority not in range(1, 5):
        problems.append(FieldError("least_priority", "Choose one of them."))
    url = ""
    if sheet.url.strip() or url_needed:
        url, problem = _address(sheet.url)
        problems += [problem] if problem else []
    if problems:
        raise Invalid("The endpoint was not saved.", *problems)
    return Sheet(name, url, sheet.format, categories, sheet.least_priority), url


def _address(given: str) -> tuple[str, FieldError | None]:
    try:
        url = clean_url(given)
        check(url, names=_calls())
    except BadAddress as error:
        return "", FieldError("url", str(error))
    except Inside:
        return "", FieldError(
            "url", "That is an address inside a private network; only public ones are called."
        )
    except (OSError, ValueError):
        return "", FieldError("url", "There is no such address: its name cannot be found.")
    return url, None


def _calls() -> bool:
    """Whether we call addresses ourselves, so that a name must be found."""
    return not hub().outgoing_url and endpoints.CHANNEL not in kept_here(hub())


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _categories(sheet: Sheet) -> Sequence[str] | None:
    """None for every one, also of those that are still to come."""
    return None if len(sheet.categories) == len(list(domains.categories())) else list(sheet.categories)


def _shown(row: Any) -> Mapping[str, Any]:
    return {
        "name": row.name,
        "host": row.host,
        "categories": list(row.categories) if row.categories is not None else None,
        "least_priority": row.least_priority,
    }


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(os.urandom(SECRET_BYTES)).decode()}"


def _sealed(endpoint_id: UUID, what: str, value: str) -> bytes:
    return Secrets(hub().secret_key).seal(value, endpoints.sealed_name(endpoint_id, what))
