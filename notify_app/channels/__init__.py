"""The channels that leave the house, chosen once by the settings.

`build` connects to nothing and imports no provider's library that is not used: the first message does.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from notify_app.channels.aws import Account
from notify_app.channels.base import Channel

__all__ = ["ChannelSettings", "build"]


class ChannelSettings(Protocol):
    """What is read of `config.Settings`."""

    @property
    def env(self) -> str: ...
    @property
    def email_provider(self) -> str: ...
    @property
    def sms_provider(self) -> str: ...
    @property
    def smtp_url(self) -> str: ...
    @property
    def aws_region(self) -> str: ...
    @property
    def aws_access_key_id(self) -> str: ...
    @property
    def aws_secret_access_key(self) -> str: ...
    @property
    def aws_endpoint_url(self) -> str: ...
    @property
    def sms_max_price(self) -> Decimal: ...
    @property
    def send_threads(self) -> int: ...


def build(settings: ChannelSettings) -> dict[str, Channel]:
    """One channel object each for "email" and "sms". Raises ValueError for a provider that does not exist."""
    return {"email": _email(settings), "sms": _sms(settings)}


def _email(settings: ChannelSettings) -> Channel:
    allow_test_domains = settings.env != "production"
    match settings.email_provider:
        case "local":
            from notify_app.channels.local import LocalEmail

            return LocalEmail(allow_test_domains=allow_test_domains)
        case "smtp":
            from notify_app.channels.email_smtp import Server, SmtpEmail

            return SmtpEmail(Server.from_url(settings.smtp_url), allow_test_domains=allow_test_domains)
        case "ses":
            from notify_app.channels.email_ses import SesEmail

            return SesEmail(_account(settings), allow_test_domains=allow_test_domains)
    raise ValueError(f"HUB_EMAIL_PROVIDER: {settings.email_provider!r} is not one of local, smtp, ses")


def _sms(settings: ChannelSettings) -> Channel:
    match settings.sms_provider:
        case "local":
            from notify_app.channels.local import LocalSms

            return LocalSms()
        case "sns":
            from notify_app.channels.sms_sns import SnsSms

            return SnsSms(_account(settings), max_price=settings.sms_max_price)
    raise ValueError(f"HUB_SMS_PROVIDER: {settings.sms_provider!r} is not one of local, sns")


def _account(settings: ChannelSettings) -> Account:
    return Account(
        region=settings.aws_region,
        access_key_id=settings.aws_access_key_id,
        secret_access_key=settings.aws_secret_access_key,
        endpoint_url=settings.aws_endpoint_url,
        connections=settings.send_threads,
    )
