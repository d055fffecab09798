"""What is declared is true: settings and commands are documented, jobs resolve, every event can be said."""

from __future__ import annotations

import importlib
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from crontab import CronTab
from flask import Flask

from notify_app import create_app, domains
from notify_app.config import Settings, SettingsError
from notify_app.domains.base import EventType, PackError, Priority
from notify_app.pipeline import render
from notify_app.policy import sms
from notify_app.queue import DRAINS
from notify_app.schedule import SCHEDULE

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ENTRIES = {"flask run", "shell", "routes", "run", "limiter"}
EVENTS = list(domains.events())


@pytest.mark.parametrize("spec", fields(Settings), ids=lambda spec: spec.name)
def test_every_setting_is_documented_and_read(spec: object) -> None:
    metadata, name = spec.metadata, spec.name  # type: ignore[attr-defined]
    assert f"`{metadata['env']}`" in OPERATIONS
    assert metadata["doc"].endswith(".") or "://" in metadata["doc"]
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "notify_app").rglob("*.py")) + (
        ROOT / "migrations" / "env.py"
    ).read_text(encoding="utf-8")
    assert re.search(rf"\.{name}\b", code), f"nothing reads {name}"


def test_every_command_is_documented(app: Flask) -> None:
    for name, command in app.cli.commands.items():
        if name not in ENTRIES:
            assert f"`{name}" in OPERATIONS or f"`{name}`" in OPERATIONS, name
            assert command.help


@pytest.mark.parametrize("job", [*SCHEDULE], ids=lambda job: job.id)
def test_every_scheduled_job_resolves(job: object) -> None:
    module, _, name = job.job.rpartition(".")  # type: ignore[attr-defined]
    assert callable(getattr(importlib.import_module(module), name))
    assert bool(job.cron) != bool(job.seconds)  # type: ignore[attr-defined]
    if job.cron:  # type: ignore[attr-defined]
        CronTab(job.cron)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", DRAINS.values())
def test_every_wake_up_has_a_job(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.proves("C3", "C4")
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_every_event_can_be_said_on_every_channel(event: EventType) -> None:
    """Its sample renders in every field with nothing missing and no value in its raw form."""
    home = domains.pack_of(event.name)
    assert home is not None
    context = {
        **event.sample,
        "event": {"name": event.name, "title": event.title, "priority": event.priority.value},
        "person": {"name": "Marco Reyes", "first_name": "Marco", "role": "technician"},
        "organisation": {"name": "Evergreen Auto Glass"},
        "branding": {"company_name": "Evergreen Auto Glass"},
        "link": "https://hub.example.com/jobs/1",
    }
    said = render.render(
        dict.fromkeys(render.FIELDS), context, domain=home.name, event=event.name, zone="America/Los_Angeles"
    ).values
    for field, text in said.items():
        assert text.strip(), field
        assert not re.search(
            r"Decimal\(|Money\(|datetime\.|Undefined|\{\{|\{%|\bNone\b|\d{4}-\d\d-\d\dT", text
        ), (field, text)
    assert sms.segments(said["sms"]).count == 1


@pytest.mark.proves("C3")
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"category": "aproval"}, "aproval"),
        ({"audience": ("tecnician",)}, "tecnician"),
        ({"channels": ("pigeon",)}, "pigeon"),
        ({"requires": ("item.colour",)}, "item.colour"),
        ({"kind": "repare"}, "repare"),
        ({"holds_while": ("waiting",)}, "waiting"),
    ],
)
def test_a_misspelt_name_stops_the_start_and_is_named(change: dict[str, object], named: str) -> None:
    pack = domains.PACKS[0]
    wrong = replace(pack.events[0], **change)  # type: ignore[arg-type]
    packs = (replace(pack, events=(wrong, *pack.events[1:])), *domains.PACKS[1:])
    with pytest.raises(PackError, match=re.escape(named)):
        domains.load(packs)


def test_a_name_that_stands_twice_stops_the_start() -> None:
    pack = domains.PACKS[0]
    with pytest.raises(PackError, match="twice"):
        domains.load((replace(pack, events=(*pack.events, pack.events[0])), *domains.PACKS[1:]))


GOOD = {
    "HUB_SECRET_KEY": "x" * 40,
    "DATABASE_URL": "postgres://hub_app@localhost/hub",
    "DATABASE_ENGINE_URL": "postgresql://hub_engine@localhost/hub",
    "REDIS_URL": "redis://localhost",
}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"HUB_SECRET_KEY": ""}, "HUB_SECRET_KEY"),
        ({"HUB_SECRET_KEY": "short"}, "HUB_SECRET_KEY"),
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"HUB_ENV": "staging"}, "HUB_ENV"),
        ({"HUB_SEND_THREADS": "0"}, "HUB_SEND_THREADS"),
        ({"HUB_SEND_THREADS": "many"}, "HUB_SEND_THREADS"),
        ({"HUB_LEASE_SECONDS": "0"}, "HUB_LEASE_SECONDS"),
        ({"HUB_SMS_MAX_PRICE": "cheap"}, "HUB_SMS_MAX_PRICE"),
        ({"HUB_OFFICE_SHARE": "0"}, "HUB_OFFICE_SHARE"),
        ({"HUB_OFFICE_SHARE": "101"}, "HUB_OFFICE_SHARE"),
        ({"HUB_BASE_URL": "hub.example.com"}, "HUB_BASE_URL"),
    ],
)
def test_a_bad_setting_stops_the_start_and_is_named(change: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Settings.from_env(GOOD | change)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HUB_EMAIL_ACCOUNTS", "ses://key:secret@eu-west-1?rate=fast", "HUB_EMAIL_ACCOUNTS: account 1"),
        ("HUB_EMAIL_PROVIDER", "pigeon", "HUB_EMAIL_PROVIDER: 'pigeon' is not one of local, smtp, ses"),
        ("HUB_SMS_PROVIDER", "pigeon", "HUB_SMS_PROVIDER"),
        ("HUB_EMAIL_PROVIDER", "smtp", "HUB_SMTP_URL"),
        ("HUB_TELEGRAM_PROVIDER", "bot", "HUB_TELEGRAM_TOKEN"),
    ],
)
def test_a_provider_that_cannot_be_stops_the_start(
    settings: Settings, name: str, value: str, says: str
) -> None:
    with pytest.raises(SettingsError, match=says):
        create_app(replace(settings, smtp_url="", of_channels=((name, value),)), pages=False)


def test_pushes_need_pages_over_https(settings: Settings) -> None:
    plain = replace(
        settings, base_url="http://hub.example.com", of_channels=(("HUB_PUSH_PROVIDER", "vapid"),)
    )
    with pytest.raises(SettingsError, match="HUB_BASE_URL: begin it with https"):
        create_app(plain, pages=False)


def test_a_price_that_cannot_be_read_stops_the_start_and_is_named() -> None:
    settings = Settings.from_env(GOOD | {"HUB_SMS_PRICES": "CA=0.01"})
    with pytest.raises(SettingsError, match="HUB_SMS_PRICES: CA shares its calling code with US"):
        create_app(settings)


def test_the_address_that_many_hosts_hand_out_is_understood() -> None:
    assert Settings.from_env(GOOD).database_url == "postgresql+psycopg://hub_app@localhost/hub"


@pytest.mark.proves("C1")
def test_priorities_are_words_and_numbers() -> None:
    assert [Priority.of(value) for value in ("urgent", "CRITICAL", 1)] == [Priority.urgent] * 3
    assert [Priority.of(value) for value in (2, "Medium", 4)] == [
        Priority.high,
        Priority.medium,
        Priority.low,
    ]
    for wrong in (0, 5, True, "normal"):
        with pytest.raises(ValueError, match=r"priority|Priority"):
            Priority.of(wrong)
