"""What can go wrong on purpose. Each error is a sentence for a person; `web.problems` maps it to HTTP once."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Conflict",
    "FieldError",
    "Forbidden",
    "HubError",
    "Invalid",
    "NotFound",
    "Refused",
    "Unauthenticated",
    "Unavailable",
]


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with one field: `field` is its path (`data.customer.phone`), `message` a sentence with the fix."""

    field: str
    message: str


class HubError(Exception):
    """The parent of all. `code` is stable for programs, `str(error)` is for people."""

    code = "error"


class NotFound(HubError):
    """No such thing, or not this organisation's: the two look the same."""

    code = "not-found"


class Unauthenticated(HubError):
    """Nobody is known to ask: no key, or one that is worth nothing (any more)."""

    code = "unauthenticated"


class Forbidden(HubError):
    """Known person, not allowed to do this."""

    code = "forbidden"


class Invalid(HubError):
    """Input that cannot be used; `fields` names each of them."""

    code = "invalid"

    def __init__(self, message: str, *fields: FieldError) -> None:
        super().__init__(message)
        self.fields = fields


class Conflict(HubError):
    """The request contradicts what is already known (an idempotency key with another body, an old version)."""

    code = "conflict"


class Refused(HubError):
    """The item's state does not allow it; the sentence says what it is now and what would be allowed."""

    code = "refused"


class Unavailable(HubError):
    """A part that is needed is away for the moment; trying again is right."""

    code = "unavailable"
