"""The pieces that packs build the models of their webhook data from. Strict: nothing is guessed or dropped."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

__all__ = ["Amount", "ExternalId", "Line", "Moment", "Paragraph", "PersonIn", "StrictInput", "Zone"]


EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _printable(value: str) -> str:
    # most text is printable through and through, which is quicker to ask than to look at each character
    if not value.isprintable() and any(
        ord(char) < 32 or ord(char) == 127 for char in value if char not in "\n\t"
    ):
        raise ValueError("remove the control characters")
    text = value.strip()
    if value and not text:
        raise ValueError("write something, not only spaces")
    return text


def _one_line(value: str) -> str:
    if "\n" in value or "\t" in value:
        raise ValueError("write it on one line")
    return _printable(value)


def _sane(value: datetime) -> datetime:
    """What lies at the ends of the calendar cannot be said in every zone, nor read back from the database."""
    # a year inside is inside in every zone, which is quicker to ask than to compare with both ends
    if not EARLIEST.year < value.year < LATEST.year - 1 and not EARLIEST <= value <= LATEST:
        raise ValueError(f"use a time between the years {EARLIEST.year} and {LATEST.year - 1}")
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
