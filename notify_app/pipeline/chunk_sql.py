"""The statements of a chunk (`chunk`): who is next, which classes they are of, and the rows that tell them.

They are put together once for the channels that there are, whose names are small letters, digits and _; `{who}` is the
audience's own condition.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from sqlalchemy import TextClause, text

__all__ = ["LAST", "RECORD", "STEADY", "WITHHOLD", "classes", "write"]

LAST = """
    SELECT id FROM (
        SELECT p.id FROM person p WHERE p.organisation_id = :org AND p.id > :after AND p.id <= :until AND {who}
        ORDER BY p.id LIMIT :size
    ) AS part ORDER BY id DESC LIMIT 1
"""


def _each(channels: tuple[str, ...]) -> Callable[..., str]:
    def each(pattern: str, between: str = ", ") -> str:
        return between.join(pattern.format(c=channel) for channel in channels)

    return each


FACTS = 11  # that do not depend on the channels


@lru_cache(maxsize=8)
def classes(channels: tuple[str, ...]) -> str:
    """Who is in a chunk, by class; `{who}` is still to be filled in."""
    each = _each(channels)
    # the first usable address of a channel, and why the first of all is blocked; in the order of `audience.READ`
    reached = each(
        "(array_agg(a.value ORDER BY a.position, a.id) FILTER (WHERE a.channel = '{c}' AND s.reason IS NULL))[1] AS {c}, "
        "(array_agg(s.reason ORDER BY a.position, a.id) FILTER (WHERE a.channel = '{c}'))[1] AS {c}_blocked"
    )
    can_be_reached = each(
        "r.{c} IS NOT NULL AS {c}, r.{c} IS NULL AND r.{c}_blocked IS NOT NULL AS {c}_blocked, "
        "r.{c} IS NULL AND r.{c}_blocked IS NULL AND '{c}' = ANY(u.channels) IS TRUE AS {c}_unverified"
    )
    members = each(
        "array_agg(r.{c})::text AS {c}s, min(r.{c}_blocked) AS {c}_why, max(r.{c}_blocked) AS {c}_why_else"
    )
    groups = ", ".join(str(number + 1) for number in range(FACTS + 3 * len(channels)))
    return f"""
        WITH reach AS (
            SELECT a.person_id, {reached}
            FROM address a LEFT JOIN suppression s
              ON s.organisation_id = a.organisation_id AND s.channel = a.channel AND s.value = a.value
            WHERE a.organisation_id = :org AND a.person_id > :after AND a.person_id <= :last GROUP BY a.person_id
        ), unverified AS (
            SELECT person_id, array_agg(channel) AS channels FROM unverified_address
            WHERE organisation_id = :org AND person_id > :after AND person_id <= :last GROUP BY person_id
        ), switch AS (
            SELECT person_id, json_agg(json_build_array(scope, channel, enabled) ORDER BY scope, channel)::text AS switches
            FROM preference_choice WHERE organisation_id = :org AND person_id > :after AND person_id <= :last
             AND scope = ANY(CAST(:scopes AS text[])) GROUP BY person_id
        )
        SELECT p.role, coalesce(p.zone, o.zone) AS zone, coalesce(p.locale, o.locale) AS locale,
               p.account_id IS NOT NULL AS signs_in, p.left_at IS NOT NULL AS gone,
               f.quiet_from, f.quiet_until, f.quiet_days, f.digest_due_at, f.channel_order, w.switches, {can_be_reached},
               count(*) AS people, array_agg(p.id)::text AS ids, {members}
        FROM person p
        JOIN organisation o ON o.id = p.organisation_id
        LEFT JOIN reach r ON r.person_id = p.id
        LEFT JOIN unverified u ON u.person_id = p.id
        LEFT JOIN switch w ON w.person_id = p.id
        LEFT JOIN preference f ON f.organisation_id = :org AND f.person_id = p.id AND f.person_id > :after AND f.person_id <= :last
        WHERE p.organisation_id = :org AND p.id > :after AND p.id <= :last AND {{who}}
        GROUP BY {groups}
    """


# How long the arrays are the planner cannot know, and on tables that were small when this connection first checked a
# foreign key, it would look through all of them for each row.
STEADY = (
    "SELECT set_config('enable_nestloop', 'off', true), set_config('enable_seqscan', 'off', true)",
    "DISCARD PLANS",
)


# Ids are a time-ordered head, a uuidv7's own, and a count: uuidv7() takes as long as all the joins here together.
# Counters are raised in the order of ids, as `inbox` does, so that nobody waits in a circle.
ID = "CAST(:head || lpad(to_hex(n + {place}), 12, '0') AS uuid)"


def _others(every: tuple[str, ...]) -> str:
    """The further addresses of those channels of which each address has its own message."""
    return _each(every)(
        "SELECT uuidv7() AS id, person.id AS person_id, line_id, '{c}' AS channel, a.value, {c}_at AS at FROM person "
        "JOIN address a ON a.organisation_id = :org AND a.person_id = person.id AND a.channel = '{c}' AND a.value <> {c} "
        "WHERE {c}_at IS NOT NULL AND NOT EXISTS (SELECT FROM suppression s WHERE s.organisation_id = :org "
        "AND s.channel = '{c}' AND s.value = a.value)",
        " UNION ALL ",
    )


@lru_cache(maxsize=8)
def write(channels: tuple[str, ...], every: tuple[str, ...] = ()) -> TextClause:
    """The rows that tell a chunk; of the channels `every`, by each address."""
    each = _each(channels)
    message_ids = ", ".join(
        f"CASE WHEN c.{channel}_at IS NOT NULL THEN {ID.format(place=place)} END AS {channel}_id"
        for place, channel in enumerate(channels, 1)
    )
    messages = each(
        "SELECT :org, {c}_id, id, '{c}', {c}, 'notification', :group, :priority, CASE WHEN {c}_at > :now THEN 'held' "
        "ELSE 'queued' END, CASE WHEN {c}_at > :now THEN 'quiet_hours' END, {c}_at, {c}_at, :now "
        "FROM person WHERE {c}_at IS NOT NULL",
        " UNION ALL ",
    )
    items = each("SELECT :org, {c}_id, line_id FROM person WHERE {c}_at IS NOT NULL", " UNION ALL ")
    others = ""
    if every:
        others = f"also AS MATERIALIZED ({_others(every)}),"
        messages += (
            " UNION ALL SELECT :org, id, person_id, channel, value, 'notification', :group, :priority, CASE WHEN at > :now "
            "THEN 'held' ELSE 'queued' END, CASE WHEN at > :now THEN 'quiet_hours' END, at, at, :now FROM also"
        )
        items += " UNION ALL SELECT :org, id, line_id FROM also"
    return text(
        f"""
        WITH given AS (
            SELECT t.*, CAST(:count AS bigint) + place * {len(channels) + 1} AS n
            FROM unnest(CAST(:ids AS uuid[]), CAST(:classes AS int[]), CAST(:words AS int[]), {each("CAST(:{c}s AS text[])")})
              WITH ORDINALITY AS t(id, class, word, {each("{c}")}, place)
        ), person AS MATERIALIZED (
            SELECT given.id, word, c.class_id, c.signs_in, {each("{c}, c.{c}_at")},
                   {ID.format(place=0)} AS line_id, {message_ids}
            FROM given JOIN jsonb_to_recordset(CAST(:decided AS jsonb)) AS
                c(class int, class_id uuid, signs_in boolean, {each("{c}_at timestamptz")}) USING (class)
        ), raised AS (
            INSERT INTO inbox_counter (organisation_id, person_id, seq) SELECT :org, id, 1 FROM person ORDER BY id
            ON CONFLICT (organisation_id, person_id) DO UPDATE SET seq = inbox_counter.seq + excluded.seq
            RETURNING person_id, seq
        ), line AS (
            INSERT INTO notification (organisation_id, id, event_id, person_id, name, category, priority, title, text,
                                      action_url, item_id, seq, changed_seq, class_id, created_at)
            SELECT :org, person.line_id, :event, person.id, :name, :category, :priority, w.title, w.text,
                   w.action, :item, raised.seq, raised.seq, person.class_id, :now
            FROM person JOIN raised ON raised.person_id = person.id
            JOIN jsonb_to_recordset(CAST(:worded AS jsonb)) AS w(word int, title text, text text, action text) USING (word)
        ), {others} message AS (
            INSERT INTO delivery (organisation_id, id, person_id, channel, address, purpose, group_key, priority, state, reason,
                                  due_at, next_attempt_at, created_at)
            {messages}
        ), item AS (
            INSERT INTO delivery_item (organisation_id, delivery_id, notification_id) {items}
        )
        SELECT person.id, raised.seq, person.line_id, person.word
        FROM person JOIN raised ON raised.person_id = person.id WHERE person.signs_in ORDER BY person.word
        """
    )


# one row for each class and channel, however many chunks
RECORD = """
    INSERT INTO decision (organisation_id, event_id, channel, outcome, reason, detail, class_id, people)
    SELECT :org, :event, d.channel, d.outcome, d.reason, d.detail, d.class_id, d.people
    FROM jsonb_to_recordset(CAST(:decisions AS jsonb))
        AS d(channel text, outcome text, reason text, detail jsonb, class_id uuid, people int)
    ON CONFLICT (organisation_id, event_id, class_id, channel) WHERE class_id IS NOT NULL
    DO UPDATE SET people = decision.people + excluded.people
"""
# who has no line has a record of their own: there is nothing else by which to find it
WITHHOLD = """
    INSERT INTO decision (organisation_id, event_id, person_id, outcome, reason, detail)
    SELECT :org, :event, id, 'not_told', :reason, CAST(:detail AS jsonb) FROM unnest(CAST(:ids AS uuid[])) AS t(id)
"""
