"""Every setting, where it comes from, and what is wrong with it when it cannot be used.

Settings are read once, at start, from the environment; nothing below the edges reads `os.environ`.
A bad value stops the start with a sentence that names the variable (`SettingsError`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Settings", "SettingsError"]

ENVIRONMENTS = ("demo", "production", "test")
SCHEDULERS = ("rq", "cron")
TOPIC = re.compile(r"arn:aws(?:-[a-z]+)*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")
LARGEST_BATCH = 1000  # what is longer than that in one transaction holds up others


class SettingsError(ValueError):
    """A setting that is missing or cannot be used; the message names the variable and the fix."""


def _setting(env: str, doc: str, default: Any = None) -> Any:
    return field(default=default, metadata={"env": env, "doc": doc})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One frozen value handed to `create_app`. Each field's metadata holds its variable and its meaning."""

    secret_key: str = _setting(
        "HUB_SECRET_KEY", "Signs cookies and links, derives the key that encrypts stored secrets."
    )
    database_url: str = _setting("DATABASE_URL", "PostgreSQL 18 as role hub_app: scoped to one organisation.")
    database_engine_url: str = _setting(
        "DATABASE_ENGINE_URL", "PostgreSQL as role hub_engine: claims, sign-in, ingest."
    )
    database_owner_url: str = _setting(
        "DATABASE_OWNER_URL", "PostgreSQL as role hub_owner: migrations only.", default=""
    )
    redis_url: str = _setting("REDIS_URL", "Valkey or Redis 7.2 or newer: wake-ups and live hints.")
    base_url: str = _setting(
        "HUB_BASE_URL", "Public address that links in messages begin with.", default="http://127.0.0.1:8000"
    )
    env: str = _setting("HUB_ENV", "demo, production or test.", default="production")
    instance: Path = _setting(
        "HUB_INSTANCE", "Directory for what is kept beside the database.", default=Path("instance")
    )
    smtp_url: str = _setting("HUB_SMTP_URL", "smtp://user:password@host:port?starttls=1", default="")
    of_channels: tuple[tuple[str, str], ...] = _setting(
        "HUB_*_PROVIDER, HUB_*_ACCOUNTS",
        "By whom each channel sends, as HUB_EMAIL_PROVIDER, or several accounts, as HUB_EMAIL_ACCOUNTS: docs/channels.md.",
        default=(),
    )
    outgoing_url: str = _setting(
        "HUB_OUTGOING_URL",
        "Where calls to addresses go that people have typed or browsers given, if not to these (a proxy that you trust, test).",
        default="",
    )
    telegram_token: str = _setting(
        "HUB_TELEGRAM_TOKEN", "The token of the bot, as @BotFather has given it.", default=""
    )
    telegram_bot: str = _setting("HUB_TELEGRAM_BOT", "The name of the bot, without the @.", default="")
    telegram_url: str = _setting(
        "HUB_TELEGRAM_URL",
        "Where the Bot API is asked, if not at api.telegram.org (a server of one's own, test).",
        default="",
    )
    aws_region: str = _setting("AWS_REGION", "Region of SES and SNS.", default="us-east-1")
    aws_access_key_id: str = _setting(
        "AWS_ACCESS_KEY_ID", "AWS key; empty uses boto3's own chain.", default=""
    )
    aws_secret_access_key: str = _setting(
        "AWS_SECRET_ACCESS_KEY", "AWS secret that belongs to the key.", default=""
    )
    aws_endpoint_url: str = _setting(
        "HUB_AWS_ENDPOINT_URL", "Another endpoint for SES and SNS (VPC, test).", default=""
    )
    sms_max_price: Decimal = _setting(
        "HUB_SMS_MAX_PRICE",
        "Most that one SMS may cost, in US dollars (SNS MaxPrice).",
        default=Decimal("0.50"),
    )
    sms_prices: str = _setting(
        "HUB_SMS_PRICES",
        "What a segment of an SMS costs in US dollars, by country, where it is not the list price: US=0.00645 DE=0.1012.",
        default="",
    )
    office_share: int = _setting(
        "HUB_OFFICE_SHARE",
        "The most of a provider's rate, in percent, that one organisation's messages take that are not urgent while others "
        "want some of it too; 100 is all.",
        default=50,
    )
    sns_topics: str = _setting(
        "HUB_SNS_TOPICS",
        "Topics whose messages are taken at /receipts/sns and /inbound/sms, by their ARNs; no other is.",
        default="",
    )
    sns_url: str = _setting(
        "HUB_SNS_URL",
        "Where SNS's certificates and confirmations are asked for, if not where SNS says (VPC, test).",
        default="",
    )
    soft_bounces: int = _setting(
        "HUB_SOFT_BOUNCES",
        "After so many messages that came back within 14 days for a cause that may pass, an address is blocked.",
        default=5,
    )
    lease: timedelta = _setting(
        "HUB_LEASE_SECONDS", "How long a claimed delivery is a worker's own.", default=timedelta(seconds=30)
    )
    poll: timedelta = _setting(
        "HUB_POLL_SECONDS",
        "How often an idle worker looks into the database by itself.",
        default=timedelta(seconds=5),
    )
    drain: timedelta = _setting(
        "HUB_DRAIN_SECONDS",
        "How long one drain job runs before it wakes its successor.",
        default=timedelta(seconds=20),
    )
    trusted_proxies: int = _setting(
        "HUB_TRUSTED_PROXIES", "Proxies in front whose X-Forwarded headers are believed.", default=0
    )
    scheduler: str = _setting(
        "HUB_SCHEDULER",
        "rq: rq-scheduler wakes the sweeps. cron: you run them, and no scheduler is expected.",
        default="rq",
    )
    release_every: timedelta = _setting(
        "HUB_RELEASE_SECONDS",
        "How often what is due again has its workers woken.",
        default=timedelta(seconds=5),
    )
    rescue_every: timedelta = _setting(
        "HUB_RESCUE_SECONDS",
        "How often deliveries of dead workers are taken over.",
        default=timedelta(seconds=10),
    )
    rescue_batch: int = _setting(
        "HUB_RESCUE_BATCH", "Deliveries that one transaction takes over.", default=500
    )
    remind_every: timedelta = _setting(
        "HUB_REMIND_SECONDS", "How often due reminders are looked for.", default=timedelta(seconds=15)
    )
    reminder_batch: int = _setting(
        "HUB_REMINDER_BATCH", "Reminders that one transaction settles.", default=50
    )
    collect_every: timedelta = _setting(
        "HUB_COLLECT_SECONDS",
        "How often held messages whose time has come are let go.",
        default=timedelta(seconds=5),
    )
    collect_batch: int = _setting(
        "HUB_COLLECT_BATCH", "Held messages that one transaction lets go.", default=500
    )
    escalate_every: timedelta = _setting(
        "HUB_ESCALATE_SECONDS", "How often ladders that are due climb.", default=timedelta(seconds=10)
    )
    escalate_batch: int = _setting("HUB_ESCALATE_BATCH", "Ladders that one transaction climbs.", default=200)
    cover_every: timedelta = _setting(
        "HUB_COVER_SECONDS",
        "How often it is looked whether nobody of a role will be there.",
        default=timedelta(seconds=600),
    )
    cover_batch: int = _setting(
        "HUB_COVER_BATCH", "Organisations whose absences one look goes through.", default=500
    )
    digest_every: timedelta = _setting(
        "HUB_DIGEST_SECONDS", "How often digests that are due are looked for.", default=timedelta(seconds=15)
    )
    digest_batch: int = _setting(
        "HUB_DIGEST_BATCH", "People whose digests one transaction makes.", default=200
    )
    feedback_every: timedelta = _setting(
        "HUB_FEEDBACK_SECONDS",
        "How often reports of providers are looked at that came before their message was written down as sent.",
        default=timedelta(seconds=5),
    )
    feedback_batch: int = _setting("HUB_FEEDBACK_BATCH", "Such reports that one look takes.", default=200)
    scheduled_every: timedelta = _setting(
        "HUB_SCHEDULED_SECONDS",
        "How often messages that were written for a time are looked for.",
        default=timedelta(seconds=15),
    )
    scheduled_batch: int = _setting(
        "HUB_SCHEDULED_BATCH", "Written messages that are looked up at once.", default=50
    )
    retry_every: timedelta = _setting(
        "HUB_RETRY_SECONDS",
        "How often what fell through is picked up once more.",
        default=timedelta(seconds=300),
    )
    warn_every: timedelta = _setting(
        "HUB_WARN_SECONDS",
        "How often it is looked whether administrators must hear of a finding.",
        default=timedelta(seconds=30),
    )
    warn_batch: int = _setting(
        "HUB_WARN_BATCH", "Organisations whose administrators one look tells.", default=100
    )
    retain_at: str = _setting(
        "HUB_RETAIN_AT", "When old records go: a cron line, in UTC.", default="0 2 * * 0"
    )
    retain_batch: int = _setting(
        "HUB_RETAIN_BATCH", "Old records that one transaction removes.", default=1000
    )
    tidy_at: str = _setting(
        "HUB_TIDY_AT", "When old notifications go: a cron line, in UTC.", default="0 0 * * 0"
    )
    tidy_batch: int = _setting(
        "HUB_TIDY_BATCH", "Notifications, or permits, that one transaction looks at.", default=500
    )
    keep_days: int = _setting(
        "HUB_KEEP_DAYS", "After how many days notifications of closed work go.", default=365
    )
    audit_every: timedelta = _setting(
        "HUB_AUDIT_SECONDS",
        "How often the auditor looks whether everything runs; 0 never.",
        default=timedelta(seconds=20),
    )
    heartbeat_url: str = _setting(
        "HUB_HEARTBEAT_URL",
        "https:// address that is called once a minute while nothing of the hub itself is wrong; empty calls none.",
        default="",
    )
    send_threads: int = _setting(
        "HUB_SEND_THREADS",
        "Messages that a delivery worker sends at once, of each of its queues.",
        default=32,
    )

    def __post_init__(self) -> None:
        _one_of("HUB_ENV", self.env, ENVIRONMENTS)
        if self.env == "production" and len(self.secret_key) < 32:
            raise SettingsError("HUB_SECRET_KEY: use at least 32 characters in production.")
        if urlsplit(self.base_url).scheme not in ("http", "https"):
            raise SettingsError("HUB_BASE_URL: begin it with https:// (or http://).")
        if not 1 <= self.send_threads <= 256:
            raise SettingsError("HUB_SEND_THREADS: use a number from 1 to 256.")
        self._check_sweeps()
        _one_of("HUB_SCHEDULER", self.scheduler, SCHEDULERS)
        if self.audit_every and not timedelta(seconds=1) <= self.audit_every <= timedelta(seconds=20):
            raise SettingsError(
                "HUB_AUDIT_SECONDS: use a number from 1 to 20 (what stands still is found within 90 seconds), or 0 for never."
            )
        if not 1 <= self.office_share <= 100:
            raise SettingsError("HUB_OFFICE_SHARE: use a number from 1 to 100.")
        if not 1 <= self.keep_days <= 36_500:
            raise SettingsError("HUB_KEEP_DAYS: use a number from 1 to 36500.")
        _https("HUB_HEARTBEAT_URL", self.heartbeat_url)
        self._check_sns()
        if min(self.lease, self.poll, self.drain) <= timedelta(0):
            raise SettingsError(
                "HUB_LEASE_SECONDS, HUB_POLL_SECONDS, HUB_DRAIN_SECONDS: use numbers above 0."
            )

    @property
    def topics(self) -> tuple[str, ...]:
        """The ARNs of the topics that are listened to."""
        return tuple(self.sns_topics.replace(",", " ").split())

    def _check_sns(self) -> None:
        for topic in self.topics:
            if not TOPIC.fullmatch(topic):
                raise SettingsError(
                    f"HUB_SNS_TOPICS: {topic!r} is no topic; write ARNs, as in arn:aws:sns:eu-west-1:123456789012:bounces."
                )
        if self.sns_url and urlsplit(self.sns_url).scheme not in ("http", "https"):
            raise SettingsError("HUB_SNS_URL: begin it with https:// (or http://).")
        if self.outgoing_url and urlsplit(self.outgoing_url).scheme not in ("http", "https"):
            raise SettingsError("HUB_OUTGOING_URL: begin it with https:// (or http://).")
        if self.telegram_url and urlsplit(self.telegram_url).scheme not in ("http", "https"):
            raise SettingsError("HUB_TELEGRAM_URL: begin it with https:// (or http://).")
        if not 1 <= self.soft_bounces <= 1000:
            raise SettingsError("HUB_SOFT_BOUNCES: use a number from 1 to 1000.")

    def _check_sweeps(self) -> None:
        """Intervals are whole seconds (the scheduler knows no others), batches are bounded, cron lines can be read."""
        for spec in fields(self):
            value, name = getattr(self, spec.name), spec.metadata["env"]
            if spec.name.endswith("_every") and not (
                value.total_seconds() in range(1, 3601) or spec.name == "audit_every"
            ):
                raise SettingsError(f"{name}: use a whole number from 1 to 3600.")
            if spec.name.endswith("_batch") and not 1 <= value <= LARGEST_BATCH:
                raise SettingsError(f"{name}: use a number from 1 to {LARGEST_BATCH}.")
            if spec.name.endswith("_at"):
                _cron(name, value)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read every field from `environ`. Raises SettingsError, which names the variable."""
        values: dict[str, Any] = {"of_channels": _of_channels(environ)}
        for spec in fields(cls):
            name = spec.metadata["env"]
            if spec.name in values:
                continue
            raw = environ.get(name, "")
            if raw == "" and spec.default is None:
                raise SettingsError(f"{name}: set it. {spec.metadata['doc']}")
            values[spec.name] = spec.default if raw == "" else _parse(name, raw, spec.default)
        return cls(**values)


def _of_channels(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The provider and the accounts of each channel that has some."""
    return tuple(
        (name, value)
        for name, value in sorted(environ.items())
        if name.startswith("HUB_") and name.endswith(("_PROVIDER", "_ACCOUNTS")) and value
    )


def _parse(name: str, raw: str, default: Any) -> Any:
    try:
        match default:
            case timedelta():
                return timedelta(seconds=float(raw))
            case bool():
                return raw.lower() in ("1", "true", "yes", "on")
            case int():
                return int(raw)
            case Decimal():
                return Decimal(raw)
            case Path():
                return Path(raw)
            case _:
                return (
                    _driver(raw)
                    if name.startswith("DATABASE_")
                    else raw.rstrip("/")
                    if name == "HUB_BASE_URL"
                    else raw
                )
    except (ValueError, InvalidOperation):
        raise SettingsError(f"{name}: {raw!r} is not a number.") from None


def _driver(url: str) -> str:
    """SQLAlchemy 2.1 knows `postgresql://` (psycopg 3) and refuses the `postgres://` that many hosts hand out."""
    return "postgresql+psycopg://" + url.split("://", 1)[1] if "://" in url else url


def _cron(name: str, line: str) -> None:
    from crontab import CronTab  # here, so that the supervisor stays small

    try:
        CronTab(line)
    except ValueError:
        raise SettingsError(
            f"{name}: {line!r} is no cron line; write five fields, as in 0 2 * * 0."
        ) from None


def _https(name: str, url: str) -> None:
    """An address outside that is called by itself: encrypted, and without anybody's password in it."""
    if not url:
        return
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise SettingsError(f"{name}: write it as https://host/path, without a user name.")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SettingsError(f"{name}: {value!r} is not one of {', '.join(allowed)}.")
