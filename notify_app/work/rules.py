"""An organisation's escalation rules: checked whole when they are saved, so that no ladder meets a word it does not know.

A rule changes no task that is open: each has its own copy. Saving raises the version, which the task remembers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from notify_app import domains
from notify_app.domains.base import GRADES, ROLES
from notify_app.errors import Conflict, FieldError, Invalid, NotFound
from notify_app.live.announce import Changed
from notify_app.pipeline import world
from notify_app.pipeline.step import Step
from notify_app.policy.ladder import Ladder
from notify_app.work import addressees, record
from notify_app.work.record import By, What

__all__ = ["WORDS", "every", "find", "ladder_of", "put", "remove", "set_active"]

# whom a level may tell, beside people by name
WORDS = (
    "assignee",
    "office",
    *(f"role:{role}" for role in ROLES if role != "contact"),
    *(f"grade:{grade}" for grade in GRADES),
    "role:administrator+grade:A",
    "role:administrator+grade:B",
)
ROWS = """
    SELECT r.id, r.kind, r.sort, r.step, r.active, r.ladder, r.version, r.updated_at, p.name AS updated_by,
           (SELECT count(*) FROM task t WHERE t.organisation_id = r.organisation_id AND t.rule_id = r.id
               AND t.closed_at IS NULL) AS waiting
    FROM escalation_rule r LEFT JOIN person p ON p.organisation_id = r.organisation_id AND p.id = r.updated_by
    WHERE r.organisation_id = :org
"""
MADE = """
    INSERT INTO escalation_rule (organisation_id, kind, sort, step, ladder, updated_by)
    VALUES (:org, :kind, :sort, :step, CAST(:ladder AS jsonb), :by)
    ON CONFLICT ON CONSTRAINT uq_escalation_rule_scope DO NOTHING RETURNING id
"""
CHANGED = """
    UPDATE escalation_rule SET ladder = CAST(:ladder AS jsonb), version = version + 1, updated_at = hub_now(), updated_by = :by
    WHERE organisation_id = :org AND id = :id AND version = :seen RETURNING id
"""


def every(step: Step) -> list[Any]:
    """All rules, the most general first."""
    return step.all(f"{ROWS} ORDER BY r.kind NULLS FIRST, r.sort NULLS FIRST, r.step NULLS FIRST, r.id")


def find(step: Step, rule_id: UUID) -> Any:
    """One of them. Raises NotFound."""
    row = step.one(f"{ROWS} AND r.id = :id", id=rule_id)
    if row is None:
        raise NotFound("There is no such rule.")
    return row


def ladder_of(step: Step, values: Mapping[str, Any]) -> Ladder:
    """The ladder that a form or a program gives. Raises Invalid; fields are named `levels.0.after` and so on."""
    try:
        ladder = Ladder.model_validate(values)
    except ValidationError as error:
        problems = [
            FieldError(".".join(str(part) for part in one["loc"]) or "levels", _advice(one))
            for one in error.errors(include_url=False)
        ]
        raise Invalid("The rule cannot be used.", *problems) from None
    problems = [] if ladder.levels else [FieldError("levels", "Give the ladder at least one level.")]
    for number, level in enumerate(ladder.levels):
        problems += [FieldError(f"levels.{number}.tell", said) for said in _unknown(step, level.tell)]
        if level.needs > 1 and level.tell == ("assignee",):
            problems.append(
                FieldError(
                    f"levels.{number}.needs", "One person is told: one acknowledgement is all there can be."
                )
            )
    if problems:
        raise Invalid("The rule cannot be used.", *problems)
    return ladder


def _unknown(step: Step, words: tuple[str, ...]) -> list[str]:
    said = [
        f"Nobody is called {word}." for word in words if word not in WORDS and not word.startswith("person:")
    ]
    named = addressees.named(words)
    known = world.of(step).members(named)
    if len(known) < len(named):
        said.append("Somebody of those named is not known here.")
    return said + [f"{one.name} has left the organisation." for one in known.values() if one.left]


def _advice(error: Any) -> str:
    sentences = {
        "greater_than_equal": "It is too short.",
        "less_than_equal": "It is too long: 60 days at the most.",
        "int_parsing": "Give a whole number.",
        "int_type": "Give a whole number.",
        "too_short": "Choose who is told.",
        "too_long": "That is more than a ladder holds.",
    }
    message = sentences.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
    return message[:1].upper() + message[1:].rstrip(".") + "."


def put(
    step: Step,
    values: Mapping[str, Any],
    by: By,
    *,
    scope: tuple[str | None, str | None, str | None] | None = None,
    rule_id: UUID | None = None,
    seen: int = 0,
) -> UUID:
    """Make a rule for `scope` (kind, sort, step; None is any), or change the one of `rule_id` as it was `seen` (its
    version). Raises Invalid, Conflict (there is one for this already; changed meanwhile), NotFound."""
    ladder = json.dumps(ladder_of(step, values).model_dump(mode="json"))
    if rule_id is not None:
        known = find(step, rule_id)
        scope = (known.kind, known.sort, known.step)
        row = step.one(CHANGED, id=rule_id, ladder=ladder, by=by.person_id, seen=seen)
        if row is None:
            raise Conflict("The rule was changed meanwhile. Look at it again, then decide.")
    else:
        kind, sort, name = scope or (None, None, None)
        _check_scope(kind, sort, name)
        row = step.one(MADE, kind=kind, sort=sort, step=name, ladder=ladder, by=by.person_id)
        if row is None:
            raise Invalid(
                "There is a rule for this already.",
                FieldError("scope", "There is a rule for this already: change that one."),
            )
    _note(step, by, What.rule_saved, scope, version=seen + 1)
    found: UUID = row.id
    return found


def _note(
    step: Step, by: By, what: What, scope: tuple[str | None, str | None, str | None] | None, **more: Any
) -> None:
    kind, sort, name = scope or (None, None, None)
    record.note(step, by, what, after={"kind": kind, "sort": sort, "step": name, **more})
    step.news.append(Changed(step.organisation_id, "rules"))


def _check_scope(kind: str | None, sort: str | None, step: str | None) -> None:
    known = domains.kind(kind) if kind else None
    if kind and known is None:
        raise Invalid(
            "The rule cannot be used.", FieldError("scope", f"There is no kind of work called {kind}.")
        )
    kinds = [known] if known else list(domains.kinds())
    if step and step not in {task.step for one in kinds for task in one.tasks}:
        raise Invalid("The rule cannot be used.", FieldError("scope", f"There is no step called {step}."))
    if sort and (known is None or not known.sort):
        raise Invalid("The rule cannot be used.", FieldError("sort", "This kind of work has no types."))


def set_active(step: Step, rule_id: UUID, by: By, *, active: bool) -> None:
    """Let it count, or not, for tasks that open from now on. Raises NotFound."""
    row = find(step, rule_id)
    if step.run(
        "UPDATE escalation_rule SET active = :active, updated_at = hub_now() "
        "WHERE organisation_id = :org AND id = :id AND active <> :active",
        id=rule_id,
        active=active,
    ):
        _note(step, by, What.rule_counts if active else What.rule_paused, (row.kind, row.sort, row.step))


def remove(step: Step, rule_id: UUID, by: By) -> None:
    """Take it away; tasks that run by it keep their copy. Raises NotFound."""
    row = find(step, rule_id)
    step.run("DELETE FROM escalation_rule WHERE organisation_id = :org AND id = :id", id=rule_id)
    _note(step, by, What.rule_removed, (row.kind, row.sort, row.step))
