"""What a webhook may say: the envelope, and by its type the model of its data. Checked before the 202.

Types are `<kind>.upsert` and `<kind>.batch` for each kind of work, what the packs list as happenings,
`notification.send` and `announcement.send`. An unknown type or field is an error that names it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from notify_app import domains
from notify_app.domains.base import Priority
from notify_app.domains.inputs import ExternalId, Line, Moment, Paragraph, StrictInput
from notify_app.errors import FieldError, Invalid
from notify_app.pipeline import strict_json

__all__ = [
    "AnnouncementIn",
    "BatchIn",
    "Envelope",
    "RecipientIn",
    "SendIn",
    "check",
    "parse",
    "read_data",
    "types",
]


RoleWord = Literal["administrator", "manager", "technician", "contact"]

# the text is what is stored, and what a batch's event is known by: the same message, the same text
_DUMP = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


def _link(value: str) -> str:
    if not safe_link(value):
        raise ValueError("use an https:// address, or a path of this hub that begins with one slash")
    return value


def _priority(value: str | int) -> str:
    return Priority.of(value).value


def _category(value: str) -> str:
    known = [one.name for one in domains.categories()]
    if value not in known:
        raise ValueError(f"use one of {', '.join(known)}")
    return value


def safe_link(value: str) -> bool:
    """Whether a link may stand in a message: https, or a path here; nothing a browser reads as something else."""
    if any(ord(char) <= 32 or ord(char) == 127 or char in "\\<>\"'`" for char in value):
        return False
    if value.startswith("/"):
        return not value.startswith("//")
    rest = value.removeprefix("https://")
    return rest != value and "@" not in rest.split("/", 1)[0] and rest[:1] not in ("", "/")


class EnvelopeIn(StrictInput):
    """The outer object, as Standard Webhooks recommends it."""

    type: Annotated[str, Field(min_length=1, max_length=100)]
    timestamp: Moment
    data: dict[str, Any]


class BatchItemIn(StrictInput):
    """One repair of a batch, by the source's id."""

    id: ExternalId


class BatchIn(StrictInput):
    """`<kind>.batch`: many items decided together; each must be known already."""

    batch_id: ExternalId
    decision: Literal["approved", "denied"]
    items: Annotated[list[BatchItemIn], Field(min_length=1, max_length=500)]
    reason: Paragraph | None = None


class RecipientIn(StrictInput):
    """One recipient: the source's id for a person, or the hub's own; `context` is what the message may say."""

    id: ExternalId | None = None
    person: ExternalId | None = None
    context: dict[str, Any] = Field(default_factory=dict)

    @field_validator("person")
    @classmethod
    def _uuid(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                UUID(value)
            except ValueError:
                raise ValueError("use the hub's id of a person (a UUID)") from None
        return value

    @model_validator(mode="after")
    def _one(self) -> RecipientIn:
        if (self.id is None) == (self.person is None):
            raise ValueError("give either id (the source's) or person (the hub's)")
        return self


class SendIn(StrictInput):
    """`notification.send`: service A1 by webhook."""

    template: Line
    recipients: Annotated[list[RecipientIn], Field(min_length=1, max_length=1000)]
    context: dict[str, Any] = Field(default_factory=dict)
    priority: Annotated[str | int, AfterValidator(_priority)] | None = None
    category: Annotated[Line, AfterValidator(_category)] | None = None
    action_url: Annotated[str, Field(max_length=2000), AfterValidator(_link)] | None = None
    repair: ExternalId | None = None
    customer: ExternalId | None = None
    batch_id: ExternalId | None = None


class NamedIn(StrictInput):
    """One person: the source's id, or the hub's own."""

    id: ExternalId | None = None
    person: UUID | None = None

    @model_validator(mode="after")
    def _one(self) -> NamedIn:
        if (self.id is None) == (self.person is None):
            raise ValueError("give either id (the source's) or person (the hub's)")
        return self


class AudienceIn(StrictInput):
    """Whom an announcement is for, said in one of four ways."""

    everyone: Literal[True] | None = None
    roles: Annotated[list[RoleWord], Field(min_length=1)] | None = None
    grades: Annotated[list[Literal["A", "B", "C"]], Field(min_length=1)] | None = None
    people: Annotated[list[NamedIn], Field(min_length=1, max_length=10_000)] | None = None

    @model_validator(mode="after")
    def _one(self) -> AudienceIn:
        said = [one for one in (self.everyone, self.roles, self.grades, self.people) if one is not None]
        if len(said) != 1:
            raise ValueError("give exactly one of everyone, roles, grades, people")
        return self


class AnnouncementIn(StrictInput):
    """`announcement.send`: something to say to many."""

    title: Line
    message: Paragraph
    audience: AudienceIn
    priority: Annotated[str | int, AfterValidator(_priority)] | None = None
    category: Annotated[Line, AfterValidator(_category)] | None = None
    action_url: Annotated[str, Field(max_length=2000), AfterValidator(_link)] | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message that may be accepted: `text` is what is stored, `item_refs` the source's ids of what it touches."""

    type: str
    occurred_at: datetime
    text: str
    item_refs: tuple[str, ...]


@cache
def types() -> Mapping[str, type[BaseModel]]:
    """Every webhook type and the model of its data."""
    known: dict[str, type[BaseModel]] = {}
    for kind in domains.kinds():
        known[f"{kind.name}.upsert"] = kind.upsert
        if kind.on_batch:
            known[f"{kind.name}.batch"] = BatchIn
    for pack in domains.packs():
        known |= {name: model for name, (model, _) in pack.happenings.items()}
    return known | {"notification.send": SendIn, "announcement.send": AnnouncementIn}


@cache
def _whole() -> Mapping[str, type[BaseModel]]:
    """The same with the envelope around it, so that a message is validated in one go."""
    return {
        name: create_model(f"{model.__name__}Message", __base__=EnvelopeIn, data=(model, ...))
        for name, model in types().items()
    }


def parse(raw: bytes) -> Envelope:
    """Check a body whole. Raises Invalid with a FieldError for each thing that is wrong."""
    return check(strict_json.read(raw))


def check(body: Mapping[str, Any]) -> Envelope:
    """Check a message that was read strictly. Raises Invalid with a FieldError for each thing that is wrong."""
    text = _DUMP(body)
    kind = body.get("type")
    model = _whole().get(kind) if isinstance(kind, str) else None
    if model is not None:
        try:
            # JSON mode: date-times are text there, and strict still refuses true for a number
            found: Any = model.model_validate_json(text, strict=True)
            return Envelope(found.type, found.timestamp, text, _refs(found.type, found.data))
        except ValidationError:
            pass  # said below, envelope before data
    envelope = _validate(EnvelopeIn, body, ())
    assert isinstance(envelope, EnvelopeIn)
    data = read_data(envelope.type, envelope.data)
    return Envelope(envelope.type, envelope.timestamp, text, _refs(envelope.type, data))


def read_data(kind: str, data: Mapping[str, Any]) -> BaseModel:
    """The typed data of a webhook of this type. Raises Invalid."""
    known = types()
    if kind not in known:
        names = ", ".join(sorted(known))
        raise Invalid("The type is not known.", FieldError("type", f"Use one of {names}."))
    return _validate(known[kind], data, ("data",))


def _validate(model: type[BaseModel], value: Any, at: tuple[str, ...]) -> BaseModel:
    try:
        return model.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        problems = [
            FieldError(_path((*at, *one["loc"])), _advice(one)) for one in error.errors(include_url=False)
        ]
        raise Invalid("Some fields cannot be used.", *problems) from None


def _path(parts: tuple[str | int, ...]) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text[:200]


def _advice(error: Any) -> str:
    known = {
        "missing": "This field is required.",
        "extra_forbidden": "This field is not known here; check its spelling.",
        "timezone_aware": "Add the offset from UTC, such as 2026-11-22T14:05:00Z.",
    }
    message = known.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
    return message[:1].upper() + message[1:]


def _refs(kind: str, data: BaseModel) -> tuple[str, ...]:
    if isinstance(data, BatchIn):
        return tuple(sorted({one.id for one in data.items}))
    if isinstance(data, SendIn):
        return (data.repair,) if data.repair else ()
    return (str(data.id),) if kind.endswith(".upsert") and hasattr(data, "id") else ()
