"""SMS: what it is, and by whom it is sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from notify_app.channels.addresses import clean_number, whole_number
from notify_app.channels.base import Channel
from notify_app.policy.channel import AddressField, ChannelType, Limit, Provider, Schedule, declare, gaps
from notify_app.policy.sms import prices

__all__ = ["SMS"]


def _local(settings: Any, url: str) -> Channel:  # noqa: ARG001
    from notify_app.channels.local import LocalSms

    return LocalSms(prices=prices(settings.sms_prices))


def _sns(settings: Any, url: str) -> Channel:
    from notify_app.channels.aws import account
    from notify_app.channels.sms_sns import SnsSms

    return SnsSms(
        account(settings, url), max_price=settings.sms_max_price, prices=prices(settings.sms_prices)
    )


SMS = ChannelType(
    name="sms",
    title="SMS",
    spoken="SMS",
    text="A short message to a phone; each costs money.",
    sign="message",
    place=2,
    rank=1,
    told=("urgent", "high"),  # A5
    parts={"text": "sms"},
    answers="code",
    address=AddressField(
        label="Mobile number",
        title="Add a mobile number",
        sample="+1 202 555 0143",
        missing="there is no mobile number for you yet; add one below.",
        clean=lambda given, _tests: clean_number(given),
        kind="tel",
        mode="tel",
        complete="tel",
        named="phone",
        within=whole_number,
    ),
    # At 0, 15 s, 1, 3, 10 min. Nothing folds a second SMS, so only an urgent one is risked, once.
    schedule=Schedule(
        attempts=5,
        gaps=gaps(15, 45, 120, 420),
        max_age={"urgent": timedelta(minutes=30), "": timedelta(hours=2)},
        ambiguous_retries={"urgent": 1, "": 0},
        ambiguous_wait=timedelta(seconds=60),
    ),
    limits=(
        Limit("sms_an_hour", "sms", 10, timedelta(hours=1), "SMS in an hour"),
        Limit("sms_a_day", "sms", 30, timedelta(days=1), "SMS in a day"),
    ),
    providers={
        "local": Provider("Kept on this machine and shown on the outbox page.", _local),
        # "Publish" of SMS of an account that has left its sandbox
        "sns": Provider("Amazon SNS.", _sns, ("sns",), rate="20/s"),
    },
)
declare(SMS)
