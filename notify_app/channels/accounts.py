"""The accounts of each channel, in the order in which they are used: read once from the settings.

A channel has one account, by HUB_EMAIL_PROVIDER and HUB_SMS_PROVIDER, or several, as addresses in HUB_EMAIL_ACCOUNTS and
HUB_SMS_ACCOUNTS: `ses://KEY:SECRET@eu-west-1?rate=14/s smtp://user:password@mail.example.com:587?starttls=1`. The first that
works is used; each fails for itself. Connects to nothing; a library is imported with the first account that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from notify_app.channels.aws import Account as AwsAccount
from notify_app.channels.base import Channel
from notify_app.policy.provider import Rate
from notify_app.policy.sms import prices

__all__ = ["ChannelSettings", "ProviderAccount", "build"]

# what the providers allow an account that has left its sandbox: SES, "Maximum send rate"; SNS, "Publish" of SMS
USUAL_RATES = {"ses": "14/s", "sns": "20/s"}
OPTIONS = {"smtp": {"starttls", "rate"}, "smtps": {"rate"}, "ses": {"rate"}, "sns": {"rate"}}


class ChannelSettings(Protocol):
    """What is read of `config.Settings`."""

    @property
    def env(self) -> str: ...
    @property
    def email_provider(self) -> str: ...
    @property
    def email_accounts(self) -> str: ...
    @property
    def sms_provider(self) -> str: ...
    @property
    def sms_accounts(self) -> str: ...
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
    def sms_prices(self) -> str: ...
    @property
    def send_threads(self) -> int: ...


@dataclass(frozen=True)
class ProviderAccount:
    """One way to a provider: what sends, what it is called on pages and in the record, and how fast it may be asked."""

    name: str
    channel: Channel
    rate: Rate | None = None


def build(settings: ChannelSettings) -> dict[str, tuple[ProviderAccount, ...]]:
    """The accounts for "email" and "sms", at least one each. Raises ValueError, which names the setting."""
    return {
        "email": _several("HUB_EMAIL_ACCOUNTS", settings.email_accounts, settings, EMAIL)
        or (_email(settings),),
        "sms": _several("HUB_SMS_ACCOUNTS", settings.sms_accounts, settings, SMS) or (_sms(settings),),
    }


def _several(
    setting: str, given: str, settings: ChannelSettings, makers: Mapping[str, Maker]
) -> tuple[ProviderAccount, ...]:
    found = tuple(_of(setting, number, url, settings, makers) for number, url in enumerate(given.split(), 1))
    names = [one.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"{setting}: {twice} is there twice")
    return found


def _of(
    setting: str, number: int, url: str, settings: ChannelSettings, makers: Mapping[str, Maker]
) -> ProviderAccount:
    """One account of its address. What is said of a wrong one never repeats it: there is a password in it."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in makers:
            raise ValueError(f"begin it with {', '.join(f'{one}://' for one in makers)}")
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if unknown := set(options) - OPTIONS[parts.scheme]:
            raise ValueError(f"there is no option {min(unknown)!r}")
        if not parts.hostname:
            raise ValueError("it names no host or region")
        channel = makers[parts.scheme](settings, parts, url)
        rate = options.get("rate") or USUAL_RATES.get(parts.scheme)
        return ProviderAccount(
            f"{channel.provider}:{parts.hostname}", channel, Rate.of(rate) if rate else None
        )
    except ValueError as error:
        raise ValueError(f"{setting}: account {number}: {error}") from None


Maker = Callable[[ChannelSettings, SplitResult, str], Channel]


def _smtp(settings: ChannelSettings, parts: SplitResult, url: str) -> Channel:  # noqa: ARG001
    from notify_app.channels.email_smtp import Server, SmtpEmail

    return SmtpEmail(Server.from_url(url), allow_test_domains=settings.env != "production")


def _ses(settings: ChannelSettings, parts: SplitResult, url: str) -> Channel:  # noqa: ARG001
    from notify_app.channels.email_ses import SesEmail

    return SesEmail(_aws(settings, parts), allow_test_domains=settings.env != "production")


def _sns(settings: ChannelSettings, parts: SplitResult, url: str) -> Channel:  # noqa: ARG001
    from notify_app.channels.sms_sns import SnsSms

    return SnsSms(_aws(settings, parts), max_price=settings.sms_max_price, prices=prices(settings.sms_prices))


EMAIL: Mapping[str, Maker] = {"smtp": _smtp, "smtps": _smtp, "ses": _ses}
SMS: Mapping[str, Maker] = {"sns": _sns}


def _aws(settings: ChannelSettings, parts: SplitResult | None = None) -> AwsAccount:
    """Of an address, its own key and region; without a key, or without an address, the settings'."""
    keyed = parts is not None and parts.username is not None
    return AwsAccount(
        region=parts.hostname or "" if parts else settings.aws_region,
        access_key_id=unquote(parts.username or "") if parts and keyed else settings.aws_access_key_id,
        secret_access_key=unquote(parts.password or "")
        if parts and keyed
        else settings.aws_secret_access_key,
        endpoint_url=settings.aws_endpoint_url,
        connections=settings.send_threads,
    )


def _email(settings: ChannelSettings) -> ProviderAccount:
    allow_test_domains = settings.env != "production"
    match settings.email_provider:
        case "local":
            from notify_app.channels.local import LocalEmail

            return ProviderAccount("local", LocalEmail(allow_test_domains=allow_test_domains))
        case "smtp":
            from notify_app.channels.email_smtp import Server, SmtpEmail

            server = Server.from_url(settings.smtp_url)
            return ProviderAccount("smtp", SmtpEmail(server, allow_test_domains=allow_test_domains))
        case "ses":
            from notify_app.channels.email_ses import SesEmail

            channel = SesEmail(_aws(settings), allow_test_domains=allow_test_domains)
            return ProviderAccount("ses", channel, Rate.of(USUAL_RATES["ses"]))
    raise ValueError(f"HUB_EMAIL_PROVIDER: {settings.email_provider!r} is not one of local, smtp, ses")


def _sms(settings: ChannelSettings) -> ProviderAccount:
    match settings.sms_provider:
        case "local":
            from notify_app.channels.local import LocalSms

            return ProviderAccount("local", LocalSms(prices=prices(settings.sms_prices)))
        case "sns":
            from notify_app.channels.sms_sns import SnsSms

            channel = SnsSms(
                _aws(settings), max_price=settings.sms_max_price, prices=prices(settings.sms_prices)
            )
            return ProviderAccount("sns", channel, Rate.of(USUAL_RATES["sns"]))
    raise ValueError(f"HUB_SMS_PROVIDER: {settings.sms_provider!r} is not one of local, sns")
