"""What an organisation sets for itself: switches and limits, and the branding that enters every message (A3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from notify_app.errors import FieldError, Invalid
from notify_app.policy.channel import Limit, limits
from notify_app.policy.limits import BURST_SECONDS
from notify_app.policy.sms import MOST_SEGMENTS

__all__ = ["Branding", "Hours", "OfficeSettings", "read"]

Model = TypeVar("Model", bound=BaseModel)
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
MOST = 10_000  # messages that a limit may allow; 0 is without limit
Line = Annotated[str, Field(max_length=200, pattern=r"^[^\r\n\x00]*$")]


def _without_a_zone(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("a time on the organisation's own clock has no zone")
    return value


Wall = Annotated[time, AfterValidator(_without_a_zone)]


class Hours(BaseModel):
    """A day's working hours, on the wall clock of the organisation; an end at or before the start is midnight."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: Wall
    end: Wall


WEEK = {day: Hours(start=time(8), end=time(17)) for day in range(5)}


class OfficeSettings(BaseModel):
    """The organisation's switches and limits."""

    model_config = ConfigDict(extra="allow", frozen=True)
    # the limits of the channels (`sms_an_hour`), each under the name that its channel declares
    __pydantic_extra__: dict[str, Annotated[int, Field(ge=0, le=MOST)]]

    notifications_on: bool = True
    # whether what waits too long climbs its ladder (D6: off until an administrator wants it)
    escalations_on: bool = False
    # Monday = 0; by them go the ladders that count working time
    working_days: Mapping[Annotated[int, Field(ge=0, le=6)], Hours] = WEEK
    holidays: Annotated[frozenset[date], Field(max_length=400)] = frozenset()
    # what kinds of work offer and this organisation wants done by itself (`Assignment.option`)
    options: frozenset[Annotated[str, Field(max_length=60)]] = frozenset()
    sms_segments: Annotated[int, Field(ge=1, le=MOST_SEGMENTS)] = 1
    # how often one person is written to (`policy.limits`); a burst of 0 seconds is none
    burst_seconds: Annotated[int, Field(ge=0, le=600)] = BURST_SECONDS

    @model_validator(mode="after")
    def _only_limits(self) -> OfficeSettings:
        names = {limit.name for limit in limits()}
        unknown = next((name for name in self.model_extra or {} if name not in names), None)
        if unknown is not None:
            raise PydanticCustomError("unknown", "{name}: there is no such setting", {"name": unknown})
        return self

    def most(self, limit: Limit) -> int:
        """How many a limit allows here; 0 is without limit."""
        return int((self.model_extra or {}).get(limit.name, limit.most))


class Branding(BaseModel):
    """How the organisation looks and signs. Empty fields fall back to its name and the hub's colours."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    company_name: Line = ""
    logo_url: Annotated[str, Field(max_length=2000, pattern=r"^(https://\S+)?$")] = ""
    colour: Colour = "#1d4e89"
    accent: Colour = "#1d4e89"
    footer: Line = ""
    sender_name: Line = ""
    sender_address: Annotated[str, Field(max_length=254)] = ""
    reply_to: Annotated[str, Field(max_length=254)] = ""
    sms_sender: Annotated[str, Field(max_length=11, pattern=r"^[A-Za-z0-9]*$")] = ""


def read(model: type[Model], values: dict[str, Any]) -> Model:
    """The stored values as the model. Raises Invalid, which names each field."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [
            FieldError(".".join(str(part) for part in one["loc"]) or one["ctx"]["name"], str(one["msg"]))
            for one in error.errors(include_url=False)
        ]
        raise Invalid("These settings cannot be used.", *problems) from None
