"""The accounts of each channel, in the order in which they are used: read once from the settings.

A channel has one account, by its provider in the settings (HUB_EMAIL_PROVIDER), or several, as addresses
(HUB_EMAIL_ACCOUNTS): `ses://KEY:SECRET@eu-west-1?rate=14/s smtp://user:password@mail.example.com:587?starttls=1`. The first that
works is used; each fails for itself. Connects to nothing; a library is imported with the first account that needs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from notify_app.channels.base import Channel
from notify_app.policy.channel import ChannelType, channels
from notify_app.policy.provider import Rate

__all__ = ["OFF", "ProviderAccount", "asked", "build", "kept_here", "offered"]

OFF = "off"


@dataclass(frozen=True)
class ProviderAccount:
    """One way to a provider: what sends, what it is called on pages and in the record, and how fast it may be asked."""

    name: str
    channel: Channel
    rate: Rate | None = None


def build(settings: Any) -> dict[str, tuple[ProviderAccount, ...]]:
    """The accounts of each channel that is not off (`settings` as `config.Settings`). Raises ValueError, which names the
    setting."""
    return {
        one.name: _several(one, settings) or (_only(one, settings),)
        for one in channels()
        if asked(settings, one.name) != (OFF, "")
    }


def asked(settings: Any, name: str) -> tuple[str, str]:
    """Which provider and which accounts the settings give a channel. One that people connect for themselves is off in
    production until it is given a provider: a channel that keeps its messages on this machine reaches nobody."""
    given = dict(settings.of_channels)
    provider, accounts = (given.get(f"HUB_{name}_{what}".upper(), "") for what in ("provider", "accounts"))
    if provider or accounts:
        return provider or OFF, accounts
    if settings.env != "production":
        return "local", ""
    type_ = next((one for one in channels() if one.name == name), None)
    usual = type_.usual if type_ else ""
    return usual or (OFF if type_ and type_.by_wish else "local"), ""


def offered(settings: Any) -> tuple[ChannelType, ...]:
    """The channels that are not off, in the order of pages."""
    return tuple(one for one in channels() if asked(settings, one.name) != (OFF, ""))


def kept_here(settings: Any) -> list[str]:
    """The channels whose messages stay on this machine."""
    return [one.name for one in channels() if asked(settings, one.name) == ("local", "")]


def _several(type_: ChannelType, settings: Any) -> tuple[ProviderAccount, ...]:
    setting = f"HUB_{type_.name.upper()}_ACCOUNTS"
    given = asked(settings, type_.name)[1].split()
    found = tuple(_of(type_, setting, number, url, settings) for number, url in enumerate(given, 1))
    names = [one.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"{setting}: {twice} is there twice")
    return found


def _of(type_: ChannelType, setting: str, number: int, url: str, settings: Any) -> ProviderAccount:
    """One account of its address. What is said of a wrong one never repeats it: there is a password in it."""
    by_scheme = {scheme: one for one in type_.providers.values() for scheme in one.schemes}
    try:
        parts = urlsplit(url)
        if parts.scheme not in by_scheme:
            raise ValueError(f"begin it with {', '.join(f'{one}://' for one in by_scheme)}")
        provider = by_scheme[parts.scheme]
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if unknown := set(options) - {"rate", *provider.options}:
            raise ValueError(f"there is no option {min(unknown)!r}")
        if not parts.hostname:
            raise ValueError("it names no host or region")
        channel: Channel = provider.make(settings, url)
        rate = options.get("rate") or provider.rate
        return ProviderAccount(
            f"{channel.provider}:{parts.hostname}", channel, Rate.of(rate) if rate else None
        )
    except ValueError as error:
        raise ValueError(f"{setting}: account {number}: {error}") from None


def _only(type_: ChannelType, settings: Any) -> ProviderAccount:
    name = asked(settings, type_.name)[0]
    provider = type_.providers.get(name)
    if provider is None:
        there = ", ".join([*type_.providers, *([OFF] if type_.by_wish else [])])
        raise ValueError(f"HUB_{type_.name.upper()}_PROVIDER: {name!r} is not one of {there}")
    return ProviderAccount(
        name, provider.make(settings, ""), Rate.of(provider.rate) if provider.rate else None
    )
