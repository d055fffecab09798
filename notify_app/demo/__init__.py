"""The demo: five offices, one for each domain, with people, a week of work and what they were told of it.

They are made by the one path itself, with the hub's clock set back and let run forward: signed-webhook data is stored,
taken, routed and delivered as ever, people act by their own verbs, and reminders go out when their time comes (`play`).
`fill` makes what is missing, so a demo of an earlier release gets its new offices and keeps what it has. Until all of
them are whole they bear other names: a start that was stopped is begun again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from flask import Flask
from sqlalchemy import Connection, Engine, create_engine, delete, text

from notify_app import clock
from notify_app.config import Settings
from notify_app.demo import bookings, estates, permits, repairs, work_orders
from notify_app.demo.office import PASSWORD, Office, furnish, half_made
from notify_app.demo.play import Play
from notify_app.models import Base

__all__ = ["OFFICES", "PASSWORD", "fill", "sign_ins"]

OFFICES = (repairs.OFFICE, work_orders.OFFICE, estates.OFFICE, permits.OFFICE, bookings.OFFICE)


def fill(app: Flask, say: Callable[[str], None]) -> bool:
    """Make the demo's offices that are not there; False if all were. `say` gets a line for each step."""
    settings: Settings = app.extensions["hub"]
    owner = create_engine(settings.database_owner_url)
    try:
        return _fill(owner, settings, say)
    finally:
        owner.dispose()


def _fill(owner: Engine, settings: Settings, say: Callable[[str], None]) -> bool:
    with owner.begin() as conn:
        missing = _missing(conn)
        if not missing:
            return False
        _clear(conn)  # what a start that was stopped half way has left
        furnished = furnish(conn, missing, settings)
    say(f"the people of {len(missing)} offices" if len(missing) > 1 else f"the people of {missing[0].name}")
    play = Play(owner, settings, furnished)
    try:
        play.run(say)
        with owner.begin() as conn:
            clock.reset(conn)
            _whole(conn, missing)
    finally:
        with owner.begin() as conn:
            clock.reset(conn)
        play.close()
    return True


def _missing(conn: Connection) -> list[Office]:
    there = set(conn.execute(text("SELECT slug FROM organisation")).scalars())
    return [office for office in OFFICES if office.slug not in there]


def _whole(conn: Connection, offices: Sequence[Office]) -> None:
    values = [{"slug": office.slug, "half": half_made(office)} for office in offices]
    conn.execute(text("UPDATE organisation SET slug = :slug WHERE slug = :half"), values)


def _clear(conn: Connection) -> None:
    clock.reset(conn)
    names = [half_made(office) for office in OFFICES]
    ids = list(
        conn.execute(text("SELECT id FROM organisation WHERE slug = ANY(:names)"), {"names": names}).scalars()
    )
    if not ids:
        return
    for table in reversed(Base.metadata.sorted_tables):
        if "organisation_id" in table.columns:
            conn.execute(delete(table).where(table.c.organisation_id.in_(ids)))
    conn.execute(text("DELETE FROM organisation WHERE id = ANY(:ids)"), {"ids": ids})
    # an account may be somebody in an office that stays
    emails = [person.email for office in OFFICES for person in office.people if person.signs_in]
    conn.execute(
        text(
            "DELETE FROM account a WHERE email = ANY(:emails) "
            "AND NOT EXISTS (SELECT FROM person WHERE account_id = a.id)"
        ),
        {"emails": emails},
    )


def sign_ins() -> Iterator[str]:
    """The lines that tell how to sign in: of each office one who runs it and one who is out, and who is in two."""
    yield f"Sign in with the password '{PASSWORD}', or with one press on the sign-in page:"
    yield f"  {'':<41} {'in the office':<26} technician"
    for office in OFFICES:
        runs, out = office.first("manager"), office.first("technician")
        yield f"  {f'{office.name} ({office.domain})':<41} {runs.email:<26} {out.email}"
    for name, email, offices in _in_two():
        yield f"  {email} is {name}, a technician of both {' and '.join(offices)}."


def _in_two() -> Iterator[tuple[str, str, list[str]]]:
    where: dict[tuple[str, str], list[str]] = {}
    for office in OFFICES:
        for person in office.people:
            if person.signs_in:
                where.setdefault((person.name, person.email), []).append(office.name)
    yield from ((name, email, offices) for (name, email), offices in where.items() if len(offices) > 1)
