"""One way to type a fact, whoever says it: a fact of an item, what a verb asks for, what an event's message may say.

A `Field` names a fact, titles it and says its kind. From it come the webhook's model and the form's (`inputs`), the
check of a pack's samples, the shaping for each channel, and how a page shows it. Refuses nothing by itself: what may
be written stands in `inputs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from notify_app.policy.formats import Money

if TYPE_CHECKING:
    from notify_app.domains.values import Item

__all__ = ["PERSONS", "REASON", "Field", "FieldKind", "facts", "fits", "plain"]


class FieldKind(StrEnum):
    """How a fact is typed, so that each channel and page can shape it.

    | kind | value in `Item.data`, in a payload, handed to `apply` | shown as |
    |---|---|---|
    | text | str, one line | itself |
    | paragraph | str, several lines | itself |
    | number | int, not negative | itself |
    | money | `Money` (a source and a form give a Decimal; the machinery adds the organisation's currency) | "$150.00", "$150" in an SMS |
    | moment | aware datetime | "14:05 on February 15, 2024", "Feb 15 14:05" |
    | day | date | "February 15, 2024", "Feb 15" |
    | choice | str: a key of `choices` (or of `offers(item)`) | its title |
    | yes_no | bool | "Yes", "No" |
    | person | as a fact `{"id", "name"}`; as an input a `PersonRef` | the name |
    | people | as an input: a tuple of `PersonRef` | the names |
    | records | list of dicts with the keys of `of` | one line each, by `says` |
    """

    text = "text"
    paragraph = "paragraph"
    number = "number"
    money = "money"
    moment = "moment"
    day = "day"
    choice = "choice"
    yes_no = "yes_no"
    person = "person"
    people = "people"
    records = "records"


PERSONS = (FieldKind.person, FieldKind.people)


@dataclass(frozen=True)
class Field:
    """One fact.

    `required`: a verb or a happening without it is refused by name. `most` bounds a number. `offers` gives the choices
    that an item leaves open now (its unverified points), where `choices` are always the same. `of` and `says` are for
    records: their fields, and how one of them reads in a line.

    `makes` is the role in the organisation that a person whom a happening names here gets on first sight; `among` are
    the audience words of those whom one may choose in a form (nothing: all whose role a source's person would get).

    `secret` is shown to the person that it is for and kept out of logs, decisions, exports and digests. `passing`
    belongs to the one change that brought it (a note, an issue): the machinery takes it off the item before the next.
    `asks` is what to say when it is needed and not there. `given` is False for what neither a source nor a form says, because the pack works it out.
    """

    name: str
    title: str
    kind: FieldKind = FieldKind.text
    required: bool = False
    choices: Mapping[str, str] = field(default_factory=dict)
    offers: Callable[[Item], Mapping[str, str]] | None = None
    most: int = 1_000_000_000
    of: tuple[Field, ...] = ()
    says: Callable[[Mapping[str, Any]], str] | None = None
    makes: str = ""
    among: tuple[str, ...] = ()
    secret: bool = False
    passing: bool = False
    asks: str = ""
    given: bool = True


# what those concerned are told when something is refused or given up
REASON = Field(
    "reason",
    "Reason, told to those concerned",
    FieldKind.paragraph,
    required=True,
    asks="Give a reason, so that people know why.",
)

PYTHON: Mapping[FieldKind, type | tuple[type, ...]] = {
    FieldKind.text: str,
    FieldKind.paragraph: str,
    FieldKind.number: int,
    FieldKind.money: Money,
    FieldKind.moment: datetime,
    FieldKind.day: date,
    FieldKind.choice: str,
    FieldKind.yes_no: bool,
    FieldKind.person: Mapping,
    FieldKind.people: list,
    FieldKind.records: list,
}


def fits(one: Field, value: Any) -> bool:
    """Whether a value has the type that a field's facts have; nothing at all fits everywhere."""
    if value is None:
        return True
    match one.kind:
        case FieldKind.choice:
            return value in one.choices
        case FieldKind.records:
            return isinstance(value, list) and all(
                isinstance(record, Mapping) and all(fits(inner, record.get(inner.name)) for inner in one.of)
                for record in value
            )
        case FieldKind.day:
            return isinstance(value, date) and not isinstance(value, datetime)
        case FieldKind.number:
            return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, PYTHON[one.kind])


def facts(item: Item, fields: Iterable[Field]) -> dict[str, Any]:
    """What a message may say about an item: its own facts beside the kind's. Choices and people are words already;
    what belongs to one change only, or is a secret, is left to the event that says it."""
    return {
        "id": str(item.id),
        "number": item.number,
        "title": item.title,
        "status": item.status,
        "version": item.version,
        **{
            one.name: _said(one, item.data.get(one.name)) for one in fields if not (one.passing or one.secret)
        },
    }


def _said(one: Field, value: Any) -> Any:
    return plain(one, value) if one.kind in (FieldKind.choice, FieldKind.person) else value


def plain(one: Field, value: Any) -> Any:
    """A fact as a page shows it: words for choices, yes and no, people and records; the rest as it is (text, money,
    a moment, a day: the reader's zone and language shape those)."""
    if value is None:
        return None
    match one.kind:
        case FieldKind.choice:
            return one.choices.get(value, value)
        case FieldKind.yes_no:
            return "Yes" if value else "No"
        case FieldKind.person:
            return value["name"]
        case FieldKind.records:
            return [one.says(record) if one.says else _first(one, record) for record in value]
    return value


def _first(one: Field, record: Mapping[str, Any]) -> str:
    return str(record[one.of[0].name])
