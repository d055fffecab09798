"""F3: rq-scheduler wakes every sweep, workers run them; what is due goes out though nobody was woken for it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notify_app.queue import QUEUES, SWEEP, HubQueue
from notify_app.schedule import assert_schedule, make_scheduler
from notify_app.timetable import SCHEDULE
from tests.stories.conftest import DANA_MAIL

# what rq-scheduler asks crontab for is UTC in both readings
pytestmark = [pytest.mark.proves("F3"), pytest.mark.filterwarnings("ignore:Version 0.22:FutureWarning")]


def beat(shop):
    """What the scheduler does at one beat when everything is due."""
    scheduler = make_scheduler(shop.world.valkey)
    for job in list(scheduler.get_jobs()):
        scheduler.enqueue_job(job)
    return [job.func_name for job in HubQueue(SWEEP, connection=shop.world.valkey).jobs]


def test_the_scheduler_holds_every_periodic_job_and_each_of_them_runs(shop):
    assert assert_schedule(shop.world.valkey) == len(SCHEDULE)
    assert sorted(beat(shop)) == sorted(one.job for one in SCHEDULE)
    shop.settle()
    assert assert_schedule(shop.world.valkey) == 0, "they stay where they are"
    shop.silence()


def test_what_was_lost_from_redis_is_put_back_and_sends_what_nobody_was_woken_for(shop):
    answer = shop.post(
        "repair.upsert", {"id": "R-1", "status": "in_progress", "customer": {"id": "dana"}}, settle=False
    )
    shop.world.valkey.flushall()
    assert shop.inbound(answer).state == "accepted"
    assert not any(HubQueue(name, connection=shop.world.valkey).count for name in QUEUES)
    assert_schedule(shop.world.valkey)
    beat(shop)
    shop.settle()
    shop.mail(DANA_MAIL).says("R-1")
    shop.silence()


def test_a_message_that_failed_for_the_moment_is_sent_by_the_sweep_and_not_before_its_time(shop):
    shop.world.smtp.fail(DANA_MAIL, "451 4.3.2 come back later", times=1)
    shop.repair("R-1", customer="dana").in_progress()
    shop.world.sweep()
    shop.silence()
    shop.wait(timedelta(minutes=2))
    shop.mail(DANA_MAIL).says("R-1")
    shop.silence()
