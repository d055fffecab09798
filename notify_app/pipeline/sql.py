"""The statements that work across organisations: they run as hub_engine, and all of them stand here.

The migration on row-level security grants that role what these need and nothing else. Everything that a
statement returns carries its organisation, and what follows runs scoped to it.
"""

from __future__ import annotations

from sqlalchemy import text

__all__ = [
    "ACCEPT",
    "ACCEPT_INVITATION",
    "BEHIND",
    "CLAIM",
    "DUE_BROADCASTS",
    "DUE_HELD",
    "DUE_INBOUND",
    "DUE_REMINDERS",
    "DUE_WRITTEN",
    "EXPIRED_LEASES",
    "FIND_ACCOUNT",
    "FIND_INBOUND",
    "FIND_INVITATION",
    "FIND_KEY",
    "FIND_LINK",
    "FIND_SOURCE",
    "INVITE",
    "NEW_ACCOUNT",
    "RENEW",
    "RETAIN_ATTEMPTS",
    "RETAIN_BODIES",
    "RETAIN_CALLS",
    "SETTLE",
    "SWITCH_INSTALLATION",
    "WAITING",
]

FIND_SOURCE = text(
    """
    SELECT id, organisation_id, slug, secret,
           CASE WHEN previous_until > hub_now() THEN previous_secret END AS previous_secret
    FROM source WHERE slug = :slug AND active
    """
)

# A group of webhooks, as one JSON array (`inbound.Row`): one parameter costs the client a quarter of ten arrays. Kept is
# what was signed with a secret that is still good, and whose idempotency key is new; what comes back is the rest, and
# whether it was signed. All rows of a group arrived at one moment, and their ids say in which order. They go into the
# index in the order of its keys, so that two processes with the same messages never wait for each other in a circle.
# (Raw psycopg runs this and the next one: `inbound`.)
ACCEPT = """
    WITH clock AS MATERIALIZED (SELECT hub_now() AS now),
    sent AS MATERIALIZED (
        SELECT * FROM json_to_recordset($1::json) AS r(
            o uuid, s uuid, k bytea, id uuid, e text, h bytea, t text, b jsonb, r text[], at timestamptz)
    ), signed AS (
        SELECT sent.*, clock.now FROM sent CROSS JOIN clock
        JOIN source ON source.organisation_id = sent.o AND source.id = sent.s AND source.active
         AND (source.secret = sent.k OR (source.previous_secret = sent.k AND source.previous_until > clock.now))
    ), kept AS (
        INSERT INTO inbound (organisation_id, id, source_id, external_id, body_hash, type, body, item_refs, occurred_at,
                             received_at, next_attempt_at)
        SELECT o, id, s, e, h, t, b, r, at, now, now FROM signed ORDER BY o, s, e, id
        ON CONFLICT ON CONSTRAINT uq_inbound_external DO NOTHING
        RETURNING id
    )
    SELECT id, id IN (SELECT id FROM signed) AS signed FROM sent WHERE id NOT IN (SELECT id FROM kept)
"""

# what was there before under these keys, and whether it says the same
FIND_INBOUND = """
    SELECT sent.id AS asked, i.id, i.body_hash, coalesce(i.body = sent.b, false) AS alike
    FROM json_to_recordset($1::json) AS sent(o uuid, s uuid, id uuid, e text, b jsonb)
    JOIN inbound i ON i.organisation_id = sent.o AND i.source_id = sent.s AND i.external_id = sent.e
"""

# a private link: whose it is, and until when; the page then works in the scope of its organisation
FIND_LINK = text(
    """
    SELECT l.organisation_id, l.id, l.person_id, l.item_id, l.item_version, l.notification_id, l.used_at, l.expires_at, hub_now() AS now,
           o.name AS organisation
    FROM link l JOIN organisation o ON o.id = l.organisation_id WHERE l.token_hash = :hash
    """
)

# a hint where to work: what is due and behind nothing else of its item, oldest first; it is claimed under the
# organisation's own scope
# a program's key: as whom it acts; a person who has left takes their keys with them
FIND_KEY = text(
    """
    SELECT k.id AS key_id, k.organisation_id, k.person_id, k.name AS key_name, p.name, p.role,
           coalesce(p.zone, o.zone) AS zone, coalesce(p.locale, o.locale) AS locale,
           k.last_used_at IS NULL OR k.last_used_at < hub_now() - interval '1 minute' AS unnoted
    FROM api_key k
    JOIN person p ON p.organisation_id = k.organisation_id AND p.id = k.person_id AND p.left_at IS NULL
    JOIN organisation o ON o.id = k.organisation_id
    WHERE k.token_hash = :hash AND k.revoked_at IS NULL
    """
)

DUE_INBOUND = text(
    """
    SELECT organisation_id, id FROM inbound i
    WHERE state = 'accepted' AND next_attempt_at <= (SELECT hub_now())
      AND NOT EXISTS (SELECT FROM inbound e WHERE e.settled_at IS NULL AND e.item_refs && i.item_refs
                        AND e.organisation_id = i.organisation_id AND e.source_id = i.source_id
                        AND (e.received_at, e.id) < (i.received_at, i.id))
    ORDER BY next_attempt_at, id LIMIT :limit
    """
)

# which of these rows have to wait for an earlier one of their item
BEHIND = text(
    """
    SELECT i.id FROM inbound i WHERE i.organisation_id = :org AND i.id = ANY(:ids)
      AND EXISTS (SELECT FROM inbound e WHERE e.settled_at IS NULL AND e.item_refs && i.item_refs
                    AND e.organisation_id = i.organisation_id AND e.source_id = i.source_id
                    AND (e.received_at, e.id) < (i.received_at, i.id))
    """
)

# whose time has come; each is locked under its organisation's own scope
DUE_REMINDERS = text(
    """
    SELECT organisation_id, id FROM reminder WHERE state = 'pending' AND due_at <= :now ORDER BY due_at, id LIMIT :limit
    """
)

# for whom something was held until now, with how much; it is locked under the organisation's own scope
DUE_HELD = text(
    """
    SELECT organisation_id, person_id, count(*) AS messages FROM (
        SELECT organisation_id, person_id FROM delivery WHERE state = 'held' AND next_attempt_at <= :now
        ORDER BY next_attempt_at LIMIT :limit
    ) AS due GROUP BY organisation_id, person_id
    """
)

# what is told to many, the most pressing first, each in its turn; taken under the organisation's own scope
DUE_BROADCASTS = text(
    """
    SELECT organisation_id, event_id FROM broadcast
    WHERE done_at IS NULL AND next_chunk_at <= (SELECT hub_now())
    ORDER BY priority, next_chunk_at LIMIT :limit
    """
)

# what people have written for a time that has come; each is locked under its organisation's own scope
DUE_WRITTEN = text(
    """
    SELECT organisation_id, id FROM written_message WHERE state = 'scheduled' AND due_at <= :now
    ORDER BY due_at, id LIMIT :limit
    """
)

# an account without a password is an invitation, of the organisation that made it
NEW_ACCOUNT = text(
    """
    INSERT INTO account (email, password_hash, name, invited_by) VALUES (:email, '', :name, :organisation)
    ON CONFLICT (lower(email)) DO NOTHING
    """
)

FIND_ACCOUNT = text(
    """
    SELECT id, password_hash = '' AS waits, invited_by, disabled_at IS NOT NULL AS disabled
    FROM account WHERE lower(email) = lower(:email)
    """
)

INVITE = text(
    """
    UPDATE account SET invite_hash = :hash, invite_until = hub_now() + :life
    WHERE id = :id AND password_hash = '' AND invited_by = :organisation
    """
)

FIND_INVITATION = text(
    """
    SELECT a.email, a.name, a.invite_until > hub_now() AS good, o.name AS organisation
    FROM account a JOIN organisation o ON o.id = a.invited_by
    WHERE a.invite_hash = :hash AND a.password_hash = '' AND a.disabled_at IS NULL
    """
)

# once: the first password ends the invitation
ACCEPT_INVITATION = text(
    """
    UPDATE account SET password_hash = :password, invite_hash = NULL, invite_until = NULL
    WHERE invite_hash = :hash AND invite_until > hub_now() AND password_hash = '' AND disabled_at IS NULL
    RETURNING id
    """
)

# D6: for all organisations at once
SWITCH_INSTALLATION = text(
    """
    INSERT INTO installation (notifications_on) VALUES (:on)
    ON CONFLICT (one) DO UPDATE SET notifications_on = excluded.notifications_on, changed_at = hub_now()
    """
)

# `lease_until` is real time: a moved clock must not free a worker's lease. The row itself is the record of the try under
# way; its attempt is written when it ends (SETTLE, also for a lease that ran out). Rows are taken by where they lie, so
# that no plan joins the table to itself; one that another worker has just changed is not found there, and is taken the
# next time. Ids come as text: they are only compared and handed on, which is cheaper so.
CLAIM = text(
    """
    WITH taken AS (
        UPDATE delivery
        SET state = 'sending', token = :token, lease_until = clock_timestamp() + :lease, claimed_at = (SELECT hub_now()),
            attempts = attempts + 1, provider = coalesce(CAST(:providers AS jsonb) ->> channel, '')
        WHERE state = 'queued' AND ctid = ANY (ARRAY(
            SELECT ctid FROM delivery
            WHERE state = 'queued' AND priority BETWEEN :first AND :last AND next_attempt_at <= (SELECT hub_now())
            ORDER BY priority, next_attempt_at LIMIT :limit
            FOR UPDATE SKIP LOCKED))
        RETURNING *
    )
    SELECT CAST(organisation_id AS text) AS organisation_id, CAST(id AS text) AS id, CAST(token AS text) AS token,
           CAST(content_id AS text) AS content_id, person_id, channel, address, purpose, group_key, priority, reason,
           due_at, attempts, failures, claimed_at AS now
    FROM taken ORDER BY priority, next_attempt_at
    """
)

# a drain that is still at work says so; a frozen one does not, and its rows are taken over
RENEW = text(
    "UPDATE delivery SET lease_until = clock_timestamp() + :lease WHERE state = 'sending' AND token = ANY(CAST(:tokens AS uuid[]))"
)

# every attempt is written here and nowhere else, whole; what was claimed and not tried has none, and counts none
SETTLE = text(
    """
    WITH result AS (
        SELECT * FROM json_to_recordset(CAST(:results AS json)) AS r(
            organisation_id uuid, id uuid, token uuid, number smallint, state text, reason text, detail text,
            wait double precision, failed boolean, outcome text, provider text, provider_id text, response text,
            error_code text, error text, segments smallint, cost_usd numeric)
    ), settled AS (
        UPDATE delivery d
        SET state = r.state, reason = r.reason, detail = r.detail, token = NULL, lease_until = NULL,
            next_attempt_at = CASE WHEN r.wait IS NULL THEN d.next_attempt_at
                              ELSE (SELECT hub_now()) + make_interval(secs => r.wait) END,
            due_at = CASE WHEN r.state = 'held' THEN (SELECT hub_now()) + make_interval(secs => r.wait) ELSE d.due_at END,
            failures = d.failures + CASE WHEN r.failed THEN 1 ELSE 0 END,
            attempts = d.attempts - CASE WHEN r.outcome IS NULL THEN 1 ELSE 0 END,
            provider = CASE WHEN r.outcome IS NULL AND d.attempts = 1 THEN NULL ELSE coalesce(r.provider, d.provider) END,
            provider_id = coalesce(r.provider_id, d.provider_id),
            segments = coalesce(r.segments, d.segments), cost_usd = coalesce(r.cost_usd, d.cost_usd),
            settled_at = CASE WHEN r.state NOT IN ('queued', 'held') THEN (SELECT hub_now()) END
        FROM result r
        WHERE d.organisation_id = r.organisation_id AND d.id = r.id AND d.token = r.token AND d.state = 'sending'
        RETURNING d.organisation_id, d.id, d.provider, d.claimed_at, r.number, r.token, r.outcome,
                  r.provider_id, r.response, r.error_code, r.error, r.segments, r.cost_usd
    ), noted AS (
        INSERT INTO attempt (organisation_id, delivery_id, number, token, provider, outcome, provider_id, response,
                             error_code, error, segments, cost_usd, started_at, finished_at)
        SELECT organisation_id, id, number, token, provider, outcome, provider_id, response,
               error_code, error, segments, cost_usd, claimed_at, (SELECT hub_now())
        FROM settled WHERE outcome IS NOT NULL
    )
    SELECT organisation_id, count(*) AS settled FROM settled GROUP BY organisation_id
    """
)

EXPIRED_LEASES = text(
    """
    SELECT CAST(organisation_id AS text) AS organisation_id, CAST(id AS text) AS id, CAST(token AS text) AS token,
           attempts, failures, channel, priority, due_at, content_id, (SELECT hub_now()) AS now,
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
                   AND NOT EXISTS (SELECT FROM inbound e WHERE e.settled_at IS NULL AND e.item_refs && i.item_refs
                       AND e.organisation_id = i.organisation_id AND e.source_id = i.source_id
                       AND (e.received_at, e.id) < (i.received_at, i.id)))
               OR EXISTS (SELECT FROM broadcast WHERE done_at IS NULL AND next_chunk_at <= (SELECT hub_now())) AS route
    """
)

RETAIN_ATTEMPTS = text(
    """
    DELETE FROM attempt WHERE (organisation_id, delivery_id, number) IN (
        SELECT organisation_id, delivery_id, number FROM attempt
        WHERE started_at < (SELECT hub_now()) - CAST(:age AS interval)
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

RETAIN_CALLS = text(
    """
    DELETE FROM api_call WHERE (organisation_id, key_id, name) IN (
        SELECT organisation_id, key_id, name FROM api_call
        WHERE created_at < (SELECT hub_now()) - CAST(:age AS interval) ORDER BY created_at LIMIT :limit)
    """
)
