"""What must be true when all is quiet (I1 to I5 of the design): nothing lost, nothing doubled, nothing stuck.

`findings` reads the database and what the providers have accepted, and says each breach in a sentence. It trusts
no log of the product's and no unique constraint: it counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.chaos.house import House
from tests.chaos.load import Load
from tests.chaos.office import Office, lines, messages

DONE = ("sent", "unknown")  # no recipient of these tests is refused, blocked or muted
COLLECTED = "collected"  # the purpose of what carries others, and the reason of what it carries
MANY = 5


def findings(house: House, office: Office, *loads: Load, doubt: bool = False) -> list[str]:
    """Every breach; [] is what is wanted. `doubt`: somebody who was sending has died, so an attempt may have ended
    ambiguous, and then an email may have come twice and an ordinary SMS may stay unconfirmed; without it, none may."""
    deliveries = _deliveries(house, office)
    found = [
        *_accepted(house, office, loads),
        *_told(house, office, loads),
        *_counters(house, office),
        *_versions(house, office),
        *_delivered(deliveries, loads),
        *_emails(house, office, deliveries),
        *_texts(house, office, deliveries),
        *_money(house, office),
        *_open(house),
    ]
    if not doubt:
        found += [
            f"{_name(row)}: an attempt is in doubt though nobody died sending"
            for row in deliveries
            if _doubts(row)
        ]
    return found


# --- I1: what was accepted exists once, and was applied ----------------------------------------------------------------


def _accepted(house: House, office: Office, loads: tuple[Load, ...]) -> Iterator[str]:
    rows = house.database.all(
        "SELECT id, external_id, state, error FROM inbound WHERE organisation_id = %(org)s", org=office.id
    )
    stored = Counter(row.external_id for row in rows)
    ids = {row.external_id: str(row.id) for row in rows}
    sent = {post.id for load in loads for post in load.posts}
    accepted = {message for load in loads for message in load.accepted}
    yield from _some("accepted and lost", accepted - stored.keys())
    yield from _some("stored twice", [message for message, times in stored.items() if times > 1])
    yield from _some("stored and never sent", stored.keys() - sent)
    yield from _some(
        "not applied",
        [
            f"{row.external_id} ({row.state}: {row.error})"
            for row in rows
            if row.state != "applied" or row.error
        ],
    )
    for load in loads:
        for message, answers in load.answers.items():
            told = {answer.id for answer in answers if answer.status < 300}
            if told - {ids.get(message)}:
                yield f"{message} was answered with the ids {told}, stored is {ids.get(message)}"


# --- I2: each person heard of each event once --------------------------------------------------------------------------


def _told(house: House, office: Office, loads: tuple[Load, ...]) -> Iterator[str]:
    rows = house.database.all(
        "SELECT coalesce(i.external_id, '-') AS message, e.name, p.external_id AS person FROM notification n "
        "JOIN event e ON e.organisation_id = n.organisation_id AND e.id = n.event_id "
        "JOIN person p ON p.organisation_id = n.organisation_id AND p.id = n.person_id "
        "LEFT JOIN inbound i ON i.organisation_id = e.organisation_id AND i.id = e.inbound_id "
        "WHERE n.organisation_id = %(org)s",
        org=office.id,
    )
    yield from _differences("inbox line", _wanted(lines, loads), Counter(tuple(row) for row in rows))
    events = house.database.all(
        "SELECT coalesce(i.external_id, '-') AS message, e.name FROM event e "
        "LEFT JOIN inbound i ON i.organisation_id = e.organisation_id AND i.id = e.inbound_id "
        "WHERE e.organisation_id = %(org)s",
        org=office.id,
    )
    # one event for all whom it tells
    wanted = Counter({(message, event) for message, event, _ in _wanted(lines, loads)})
    yield from _differences("event", wanted, Counter(tuple(row) for row in events))


def _counters(house: House, office: Office) -> Iterator[str]:
    rows = house.database.all(
        "SELECT p.external_id AS person, count(*) AS lines, count(DISTINCT n.seq) AS numbers, min(n.seq) AS first, "
        "max(n.seq) AS last, (SELECT c.seq FROM inbox_counter c WHERE c.organisation_id = p.organisation_id "
        "AND c.person_id = p.id) AS counter FROM notification n JOIN person p ON p.organisation_id = n.organisation_id "
        "AND p.id = n.person_id WHERE n.organisation_id = %(org)s GROUP BY p.organisation_id, p.id",
        org=office.id,
    )
    for row in rows:
        if not (row.first == 1 and row.lines == row.numbers == row.last == row.counter):
            yield f"the inbox numbers of {row.person} have doubles or gaps: {row}"


def _versions(house: House, office: Office) -> Iterator[str]:
    rows = house.database.all(
        "SELECT w.external_id AS item, w.version, w.status, array_agg(c.version ORDER BY c.version) AS versions, "
        "array_agg(c.after ->> 'status' ORDER BY c.version) AS statuses FROM work_item w "
        "LEFT JOIN change c ON c.organisation_id = w.organisation_id AND c.item_id = w.id "
        "WHERE w.organisation_id = %(org)s GROUP BY w.organisation_id, w.id",
        org=office.id,
    )
    order = ["pending", "approved", "in_progress", "completed"]
    for row in rows:
        if row.versions != list(range(1, row.version + 1)) or row.statuses != sorted(
            row.statuses, key=order.index
        ):
            yield f"the history of {row.item} is broken: {row}"


# --- I3: every delivery has ended, and every attempt has an outcome -----------------------------------------------------


def _deliveries(house: House, office: Office) -> list[Any]:
    return house.database.all(
        "SELECT d.id, d.channel, d.address, d.state, d.reason, d.priority, d.attempts, d.purpose, p.external_id AS person, "
        "(SELECT count(*) FROM delivery_item i JOIN delivery_item o ON o.organisation_id = i.organisation_id "
        "AND o.notification_id = i.notification_id JOIN delivery c ON c.organisation_id = o.organisation_id AND c.id = o.delivery_id "
        "WHERE i.organisation_id = d.organisation_id AND i.delivery_id = d.id AND c.purpose = 'collected' "
        "AND c.channel = d.channel AND c.address = d.address AND c.state IN ('sent', 'unknown')) AS carriers, "
        "coalesce(i.external_id, '-') AS message, coalesce(e.name, '-') AS event, "
        "coalesce((SELECT array_agg(a.number ORDER BY a.number) FROM attempt a WHERE a.organisation_id = d.organisation_id "
        "AND a.delivery_id = d.id), '{}') AS numbers, "
        "coalesce((SELECT array_agg(a.outcome ORDER BY a.number) FROM attempt a WHERE a.organisation_id = d.organisation_id "
        "AND a.delivery_id = d.id), '{}') AS outcomes, "
        "coalesce((SELECT array_agg(a.provider_id ORDER BY a.number) FROM attempt a WHERE a.organisation_id = d.organisation_id "
        "AND a.delivery_id = d.id AND a.outcome = 'accepted'), '{}') AS provider_ids "
        "FROM delivery d JOIN person p ON p.organisation_id = d.organisation_id AND p.id = d.person_id "
        "LEFT JOIN event e ON e.organisation_id = d.organisation_id AND e.id::text = d.group_key "
        "LEFT JOIN inbound i ON i.organisation_id = e.organisation_id AND i.id = e.inbound_id "
        "WHERE d.organisation_id = %(org)s",
        org=office.id,
    )


def _delivered(deliveries: list[Any], loads: tuple[Load, ...]) -> Iterator[str]:
    # what was collected is no message of its own
    seen = Counter(
        (row.message, row.event, row.person, row.channel) for row in deliveries if row.purpose != COLLECTED
    )
    yield from _differences("delivery", _wanted(messages, loads), seen)
    for row in deliveries:
        name = _name(row)
        if row.reason == COLLECTED:
            if row.state != "skipped" or row.carriers != 1 or row.attempts:
                yield f"{name} is {row.state} and collected in {row.carriers} messages that left"
        elif row.state not in DONE:
            yield f"{name} is {row.state} ({row.reason})"
        if row.numbers != list(range(1, row.attempts + 1)):
            yield f"{name} counts {row.attempts} attempts and has the rows {row.numbers}"
        if None in row.outcomes:
            yield f"{name}: an attempt has no outcome: {row.outcomes}"
        if row.state == "sent" and (row.outcomes.count("accepted") != 1 or row.outcomes[-1] != "accepted"):
            yield f"{name} is sent, its attempts say {row.outcomes}"
        if row.state == "unknown" and ("accepted" in row.outcomes or not _may_stay_unconfirmed(row)):
            yield f"{name} is unconfirmed, its attempts say {row.outcomes}"


def _may_stay_unconfirmed(row: Any) -> bool:
    """An ordinary SMS is not risked twice; an email and an urgent SMS are sent once more."""
    return _doubts(row) >= (1 if row.channel == "sms" and row.priority > 1 else 2)


# --- I5: the providers accepted more than once only what our log calls ambiguous ----------------------------------------


def _emails(house: House, office: Office, deliveries: list[Any]) -> Iterator[str]:
    mine = {one["email"] for one in office.people.values()}
    copies = Counter(
        mail.message_id.strip("<>").partition("@")[0] for mail in house.smtp.messages if mine & set(mail.to)
    )
    known = {str(row.id): row for row in deliveries if row.channel == "email"}
    yield from _some("emails of no delivery", copies.keys() - known.keys())
    for key, row in known.items():
        if row.state == "sent" and not copies[key]:
            yield f"{_name(row)} is sent, and the server has not seen it"
        if copies[key] > row.outcomes.count("accepted") + _doubts(row):
            yield f"{_name(row)} was accepted {copies[key]} times; its attempts say {row.outcomes}"


def _texts(house: House, office: Office, deliveries: list[Any]) -> Iterator[str]:
    mine = {one["sms"] for one in office.people.values()}
    taken = {one.provider_id: one.number for one in house.aws.sms if one.number in mine}
    logged = Counter(one for row in deliveries if row.channel == "sms" for one in row.provider_ids)
    yield from _some("SMS that two attempts claim", [one for one, times in logged.items() if times > 1])
    yield from _some("SMS that the provider has not seen", logged.keys() - taken.keys())
    spare = Counter(number for key, number in taken.items() if key not in logged)
    for row in deliveries:
        if row.channel == "sms":
            spare[row.address] -= _doubts(row)
    yield from _some("SMS that no attempt knows of", [number for number, left in spare.items() if left > 0])


def _money(house: House, office: Office) -> Iterator[str]:
    """What is spent is what the attempts have cost that arrived or may have."""
    row = house.database.all(
        "SELECT (SELECT coalesce(sum(cost_usd), 0) FROM attempt WHERE organisation_id = %(org)s "
        "         AND outcome IN ('accepted', 'ambiguous')) AS attempts, "
        "(SELECT coalesce(sum(cost_usd), 0) FROM sms_spent WHERE organisation_id = %(org)s) AS spent, "
        "(SELECT count(*) FROM attempt a JOIN delivery d ON d.organisation_id = a.organisation_id AND d.id = a.delivery_id "
        "  WHERE a.organisation_id = %(org)s AND d.channel = 'sms' AND a.outcome IN ('accepted', 'ambiguous') "
        "    AND a.cost_usd IS NULL) AS free",
        org=office.id,
    )[0]
    if row.attempts != row.spent:
        yield f"SMS have cost {row.attempts}, and {row.spent} is spent"
    if row.free:
        yield f"{row.free} SMS that may have arrived cost nothing"


# --- and nothing is left open -----------------------------------------------------------------------------------------


def _open(house: House) -> Iterator[str]:
    rows = house.database.all(
        "SELECT application_name, query FROM pg_stat_activity WHERE state LIKE 'idle in transaction%%' "
        "AND state_change < clock_timestamp() - interval '5 s'"
    )
    yield from _some("transactions left open", [f"{row.application_name}: {row.query}" for row in rows])


# --- small parts ------------------------------------------------------------------------------------------------------


def _doubts(row: Any) -> int:
    return int(row.outcomes.count("ambiguous"))


def _name(row: Any) -> str:
    return f"{row.channel} of {row.event} ({row.message}) to {row.person}"


def _wanted(of: Any, loads: tuple[Load, ...]) -> Counter[Any]:
    return of([post for load in loads for post in load.posts])


def _differences(what: str, wanted: Counter[Any], seen: Counter[Any]) -> Iterator[str]:
    yield from _some(f"{what} missing", list((wanted - seen).elements()))
    yield from _some(f"{what} too many", list((seen - wanted).elements()))


def _some(what: str, those: Any) -> Iterator[str]:
    """One sentence for all of a kind, with the first few."""
    found = sorted(those, key=str)
    if found:
        yield f"{what}: {len(found)}, such as {found[:MANY]}"
