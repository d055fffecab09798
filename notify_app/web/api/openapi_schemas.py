"""What the REST part of `/openapi.json` refers to: items, their facts and inputs by the packs' own fields, and the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notify_app import domains
from notify_app.domains.base import Happening, Verb, WorkKind
from notify_app.domains.fields import Field, FieldKind
from notify_app.work import messages

__all__ = [
    "ID",
    "TEXT",
    "Schema",
    "acts",
    "camel",
    "creates",
    "of_happening",
    "or_null",
    "ref",
    "reported",
    "schemas",
    "strict",
]

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
ID: Schema = {"type": "string", "format": "uuid"}
AT: Schema = {"type": "string", "format": "date-time"}
WHOLE: Schema = {"type": "integer"}
PERSON: Schema = {"type": "object", "required": ["id", "name"], "properties": {"id": ID, "name": TEXT}}


def ref(name: str) -> Schema:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def schemas() -> Schema:
    """What paths refer to."""
    line = {
        "id": ID,
        "kind": TEXT,
        "number": TEXT,
        "title": TEXT,
        "state": TEXT,
        "state_title": TEXT,
        "version": WHOLE,
        "round": WHOLE,
        "created_at": AT,
        "updated_at": AT,
        "facts": {"anyOf": [ref(f"{camel(kind.name)}Facts") for kind in domains.kinds()]},
        "people": {"type": "object", "additionalProperties": PERSON},
    }
    verb = strict(verb=TEXT, title=TEXT, inputs={"type": "array", "items": ref("Input")})
    whole = strict(
        **line,
        tasks={"type": "array", "items": ref("Task")},
        verbs={"type": "array", "items": verb},
    )
    whole["properties"]["problems"] = {
        "type": "array",
        "items": TEXT,
        "description": "After a change: what went wrong in telling people of it.",
    }
    return {
        **{f"{camel(kind.name)}Facts": _facts(kind) for kind in domains.kinds()},
        **{
            f"{camel(kind.name)}{camel(verb.verb)}": _inputs(verb)
            for kind in domains.kinds()
            for verb in (*kind.transitions, *kind.verbs)
        },
        "ItemLine": strict(**line),
        "Item": whole,
        "Task": strict(
            name=TEXT, title=TEXT, step=TEXT, round=WHOLE, assignee=or_null(PERSON), opened_at=AT, due_at=AT
        ),
        **{of_happening(one): _happening(one) for one in reported()},
        "Reported": strict(
            id=ID,
            happening={"type": "string", "enum": [one.name for one in reported()]},
            event=TEXT,
            event_id=ID,
            people={**WHOLE, "description": "How many it is for."},
        ),
        "Input": _input(),
        "VerbCall": _verb_call(),
        "Entry": strict(
            kind=TEXT,
            title=TEXT,
            text=TEXT,
            by=TEXT,
            at=AT,
            details={"type": "array", "items": TEXT},
            channels={"type": "array", "items": strict(channel=TEXT, state=TEXT)},
        ),
        "Notification": strict(
            id=ID,
            event_id=ID,
            event=TEXT,
            item_id=or_null(ID),
            title=TEXT,
            text=TEXT,
            priority={"type": "string", "enum": ["urgent", "high", "medium", "low"]},
            category=TEXT,
            created_at=AT,
            read_at=or_null(AT),
            acknowledged_at=or_null(AT),
        ),
        "Why": strict(
            event_id=ID,
            event=TEXT,
            person=PERSON,
            told={"type": "boolean"},
            why={"type": "array", "items": strict(text=TEXT, at=or_null(AT), kind=TEXT)},
            deliveries={
                "type": "array",
                "items": strict(
                    id=ID,
                    channel=TEXT,
                    address={**TEXT, "description": "Enough of it to know it again."},
                    state=TEXT,
                    reason=TEXT,
                    attempts=WHOLE,
                    at=AT,
                    next_at=or_null(AT),
                ),
            },
        ),
        "Person": strict(id=ID, name=TEXT, role=TEXT, grade=or_null(TEXT)),
    }


def strict(**properties: Schema) -> Schema:
    """An object with exactly these."""
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
    }


def or_null(schema: Schema) -> Schema:
    """The same, or nothing."""
    return {"anyOf": [schema, {"type": "null"}]}


def _input() -> Schema:
    said = strict(
        name=TEXT,
        title=TEXT,
        kind={"type": "string", "enum": [one.value for one in FieldKind]},
        required={"type": "boolean"},
    )
    said["properties"] |= {
        "choices": {"type": "object", "additionalProperties": TEXT},
        "among": {"type": "array", "items": TEXT, "description": "Who may be named: words of an audience."},
        "of": {"type": "array", "items": ref("Input")},
    }
    return said


def _verb_call() -> Schema:
    forms = [ref(f"{camel(kind.name)}{camel(verb.verb)}") for kind in domains.kinds() for verb in acts(kind)]
    person = {
        "type": "object",
        "properties": {"person": ID},
        "description": "`assign`: nobody without a person.",
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "values": {"anyOf": [*forms, person]},
            "version": {**or_null(WHOLE), "description": "The item's version that was looked at."},
        },
    }


def acts(kind: WorkKind) -> list[Verb]:
    """What can be done to an item of this kind."""
    return [one for one in (*kind.transitions, *kind.verbs) if one.origins]


def creates() -> list[tuple[WorkKind, Verb]]:
    """The kinds that are made here."""
    return [(kind, verb) for kind in domains.kinds() if (verb := kind.verb("create"))]


def reported() -> list[Happening]:
    """What people, and so their programs, may report."""
    return [one for one in domains.happenings() if one.by]


def of_happening(one: Happening) -> str:
    """The name of the schema of what it says."""
    return f"{camel(one.name.replace('.', '_'))}Report"


def camel(name: str) -> str:
    """How a name is written in the names of schemas."""
    return "".join(part.capitalize() for part in name.split("_"))


def _inputs(verb: Verb) -> Schema:
    """A verb's inputs, by its own model."""
    schema = verb.form.model_json_schema()
    return _inlined(schema, schema.pop("$defs", {}))


def _happening(one: Happening) -> Schema:
    """What it says, by its own model; the people whom a source would name are `to`."""
    schema = messages.form(one).model_json_schema()
    return {**_inlined(schema, schema.pop("$defs", {})), "description": one.text}


def _inlined(value: Any, known: Mapping[str, Any]) -> Any:
    """Records stand in their place: their names are not unique from verb to verb."""
    if isinstance(value, dict):
        if "$ref" in value:
            return _inlined(known[value["$ref"].rpartition("/")[2]], known)
        return {name: _inlined(one, known) for name, one in value.items()}
    return [_inlined(one, known) for one in value] if isinstance(value, list) else value


def _facts(kind: WorkKind) -> Schema:
    return strict(**{one.name: or_null(_fact(one)) for one in kind.fields if not one.secret})


def _fact(one: Field) -> Schema:
    match one.kind:
        case FieldKind.number:
            said: Schema = WHOLE
        case FieldKind.yes_no:
            said = {"type": "boolean"}
        case FieldKind.money:
            said = strict(amount={**TEXT, "pattern": r"^\d+(\.\d+)?$"}, currency=TEXT)
        case FieldKind.moment:
            said = AT
        case FieldKind.day:
            said = {"type": "string", "format": "date"}
        case FieldKind.person:
            said = PERSON
        case FieldKind.records:
            said = {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {inner.name: or_null(_fact(inner)) for inner in one.of},
                },
            }
        case _:
            said = TEXT
    return {**said, "description": one.title}
