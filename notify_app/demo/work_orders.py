"""Bayline Building Services: an office that plans, and technicians who keep other people's buildings running."""

from __future__ import annotations

from datetime import datetime, timedelta

from notify_app.demo.office import Office, Somebody
from notify_app.demo.week import Week

__all__ = ["INES", "OFFICE"]

# she also works at Northgate Yard (`permits`), with the same account
INES = ("ines@bayline.example", "+12065553118")
PEOPLE = (
    Somebody("Samuel Achterberg", "manager", "samuel@bayline.example", "+12065553110", "B"),
    Somebody("Joanna Pike", "administrator", "joanna@bayline.example", "+12065553111", "A"),
    Somebody("Ines Calder", "technician", *INES, "A", id="W-1"),
    Somebody("Devon Marsh", "technician", "devon@bayline.example", "+12065553119", "B", id="W-2"),
    Somebody("Kofi Mensah", "technician", "kofi@bayline.example", "+12065553120", "C", id="W-3", sleeps=True),
    Somebody(
        "Ruth Feldman",
        "contact",
        "ruth@harborhouse.example",
        "+12065553140",
        id="harbor-house",
        signs_in=False,
    ),
    Somebody(
        "Elliott Bay Clinic",
        "contact",
        "facilities@elliottbay.example",
        "+12065553141",
        id="clinic",
        signs_in=False,
    ),
    Somebody(
        "Ballard Library",
        "contact",
        "building@ballardlibrary.example",
        "+12065553142",
        id="library",
        signs_in=False,
    ),
    Somebody(
        "Cascade Cold Storage",
        "contact",
        "dock@cascadecold.example",
        "+12535553143",
        id="cold-store",
        signs_in=False,
    ),
)
TECHNICIANS = {"Ines Calder": "W-1", "Devon Marsh": "W-2", "Kofi Mensah": "W-3"}

# days ago, from when; number, work, place, customer; technician, urgency; what was written when it was done
DONE = (
    (7, "08:00", "WO-2101", "Replace the filters of air handler 3", "Ballard Library, roof", "library",
     "Devon Marsh", "normal", "Filters changed, belt tension checked."),
    (7, "10:30", "WO-2102", "Door closer of the east entrance slams", "Harbor House, lobby", "harbor-house",
     "Kofi Mensah", "low", "Adjusted; the hinge wants grease again in spring."),
    (6, "09:00", "WO-2103", "Compressor 1 trips at start", "Cascade Cold Storage, machine room", "cold-store",
     "Ines Calder", "urgent", "Start capacitor replaced, runs at 11 A. Temperature held."),
    (6, "13:00", "WO-2104", "Quarterly test of the emergency lights", "Elliott Bay Clinic, all floors", "clinic",
     "Devon Marsh", "normal", "Two of 84 failed, both replaced."),
    (5, "08:30", "WO-2105", "Leak under the sink of room 12", "Elliott Bay Clinic, room 12", "clinic",
     "Kofi Mensah", "high", "New trap, dry after an hour."),
    (4, "09:30", "WO-2107", "Lift 2 stops between floors", "Harbor House, lift 2", "harbor-house",
     "Ines Calder", "urgent", "Door contact of floor 3 cleaned and set. Ten runs without a fault."),
    (4, "13:30", "WO-2108", "Replace the lamps of the reading room", "Ballard Library, reading room", "library",
     "Devon Marsh", "normal", "All 36 changed, ladder returned."),
    (3, "08:30", "WO-2109", "Set the heating curve for winter", "Ballard Library, boiler room", "library",
     "Kofi Mensah", "normal", "Curve 1.2, night setback from 21:00."),
    (2, "10:00", "WO-2111", "Dock door 4 does not close", "Cascade Cold Storage, dock 4", "cold-store",
     "Ines Calder", "urgent", "Photocell was iced over. Cleaned, heater works."),
)  # fmt: skip
HALF_AN_HOUR = timedelta(minutes=30)


def week(sheet: Week) -> None:
    """Nine orders that are done, two that ended otherwise, and what is going on now."""
    for ago, at, number, work, place, customer, technician, urgency, said in DONE:
        begun = sheet.day(ago, at)
        _ordered(sheet, begun, number, work, place, customer, technician, urgency, begun + 9 * HALF_AN_HOUR)
        if urgency == "urgent":
            sheet.does(begun + HALF_AN_HOUR, technician, number, "acknowledge")
        sheet.does(begun + 2 * HALF_AN_HOUR, technician, number, "start")
        sheet.does(begun + 5 * HALF_AN_HOUR, technician, number, "complete", notes=said)
    _given_up(sheet)
    _handed_over(sheet)
    sheet.reads(sheet.ago(26 * 60), 0.97)
    _since_this_morning(sheet)
    sheet.reads(sheet.ago(100), 0.8)
    _last_hour(sheet)


def _ordered(
    sheet: Week,
    at: datetime,
    number: str,
    work: str,
    place: str,
    customer: str,
    technician: str,
    urgency: str,
    due_at: datetime,
) -> None:
    who = {"technician": {"id": TECHNICIANS[technician]}} if technician else {}
    sheet.says(
        at,
        "work_order.upsert",
        id=number,
        status="open",
        work=work,
        location=place,
        urgency=urgency,
        due_at=due_at,
        customer={"id": customer},
        **who,
    )


def _given_up(sheet: Week) -> None:
    begun = sheet.day(5, "11:00")
    _ordered(sheet, begun, "WO-2106", "Repaint the stair rail", "Harbor House, stair B", "harbor-house", "Kofi Mensah",
             "low", sheet.day(3, "16:00"))  # fmt: skip
    sheet.does(
        begun + 4 * HALF_AN_HOUR,
        "Samuel Achterberg",
        "WO-2106",
        "cancel",
        reason="Harbor House has the whole stair painted in January.",
    )


def _handed_over(sheet: Week) -> None:
    """Begun by one, finished by another, after a day on hold."""
    begun = sheet.day(3, "13:00")
    _ordered(sheet, begun, "WO-2110", "Thermostat of ward B shows 12 degrees too much", "Elliott Bay Clinic, ward B",
             "clinic", "Devon Marsh", "high", sheet.day(2, "16:00"))  # fmt: skip
    sheet.does(begun + HALF_AN_HOUR, "Devon Marsh", "WO-2110", "start")
    sheet.does(
        begun + 2 * HALF_AN_HOUR,
        "Devon Marsh",
        "WO-2110",
        "hold",
        notes="The sensor is on order, tomorrow at ten.",
    )
    sheet.says(sheet.day(2, "10:30"), "work_order.upsert", id="WO-2110", technician={"id": "W-3"})
    sheet.does(sheet.day(2, "11:00"), "Kofi Mensah", "WO-2110", "start")
    sheet.does(
        sheet.day(2, "12:30"),
        "Kofi Mensah",
        "WO-2110",
        "complete",
        notes="Sensor replaced, reads 21 degrees.",
    )


def _since_this_morning(sheet: Week) -> None:
    _ordered(sheet, sheet.ago(330), "WO-2113", "Circulation pump of boiler 2 is loud", "Harbor House, plant room B1",
             "harbor-house", "Devon Marsh", "high", sheet.ahead(120))  # fmt: skip
    _ordered(sheet, sheet.ago(310), "WO-2114", "Replace the seal of cold room 2", "Cascade Cold Storage, room 2",
             "cold-store", "Kofi Mensah", "normal", sheet.ahead(26 * 60))  # fmt: skip
    _ordered(sheet, sheet.ago(240), "WO-2115", "Yearly check of the fire doors", "Ballard Library, all floors", "library",
             "", "low", sheet.ahead(6 * 24 * 60))  # fmt: skip
    sheet.does(sheet.ago(270), "Devon Marsh", "WO-2113", "start")
    sheet.does(sheet.ago(250), "Kofi Mensah", "WO-2114", "start")
    sheet.does(
        sheet.ago(180),
        "Kofi Mensah",
        "WO-2114",
        "hold",
        notes="The seal that came is for room 3. Right one ordered.",
    )


def _last_hour(sheet: Week) -> None:
    _ordered(sheet, sheet.ago(52), "WO-2116", "Lamp over the loading ramp is out", "Cascade Cold Storage, ramp",
             "cold-store", "Kofi Mensah", "normal", sheet.ahead(20 * 60))  # fmt: skip
    sheet.does(sheet.ago(45), "Devon Marsh", "WO-2113", "note", notes="Old pump is out, the new one fits.")
    sheet.says(
        sheet.ago(34),
        "inventory.alerted",
        part="Circulation pump UPS 25-60",
        quantity=1,
        minimum=4,
        location="Store room, shelf C",
        work_order="WO-2113",
        reported_by="Devon Marsh",
    )
    # nobody has said that they have it: 35 minutes are left
    _ordered(sheet, sheet.ago(25), "WO-2117", "No heating in the operating rooms", "Elliott Bay Clinic, floor 2",
             "clinic", "Ines Calder", "urgent", sheet.ahead(180))  # fmt: skip
    sheet.says(
        sheet.ago(21),
        "equipment.alerted",
        equipment="Scissor lift 3",
        problem="hydraulic oil on the floor below it",
        location="Cascade Cold Storage, dock 1",
        reported_by="Kofi Mensah",
    )
    sheet.does(
        sheet.ago(12),
        "Devon Marsh",
        "WO-2113",
        "report_issue",
        issues="The shut-off valve behind the pump leaks, and water is close to the switchboard.",
        alert_office="true",
    )


OFFICE = Office(
    slug="bayline",
    name="Bayline Building Services",
    domain="work orders",
    zone="America/Los_Angeles",
    address="3021 Commodore Way, Seattle WA 98199",
    colour="#1e3a5f",
    accent="#1d4ed8",
    people=PEOPLE,
    week=week,
)
