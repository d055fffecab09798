"""Evergreen Auto Glass: a windshield shop. Customers approve what the shop proposes; three technicians do it."""

from __future__ import annotations

from datetime import datetime, timedelta

from notify_app.demo.office import Office, Somebody
from notify_app.demo.week import Week

__all__ = ["OFFICE"]

PEOPLE = (
    Somebody("Alice Moreno", "manager", "alice@evergreen.example", "+12065552610", "B"),
    Somebody("Henry Osei", "administrator", "henry@evergreen.example", "+12065552611", "A"),
    Somebody(
        "Marco Reyes", "technician", "marco@evergreen.example", "+12065552671", "B", id="T-1", sleeps=True
    ),
    Somebody("Priya Natarajan", "technician", "priya@evergreen.example", "+12065552672", "B", id="T-2"),
    Somebody("Tom Lindqvist", "technician", "tom@evergreen.example", "+12065552673", "C", id="T-3"),
    Somebody("Dana Whitfield", "contact", "dana@whitfield.example", "+13605552671", id="C-1", sleeps=True),
)
CUSTOMERS: tuple[dict[str, str], ...] = (
    {"id": "C-1", "name": "Dana Whitfield", "email": "dana@whitfield.example", "phone": "+13605552671"},
    {
        "id": "C-2",
        "name": "Harbor Courier Co.",
        "email": "fleet@harborcourier.example",
        "phone": "+12065552680",
    },
    {"id": "C-3", "name": "Luis Ferreira", "phone": "+14255552691"},
    {"id": "C-4", "name": "Grace Okafor", "email": "grace.okafor@mail.example"},
    {"id": "C-5", "name": "Skagit Dairy", "email": "office@skagitdairy.example", "phone": "+13605552644"},
    # no number at all: his messages fail, and go by email instead
    {"id": "C-6", "name": "Noah Petersen", "email": "noah@petersen.example", "phone": "12345"},
)
VEHICLES = (
    "2021 Subaru Outback", "2019 Ford Transit", "2017 Toyota Tacoma", "2022 Honda CR-V", "2020 Kia Soul",
    "2018 Ram ProMaster", "2023 Tesla Model Y", "2016 Volvo XC70", "2021 Chevrolet Bolt", "2015 Jeep Wrangler",
)  # fmt: skip
DAMAGE = (
    "chip, driver's side", "crack, 30 cm, lower edge", "star break in the line of sight", "two chips, passenger side",
    "edge crack, top left", "bull's eye, centre", "stone chip behind the mirror",
)  # fmt: skip
PLACES = (
    "418 Alder Street, Bellingham", "Pier 4, Harbor Courier yard", "1200 Chuckanut Drive", "Shop, bay 2",
    "77 Fairhaven Avenue", "Skagit Dairy, milk hall car park",
)  # fmt: skip
PRICES = ("89.00", "149.50", "210.00", "349.00")
TIMES = ("08:30", "13:00")
HALF_AN_HOUR = timedelta(minutes=30)


def week(sheet: Week) -> None:
    """Two repairs a day that went their way; three that were asked for yesterday and wait for approval."""
    numbers = iter(range(1007, 1022))
    for ago in range(7, 1, -1):
        for at in TIMES:
            number = f"R-{next(numbers)}"
            _asked(sheet, sheet.day(ago, at), number)
            _done(sheet, sheet.day(ago, at), number)
    for at in (*TIMES, "15:00"):
        _asked(sheet, sheet.day(1, at), f"R-{next(numbers)}")
    sheet.reads(sheet.ago(26 * 60), 0.97)
    _last_hour(sheet)


def _asked(sheet: Week, at: datetime, number: str) -> None:
    choose = sheet.rng.choice
    planned = (at + timedelta(days=1, hours=3)).replace(minute=0)
    sheet.says(
        at,
        "repair.upsert",
        id=number,
        status="pending",
        vehicle=choose(VEHICLES),
        damage=choose(DAMAGE),
        location=choose(PLACES),
        price=choose(PRICES),
        scheduled_at=planned,
        customer=choose(CUSTOMERS),
    )


def _done(sheet: Week, at: datetime, number: str) -> None:
    if sheet.rng.random() < 0.15:
        reason = "The customer will claim on insurance first."
        sheet.says(at + HALF_AN_HOUR, "repair.upsert", id=number, status="denied", reason=reason)
        return
    technician = {"id": sheet.rng.choice(("T-1", "T-2", "T-3"))}
    sheet.says(at + HALF_AN_HOUR, "repair.upsert", id=number, status="approved", technician=technician)
    sheet.says(at + 2 * HALF_AN_HOUR, "repair.upsert", id=number, status="in_progress")
    sheet.says(at + 4 * HALF_AN_HOUR, "repair.upsert", id=number, status="completed")


def _last_hour(sheet: Week) -> None:
    _asked(sheet, sheet.ago(55), "R-1022")
    sheet.says(sheet.ago(40), "repair.upsert", id="R-1019", status="approved", technician={"id": "T-1"})
    # nobody is assigned: the office hears of it
    sheet.says(sheet.ago(31), "repair.upsert", id="R-1020", status="approved")
    sheet.says(sheet.ago(18), "repair.upsert", id="R-1019", technician={"id": "T-2"})
    sheet.says(
        sheet.ago(9),
        "reward.redeemed",
        technician={"id": "T-1"},
        reward="Free wiper blades",
        points=1200,
        redeemed_by="Dana Whitfield",
        redeemed_at=sheet.ago(10),
    )
    sheet.does(sheet.ago(4), "Alice Moreno", "R-1019", "start")


OFFICE = Office(
    slug="evergreen",
    name="Evergreen Auto Glass",
    domain="repairs",
    zone="America/Los_Angeles",
    address="2100 Railroad Avenue, Bellingham WA 98225",
    colour="#14532d",
    accent="#15803d",
    people=PEOPLE,
    week=week,
)
