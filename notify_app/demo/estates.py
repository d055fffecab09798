"""Linden Court: an estate of three buildings with residents, a gate, bills, maintenance, and one false alarm."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from notify_app.demo.office import Office, Somebody
from notify_app.demo.week import Week

__all__ = ["OFFICE"]

PEOPLE = (
    Somebody("Omar Saleh", "manager", "omar@lindencourt.example", "+13125554410", "B"),
    Somebody("Margaret Doyle", "administrator", "margaret@lindencourt.example", "+13125554411", "A"),
    Somebody("John Smith", "technician", "john@lindencourt.example", "+13125554412", "B", id="S-1"),
    Somebody("Wanda Kowalski", "technician", "wanda@lindencourt.example", "+13125554413", "C", id="S-2"),
    Somebody("Leila Haddad", "contact", "leila@haddad.example", "+13125554417", id="A101", sleeps=True),
    Somebody("Tomas Novak", "contact", "tomas@novak.example", "+13125554418", id="A204", signs_in=False),
    Somebody("Yuki Sato", "contact", "yuki@sato.example", "+13125554419", id="B105", signs_in=False),
    Somebody("Amina Khan", "contact", "amina@khan.example", "+13125554420", id="B203", signs_in=False),
    Somebody(
        "Peter Lindgren", "contact", "peter@lindgren.example", "+13125554421", id="C301", signs_in=False
    ),
)
WHERE = {"A": "Building A", "B": "Building B", "C": "Building C"}

# days ago, reported at; number, problem, unit, technician; urgent, hours until it was done
DONE = (
    (7, "09:00", "M-311", "Radiator stays cold", "B105", "S-1", False, 4),
    (6, "10:00", "M-312", "Kitchen tap drips", "A101", "S-2", False, 3),
    (5, "08:30", "M-313", "No hot water", "A101", "S-1", True, 2),
    (3, "14:00", "M-315", "Balcony door does not lock", "C301", "S-2", False, 2),
    (2, "09:30", "M-316", "Light of the bicycle room flickers", "B203", "S-2", False, 3),
)
HALF_AN_HOUR = timedelta(minutes=30)


def week(sheet: Week) -> None:
    """Maintenance, the gate, the neighbourhood; a false alarm four days ago; and what waits now."""
    for ago, at, number, problem, unit, technician, urgent, hours in DONE:
        begun = sheet.day(ago, at)
        _reported(sheet, begun, number, problem, unit, technician, urgent=urgent)
        who = "John Smith" if technician == "S-1" else "Wanda Kowalski"
        sheet.does(begun + 2 * HALF_AN_HOUR, who, number, "start")
        sheet.does(begun + 2 * hours * HALF_AN_HOUR, who, number, "complete")
    _neighbourhood(sheet)
    _false_alarm(sheet)
    sheet.reads(sheet.ago(26 * 60), 0.97)
    _today(sheet)


def _reported(
    sheet: Week, at: datetime, number: str, problem: str, unit: str, technician: str, *, urgent: bool = False
) -> None:
    who = {"technician": {"id": technician}} if technician else {}
    sheet.says(
        at,
        "maintenance.upsert",
        id=number,
        status="reported",
        problem=problem,
        unit=unit,
        location=WHERE[unit[0]],
        urgent=urgent,
        resident={"id": unit},
        **who,
    )


def _visitor(sheet: Week, at: datetime, name: str, unit: str, code: str) -> None:
    sheet.says(
        at,
        "visitor.arrived",
        residents=[{"id": unit}],
        visitor_name=name,
        unit=unit,
        arrival_time=at,
        access_code=code,
    )


def _bill(
    sheet: Week, at: datetime, unit: str, number: str, amount: str, purpose: str, due: datetime
) -> None:
    sheet.says(
        at,
        "payment.due",
        residents=[{"id": unit}],
        amount=amount,
        due_date=due.date().isoformat(),
        bill_number=number,
        unit=unit,
        purpose=purpose,
    )


def _neighbourhood(sheet: Week) -> None:
    _visitor(sheet, sheet.day(6, "18:00"), "Karim Haddad", "A101", "4471")
    _visitor(sheet, sheet.day(5, "17:30"), "Parcel service", "B203", "9920")
    _visitor(sheet, sheet.day(2, "19:00"), "Birgit Lindgren", "C301", "3058")
    published = sheet.day(6, "10:00")
    sheet.says(
        published,
        "newsletter.published",
        headline="The courtyard opens in spring",
        message="Benches are ordered, the trees come in March, and the bicycle room has a new door.",
        edition=f"{published:%B %Y}",
    )
    sheet.says(
        sheet.day(5, "19:30"),
        "comment.replied",
        residents=[{"id": "A101"}],
        author="Tomas Novak",
        reply="The garden group meets on Saturday at ten. Come along.",
        topic="Planting the courtyard",
    )
    bill = ("Service charge, this quarter", sheet.day(-10, "12:00"))
    for unit, number, amount in (("A204", "LC-2081", "412.50"), ("B105", "LC-2082", "388.00")):
        _bill(sheet, sheet.day(3, "09:00"), unit, number, amount, *bill)
    begun = sheet.day(4, "11:00")
    _reported(sheet, begun, "M-314", "Rattling in the ventilation", "B203", "S-1")
    reason = "The neighbour's fan was the cause; it is gone."
    sheet.does(begun + 3 * HALF_AN_HOUR, "Omar Saleh", "M-314", "cancel", reason=reason)


def _false_alarm(sheet: Week) -> None:
    """What must reach everybody does; afterwards it is said that all is well, and the office ends the alert."""
    at = sheet.day(4, "16:00")
    alarm: dict[str, Any] = {
        "alert_message": "The fire alarm has gone off",
        "location": "Building B",
        "severity": "high",
        "instructions": "Leave by the stairs and meet at the main gate.",
    }
    sheet.says(at, "emergency.raised", **alarm)
    sheet.says(
        at + HALF_AN_HOUR,
        "announcement.posted",
        headline="All clear in Building B",
        message="The alarm came from burnt toast on the second floor. Nobody is hurt, the lifts run again. Thank you for leaving so calmly.",
        posted_by="Margaret Doyle",
    )
    sheet.acknowledges(at + HALF_AN_HOUR, "Margaret Doyle", "emergency_alert")


def _today(sheet: Week) -> None:
    _reported(sheet, sheet.ago(290), "M-317", "Shutter of the bedroom is stuck", "A204", "S-2")
    sheet.does(sheet.ago(200), "Wanda Kowalski", "M-317", "start")
    sheet.says(
        sheet.ago(170),
        "announcement.posted",
        headline="Water off on Thursday morning",
        message="We replace the main valve on Thursday between 9 and 11. Please fill a jug the evening before.",
        posted_by="Estate office",
    )
    sheet.reads(sheet.ago(100), 0.7)
    _bill(
        sheet,
        sheet.ago(75),
        "A101",
        "LC-2083",
        "150.00",
        "Service charge, this quarter",
        sheet.ahead(5 * 1440),
    )
    _reported(sheet, sheet.ago(48), "M-318", "Intercom is silent", "C301", "")
    # water through a ceiling, and nobody is on the way yet
    _reported(
        sheet,
        sheet.ago(22),
        "M-319",
        "Water comes through the ceiling of the bath",
        "A204",
        "S-1",
        urgent=True,
    )
    _visitor(sheet, sheet.ago(6), "Samir Haddad", "A101", "7315")


OFFICE = Office(
    slug="lindencourt",
    name="Linden Court",
    domain="estates",
    zone="America/Chicago",
    address="1450 West Linden Street, Chicago IL 60608",
    colour="#5b2333",
    accent="#9f1239",
    people=PEOPLE,
    week=week,
)
