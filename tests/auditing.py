"""A hub whose processes all seem to be there, and the auditor that looks at it: for tests that plant something wrong."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import redis

from notify_app.audit.look import Look, Watched, connect, look
from notify_app.queue import QUEUES
from notify_app.schedule import assert_schedule
from notify_app.timetable import chosen, watched
from tests.hub import Hub, World


class Auditor:
    """Looks when asked, as the thread in a worker does; everything that it wants to see alive is."""

    def __init__(self, world: World, **settings: Any) -> None:
        self.world = world
        self.settings = replace(world.app.extensions["hub"], **settings)
        self.alive()

    @property
    def watched(self) -> Watched:
        return watched(self.settings)

    def alive(self) -> None:
        """A worker for each queue and a scheduler have given signs of life for an hour, each sweep has just run; dated
        ahead, so that a slow test sees none of them go."""
        beats = [(f"here:{queue}", "worker", [queue]) for queue in QUEUES] + [("here:0", "scheduler", [])]
        with self.world.owner.begin() as conn:
            for beat, kind, queues in beats:
                conn.exec_driver_sql(
                    "INSERT INTO process_beat (id, kind, queues, started_at, seen_at) VALUES "
                    "(%s, %s, %s, clock_timestamp() - interval '1 hour', clock_timestamp() + interval '1 hour') "
                    "ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
                    (beat, kind, queues),
                )
            for name in self.watched.sweeps:
                conn.exec_driver_sql(
                    "INSERT INTO sweep_run (name, ended_at) VALUES (%s, clock_timestamp() + interval '1 hour') "
                    "ON CONFLICT (name) DO UPDATE SET ended_at = excluded.ended_at, error = NULL",
                    (name,),
                )
        with warnings.catch_warnings():
            # what rq-scheduler asks crontab for is UTC in both readings
            warnings.simplefilter("ignore", FutureWarning)
            assert_schedule(self.world.valkey, chosen(self.settings))

    def look(
        self, *, young: bool = False, force: bool = True, broker: redis.Redis | None = None
    ) -> Look | None:
        """One look of its own connection."""
        with connect(self.settings.database_engine_url) as conn:
            return look(conn, broker or self.world.valkey, self.watched, young=young, force=force)

    def finds(self, hub: Hub) -> dict[str, int]:
        """Look; check → how much of it is wrong for this office."""
        self.look()
        return self.known(hub)

    def known(self, hub: Hub) -> dict[str, int]:
        """What is open for this office, without another look."""
        rows = hub.build.all(
            "SELECT name, sum(found) AS found FROM audit_finding "
            "WHERE organisation_id = :org AND cleared_at IS NULL GROUP BY name",
            org=hub.organisation.id,
        )
        return {row.name: int(row.found) for row in rows}
