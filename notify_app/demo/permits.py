"""Northgate Yard: a shipyard where no dangerous work begins without a permit that two others have looked at."""

from __future__ import annotations

from datetime import datetime, timedelta

from notify_app.demo.office import Office, Somebody
from notify_app.demo.week import Week
from notify_app.demo.work_orders import INES

__all__ = ["OFFICE"]

PEOPLE = (
    Somebody("Abel Okafor", "manager", "abel@northgate.example", "+12535556122", "A", id="N-1"),
    Somebody("Helen Brandt", "administrator", "helen@northgate.example", "+12535556110", "A", id="N-2"),
    Somebody("Vera Lang", "technician", "vera@northgate.example", "+12535556121", "A", id="N-3"),
    Somebody("Nils Aaberg", "technician", "nils@northgate.example", "+12535556123", "B", id="N-4"),
    Somebody("Carlos Mendes", "technician", "carlos@northgate.example", "+12535556120", "C", id="N-5"),
    Somebody("Ines Calder", "technician", *INES, "C", id="N-6"),
    Somebody(
        "Puget Crane Hire",
        "contact",
        "dispatch@pugetcrane.example",
        "+12535556130",
        id="crane",
        signs_in=False,
    ),
)
IDS = {person.name: person.id for person in PEOPLE}
CARLOS, INES_CALDER, VERA, NILS, ABEL = (
    "Carlos Mendes",
    "Ines Calder",
    "Vera Lang",
    "Nils Aaberg",
    "Abel Okafor",
)

# days ago, written at; number, type, work, place; creator, verifier; isolation points
DONE: tuple[tuple[int, str, str, str, str, str, str, str, tuple[str, ...]], ...] = (
    (7, "08:00", "PTW-141", "Hot work", "Weld the bracket of pipe rack 4", "Hall 2, pipe rack 4",
     CARLOS, VERA, ()),
    (6, "08:00", "PTW-142", "Confined space entry", "Inspect the coating of ballast tank 3", "Dock 1, ballast tank 3",
     CARLOS, NILS, ()),
    (4, "09:00", "PTW-144", "Electrical work", "Replace the feeder cable of crane 2", "Quay 3, crane 2",
     INES_CALDER, VERA, ("Breaker Q7", "Feeder F-9")),
    (2, "08:00", "PTW-146", "Work at height", "Change the flood lights of mast 5", "Yard north, mast 5",
     INES_CALDER, NILS, ()),
)  # fmt: skip
# fire waits for nobody: half an hour after the limit those above hear of it, and then every two hours
HOT_WORK = {
    "levels": [
        {"after": 240, "tell": ["assignee"], "says": "overdue", "repeat": 120},
        {"after": 30, "tell": ["role:administrator+grade:A", "grade:A"], "says": "escalated", "repeat": 120},
    ],
    "lapses": 120,
}
HALF_AN_HOUR, HOUR = timedelta(minutes=30), timedelta(hours=1)


def week(sheet: Week) -> None:
    """Four permits that went as they should, three that did not, and one at each step now."""
    for ago, at, number, type_, work, place, creator, verifier, points in DONE:
        written = sheet.day(ago, at)
        what, start = (type_, work, place), written + 2 * HOUR
        _written(sheet, written, number, what, (creator, verifier), start, 6, points)
        _granted(sheet, written, number, creator, verifier, points)
        sheet.does(start, creator, number, "activate")
        sheet.does(written + 5 * HOUR, creator, number, "complete")
    _rejected_first(sheet)
    _called_off(sheet)
    _left_open(sheet)
    sheet.reads(sheet.ago(26 * 60), 0.97)
    _under_way(sheet)
    sheet.reads(sheet.ago(100), 0.8)
    _waiting(sheet)


def _written(
    sheet: Week,
    at: datetime,
    number: str,
    what: tuple[str, str, str],
    people: tuple[str, str],
    start: datetime,
    hours: float,
    points: tuple[str, ...] = (),
) -> None:
    """The yard's system brings a permit that is being written; what becomes of it is done here."""
    creator, verifier = people
    named = {"verifier": {"id": IDS[verifier]}} if verifier else {}
    type_, work, place = what
    sheet.says(
        at,
        "permit.upsert",
        id=number,
        status="draft",
        type=type_,
        work=work,
        location=place,
        planned_start=start,
        planned_end=start + hours * HOUR,
        isolation_points=[{"name": name} for name in points],
        creator={"id": IDS[creator]},
        approver={"id": IDS[ABEL]},
        **named,
    )


def _granted(
    sheet: Week, at: datetime, number: str, creator: str, verifier: str, points: tuple[str, ...] = ()
) -> None:
    """Submitted, verified, approved: an hour and a half."""
    sheet.does(at + HALF_AN_HOUR, creator, number, "submit")
    for point in points:
        sheet.does(at + HOUR, verifier, number, "verify_point", point=point)
    sheet.does(at + HOUR, verifier, number, "verify")
    sheet.does(at + 3 * HALF_AN_HOUR, ABEL, number, "approve")


def _rejected_first(sheet: Week) -> None:
    """Vera sends it back, Carlos corrects it, and it goes its way in a second round."""
    at, number = sheet.day(5, "08:00"), "PTW-143"
    what = ("Excavation", "Open the trench for drain 12", "Yard south, drain 12")
    _written(sheet, at, number, what, (CARLOS, VERA), at + 3 * HOUR, 5)
    sheet.does(at + HALF_AN_HOUR, CARLOS, number, "submit")
    sheet.does(
        at + HOUR,
        VERA,
        number,
        "reject",
        reason="The gas line of plan Y-7 runs there. Show how it is kept safe.",
    )
    sheet.does(at + 3 * HALF_AN_HOUR, CARLOS, number, "change",
               work="Open the trench for drain 12, by hand within a metre of the gas line")  # fmt: skip
    _granted(sheet, at + 3 * HALF_AN_HOUR, number, CARLOS, VERA)
    sheet.does(at + 3 * HOUR + HALF_AN_HOUR, CARLOS, number, "activate")
    sheet.does(at + 6 * HOUR, CARLOS, number, "complete")


def _called_off(sheet: Week) -> None:
    at, number = sheet.day(3, "09:00"), "PTW-145"
    what = ("Lifting", "Lift the stern tube on to the cradle", "Dock 2")
    _written(sheet, at, number, what, (CARLOS, NILS), at + 4 * HOUR, 3)
    sheet.does(at + HALF_AN_HOUR, CARLOS, number, "submit")
    sheet.does(at + HOUR, NILS, number, "verify")
    sheet.does(
        at + 3 * HALF_AN_HOUR, CARLOS, number, "cancel", reason="Wind of 14 m/s: the crane stays down today."
    )


def _left_open(sheet: Week) -> None:
    """Nobody closed it out yesterday: it has expired, and still has to be."""
    at, number = sheet.day(1, "08:00"), "PTW-147"
    what = ("Hot work", "Cut the old ladder off frame 60", "Dock 1, frame 60")
    _written(sheet, at, number, what, (CARLOS, VERA), at + 2 * HOUR, 4)
    _granted(sheet, at, number, CARLOS, VERA)
    sheet.does(at + 2 * HOUR, CARLOS, number, "activate")


def _under_way(sheet: Week) -> None:
    """One ends in an hour and a half; one begins then, and a valve is not isolated."""
    at, number = sheet.ago(390), "PTW-148"
    what = ("Electrical work", "Connect the shore supply of berth 3", "Quay 3, berth 3")
    _written(sheet, at, number, what, (INES_CALDER, NILS), sheet.ahead(-270), 6, ("Breaker Q2",))
    _granted(sheet, at, number, INES_CALDER, NILS, ("Breaker Q2",))
    sheet.does(sheet.ago(265), INES_CALDER, number, "activate")
    at, number = sheet.ago(330), "PTW-149"
    what = ("Line breaking", "Replace valve V-31 of the fuel line", "Hall 1, fuel line")
    _written(sheet, at, number, what, (CARLOS, VERA), sheet.ahead(90), 5, ("Valve V-30", "Valve V-32"))
    sheet.does(at + HALF_AN_HOUR, CARLOS, number, "submit")
    sheet.does(at + HOUR, VERA, number, "verify_point", point="Valve V-30")
    sheet.does(at + HOUR, VERA, number, "verify")
    sheet.does(at + 3 * HALF_AN_HOUR, ABEL, number, "approve")


def _waiting(sheet: Week) -> None:
    """Four hours are given to verify: one is late, one has forty minutes left."""
    tomorrow = sheet.day(-1, "08:00")
    what = ("Hot work", "Grind the welds of hatch 7", "Hall 2, hatch 7")
    _written(sheet, sheet.ago(300), "PTW-150", what, (INES_CALDER, NILS), tomorrow, 6)
    sheet.does(sheet.ago(285), INES_CALDER, "PTW-150", "submit")
    what = ("Electrical work", "Replace the main breaker of panel MDP-2", "North Tower, switch room, level 2")
    _written(
        sheet, sheet.ago(230), "PTW-151", what, (CARLOS, VERA), tomorrow, 9, ("Breaker Q4", "Feeder F-12")
    )
    sheet.does(sheet.ago(200), CARLOS, "PTW-151", "submit")
    what = ("Confined space entry", "Clean bilge well 2", "Dock 2, bilge well 2")
    _written(sheet, sheet.ago(95), "PTW-152", what, (CARLOS, NILS), sheet.day(-1, "10:00"), 4)
    sheet.does(sheet.ago(80), CARLOS, "PTW-152", "submit")
    sheet.does(sheet.ago(30), NILS, "PTW-152", "verify")
    # no verifier is named: when it is submitted, it goes to one by itself
    what = ("Work at height", "Fix the gutter of hall 1", "Hall 1, roof")
    _written(sheet, sheet.ago(15), "PTW-153", what, (INES_CALDER, ""), sheet.day(-2, "08:00"), 8)


OFFICE = Office(
    slug="northgate",
    name="Northgate Yard",
    domain="permits",
    zone="America/Los_Angeles",
    address="600 Port of Tacoma Road, Tacoma WA 98421",
    colour="#3b2f14",
    accent="#b45309",
    people=PEOPLE,
    week=week,
    options=("assign_verifiers",),
    escalates=True,
    rules=(("permit", "Hot work", None, HOT_WORK),),
)
