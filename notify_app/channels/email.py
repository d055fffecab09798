"""Email: what it is, and by whom it is sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from notify_app.channels.addresses import clean_email
from notify_app.channels.base import Channel
from notify_app.policy.channel import AddressField, ChannelType, Limit, Provider, Schedule, declare, gaps

__all__ = ["EMAIL"]


def _local(settings: Any, url: str) -> Channel:  # noqa: ARG001
    from notify_app.channels.local import LocalEmail

    return LocalEmail(allow_test_domains=settings.env != "production")


def _smtp(settings: Any, url: str) -> Channel:
    from notify_app.channels.email_smtp import Server, SmtpEmail

    if not (url or settings.smtp_url):
        raise ValueError("HUB_SMTP_URL: set it when HUB_EMAIL_PROVIDER is smtp")
    server = Server.from_url(url or settings.smtp_url)
    return SmtpEmail(server, allow_test_domains=settings.env != "production")


def _ses(settings: Any, url: str) -> Channel:
    from notify_app.channels.aws import account
    from notify_app.channels.email_ses import SesEmail

    return SesEmail(account(settings, url), allow_test_domains=settings.env != "production")


EMAIL = ChannelType(
    name="email",
    title="Email",
    spoken="email",
    text="A mail with all details, branded as the office is.",
    sign="mail",
    place=1,
    rank=2,
    told=("urgent", "medium"),  # A5
    parts={"subject": "subject", "html": "email_html", "text": "email_text"},
    address=AddressField(
        label="Email address",
        title="Add a mail address",
        sample="name@example.com",
        missing="there is no mail address for you yet; add one below.",
        clean=lambda given, tests: clean_email(given, allow_test_domains=tests),
        kind="email",
        mode="email",
        complete="email",
        named="email",
    ),
    # At 0, 15 s, 1, 4, 10, 30 min, then hourly. A second copy carries the same Message-ID, so it folds.
    schedule=Schedule(
        attempts=12,
        gaps=gaps(15, 45, 180, 360, 1200, 3600),
        max_age={"urgent": timedelta(hours=4), "": timedelta(hours=24)},
        ambiguous_retries={"": 1},
    ),
    limits=(
        Limit("email_an_hour", "email", 30, timedelta(hours=1), "Emails in an hour"),
        Limit("email_a_day", "email", 200, timedelta(days=1), "Emails in a day"),
    ),
    providers={
        "local": Provider("Kept on this machine and shown on the outbox page.", _local),
        "smtp": Provider("A mail server, by `HUB_SMTP_URL`.", _smtp, ("smtp", "smtps"), ("starttls",)),
        # "Maximum send rate" of an account that has left its sandbox
        "ses": Provider("Amazon SES.", _ses, ("ses",), rate="14/s"),
    },
)
declare(EMAIL)
