"""The statements that work across organisations: they run as hub_engine, and all of them stand here (but the auditor's,
which loads nothing of what it looks at: `audit.sql`).

The migration on row-level security grants that role what these need and nothing else. Everything that a
statement returns carries its organisation, and what follows runs scoped to it.
"""

from __future__ import annotations

from sqlalchemy import text

__all__ = [
    "ABSENT_SOON",
    "ACCEPT",
    "ACCOUNT_DEVICES",
    "BEHIND",
    "BUDGETED",
    "CLAIM",
    "DUE_BROADCASTS",
    "DUE_DIGESTS",
    "DUE_HELD",
    "DUE_INBOUND",
    "DUE_REMINDERS",
    "DUE_REPORTS",
    "DUE_TASKS",
    "DUE_WRITTEN",
    "ESCALATIONS_ON",
    "EXPIRED_LEASES",
    "EXPIRED_LINKS",
    "EXPIRED_SESSIONS",
    "EXPIRED_START_LINKS",
    "FIND_ANSWERERS",
    "FIND_CHATS",
    "FIND_DEVICES",
    "FIND_HOLDER",
    "FIND_INBOUND",
    "FIND_INVITATION",
    "FIND_INVITATIONS",
    "FIND_KEY",
    "FIND_LINK",
    "FIND_SENT",
    "FIND_SOURCE",
    "FIND_START_LINK",
    "FIND_UNVERIFIED",
    "FORGET_REPORT",
    "KEEP_REPORT",
    "KNOWN_REPORT",
    "NEW_ACCOUNT",
    "NOTE_FAILED_SWEEP",
    "NOTE_SWEEP",
    "ORGANISATIONS",
    "RENEW",
    "REPORT_DONE",
    "REPORT_LATER",
    "RETAIN_ATTEMPTS",
    "RETAIN_BODIES",
    "RETAIN_CALLS",
    "RETAIN_CODES",
    "RETAIN_FEEDBACK",
    "RETAIN_FINDINGS",
    "RETAIN_REPORTS",
    "RETAIN_UNVERIFIED",
    "SENDS_FROM",
    "SETTLE",
    "SWITCH_INSTALLATION",
    "TAKE_REPORT",
    "TAKE_TURNS",
    "TIDY_OLD",
    "TIDY_PERMITS",
    "TO_WARN",
    "TRY_ACCOUNT",
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

# whose next level's time has come; each is locked under its organisation's own scope
DUE_TASKS = text(
    """
    SELECT organisation_id, id, item_id FROM task WHERE next_level_at <= :now ORDER BY next_level_at, id LIMIT :limit
    """
)

# whose people are away in the time ahead
ABSENT_SOON = text(
    """
    SELECT DISTINCT organisation_id FROM absence WHERE ends_at > :now AND starts_at < :until AND organisation_id > :after
    ORDER BY organisation_id LIMIT :limit
    """
)

ESCALATIONS_ON = text("SELECT coalesce((SELECT escalations_on FROM installation), true) AS is_on")

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

# whose digest is due; each is locked under its organisation's own scope
DUE_DIGESTS = text(
    """
    SELECT organisation_id, person_id FROM preference WHERE digest_due_at <= :now ORDER BY digest_due_at, person_id LIMIT :limit
    """
)

# what people have written for a time that has come; each is locked under its organisation's own scope
DUE_WRITTEN = text(
    """
    SELECT organisation_id, id FROM written_message WHERE state = 'scheduled' AND due_at <= :now
    ORDER BY due_at, id LIMIT :limit
    """
)

# an invitation that waits: what its link opens, and what those who have the address are asked; it is decided under its
# organisation's own scope
WAITING_INVITATION = """
    SELECT i.organisation_id, i.id, i.email, i.expires_at > hub_now() AS good, i.created_at, o.name AS organisation,
           p.name, p.role, b.name AS invited_by
    FROM invitation i
    JOIN organisation o ON o.id = i.organisation_id
    JOIN person p ON p.organisation_id = i.organisation_id AND p.id = i.person_id
    LEFT JOIN person b ON b.organisation_id = i.organisation_id AND b.id = i.invited_by
    WHERE i.settled_at IS NULL
"""
FIND_INVITATION = text(f"{WAITING_INVITATION} AND i.token_hash = :hash")
FIND_INVITATIONS = text(
    f"{WAITING_INVITATION} AND lower(i.email) = lower(:email) AND i.expires_at > hub_now() ORDER BY o.name, i.id"
)

# the address behind a link that verifies it; `good`: it is not too late
FIND_UNVERIFIED = text(
    """
    SELECT u.organisation_id, u.channel, u.value, u.expires_at > hub_now() AS good, o.name AS organisation, p.name
    FROM unverified_address u
    JOIN organisation o ON o.id = u.organisation_id
    JOIN person p ON p.organisation_id = u.organisation_id AND p.id = u.person_id
    WHERE u.link_hash = :hash
    """
)

# who of the organisation signs in with an address: said to its administrators, and nothing of any other organisation
FIND_HOLDER = text(
    """
    SELECT p.name FROM account a JOIN person p ON p.account_id = a.id AND p.organisation_id = :organisation
    WHERE lower(a.email) = lower(:email)
    """
)

NEW_ACCOUNT = text(
    """
    INSERT INTO account (email, password_hash, name) VALUES (:email, :password, :name)
    ON CONFLICT (lower(email)) DO NOTHING RETURNING id
    """
)

# D6: for all organisations at once; what is not given stays
SWITCH_INSTALLATION = text(
    """
    INSERT INTO installation (notifications_on, escalations_on)
    VALUES (coalesce(CAST(:notifications AS boolean), true), coalesce(CAST(:escalations AS boolean), true))
    ON CONFLICT (one) DO UPDATE SET
        notifications_on = coalesce(CAST(:notifications AS boolean), installation.notifications_on),
        escalations_on = coalesce(CAST(:escalations AS boolean), installation.escalations_on), changed_at = hub_now()
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

# every attempt is written here and nowhere else, whole; what was claimed and not tried has none, and counts none. What an SMS
# has cost is added up beside it, in the order of the keys, so that two workers never wait for each other in a circle; what
# was held for it of the budget (`pipeline.budget`) is given back
SETTLE = text(
    """
    WITH result AS (
        SELECT * FROM json_to_recordset(CAST(:results AS json)) AS r(
            organisation_id uuid, id uuid, token uuid, number smallint, state text, reason text, detail text,
            wait double precision, failed boolean, outcome text, provider text, account text, provider_id text, response text,
            error_code text, error text, segments smallint, cost_usd numeric, country text, event text, held numeric)
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
        RETURNING d.organisation_id, d.id, d.provider, r.account, d.claimed_at, r.number, r.token, r.outcome,
                  r.provider_id, r.response, r.error_code, r.error, r.segments, r.cost_usd, r.country, r.event, r.held
    ), noted AS (
        INSERT INTO attempt (organisation_id, delivery_id, number, token, provider, account, outcome, provider_id, response,
                             error_code, error, segments, cost_usd, started_at, finished_at)
        SELECT organisation_id, id, number, token, provider, account, outcome, provider_id, response,
               error_code, error, segments, cost_usd, claimed_at, (SELECT hub_now())
        FROM settled WHERE outcome IS NOT NULL
    ), spent AS (
        INSERT INTO sms_spent AS s (organisation_id, day, country, event, messages, segments, cost_usd)
        SELECT t.organisation_id, CAST((SELECT hub_now()) AT TIME ZONE o.zone AS date) AS day, t.country, t.event,
               count(*), sum(t.segments), sum(t.cost_usd)
        FROM settled t JOIN organisation o ON o.id = t.organisation_id WHERE t.country IS NOT NULL
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT ON CONSTRAINT pk_sms_spent DO UPDATE SET messages = s.messages + excluded.messages,
            segments = s.segments + excluded.segments, cost_usd = s.cost_usd + excluded.cost_usd
    ), freed AS (
        UPDATE sms_hold h SET cost_usd = h.cost_usd - f.cost
        FROM (SELECT organisation_id, token, sum(held) AS cost FROM settled WHERE held IS NOT NULL GROUP BY 1, 2) AS f
        WHERE h.organisation_id = f.organisation_id AND h.token = f.token
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

# sweeps that remove take turns, transaction by transaction: two that remove the same rows never wait in a circle
TAKE_TURNS = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")

RETAIN_FINDINGS = text(
    """
    DELETE FROM audit_finding WHERE (organisation_id, id) IN (
        SELECT organisation_id, id FROM audit_finding
        WHERE cleared_at < (SELECT hub_now()) - CAST(:age AS interval) LIMIT :limit)
    """
)

EXPIRED_SESSIONS = text(
    "DELETE FROM account_session WHERE id IN (SELECT id FROM account_session WHERE expires_at < :now LIMIT :limit)"
)

EXPIRED_LINKS = text(
    """
    DELETE FROM link WHERE (organisation_id, id) IN (
        SELECT organisation_id, id FROM link WHERE expires_at < :now LIMIT :limit)
    """
)

# D5: of the next permits by their key, what was read of the closed ones and is older than :before. Comes back: how many
# lines went, and the last permit that was looked at; no row when there was none
TIDY_PERMITS = text(
    """
    WITH items AS MATERIALIZED (
        SELECT organisation_id, id, status = ANY(:closed) AS closed FROM work_item
        WHERE kind = :kind AND (organisation_id, id) > (:organisation, :after)
        ORDER BY organisation_id, id LIMIT :limit
    ), gone AS (
        DELETE FROM notification n USING items i
        WHERE i.closed AND n.organisation_id = i.organisation_id AND n.item_id = i.id
          AND n.read_at IS NOT NULL AND n.created_at < :before
        RETURNING n.id
    )
    SELECT organisation_id, id, (SELECT count(*) FROM gone) AS gone FROM items
    ORDER BY organisation_id DESC, id DESC LIMIT 1
    """
)

# C8: of an organisation's next lines by their key (ids are in order of time: none at or after :edge is looked at), those
# older than :before whose work is closed, or that are about none. What was answered stays: it is a record
TIDY_OLD = text(
    """
    WITH old AS MATERIALIZED (
        SELECT id, item_id, created_at FROM notification
        WHERE organisation_id = :organisation AND id > :after AND id < :edge ORDER BY id LIMIT :limit
    ), gone AS (
        DELETE FROM notification n USING (
            SELECT o.id FROM old o
            LEFT JOIN work_item w ON w.organisation_id = :organisation AND w.id = o.item_id
            WHERE o.created_at < :before AND (w.id IS NULL OR (w.kind || '/' || w.status) = ANY(:closed))
              AND NOT EXISTS (SELECT FROM answer a WHERE a.organisation_id = :organisation AND a.notification_id = o.id)
        ) AS o
        WHERE n.organisation_id = :organisation AND n.id = o.id
        RETURNING n.id
    )
    SELECT id, (SELECT count(*) FROM gone) AS gone FROM old ORDER BY id DESC LIMIT 1
    """
)

ORGANISATIONS = text("SELECT id FROM organisation WHERE id > :after ORDER BY id LIMIT :limit")

# whose administrators may have to hear of a finding, or that it is over; looked at again under the organisation's scope
TO_WARN = text(
    """
    SELECT organisation_id FROM audit_finding
    WHERE cleared_at IS NULL AND told_at IS NULL AND since <= CAST(:now AS timestamptz) - CAST(:stays AS interval)
    UNION
    SELECT organisation_id FROM audit_finding f
    WHERE told_at IS NOT NULL AND well_at IS NULL AND cleared_at IS NOT NULL
      AND cleared_at <= CAST(:now AS timestamptz) - CAST(:calm AS interval)
      AND NOT EXISTS (SELECT FROM audit_finding o WHERE o.organisation_id = f.organisation_id AND o.cleared_at IS NULL
                        AND o.told_at IS NOT NULL)
    UNION
    SELECT organisation_id FROM template WHERE broken_at IS NOT NULL AND broken_told_at IS NULL
    ORDER BY organisation_id LIMIT :limit
    """
)

# who has a budget for SMS; how it stands is looked at under the organisation's own scope
BUDGETED = text(
    "SELECT organisation_id FROM sms_budget WHERE organisation_id > :after ORDER BY organisation_id LIMIT :limit"
)

# when a sweep ran, in real time, for the auditor: it is compared with real intervals
NOTE_SWEEP = text(
    """
    INSERT INTO sweep_run (name, ended_at, seconds, done) VALUES (:name, clock_timestamp(), :seconds, :done)
    ON CONFLICT (name) DO UPDATE SET ended_at = excluded.ended_at, seconds = excluded.seconds, done = excluded.done,
        failed_at = NULL, error = NULL
    """
)
NOTE_FAILED_SWEEP = text(
    """
    INSERT INTO sweep_run (name, failed_at, error) VALUES (:name, clock_timestamp(), :error)
    ON CONFLICT (name) DO UPDATE SET failed_at = excluded.failed_at, error = excluded.error
    """
)

# --- what providers report -----------------------------------------------------------------------------------------

# a message of a provider, by its own id: once. What comes back is that it is new
KEEP_REPORT = text(
    """
    INSERT INTO provider_message (id, topic, waiting, next_look_at)
    VALUES (:id, :topic, CAST(:waiting AS jsonb), CASE WHEN CAST(:waiting AS jsonb) IS NULL THEN NULL ELSE hub_now() END)
    ON CONFLICT (id) DO NOTHING RETURNING id
    """
)
KNOWN_REPORT = text("SELECT FROM provider_message WHERE id = :id")
# it could not be done, and is to come once more
FORGET_REPORT = text("DELETE FROM provider_message WHERE id = :id AND waiting IS NULL")
DUE_REPORTS = text(
    """
    SELECT id FROM provider_message WHERE waiting IS NOT NULL AND next_look_at <= :now ORDER BY next_look_at, id LIMIT :limit
    """
)
# one of them, for the length of the transaction; another process that has it in hand is left alone
TAKE_REPORT = text(
    """
    SELECT id, waiting, hub_now() - received_at AS age FROM provider_message
    WHERE id = :id AND waiting IS NOT NULL FOR UPDATE SKIP LOCKED
    """
)
REPORT_DONE = text("UPDATE provider_message SET waiting = NULL, next_look_at = NULL WHERE id = :id")
REPORT_LATER = text(
    "UPDATE provider_message SET next_look_at = hub_now() + CAST(:wait AS interval) WHERE id = :id"
)
# whose message a report is about; both providers are named again for the partial index `ix_attempt_provider_id`
FIND_SENT = text(
    """
    SELECT organisation_id, delivery_id FROM attempt
    WHERE provider_id = :provider_id AND provider = :provider AND outcome = 'accepted' AND provider IN ('ses', 'sns') LIMIT 1
    """
)
# the people whose number it is, in each organisation, and for which of their messages this is the code
FIND_ANSWERERS = text(
    """
    SELECT a.organisation_id, a.person_id, c.event_id, coalesce(c.expires_at <= hub_now(), false) AS expired
    FROM address a
    JOIN person p ON p.organisation_id = a.organisation_id AND p.id = a.person_id AND p.left_at IS NULL
    LEFT JOIN reply_code c ON c.organisation_id = a.organisation_id AND c.person_id = a.person_id
          AND c.number = a.value AND c.code = :code
    WHERE a.channel = 'sms' AND a.value = :number ORDER BY a.organisation_id, a.person_id
    """
)
# whose start link a token is, and whose chat a chat is
FIND_START_LINK = text("SELECT organisation_id, id, person_id FROM start_link WHERE token_hash = :hash")
FIND_CHATS = text(
    """
    SELECT a.organisation_id, a.person_id FROM address a
    JOIN person p ON p.organisation_id = a.organisation_id AND p.id = a.person_id AND p.left_at IS NULL
    WHERE a.channel = :channel AND a.value = :chat ORDER BY a.organisation_id, a.person_id
    """
)
# an administrator has seen to it: the pause is over, and the next message tries
TRY_ACCOUNT = text(
    """
    UPDATE provider_account SET paused_until = hub_now()
    WHERE channel = :channel AND name = :name AND paused_until > hub_now()
    """
)
# whether mail of another organisation comes from this domain
SENDS_FROM = text(
    "SELECT EXISTS (SELECT FROM organisation WHERE id <> :org "
    "AND lower(split_part(branding ->> 'sender_address', '@', 2)) = lower(:domain)) AS taken"
)
# the devices of an account in all its organisations
ACCOUNT_DEVICES = text(
    "SELECT DISTINCT a.value FROM person p JOIN address a ON a.organisation_id = p.organisation_id AND a.person_id = p.id "
    "WHERE p.account_id = :account AND p.left_at IS NULL AND a.channel = :channel"
)
FIND_DEVICES = text(
    "SELECT DISTINCT organisation_id FROM address WHERE channel = :channel AND starts_with(value, :prefix)"
)
EXPIRED_START_LINKS = text(
    """
    DELETE FROM start_link WHERE (organisation_id, id) IN (
        SELECT organisation_id, id FROM start_link WHERE expires_at < :now - interval '1 day'
        ORDER BY expires_at LIMIT :limit)
    """
)
RETAIN_REPORTS = text(
    """
    DELETE FROM provider_message WHERE id IN (
        SELECT id FROM provider_message WHERE received_at < (SELECT hub_now()) - CAST(:age AS interval)
        ORDER BY received_at LIMIT :limit)
    """
)
# an SMS that answers a code says for a while yet that it is too old
RETAIN_CODES = text(
    """
    DELETE FROM reply_code WHERE (organisation_id, number, code) IN (
        SELECT organisation_id, number, code FROM reply_code
        WHERE expires_at < (SELECT hub_now()) - CAST(:age AS interval) ORDER BY expires_at LIMIT :limit)
    """
)
RETAIN_FEEDBACK = text(
    """
    DELETE FROM feedback WHERE (organisation_id, id) IN (
        SELECT organisation_id, id FROM feedback
        WHERE created_at < (SELECT hub_now()) - CAST(:age AS interval) ORDER BY created_at LIMIT :limit)
    """
)
# an address that nobody has verified, with the hashes of its code and link
RETAIN_UNVERIFIED = text(
    """
    DELETE FROM unverified_address WHERE (organisation_id, id) IN (
        SELECT organisation_id, id FROM unverified_address
        WHERE touched_at < (SELECT hub_now()) - CAST(:age AS interval) ORDER BY touched_at LIMIT :limit)
    """
)
