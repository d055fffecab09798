"""How long what verifies an address lasts, how often it may be guessed and sent, and in which country an office writes its
numbers. Pure."""

from __future__ import annotations

from datetime import timedelta

from babel.core import get_global

from notify_app.policy.channel import ChannelType

__all__ = ["FORGOTTEN_AFTER", "MOST_A_DAY", "MOST_OF_A_PERSON", "MOST_TRIES", "has_link", "life", "region"]

MOST_TRIES = 5
MOST_A_DAY = 5  # messages to one address, whoever of the organisation asks
MOST_OF_A_PERSON = 10  # to all addresses of one person in a day
FORGOTTEN_AFTER = timedelta(days=7)  # an address that nobody verifies
LINK_LIFE, CODE_LIFE = timedelta(hours=24), timedelta(minutes=10)


def has_link(type_: ChannelType) -> bool:
    """Whether a message of this channel brings a link beside the code: an email does, an SMS has a code alone."""
    return type_.lists


def life(type_: ChannelType) -> timedelta:
    """How long what was sent by this channel verifies."""
    return LINK_LIFE if has_link(type_) else CODE_LIFE


def region(zone: str) -> str:
    """The two letters of the country of a time zone; '' for one that is of no country."""
    found = get_global("zone_territories").get(zone, "")
    return str(found) if len(str(found)) == 2 else ""
