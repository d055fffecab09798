"""The auditor's statements, over all organisations, as hub_engine. They stand here and not in `pipeline.sql` because what
audits the engine must not load it: plain text for the driver, nothing imported.

Each finds what is wrong by an index that holds only what is pending, so it costs the same however much there was; the two
samples go round all inboxes, a few at a time, and look again at those that were wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "BEAT",
    "BURY",
    "CHECKS",
    "DONE",
    "MAY_PING",
    "NEXT_SAMPLE",
    "OPEN",
    "PINGED",
    "SAMPLED",
    "SCHEDULER",
    "SWEEPS",
    "TAKE_TURN",
    "WORKERS",
    "WRITE",
]

# one looks at a time, and not again before it is time: whoever comes second gets no row
TAKE_TURN = """
    INSERT INTO audit_run (taken_at) VALUES (clock_timestamp())
    ON CONFLICT (one) DO UPDATE SET taken_at = excluded.taken_at
        WHERE audit_run.taken_at <= clock_timestamp() - CAST(%(every)s AS interval)
    RETURNING cursor
"""
BEAT = """
    INSERT INTO process_beat (id, kind, queues) VALUES (%(id)s, %(kind)s, %(queues)s)
    ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp()
"""
BURY = "DELETE FROM process_beat WHERE seen_at < clock_timestamp() - interval '10 minutes'"

# --- one check each: organisation, subject, how much, of how much, since when ---------------------------------------
INBOUND_STUCK = """
    SELECT organisation_id, '' AS subject, count(*) AS found, NULL::bigint AS total, min(next_attempt_at) AS oldest_at
    FROM (SELECT organisation_id, next_attempt_at FROM inbound
          WHERE state = 'accepted' AND next_attempt_at < (SELECT hub_now()) - CAST(%(late)s AS interval)
          ORDER BY next_attempt_at, id LIMIT %(most)s) AS late
    GROUP BY organisation_id
"""
# An announcement to all, or everybody's digest at nine, is due at once and takes its time: that is late only where of its
# priority nobody has sent anything either. What is pressing is late after five minutes whoever is at it
DELIVERY_LATE = """
    WITH lately AS MATERIALIZED (
        SELECT organisation_id, delivery_id FROM attempt
        WHERE started_at > (SELECT hub_now()) - CAST(%(late)s AS interval) ORDER BY started_at DESC LIMIT 2000
    ), moving AS MATERIALIZED (
        SELECT DISTINCT d.priority FROM lately a
        JOIN delivery d ON d.organisation_id = a.organisation_id AND d.id = a.delivery_id
    )
    SELECT organisation_id, '' AS subject, count(*) AS found, NULL::bigint AS total, min(next_attempt_at) AS oldest_at
    FROM generate_series(1, 4) AS p(priority) CROSS JOIN LATERAL (
        SELECT organisation_id, next_attempt_at FROM delivery
        WHERE state = 'queued' AND priority = p.priority
          AND next_attempt_at < (SELECT hub_now()) - CASE
              WHEN p.priority NOT IN (SELECT priority FROM moving) THEN CAST(%(late)s AS interval)
              WHEN p.priority <= 2 THEN interval '5 minutes' ELSE 'infinity' END
        ORDER BY next_attempt_at LIMIT %(most)s) AS late
    GROUP BY organisation_id
"""
HELD_LATE = """
    SELECT organisation_id, '' AS subject, count(*) AS found, NULL::bigint AS total, min(next_attempt_at) AS oldest_at
    FROM (SELECT organisation_id, next_attempt_at FROM delivery
          WHERE state = 'held' AND next_attempt_at < (SELECT hub_now()) - CAST(%(late)s AS interval)
          ORDER BY next_attempt_at LIMIT %(most)s) AS late
    GROUP BY organisation_id
"""
# leases are real time, and shown as since when they ran out
LEASE_EXPIRED = """
    SELECT organisation_id, '' AS subject, count(*) AS found, NULL::bigint AS total, min(lease_until) AS oldest_at
    FROM (SELECT organisation_id, lease_until FROM delivery
          WHERE state = 'sending' AND lease_until < clock_timestamp() - CAST(%(late)s AS interval)
          ORDER BY lease_until LIMIT %(most)s) AS late
    GROUP BY organisation_id
"""
REMINDER_LATE = """
    SELECT organisation_id, '' AS subject, count(*) AS found, NULL::bigint AS total, min(due_at) AS oldest_at
    FROM (SELECT organisation_id, due_at FROM reminder
          WHERE state = 'pending' AND due_at < (SELECT hub_now()) - CAST(%(late)s AS interval)
          ORDER BY due_at LIMIT %(most)s) AS late
    GROUP BY organisation_id
"""
# while the installation's switch is off nothing climbs, and nothing is late
LADDER_LATE = """
    SELECT organisation_id, '' AS subject, count(*) AS found, NULL::bigint AS total, min(next_level_at) AS oldest_at
    FROM (SELECT organisation_id, next_level_at FROM task
          WHERE next_level_at < (SELECT hub_now()) - CAST(%(late)s AS interval)
            AND coalesce((SELECT escalations_on FROM installation), true)
          ORDER BY next_level_at LIMIT %(most)s) AS late
    GROUP BY organisation_id
"""
LADDER_FAILED = """
    SELECT organisation_id, '' AS subject, count(*) AS found, NULL::bigint AS total, min(due_at) AS oldest_at
    FROM (SELECT organisation_id, due_at FROM task WHERE ladder_error IS NOT NULL AND next_level_at IS NOT NULL
          LIMIT %(most)s) AS failed
    GROUP BY organisation_id
"""
DIGEST_LATE = """
    SELECT organisation_id, '' AS subject, count(*) AS found, NULL::bigint AS total, min(digest_due_at) AS oldest_at
    FROM (SELECT organisation_id, digest_due_at FROM preference
          WHERE digest_due_at < (SELECT hub_now()) - CAST(%(late)s AS interval)
          ORDER BY digest_due_at LIMIT %(most)s) AS late
    GROUP BY organisation_id
"""
WRITTEN_LATE = """
    SELECT organisation_id, '' AS subject, count(*) AS found, NULL::bigint AS total, min(due_at) AS oldest_at
    FROM (SELECT organisation_id, due_at FROM written_message
          WHERE state = 'scheduled' AND due_at < (SELECT hub_now()) - CAST(%(late)s AS interval)
          ORDER BY due_at LIMIT %(most)s) AS late
    GROUP BY organisation_id
"""
# each chunk sets the next one's time, and a failed one puts it off: what is due for a minute has nobody at it
BROADCAST_STALLED = """
    SELECT organisation_id, '' AS subject, count(*) AS found, NULL::bigint AS total, min(next_chunk_at) AS oldest_at
    FROM broadcast WHERE done_at IS NULL AND next_chunk_at < (SELECT hub_now()) - CAST(%(late)s AS interval)
    GROUP BY organisation_id
"""
# C8: more than a fifth of at least twenty attempts within a quarter of an hour, of the newest 20,000 there are. What a
# provider only slows down has not failed. Where fewer than five failed, nothing is joined
CHANNEL_FAILING = """
    WITH recent AS MATERIALIZED (
        SELECT organisation_id, delivery_id, outcome, started_at FROM attempt
        WHERE started_at > (SELECT hub_now()) - interval '15 minutes' AND outcome <> 'throttled'
        ORDER BY started_at DESC LIMIT 20000
    ), suspect AS MATERIALIZED (
        SELECT organisation_id FROM recent WHERE outcome <> 'accepted' GROUP BY organisation_id HAVING count(*) >= 5
    )
    SELECT r.organisation_id, d.channel AS subject, count(*) FILTER (WHERE r.outcome <> 'accepted') AS found,
           count(*) AS total, min(r.started_at) FILTER (WHERE r.outcome <> 'accepted') AS oldest_at
    FROM recent r JOIN suspect USING (organisation_id)
    JOIN delivery d ON d.organisation_id = r.organisation_id AND d.id = r.delivery_id
    GROUP BY r.organisation_id, d.channel
    HAVING count(*) >= 20 AND 5 * count(*) FILTER (WHERE r.outcome <> 'accepted') > count(*)
"""
# an account of a provider that is left alone: also one that nobody has had reason to try since. A system of an office's own
# choice is that office's matter, which its page shows
PROVIDER_DOWN = """
    SELECT NULL::uuid AS organisation_id, channel AS subject, count(*) AS found, NULL::bigint AS total,
           NULL::timestamptz AS oldest_at
    FROM provider_account WHERE paused_until IS NOT NULL AND channel <> 'endpoint' GROUP BY channel
"""
# `policy.provider`: from what was left when it was halved, a tenth of the rate comes back each minute
PROVIDER_SLOWED = """
    SELECT NULL::uuid AS organisation_id, channel AS subject, count(*) AS found, NULL::bigint AS total,
           min(slowed_at) AS oldest_at
    FROM provider_account WHERE slowed_at > hub_now() - (1 - slowed_to) * interval '10 minutes' GROUP BY channel
"""
# what SES looks at, before it does: of an office's emails of a week that it has taken (among the newest 20,000 attempts there
# are), 4 % came back for good, or 0.08 % were reported as spam. It reviews an account at 5 % and 0.1 %, and pauses it at 10 %
# and 0.5 %
MAIL_REPUTATION = """
    WITH bad AS MATERIALIZED (
        SELECT organisation_id, delivery_id, heard, created_at FROM feedback
        WHERE provider = 'ses' AND heard IN ('hard_bounce', 'complaint')
          AND created_at > (SELECT hub_now()) - interval '7 days'
    ), taken AS MATERIALIZED (
        SELECT organisation_id, delivery_id FROM (
            SELECT organisation_id, delivery_id, provider, outcome FROM attempt
            WHERE started_at > (SELECT hub_now()) - interval '7 days' AND EXISTS (SELECT FROM bad)
            ORDER BY started_at DESC LIMIT 20000) AS recent
        WHERE provider = 'ses' AND outcome = 'accepted' AND organisation_id IN (SELECT organisation_id FROM bad)
    ), counted AS (
        SELECT t.organisation_id, count(DISTINCT t.delivery_id) AS total,
               count(*) FILTER (WHERE b.heard = 'hard_bounce') AS bounces,
               count(*) FILTER (WHERE b.heard = 'complaint') AS complaints, min(b.created_at) AS oldest_at
        FROM taken t LEFT JOIN bad b ON b.organisation_id = t.organisation_id AND b.delivery_id = t.delivery_id
        GROUP BY t.organisation_id
    )
    SELECT organisation_id, '' AS subject, bounces + complaints AS found, total, oldest_at FROM counted
    WHERE (total >= 100 AND 100 * bounces >= 4 * total) OR (total >= 1000 AND 10000 * complaints >= 8 * total)
"""
SAMPLE = """
    WITH sample AS MATERIALIZED (
        (SELECT person_id FROM inbox_counter WHERE person_id > %(cursor)s ORDER BY person_id LIMIT %(sample)s)
        UNION
        SELECT CAST(subject AS uuid) FROM audit_finding WHERE name = %(name)s AND cleared_at IS NULL
    )
"""
# a counter may be ahead of its lines (some have gone), never behind: both are written in one transaction
COUNTER_WRONG = f"""{SAMPLE}
    SELECT c.organisation_id, CAST(c.person_id AS text) AS subject, 1 AS found, NULL::bigint AS total,
           NULL::timestamptz AS oldest_at
    FROM sample s JOIN inbox_counter c ON c.person_id = s.person_id
    WHERE c.seq < (SELECT max(n.changed_seq) FROM notification n WHERE n.person_id = c.person_id)
"""  # noqa: S608  (constants of this program)
DECISION_MISSING = f"""{SAMPLE}
    SELECT n.organisation_id, CAST(n.person_id AS text) AS subject, 1 AS found, NULL::bigint AS total,
           min(n.created_at) AS oldest_at
    FROM sample s CROSS JOIN LATERAL (
        SELECT * FROM notification WHERE person_id = s.person_id ORDER BY id DESC LIMIT 3) AS n
    WHERE NOT EXISTS (SELECT FROM decision d WHERE d.organisation_id = n.organisation_id AND d.event_id = n.event_id
                        AND d.person_id = n.person_id)
      AND NOT EXISTS (SELECT FROM decision d WHERE d.organisation_id = n.organisation_id AND d.event_id = n.event_id
                        AND d.class_id = n.class_id)
    GROUP BY n.organisation_id, n.person_id
"""  # noqa: S608
CHECKS: Mapping[str, str] = {
    "inbound_stuck": INBOUND_STUCK,
    "delivery_late": DELIVERY_LATE,
    "held_late": HELD_LATE,
    "lease_expired": LEASE_EXPIRED,
    "reminder_late": REMINDER_LATE,
    "ladder_late": LADDER_LATE,
    "ladder_failed": LADDER_FAILED,
    "digest_late": DIGEST_LATE,
    "written_late": WRITTEN_LATE,
    "broadcast_stalled": BROADCAST_STALLED,
    "channel_failing": CHANNEL_FAILING,
    "provider_down": PROVIDER_DOWN,
    "provider_slowed": PROVIDER_SLOWED,
    "mail_reputation": MAIL_REPUTATION,
    "counter_wrong": COUNTER_WRONG,
    "decision_missing": DECISION_MISSING,
}
SAMPLED = ("counter_wrong", "decision_missing")
# where the next sample begins; none: from the beginning again
NEXT_SAMPLE = """
    SELECT person_id FROM (
        SELECT person_id FROM inbox_counter WHERE person_id > %(cursor)s ORDER BY person_id LIMIT %(sample)s) AS sample
    ORDER BY person_id DESC LIMIT 1
"""

# --- the installation: no organisation, the same columns ------------------------------------------------------------
WORKERS = """
    SELECT NULL::uuid AS organisation_id, q.name AS subject, 1 AS found, NULL::bigint AS total,
           (SELECT max(seen_at) FROM process_beat WHERE q.name = ANY(queues)) AS oldest_at
    FROM unnest(CAST(%(queues)s AS text[])) AS q(name)
    WHERE NOT EXISTS (SELECT FROM process_beat
                      WHERE q.name = ANY(queues) AND seen_at > clock_timestamp() - CAST(%(stale)s AS interval))
"""
SCHEDULER = """
    SELECT NULL::uuid AS organisation_id, '' AS subject, 1 AS found, NULL::bigint AS total,
           max(seen_at) FILTER (WHERE kind = 'scheduler') AS oldest_at
    FROM process_beat
    HAVING coalesce(max(seen_at) FILTER (WHERE kind = 'scheduler'), '-infinity')
           <= clock_timestamp() - CAST(%(stale)s AS interval)
"""
# a sweep's time counts from its last good run, or, after a pause of everything, from when somebody was there again; of one
# that runs once in days, from the first look there ever was
SWEEPS = """
    WITH up AS (
        SELECT coalesce(min(started_at), clock_timestamp()) AS at FROM process_beat
        WHERE seen_at > clock_timestamp() - CAST(%(stale)s AS interval)
    )
    SELECT NULL::uuid AS organisation_id, t.name AS subject, 1 AS found, NULL::bigint AS total, r.ended_at AS oldest_at
    FROM unnest(CAST(%(names)s AS text[]), CAST(%(seconds)s AS float8[])) AS t(name, seconds)
    CROSS JOIN up LEFT JOIN sweep_run r ON r.name = t.name
    WHERE greatest(r.ended_at, CASE WHEN t.seconds < 86400 THEN up.at ELSE (SELECT began_at FROM audit_run) END)
          < clock_timestamp() - make_interval(secs => t.seconds)
"""

# --- what it writes -------------------------------------------------------------------------------------------------
# findings of the installation become one of each organisation; of the checks that were made, what is not found any more is
# over. Comes back: which organisations see something new
WRITE = """
    WITH found AS (
        SELECT * FROM json_to_recordset(CAST(%(found)s AS json)) AS r(
            organisation_id uuid, name text, subject text, found int, total int, oldest_at timestamptz)
    ), everybodys AS MATERIALIZED (
        SELECT coalesce(f.organisation_id, o.id) AS organisation_id, f.name, f.subject, f.found, f.total, f.oldest_at
        FROM found f LEFT JOIN organisation o ON f.organisation_id IS NULL
        WHERE coalesce(f.organisation_id, o.id) IS NOT NULL
    ), kept AS (
        INSERT INTO audit_finding (organisation_id, name, subject, found, total, oldest_at)
        SELECT organisation_id, name, subject, found, total, oldest_at FROM everybodys ORDER BY 1, 2, 3
        ON CONFLICT (organisation_id, name, subject) WHERE cleared_at IS NULL
        DO UPDATE SET seen_at = hub_now(), found = excluded.found, total = excluded.total, oldest_at = excluded.oldest_at
        RETURNING new.organisation_id, old.id IS NULL AS fresh
    ), over AS (
        UPDATE audit_finding f SET cleared_at = hub_now()
        WHERE f.cleared_at IS NULL AND f.name = ANY(%(checked)s)
          AND NOT EXISTS (SELECT FROM everybodys e WHERE e.organisation_id = f.organisation_id AND e.name = f.name
                            AND e.subject = f.subject)
        RETURNING f.organisation_id
    )
    SELECT organisation_id FROM kept WHERE fresh UNION SELECT organisation_id FROM over
"""
DONE = """
    UPDATE audit_run SET done_at = clock_timestamp(), looked_at = hub_now(), seconds = %(seconds)s, cursor = %(cursor)s,
           queues = CAST(%(queues)s AS jsonb)
"""
OPEN = """
    SELECT o.slug, f.name, f.subject, f.found, f.total, f.since FROM audit_finding f
    JOIN organisation o ON o.id = f.organisation_id
    WHERE f.cleared_at IS NULL ORDER BY o.slug, f.since, f.name, f.subject
"""
# once a minute, by one process, while the last look is fresh and found nothing of the hub's own: what one office's addresses
# or rules do is told to that office, and is no outage of all
MAY_PING = """
    UPDATE audit_run SET pinged_at = clock_timestamp()
    WHERE done_at > clock_timestamp() - interval '60 seconds'
      AND (pinged_at IS NULL OR pinged_at < clock_timestamp() - interval '55 seconds')
      AND NOT EXISTS (SELECT FROM audit_finding WHERE cleared_at IS NULL AND name NOT IN ('channel_failing', 'ladder_failed', 'mail_reputation', 'provider_slowed'))
    RETURNING pinged_at
"""
PINGED = "UPDATE audit_run SET ping_error = %(error)s"
