"""By which account of its channel a message leaves, and whether it may leave now (reliability.md §3.3, A14).

Each channel has one account or several, in order. One that fails is left alone for a while by all workers (its standing is a
row that they share); then one message of one worker tries it. An account with a rate has a bucket of places in its row:
whoever wants to send takes one, and bulk leaves some of them to what is urgent; that is real time, as the provider's is. As
long as an account is well and has no rate, nothing is asked of the database but, once a second, whether that is so. When the
database does not answer, the message is let through: a rate that is missed for a moment costs less than a message that waits.

A provider that wants to be asked less often has its rate halved for all workers. While several offices want places of one account,
none of them takes more than its share for what is not urgent: it has a bucket of its own besides, and a line of its own.

What may not leave now says how long it waits: for the first time its place in the line of this process, so that a long
line is looked at once and not every second; then a second or so.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from notify_app.channels import ProviderAccount
from notify_app.channels.base import BadSender, Channel, ChannelFailure, GiveUp, Receipt, Unsendable
from notify_app.extensions import db
from notify_app.pipeline.line import AWAY, Line
from notify_app.policy.channel import channel as channel_type
from notify_app.policy.provider import Answer, Rate, Standing, after
from notify_app.policy.reasons import Reason
from notify_app.policy.retry import FailureClass

__all__ = ["STANDINGS", "Gate", "NotNow", "accounts_of", "standing_of"]

log = logging.getLogger(__name__)

URGENT = 1
LOOK_SECONDS = 1.0  # so old may what is known of the accounts be
PROBE_SECONDS = 90.0  # longer than any provider's library waits
SHORT_WAIT = 1.0
OTHERS_SECONDS = 10.0  # an office that has asked within so long counts as one that wants places
LONGEST_LINE = 3600.0
CALLS_SECONDS, MOST_CALLS = (
    60.0,
    200,
)  # so long, and so many, answers are remembered until something goes wrong
ANSWERS = {
    FailureClass.TRANSIENT: Answer.trouble,
    FailureClass.AMBIGUOUS: Answer.trouble,
    FailureClass.CONFIG: Answer.wrong,
    FailureClass.THROTTLED: Answer.slower,
    FailureClass.PERMANENT: Answer.good,
}

STANDINGS = text(
    """
    SELECT channel, name, in_a_row, calls, troubles, since, pauses, paused_until, slowed_to, slowed_at, hub_now() AS now,
           CAST(extract(epoch FROM paused_until - hub_now()) AS float) AS pause
    FROM provider_account
    """
)
# one message of one worker tries an account whose pause is over; the row is there, since it was paused
PROBE = text(
    """
    UPDATE provider_account SET probe_until = clock_timestamp() + make_interval(secs => :seconds)
    WHERE channel = :channel AND name = :name AND paused_until <= hub_now()
      AND (probe_until IS NULL OR probe_until <= clock_timestamp())
    RETURNING name
    """
)
# a place of the bucket; it fills by itself, up to the burst. No row comes back when there is none to take
TAKE = text(
    """
    INSERT INTO provider_account AS a (channel, name, places, filled_at)
    VALUES (:channel, :name, CAST(:burst AS float) - 1, clock_timestamp())
    ON CONFLICT (channel, name) DO UPDATE SET
        places = least(CAST(:burst AS float), coalesce(a.places + CAST(:rate AS float) * greatest(0, CAST(extract(epoch FROM clock_timestamp() - a.filled_at) AS float)), CAST(:burst AS float))) - 1,
        filled_at = clock_timestamp()
    WHERE least(CAST(:burst AS float), coalesce(a.places + CAST(:rate AS float) * greatest(0, CAST(extract(epoch FROM clock_timestamp() - a.filled_at) AS float)), CAST(:burst AS float)))
          >= 1 + :spared
    RETURNING name
    """
)
# the same, of an office that shares the account with others: from its own bucket first, so that one that has had its share
# takes none of the account's; always in this order, so that two never wait for each other in a circle
TAKE_SHARE = text(
    """
    WITH mine AS (
        INSERT INTO provider_share AS s (channel, name, office, places, filled_at)
        VALUES (:channel, :name, :office, CAST(:own_burst AS float) - 1, clock_timestamp())
        ON CONFLICT (channel, name, office) DO UPDATE SET
            places = least(CAST(:own_burst AS float), s.places + CAST(:own_rate AS float) * greatest(0, CAST(extract(epoch FROM clock_timestamp() - s.filled_at) AS float))) - 1,
            filled_at = clock_timestamp()
        WHERE least(CAST(:own_burst AS float), s.places + CAST(:own_rate AS float) * greatest(0, CAST(extract(epoch FROM clock_timestamp() - s.filled_at) AS float))) >= 1
        RETURNING channel, name
    )
    INSERT INTO provider_account AS a (channel, name, places, filled_at)
    SELECT channel, name, CAST(:burst AS float) - 1, clock_timestamp() FROM mine
    ON CONFLICT (channel, name) DO UPDATE SET
        places = least(CAST(:burst AS float), coalesce(a.places + CAST(:rate AS float) * greatest(0, CAST(extract(epoch FROM clock_timestamp() - a.filled_at) AS float)), CAST(:burst AS float))) - 1,
        filled_at = clock_timestamp()
    WHERE least(CAST(:burst AS float), coalesce(a.places + CAST(:rate AS float) * greatest(0, CAST(extract(epoch FROM clock_timestamp() - a.filled_at) AS float)), CAST(:burst AS float)))
          >= 1 + :spared
    RETURNING name
    """
)
# the message that was to try it has told nothing of it
UNPROBED = text("UPDATE provider_account SET probe_until = NULL WHERE channel = :channel AND name = :name")
KNOWN = text(
    "INSERT INTO provider_account (channel, name) VALUES (:channel, :name) ON CONFLICT (channel, name) DO NOTHING"
)
STANDING = text(
    """
    SELECT in_a_row, calls, troubles, since, pauses, paused_until, slowed_to, slowed_at, hub_now() AS now
    FROM provider_account WHERE channel = :channel AND name = :name FOR UPDATE
    """
)
KEEP = text(
    """
    UPDATE provider_account SET in_a_row = :in_a_row, calls = :calls, troubles = :troubles, since = :since, pauses = :pauses,
        paused_until = :paused_until, slowed_to = :slowed_to, slowed_at = :slowed_at, probe_until = NULL, changed_at = hub_now(),
        error = CASE WHEN CAST(:error AS text) <> '' THEN :error ELSE error END
    WHERE channel = :channel AND name = :name
    """
)


@dataclass(frozen=True)
class NotNow:
    """It waits, in seconds, and why. `down`: no account of its channel works."""

    wait: float
    reason: Reason

    @property
    def down(self) -> bool:
        return self.reason is Reason.provider_down


@dataclass(frozen=True)
class _Known:
    """An account's standing as it was read, when its pause ends by this process's own clock, and the share of its rate
    that is used."""

    standing: Standing
    resumes: float
    share: float

    @property
    def troubled(self) -> bool:
        return self.standing.paused_until is not None or self.share < 1


def accounts_of(
    channels: Mapping[str, Channel | Sequence[ProviderAccount]],
) -> dict[str, tuple[ProviderAccount, ...]]:
    """The accounts by channel; a channel alone is its own only account."""
    return {
        name: tuple(given) if isinstance(given, Sequence) else (ProviderAccount(given.provider, given),)
        for name, given in channels.items()
    }


class Gate:
    """One for a process; all its lanes ask it."""

    def __init__(
        self,
        accounts: Mapping[str, Sequence[ProviderAccount]],
        rng: random.Random,
        office_share: float = 1.0,
    ) -> None:
        self._accounts = accounts
        self._office_share = office_share
        # which office asked when for places of an account
        self._asked: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        self._rng = rng
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], _Known] = {}
        self._looked_at = float("-inf")
        # when the last of each office's line for an account has its turn
        self._line: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._calls: defaultdict[tuple[str, str], deque[tuple[float, Answer]]] = defaultdict(
            lambda: deque(maxlen=MOST_CALLS)
        )
        # what nobody outside is asked for can neither fail nor be too fast
        self._plain = all(
            one.channel.instant and one.rate is None for some in accounts.values() for one in some
        )

    def look(self, engine: Line) -> None:
        """Know how the accounts are: once a second, and before each claim while one of them is left alone or slowed down."""
        with self._lock:
            fresh = time.monotonic() - self._looked_at < LOOK_SECONDS
            if self._plain or (fresh and not any(one.troubled for one in self._known.values())):
                return
            self._looked_at = time.monotonic()
        try:
            rows = engine.all(STANDINGS, {})
        except AWAY as error:
            log.warning("accounts not looked at: %s", type(error).__name__)
            return
        now = time.monotonic()
        known = {
            (row.channel, row.name): _known(standing_of(row), row.now, now + (row.pause or 0.0))
            for row in rows
        }
        with self._lock:
            self._known = known

    def way(self, engine: Line, row: Any) -> ProviderAccount | NotNow | None:
        """The account by which this claimed delivery leaves now, or why it waits; None: its channel is not known here."""
        accounts = self._accounts.get(row.channel)
        if not accounts:
            return None
        if self._plain:
            return accounts[0]
        if not channel_type(
            row.channel
        ).personal:  # each address is a system of its own, and fails for itself
            accounts = tuple(replace(one, name=row.address) for one in accounts)
        if row.reason == Reason.provider_config:  # a sender that one account does not take another may
            first = (row.attempts - 1) % len(accounts)
            accounts = (*accounts[first:], *accounts[:first])
        waits: list[float] = []
        for account in accounts:
            pause = self._pause(engine, row.channel, account)
            if pause is not None:
                waits.append(pause)
                continue
            if account.rate is None:
                return account
            rate, own = self._rates(row, account, account.rate)
            if self._place(engine, row, account, rate, own):
                return account
            return NotNow(self._turn(row, account, own or rate), Reason.provider_pace)
        return NotNow(min(waits) + self._rng.uniform(0, SHORT_WAIT), Reason.provider_down)

    def _pause(self, engine: Line, channel: str, account: ProviderAccount) -> float | None:
        """How many seconds this account is left alone yet, or None."""
        with self._lock:
            known = self._known.get((channel, account.name))
        if known is None or known.standing.paused_until is None:
            return None
        left = known.resumes - time.monotonic()
        if left > 0:
            return left
        probing = {"channel": channel, "name": account.name, "seconds": PROBE_SECONDS}
        try:
            mine = engine.all(PROBE, probing)
        except AWAY:
            mine = []
        return None if mine else SHORT_WAIT

    def _rates(self, row: Any, account: ProviderAccount, full: Rate) -> tuple[Rate, Rate | None]:
        """The account's rate as it is now, and what of it this row's office may take: None, all of it."""
        key, now = (row.channel, account.name), time.monotonic()
        with self._lock:
            known, asked = self._known.get(key), self._asked[key]
            asked[row.organisation_id] = now
            for office in [one for one, at in asked.items() if now - at > OTHERS_SECONDS]:
                del asked[office]
            alone = len(asked) == 1
        rate = full.times(known.share if known else 1.0)
        if alone or row.priority == URGENT or self._office_share >= 1:
            return rate, None
        return rate, rate.times(self._office_share)

    def _place(self, engine: Line, row: Any, account: ProviderAccount, rate: Rate, own: Rate | None) -> bool:
        asked = {
            "channel": row.channel,
            "name": account.name,
            "rate": rate.a_second,
            "burst": rate.burst,
            "spared": 0 if row.priority == URGENT else rate.spared,
        }
        if own:
            asked |= {"office": row.organisation_id, "own_rate": own.a_second, "own_burst": own.burst}
        try:
            return bool(engine.all(TAKE_SHARE if own else TAKE, asked))
        except AWAY as error:
            log.warning("no place asked for: %s", type(error).__name__)
            return True

    def _turn(self, row: Any, account: ProviderAccount, rate: Rate) -> float:
        """How long one waits that has found no place."""
        if row.priority == URGENT or row.reason == Reason.provider_pace:
            return float(self._rng.uniform(0.5, 1.0) * max(SHORT_WAIT, 1 / rate.a_second))
        now, line = time.monotonic(), (account.name, row.organisation_id)
        with self._lock:
            turn = max(now, self._line[line]) + 1 / rate.a_second
            self._line[line] = min(turn, now + LONGEST_LINE)
        return turn - now

    # --- what came of it ---------------------------------------------------------------------------------------------

    def note(self, came: Sequence[tuple[str, ProviderAccount, Receipt | Exception | None]]) -> None:
        """What the accounts have answered: kept when it changes how they stand. A database that is away is told nothing:
        the next answer says the same."""
        if self._plain or not came:
            return
        errors: dict[tuple[str, str], str] = {}
        asked: set[tuple[str, str]] = set()
        for channel, account, answer in came:
            key = (channel, account.name)
            if isinstance(answer, BadSender | Unsendable):
                self._untold(key)
                continue
            learnt = _answer(answer)
            if learnt is Answer.slower and account.rate is None:
                learnt = (
                    Answer.good
                )  # there is no rate to be halved: what it refuses waits as long as it says
            if learnt in (Answer.trouble, Answer.wrong):
                errors[key] = getattr(answer, "code", "") or type(answer).__name__
            with self._lock:
                self._calls[key].append((time.monotonic(), learnt))
                known = self._known.get(key)
            if key in errors or learnt is Answer.slower or (known is not None and not known.standing.well):
                asked.add(key)
        for key in sorted(asked):
            self._keep(key, errors.get(key, ""))

    def _untold(self, key: tuple[str, str]) -> None:
        """This answer was about its message alone: where it was to try an account, the next one does."""
        with self._lock:
            known = self._known.get(key)
        if known is None or known.standing.paused_until is None:
            return
        try:
            with db.engines["engine"].begin() as conn:
                conn.execute(UNPROBED, {"channel": key[0], "name": key[1]})
        except DBAPIError as failed:  # then in PROBE_SECONDS
            log.warning("account %s is not tried yet: %s", key[1], type(failed).__name__)

    def _keep(self, key: tuple[str, str], error: str) -> None:
        channel, name = key
        with self._lock:
            calls, since = self._calls.pop(key, ()), time.monotonic() - CALLS_SECONDS
        answers = [answer for at, answer in calls if at > since]
        named = {"channel": channel, "name": name}
        try:
            with db.engines["engine"].begin() as conn:
                conn.execute(KNOWN, named)
                row = conn.execute(STANDING, named).one()
                before = standing_of(row)
                now = after(before, answers, row.now)
                if now != before:
                    conn.execute(KEEP, {**named, **_values(now), "error": error[:100]})
        except DBAPIError as failed:
            log.warning("standing of %s not kept: %s", name, type(failed).__name__)
            return
        if now.paused_until and not before.paused_until:
            log.warning("account %s is left alone until %s: %s", name, now.paused_until, error)
        with self._lock:
            self._known[key] = _known(now, row.now, time.monotonic() + _seconds(now, row.now))
        if now.slowed_at != before.slowed_at:
            log.warning(
                "account %s wants to be asked less often: %.0f %% of its rate", name, 100 * now.share(row.now)
            )


def _answer(answer: Receipt | Exception | None) -> Answer:
    if isinstance(answer, Receipt | GiveUp):
        return Answer.good
    if isinstance(answer, ChannelFailure):
        return ANSWERS[answer.failure_class]
    return Answer.trouble


def standing_of(row: Any) -> Standing:
    """The standing that a row of `STANDINGS` tells."""
    return Standing(
        row.in_a_row,
        row.calls,
        row.troubles,
        row.since,
        row.pauses,
        row.paused_until,
        row.slowed_to,
        row.slowed_at,
    )


def _known(standing: Standing, now: datetime, resumes: float) -> _Known:
    return _Known(standing, resumes, standing.share(now))


def _seconds(standing: Standing, now: Any) -> float:
    return (standing.paused_until - now).total_seconds() if standing.paused_until else 0.0


def _values(standing: Standing) -> dict[str, Any]:
    return {name: getattr(standing, name) for name in Standing.__dataclass_fields__}
