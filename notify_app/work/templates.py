"""An office's own wording, settings and branding: checked when they are saved, so that nothing broken is kept; each
change has its line in the record (`work.record`), and each state of a template its version (`template_version`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from notify_app import domains
from notify_app.channels.base import masked
from notify_app.domains.base import Priority
from notify_app.errors import Conflict, FieldError, Invalid, NotFound
from notify_app.models import Who
from notify_app.pipeline.envelope import safe_link
from notify_app.pipeline.sandbox_child import check_source
from notify_app.pipeline.step import Step
from notify_app.policy.channel import limits
from notify_app.policy.office import Branding, OfficeSettings, read
from notify_app.work import ladders, record
from notify_app.work.record import By, What

__all__ = ["FIELDS", "SOURCES", "every", "find", "put", "restore", "set_office", "version", "versions"]

SOURCES = ("title", "text", "subject", "email_html", "email_text", "sms")
OF_LADDERS = ("escalations_on", "working_days", "holidays")
FIELDS = (*SOURCES, "action_url", "priority", "category", "requires")
SWITCHES = ("notifications_on", "escalations_on", "options")
ADDRESSES = ("sender_address", "reply_to")
PARTS = ", ".join(("active", *SOURCES, "action_url", "priority", "category", "requires"))
# of several languages the one that messages are written in (`pipeline.wording`)
FIND = "SELECT * FROM template WHERE organisation_id = :org AND event = :event ORDER BY locale LIMIT 1"
# what an earlier release, or nobody in particular, has saved is kept before it is saved over
KEEP = f"""
    INSERT INTO template_version (organisation_id, event, locale, version, {PARTS}, who, author_id, saved_at)
    SELECT organisation_id, event, locale, version, {PARTS}, :who, :author, updated_at
    FROM template WHERE organisation_id = :org AND id = :id ON CONFLICT DO NOTHING
"""
MADE = """
    INSERT INTO template (organisation_id, event, locale) SELECT :org, :event, locale FROM organisation WHERE id = :org
"""
CHANGED = """
    UPDATE template SET version = version + 1, updated_at = hub_now(), broken_at = NULL, broken_why = NULL, broken_told_at = NULL
    WHERE organisation_id = :org AND id = :id
"""
VERSIONS = """
    SELECT v.*, p.name AS author FROM template_version v
    JOIN template t ON t.organisation_id = v.organisation_id AND t.event = v.event AND t.locale = v.locale
    LEFT JOIN person p ON p.organisation_id = v.organisation_id AND p.id = v.author_id
    WHERE v.organisation_id = :org AND v.event = :event
"""


def every(step: Step) -> dict[str, Any]:
    """The office's own templates by event."""
    rows = step.all("SELECT * FROM template WHERE organisation_id = :org ORDER BY event, locale DESC")
    return {row.event: row for row in rows}


def find(step: Step, event: str) -> Any:
    """The office's own template for an event, or None."""
    return step.one(FIND, event=event)


def versions(step: Step, event: str, limit: int = 100) -> list[Any]:
    """What the template was, the newest first."""
    return step.all(f"{VERSIONS} ORDER BY v.version DESC LIMIT :limit", event=event, limit=limit)


def version(step: Step, event: str, number: int) -> Any:
    """One of them. Raises NotFound."""
    row = step.one(f"{VERSIONS} AND v.version = :number", event=event, number=number)
    if row is None:
        raise NotFound("There is no such version.")
    return row


def restore(step: Step, event: str, number: int, by: By, *, seen: int) -> None:
    """Save an earlier version once more, as the newest. Raises NotFound, Conflict, and Invalid for what may not be saved
    any more."""
    row = version(step, event, number)
    values = {name: getattr(row, name) or "" for name in (*SOURCES, "action_url", "category")}
    values["priority"] = Priority.of(row.priority).value if row.priority else ""
    values["requires"] = ", ".join(row.requires)
    put(step, event, values, by, not row.active, seen=seen)


def put(
    step: Step,
    event: str,
    values: Mapping[str, str],
    by: By,
    off: bool | None = None,
    *,
    seen: int | None = None,
) -> None:
    """Save fields of an event's template as a new version; '' goes back to the built-in text. `seen` is the version that
    was looked at (0: there was none), where one was. Raises Invalid, naming each field, and Conflict (changed meanwhile)."""
    problems = [FieldError(name, "There is no such field.") for name in values if name not in FIELDS]
    problems += [
        FieldError(name, problem)
        for name in SOURCES
        if values.get(name)
        for problem in check_source(values[name])
    ]
    columns: dict[str, Any] = {
        name: values[name] or None for name in values if name in (*SOURCES, "action_url")
    }
    if columns.get("action_url") and not safe_link(columns["action_url"]):
        problems.append(FieldError("action_url", "Use an https:// address, or a path of this hub."))
    if "priority" in values:
        columns["priority"] = _priority(values["priority"], problems)
    if "category" in values:
        columns["category"] = values["category"] or None
        if values["category"] and values["category"] not in [one.name for one in domains.categories()]:
            problems.append(FieldError("category", "There is no such category."))
    if "requires" in values:
        columns["requires"] = [part.strip() for part in values["requires"].split(",") if part.strip()]
    if domains.event(event) is None and not (columns.get("title") and columns.get("text")):
        known = step.one(
            "SELECT 1 FROM template WHERE organisation_id = :org AND event = :event", event=event
        )
        if known is None:
            problems.append(
                FieldError("title", f"{event} is a template of your own: give it a title and a text.")
            )
    if problems:
        raise Invalid("The template cannot be used.", *problems)
    if off is not None:
        columns["active"] = not off
    before = _save(step, event, columns, by, seen)
    changed = sorted(name for name in values if columns[name] != _was(before, name))
    switched = {} if off is None or off != (before is None or before.active) else {"off": off}
    record.note(step, by, What.template, after={"event": event, "fields": changed, **switched})


def _was(row: Any, name: str) -> Any:
    """A part as it was saved before; without a row it is built in."""
    return getattr(row, name) if row is not None else ([] if name == "requires" else None)


def _priority(value: str, problems: list[FieldError]) -> int | None:
    if not value:
        return None
    try:
        return Priority.of(value).rank
    except ValueError:
        problems.append(FieldError("priority", "Use urgent, high, medium or low."))
        return None


def _save(step: Step, event: str, columns: Mapping[str, Any], by: By, seen: int | None) -> Any:
    """Write it, and the version that it is; the row as it was before, or None."""
    step.one(
        "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))",
        key=f"template/{step.organisation_id}/{event}",
    )
    row = before = find(step, event)
    if seen is not None and seen != (row.version if row else 0):
        raise Conflict("The template was changed meanwhile. Look at it again, then decide.")
    if row is None:
        step.run(MADE, event=event)
        row = find(step, event)
    else:
        step.run(KEEP, id=row.id, who=Who.command, author=None)
        step.run(CHANGED, id=row.id)
    if columns:
        changes = ", ".join(f"{name} = :{name}" for name in columns)
        step.run(
            f"UPDATE template SET {changes} WHERE organisation_id = :org AND id = :id", id=row.id, **columns
        )
    step.run(KEEP, id=row.id, who=by.who, author=by.person_id)
    return before


def set_office(step: Step, values: Mapping[str, Any], by: By) -> dict[str, Any]:
    """Set settings and branding by name; returns all of them. What the ladders go by moves them at once. Raises Invalid,
    naming each field."""
    row = step.one("SELECT zone, settings, branding FROM organisation WHERE id = :org FOR NO KEY UPDATE")
    settings, branding = dict(row.settings), dict(row.branding)
    known = _shown(read(OfficeSettings, settings), read(Branding, branding))
    names = {limit.name for limit in limits()}
    for name, value in values.items():
        if name in OfficeSettings.model_fields or name in names:
            settings[name] = value
        elif name in Branding.model_fields:
            branding[name] = value
        else:
            raise Invalid("The setting cannot be used.", FieldError(name, "There is no such setting."))
    checked, look = read(OfficeSettings, settings), read(Branding, branding)
    step.run(
        "UPDATE organisation SET settings = CAST(:settings AS jsonb), branding = CAST(:branding AS jsonb) WHERE id = :org",
        settings=json.dumps(checked.model_dump(mode="json")),
        branding=json.dumps(look.model_dump(mode="json")),
    )
    before = OfficeSettings.model_validate(row.settings)
    if any(getattr(before, name) != getattr(checked, name) for name in OF_LADDERS):
        ladders.switch(step, checked, row.zone)
    _note_settings(step, known, _shown(checked, look), by)
    return {**checked.model_dump(), **look.model_dump()}


def _shown(settings: OfficeSettings, branding: Branding) -> dict[str, Any]:
    """As plain values, lists in one order."""
    most = {limit.name: settings.most(limit) for limit in limits()}
    said = {**settings.model_dump(mode="json"), **most, **branding.model_dump(mode="json")}
    return {name: sorted(value) if isinstance(value, list) else value for name, value in said.items()}


def _note_settings(step: Step, known: Mapping[str, Any], now: Mapping[str, Any], by: By) -> None:
    """A line for the switches and one for the rest, where they differ; addresses in their masked form."""
    before, after = record.differing(known, now)
    for what, names in ((What.switches, SWITCHES), (What.settings, set(known) - set(SWITCHES))):
        if mine := sorted(set(after) & set(names)):
            was, is_ = ({name: _safe(name, values[name]) for name in mine} for values in (before, after))
            record.note(step, by, what, before=was, after=is_)


def _safe(name: str, value: Any) -> Any:
    return masked(value) if value and name in ADDRESSES else value
