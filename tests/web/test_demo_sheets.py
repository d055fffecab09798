"""What the demo's offices are made of, before anything is made: people who can be reached, a story that holds at every hour."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from notify_app import demo
from notify_app.channels.addresses import clean_email, clean_number
from notify_app.demo.office import Office
from notify_app.demo.week import Did, Said, Week


@pytest.mark.parametrize("office", demo.OFFICES, ids=lambda office: office.slug)
def test_each_office_has_people_of_every_role_who_can_be_reached(office: Office) -> None:
    roles = Counter(person.role for person in office.people)
    assert (
        roles["administrator"] >= 1
        and roles["manager"] >= 1
        and roles["technician"] >= 2
        and roles["contact"] >= 1
    )
    assert all(person.grade for person in office.people if person.role != "contact")
    for person in office.people:
        assert clean_email(person.email, allow_test_domains=True).endswith(".example")
        assert clean_number(person.phone)[5:8] == "555"


def test_what_is_printed_names_somebody_of_each_office_and_who_is_in_two() -> None:
    lines = list(demo.sign_ins())
    assert len(lines) <= 8 and all(len(line) <= 110 for line in lines)
    for office in demo.OFFICES:
        line = next(one for one in lines if office.name in one and "@" in one)
        assert office.first("manager").email in line and office.first("technician").email in line
    assert any("ines@bayline.example" in line and "both" in line for line in lines)


def test_a_hub_in_production_keeps_its_clock(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.extensions, "hub", replace(app.extensions["hub"], env="production"))
    with app.app_context():
        told = app.test_cli_runner().invoke(args=["demo"])
    assert told.exit_code == 1 and "HUB_ENV" in told.output


def story(office: Office, now: datetime) -> dict[str, list[str]]:
    """What happens to each item, in the order of time."""
    sheet = Week(now, office.zone, office.slug)
    office.week(sheet)
    told: dict[str, list[str]] = {}
    for moment in sorted(sheet.moments, key=lambda one: (one.at, isinstance(one.what, Did))):
        assert now - timedelta(days=9) < moment.at <= now, moment
        if isinstance(moment.what, Did):
            told.setdefault(moment.what.number, []).append(f"{moment.what.who}: {moment.what.verb}")
        elif isinstance(moment.what, Said) and "id" in moment.what.data:
            told.setdefault(moment.what.data["id"], []).append(moment.what.data.get("status", "changed"))
    return told


@pytest.mark.parametrize("office", demo.OFFICES, ids=lambda office: office.slug)
def test_the_story_is_the_same_at_every_hour_of_the_day(office: Office) -> None:
    noon = story(office, datetime(2026, 11, 25, 12, 0, tzinfo=UTC))
    for hour in range(24):
        assert story(office, datetime(2026, 3, 10, hour, 37, 12, tzinfo=UTC)) == noon
