"""The statements that work across organisations: they run as hub_engine, and all of them stand here.

The migration on row-level security grants that role what these need and nothing else. Everything that a
statement returns carries its organisation, and what follows runs scoped to it.
"""

from __future__ import annotations

from sqlalchemy import text

__all__ = [
    "ACCEPT",
    "CLAIM",
    "DUE_INBOUND",
    "EXPIRED_LEASES",
    "FIND_INBOUND",
    "FIND_LINK",
    "FIND_SOURCE",
    "RENEW",
    "RETAIN_ATTEMPTS",
    "RETAIN_BODIES",
    "SETTLE",
    "WAITING",
]

FIND_SOURCE = text(
    """
    SELECT id, organisation_id, slug, secret,
           CASE WHEN previous_until > hub_now() THEN previous_secret END AS previous_secret
    FROM source WHERE slug = :slug AND active
    """
)

# the idempotency key decides; a twin inserts nothing
ACCEPT = text(
    """
    INSERT INTO inbound (organisation_id, id, source_id, external_id, body_hash, type, body, item_refs, occurred_at)
    VALUES (:organisation_id, :id, :source_id, :external_id, :body_hash, :type, CAST(:body AS jsonb), :item_refs, :occurred_at)
    ON CONFLICT ON CONSTRAINT uq_inbound_external DO NOTHING
    RETURNING id
    """
)

FIND_INBOUND = text(
    """
    SELECT id, body_hash, state FROM inbound
    WHERE organisation_id = :organisation_id AND source_id = :source_id AND external_id = :external_id
    """
)

# a private link: whose it is, and until when; the page then works in the scope of its organisation
FIND_LINK = text(
    """
    SELECT l.organisation_id, l.id, l.person_id, l.item_id, l.used_at, l.expires_at, hub_now() AS now, o.name AS organisation
    FROM link l JOIN organisation o ON o.id = l.organisation_id WHERE l.token_hash = :hash
    """
)

# a hint where to work: what is due and behind nothing else of its item, oldest first; it is claimed under the
# organisation's own scope
DUE_INBOUND = text(
    """
    SELECT organisation_id, id FROM inbound i
    WHERE state = 'accepted' AND next_attempt_at <= (SELECT hub_now())
      AND NOT EXISTS (SELECT FROM inbound e WHERE e.state = 'accepted' AND e.item_refs && i.item_refs
                        AND e.organisation_id = i.organisation_id AND e.source_id = i.source_id
                        AND (e.received_at, e.id) < (i.received_at, i.id))
    ORDER BY next_attempt_at, id LIMIT :limit
    """
)

# `lease_until` is real time: a moved clock must not free a worker's lease
CLAIM = text(
    """
    WITH due AS (
        SELECT organisation_id, id FROM delivery
        WHERE state = 'queued' AND priority BETWEEN :first AND :last AND next_attempt_at <= (SELECT hub_now())
        ORDER BY priority, next_attempt_at LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE delivery d
        SET state = 'sending', token = :token, lease_until = clock_timestamp() + :lease, attempts = d.attempts + 1
        FROM due WHERE d.organisation_id = due.organisation_id AND d.id = due.id
        RETURNING d.*
    ), tried AS (
        INSERT INTO attempt (organisation_id, delivery_id, number, token, provider)
        SELECT organisation_id, id, attempts, token, CAST(:providers AS jsonb) ->> channel FROM taken
    )
    SELECT taken.*, hub_now() AS now,
           (SELECT s.reason FROM suppression s WHERE s.organisation_id = taken.organisation_id
                AND s.channel = taken.channel AND s.value = taken.address) AS blocked,
           (SELECT count(*) FROM attempt a WHERE a.organisation_id = taken.organisation_id
                AND a.delivery_id = taken.id AND a.outcome = 'ambiguous') AS doubts,
           n.count AS carried, n.unread, n.withdrawn, n.first_created
    FROM taken LEFT JOIN LATERAL (
        SELECT count(*), count(*) FILTER (WHERE n.read_at IS NULL AND n.withdrawn_at IS NULL) AS unread,
               count(*) FILTER (WHERE n.withdrawn_at IS NOT NULL) AS withdrawn, min(n.created_at) AS first_created
        FROM delivery_item i
        JOIN notification n ON n.organisation_id = i.organisation_id AND n.id = i.notification_id
        WHERE i.organisation_id = taken.organisation_id AND i.delivery_id = taken.id
    ) n ON true
    ORDER BY priority, next_attempt_at
    """
)

# a drain that is still at work says so; a frozen one does not, and its rows are taken over
RENEW = text(
    "UPDATE delivery SET lease_until = clock_timestamp() + :lease WHERE state = 'sending' AND token = ANY(:tokens)"
)

SETTLE = text(
    """
    WITH result AS (
        SELECT * FROM jsonb_to_recordset(CAST(:results AS jsonb)) AS r(
            organisation_id uuid, id uuid, token uuid, number smallint, state text, reason text, detail text,
            wait double precision, failed boolean, outcome text, provider text, provider_id text, response text,
            error_code text, error text, segments smallint, cost_usd numeric)
    ), settled AS (
        UPDATE delivery d
        SET state = r.state, reason = r.reason, detail = r.detail, token = NULL, lease_until = NULL,
            next_attempt_at = CASE WHEN r.wait IS NULL THEN d.next_attempt_at
                              ELSE hub_now() + make_interval(secs => r.wait) END,
            due_at = CASE WHEN r.reason = 'quiet_hours' AND r.wait IS NOT NULL
                     THEN hub_now() + make_interval(secs => r.wait) ELSE d.due_at END,
            failures = d.failures + CASE WHEN r.failed THEN 1 ELSE 0 END,
            attempts = d.attempts - CASE WHEN r.outcome IS NULL THEN 1 ELSE 0 END,
            provider = coalesce(r.provider, d.provider), provider_id = coalesce(r.provider_id, d.provider_id),
            segments = coalesce(r.segments, d.segments), cost_usd = coalesce(r.cost_usd, d.cost_usd),
            settled_at = CASE WHEN r.state = 'queued' THEN NULL ELSE hub_now() END
        FROM result r
        WHERE d.organisation_id = r.organisation_id AND d.id = r.id AND d.token = r.token AND d.state = 'sending'
        RETURNING d.organisation_id, d.id, d.person_id, d.state, r.number, r.outcome
    ), noted AS (
        UPDATE attempt a
        SET outcome = r.outcome, provider = coalesce(r.provider, a.provider), provider_id = r.provider_id,
            response = r.response, error_code = r.error_code, error = r.error, segments = r.segments,
            cost_usd = r.cost_usd, finished_at = hub_now()
        FROM result r JOIN settled s ON s.organisation_id = r.organisation_id AND s.id = r.id
        WHERE a.organisation_id = r.organisation_id AND a.delivery_id = r.id AND a.number = r.number
          AND r.outcome IS NOT NULL
    ), undone AS (
        DELETE FROM attempt a USING result r JOIN settled s ON s.organisation_id = r.organisation_id AND s.id = r.id
        WHERE a.organisation_id = r.organisation_id AND a.delivery_id = r.id AND a.number = r.number
          AND r.outcome IS NULL
    )
    SELECT * FROM settled
    """
)

EXPIRED_LEASES = text(
    """
    SELECT organisation_id, id, token, attempts AS number, failures, channel, priority, due_at, hub_now() AS now,
           (SELECT count(*) FROM attempt a WHERE a.organisation_id = d.organisation_id AND a.delivery_id = d.id
                AND a.outcome = 'ambiguous') AS doubts
    FROM delivery d WHERE state = 'sending' AND lease_until < clock_timestamp()
    ORDER BY lease_until LIMIT :limit
    FOR UPDATE SKIP LOCKED
    """
)

# how much is due now, by queue (the release sweep wakes workers for it)
WAITING = text(
    """
    SELECT EXISTS (SELECT FROM delivery WHERE state = 'queued' AND priority = 1
                   AND next_attempt_at <= (SELECT hub_now())) AS urgent,
           EXISTS (SELECT FROM delivery WHERE state = 'queued' AND priority > 1
                   AND next_attempt_at <= (SELECT hub_now())) AS bulk,
           EXISTS (SELECT FROM inbound i WHERE state = 'accepted' AND next_attempt_at <= (SELECT hub_now())
                   AND NOT EXISTS (SELECT FROM inbound e WHERE e.state = 'accepted' AND e.item_refs && i.item_refs
                       AND e.organisation_id = i.organisation_id AND e.source_id = i.source_id
                       AND (e.received_at, e.id) < (i.received_at, i.id))) AS route
    """
)

RETAIN_ATTEMPTS = text(
    """
    DELETE FROM attempt WHERE (organisation_id, delivery_id, number) IN (
        SELECT organisation_id, delivery_id, number FROM attempt
        WHERE started_at < (SELECT hub_now()) - CAST(:age AS interval) AND finished_at IS NOT NULL
        ORDER BY started_at LIMIT :limit)
    """
)

RETAIN_BODIES = text(
    """
    UPDATE inbound SET body = NULL WHERE (organisation_id, id) IN (
        SELECT organisation_id, id FROM inbound
        WHERE received_at < (SELECT hub_now()) - CAST(:age AS interval) AND body IS NOT NULL AND state <> 'accepted'
        ORDER BY received_at LIMIT :limit)
    """
)
