"""Email addresses and phone numbers in the one form in which they are stored.

Refuses what is not exactly one address; looks nothing up (no DNS, no carrier).
"""

from __future__ import annotations

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from notify_app.channels.base import Invalid

__all__ = ["clean_email", "clean_number", "whole_number"]


def clean_email(address: str, *, allow_test_domains: bool = False) -> str:
    """One addr-spec of ASCII characters, an international domain as punycode. Raises Invalid."""
    try:
        found = validate_email(
            address.strip(),
            allow_smtputf8=False,  # neither SES nor every relay takes letters beyond ASCII before the @
            check_deliverability=False,
            test_environment=allow_test_domains,
        )
    except EmailNotValidError as error:
        raise Invalid(f"This is not an email address we can write to: {error}") from None
    return found.ascii_email or found.normalized


def clean_number(address: str, region: str | None = None) -> str:
    """E.164, such as +12025550101. Without a region a number begins with + and its country. Raises Invalid."""
    try:
        number = phonenumbers.parse(address, region)
    except phonenumbers.NumberParseException:
        raise Invalid("Write the phone number with + and its country's code, such as +1 or +44.") from None
    if not phonenumbers.is_valid_number(number) or number.extension:
        raise Invalid("There is no such phone number: check its digits and its country.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def whole_number(given: str, region: str) -> str:
    """A number as people of this country write it among themselves, in E.164; anything else as it was given."""
    try:
        return clean_number(given, region or None)
    except Invalid:
        return given
