"""What may be written into a field: the models of webhooks and of verbs, made from the packs' own fields.

Strict: nothing is guessed or dropped, and an error names the field and the fix. `report_of` makes the model of a kind's
`<kind>.upsert`, `model_of` that of a happening or a verb; `read` types what a person has filled in, `typed` what an
event's message may say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    create_model,
)

from notify_app.domains.fields import Field as Fact
from notify_app.domains.fields import FieldKind
from notify_app.errors import FieldError, Invalid
from notify_app.policy.formats import Money

__all__ = [
    "Amount",
    "Day",
    "ExternalId",
    "Line",
    "Moment",
    "Paragraph",
    "PersonIn",
    "StrictInput",
    "Zone",
    "model_of",
    "read",
    "report_of",
    "typed",
]


EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
MOST_PEOPLE, MOST_RECORDS = 1000, 50


def _printable(value: str) -> str:
    if value.isprintable() and (text := value.strip()):
        return text  # as nearly all are: these are the most called lines of a webhook
    if any(ord(char) < 32 or ord(char) == 127 for char in value if char not in "\n\t"):
        raise ValueError("remove the control characters")
    text = value.strip()
    if value and not text:
        raise ValueError("write something, not only spaces")
    return text


def _one_line(value: str) -> str:
    if value.isprintable() and (text := value.strip()):
        return text
    if "\n" in value or "\t" in value:
        raise ValueError("write it on one line")
    return _printable(value)


def _sane(value: datetime) -> datetime:
    """What lies at the ends of the calendar cannot be said in every zone, nor read back from the database."""
    # a year inside is inside in every zone, which is quicker to ask than to compare with both ends
    if not EARLIEST.year < value.year < LATEST.year - 1 and not EARLIEST <= value <= LATEST:
        raise ValueError(f"use a time between the years {EARLIEST.year} and {LATEST.year - 1}")
    return value


def _near(value: date) -> date:
    if not EARLIEST.year <= value.year < LATEST.year:
        raise ValueError(f"use a day between the years {EARLIEST.year} and {LATEST.year - 1}")
    return value


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("use an IANA time zone such as America/Chicago")
    return value


Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
Paragraph = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_printable)]
ExternalId = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_one_line)]
Amount = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)]
Moment = Annotated[AwareDatetime, AfterValidator(_sane)]
Day = Annotated[date, AfterValidator(_near)]
Zone = Annotated[str, AfterValidator(_zone)]


class StrictInput(BaseModel):
    """An unknown field is an error that names it, so that a misspelt one is not silently lost."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PersonIn(StrictInput):
    """A person as a source names them: `id` is the source's own. What is given replaces what is known."""

    id: ExternalId
    name: Line | None = None
    email: Annotated[str, Field(max_length=254), AfterValidator(_one_line)] | None = None
    phone: Annotated[str, Field(max_length=32), AfterValidator(_one_line)] | None = None
    zone: Zone | None = None
    locale: Annotated[str, Field(pattern=r"^[a-z]{2}(_[A-Z]{2})?$")] | None = None


# --- models from fields --------------------------------------------------------------------------------------------


def report_of(
    kind: str,
    text: str,
    statuses: Mapping[str, str],
    fields: Iterable[Fact],
    roles: Iterable[str],
    *,
    batched: bool = False,
) -> type[StrictInput]:
    """The data of `<kind>.upsert`: a thing as its system knows it now. What is left out stays as it was; statuses are
    accepted in any case. `batched` where a source may say that many belong together."""
    definitions: dict[str, Any] = {
        "id": (ExternalId, ...),
        "number": (Line | None, None),
        "status": (_one_of(statuses) | None, None),
        **{one.name: (_typed(one, PersonIn) | None, None) for one in fields if one.given},
        **dict.fromkeys(roles, (PersonIn | None, None)),
        "reason": (Paragraph | None, None),
    }
    if batched:
        definitions["batch_id"] = (ExternalId | None, None)
    return _model(f"{_camel(kind)}In", text, definitions)


def model_of(name: str, text: str, fields: Iterable[Fact], person: Any = PersonIn) -> type[StrictInput]:
    """The data of a happening (people as its source names them), or a verb's inputs (`person=UUID`)."""
    definitions = {
        one.name: (_typed(one, person), ...) if one.required else (_typed(one, person) | None, None)
        for one in fields
        if one.given
    }
    return _model(f"{_camel(name)}In", text, definitions)


def read(model: type[StrictInput], fields: Iterable[Fact], given: Mapping[str, Any]) -> dict[str, Any]:
    """What a person has filled in, typed by the model of these fields; what was left empty is not there, and what is to be
    cleared (None) is for the caller to say. Text is
    understood as a form sends it ("3", "149.50", "2026-11-24"); a moment must have its offset, people are ids of the hub.

    Raises Invalid with a FieldError for each thing that is missing, unknown or cannot be used.
    """
    known = {one.name: one for one in fields if one.given}
    filled = {name: value for name, value in given.items() if value not in (None, "", [])}
    try:
        filled_in = model.model_validate(filled, strict=False)
    except ValidationError as error:
        problems = {str(one["loc"][0]): one for one in error.errors(include_url=False)}
        raise Invalid(
            "Some fields cannot be used.",
            *(FieldError(name, _advice(known.get(name), one)) for name, one in problems.items()),
        ) from None
    return {name: getattr(filled_in, name) for name in filled}


def typed(fields: Iterable[Fact], values: Mapping[str, Any], currency: str) -> dict[str, Any]:
    """The values with their money in `currency`, and with the moments, days and numbers that came as text typed; what has
    its type already, and what is no field, is left as it is. Raises Invalid, which names each that cannot be read."""
    result, problems = dict(values), []
    for one in fields:
        value = values.get(one.name)
        try:
            if one.kind in READABLE and isinstance(value, str):
                value = _adapter(one.kind).validate_python(value)
        except ValidationError as error:
            problems.append(FieldError(one.name, _advice(one, error.errors(include_url=False)[0])))
            continue
        if one.name in values:
            result[one.name] = Money(value, currency) if isinstance(value, Decimal) else value
    if problems:
        raise Invalid("Some fields cannot be used.", *problems)
    return result


READABLE = (FieldKind.money, FieldKind.moment, FieldKind.day, FieldKind.number)


@cache
def _adapter(kind: FieldKind) -> TypeAdapter[Any]:
    return TypeAdapter(int if kind is FieldKind.number else ANNOTATIONS[kind])


def _advice(one: Fact | None, problem: Any) -> str:
    if one is None:
        return "This field is not known here; check its spelling."
    if problem["type"] == "missing":
        return one.asks or f"{one.title}: this is needed."
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{one.title}: {message[:1].lower()}{message[1:]}."


def _model(name: str, text: str, definitions: Mapping[str, Any]) -> type[StrictInput]:
    made: type[StrictInput] = create_model(name, __base__=StrictInput, __doc__=text, **definitions)
    return made


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.replace(".", "_").split("_"))


def _typed(one: Fact, person: Any) -> Any:
    """The annotation of a field."""
    match one.kind:
        case FieldKind.choice if one.choices:
            return _one_of(one.choices)
        case FieldKind.number:
            return Annotated[int, Field(ge=0, le=one.most)]
        case FieldKind.person:
            return person
        case FieldKind.people:
            return Annotated[list[person], Field(min_length=1, max_length=MOST_PEOPLE)]
        case FieldKind.records:
            inner = model_of(one.name, one.title, one.of)
            return Annotated[list[inner], Field(max_length=MOST_RECORDS), AfterValidator(_dumped)]  # type: ignore[valid-type]
    return ANNOTATIONS[one.kind]


ANNOTATIONS: Mapping[FieldKind, Any] = {
    FieldKind.text: Line,
    FieldKind.paragraph: Paragraph,
    FieldKind.money: Amount,
    FieldKind.moment: Moment,
    FieldKind.day: Day,
    FieldKind.yes_no: bool,
    FieldKind.choice: Line,  # of what an item offers: the machinery asks the item
}


def _dumped(records: list[BaseModel]) -> list[dict[str, Any]]:
    return [one.model_dump() for one in records]


def _one_of(words: Mapping[str, str]) -> Any:
    """One of these words, in any case."""
    known = list(words)
    said = f"use one of {', '.join(known)}"

    def check(value: str) -> str:
        if value not in words:
            raise ValueError(said)
        return value

    schema = WithJsonSchema({"type": "string", "enum": known})
    return Annotated[str, BeforeValidator(_lower), AfterValidator(check), schema]


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value
