"""Pier Road Studios: rooms for music, film and meetings. Guests are reminded a day and an hour before, and of the end."""

from __future__ import annotations

from datetime import datetime, timedelta

from notify_app.demo.office import Office, Somebody
from notify_app.demo.week import Week

__all__ = ["OFFICE"]

PEOPLE = (
    Somebody("Gus Albright", "manager", "gus@pierroad.example", "+12075557810", "B", id="E-8"),
    Somebody("Colette Marchand", "administrator", "colette@pierroad.example", "+12075557811", "A", id="E-9"),
    Somebody("Lena Fischer", "technician", "lena@pierroad.example", "+12075557820", "B", id="E-1"),
    Somebody("Rob Keane", "technician", "rob@pierroad.example", "+12075557821", "C", id="E-2"),
    Somebody("Mei Tanaka", "contact", "mei@tanaka.example", "+12075557830", id="G-1", sleeps=True),
    Somebody(
        "Bright Harbor Choir",
        "contact",
        "choir@brightharbor.example",
        "+12075557831",
        id="G-2",
        signs_in=False,
    ),
    Somebody("Jonas Weber", "contact", "jonas@weber.example", "+12075557832", id="G-3", signs_in=False),
    Somebody(
        "Coastal Film Collective",
        "contact",
        "desk@coastalfilm.example",
        "+12075557833",
        id="G-4",
        signs_in=False,
    ),
    Somebody("Nadia Rahman", "contact", "nadia@rahman.example", "+12075557834", id="G-5", signs_in=False),
)
PLACES = {
    "Studio 1": "88 Pier Road, ground floor",
    "Studio 2": "88 Pier Road, first floor",
    "Studio 3": "88 Pier Road, second floor",
    "Cutting Room 1": "90 Pier Road, back yard",
    "Main Hall": "92 Pier Road",
}

# booked so many days ago; number, resource, guest; days ago, from, until
OVER = (
    (7, "B-2071", "Studio 3", "G-1", 5, "17:00", "20:30"),
    (7, "B-2072", "Main Hall", "G-2", 5, "17:00", "20:30"),
    (6, "B-2073", "Cutting Room 1", "G-4", 4, "09:00", "17:00"),
    (6, "B-2074", "Studio 1", "G-3", 3, "17:00", "20:30"),
    (4, "B-2077", "Studio 2", "G-5", 2, "09:00", "12:00"),
    (3, "B-2079", "Studio 3", "G-1", 1, "09:00", "12:00"),
)


def week(sheet: Week) -> None:
    """Six bookings that are over, one each that was cancelled, moved and deleted; one under way, and what comes."""
    for ago, number, resource, guest, day, start, end in OVER:
        _booked(
            sheet,
            sheet.day(ago, "09:00"),
            number,
            resource,
            guest,
            sheet.day(day, start),
            sheet.day(day, end),
        )
    _changed(sheet)
    # they look before they come, and when they are there
    for ago in range(7, 0, -1):
        for at in ("11:00", "19:00"):
            sheet.reads(sheet.day(ago, at), 0.95)
    _told_the_house(sheet)
    sheet.reads(sheet.ago(100), 0.8)
    _now_and_next(sheet)


def _booked(
    sheet: Week,
    at: datetime,
    number: str,
    resource: str,
    guest: str,
    start: datetime,
    end: datetime,
    **more: str,
) -> None:
    sheet.says(
        at,
        "booking.upsert",
        id=number,
        resource=resource,
        location=PLACES[resource],
        start=start,
        end=end,
        guest={"id": guest, **more},
    )


def _changed(sheet: Week) -> None:
    at = sheet.day(6, "11:00")
    _booked(sheet, at, "B-2075", "Studio 3", "G-5", sheet.day(3, "13:00"), sheet.day(3, "16:00"))
    sheet.does(
        sheet.day(5, "11:00"),
        "Gus Albright",
        "B-2075",
        "cancel",
        reason="The heating of Studio 3 is being repaired. Studio 2 is free at the same time.",
    )
    # a test of the booking system, which nobody was to hear of
    _booked(sheet, at, "B-2076", "Main Hall", "G-3", sheet.day(1, "13:00"), sheet.day(1, "14:00"))
    sheet.does(sheet.day(5, "11:00"), "Colette Marchand", "B-2076", "delete")
    _booked(
        sheet,
        sheet.day(4, "11:00"),
        "B-2078",
        "Main Hall",
        "G-2",
        sheet.day(2, "17:00"),
        sheet.day(2, "20:00"),
    )
    sheet.does(
        sheet.day(4, "15:00"),
        "Gus Albright",
        "B-2078",
        "move",
        start=sheet.day(-6, "17:00"),
        end=sheet.day(-6, "20:00"),
    )


def _told_the_house(sheet: Week) -> None:
    _message(sheet, sheet.day(2, "15:00"), "Gus Albright", "The new microphones are in the cabinet of Studio 1.",
             "E-1", "E-2")  # fmt: skip
    _message(sheet, sheet.ago(150), "Gus Albright", "The piano of Studio 2 is tuned today. Please let the tuner in.",
             "E-1", priority="high")  # fmt: skip
    _message(sheet, sheet.ago(40), "Colette Marchand", "The choir asks for forty more chairs in the Main Hall. Have we got them?",
             "E-8")  # fmt: skip


def _message(sheet: Week, at: datetime, sender: str, words: str, *to: str, **more: str) -> None:
    sheet.says(
        at,
        "notification.send",
        template="manual_message",
        recipients=[{"id": one} for one in to],
        context={"message": words, "sender": sender},
        **more,
    )


def _now_and_next(sheet: Week) -> None:
    begun, soon, tomorrow = sheet.ahead(-45), sheet.ahead(58), sheet.ahead(27 * 60)
    hour = timedelta(hours=1)
    _booked(sheet, sheet.day(2, "10:00"), "B-2080", "Studio 1", "G-3", begun, begun + 2 * hour)
    _booked(sheet, sheet.day(2, "11:00"), "B-2081", "Cutting Room 1", "G-4", soon, soon + 4 * hour)
    _booked(sheet, sheet.ago(90), "B-2082", "Studio 3", "G-1", tomorrow, tomorrow + 3.5 * hour)
    # nobody has asked him for a number or an address: the office hears that he does not hear
    start = sheet.ahead(23 * 60)
    _booked(
        sheet,
        sheet.day(2, "12:00"),
        "B-2084",
        "Studio 2",
        "G-6",
        start,
        start + 2 * hour,
        name="Patrick O'Neill",
    )
    _booked(
        sheet, sheet.ago(35), "B-2083", "Main Hall", "G-2", sheet.day(-4, "17:00"), sheet.day(-4, "21:00")
    )


OFFICE = Office(
    slug="pierroad",
    name="Pier Road Studios",
    domain="bookings",
    zone="America/New_York",
    address="88 Pier Road, Portland ME 04101",
    colour="#312e81",
    accent="#6d28d9",
    people=PEOPLE,
    week=week,
)
