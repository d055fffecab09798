"""The demo office: made by the one path, once, and begun again when its making was stopped half way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from notify_app import clock, demo
from notify_app.extensions import db


def test_the_demo_office_is_made_once_and_whole_also_after_a_start_that_was_stopped(
    app: Flask, clean: Any
) -> None:
    def stop_on_day_two(line: str) -> None:
        if line.startswith("day 2"):
            raise KeyboardInterrupt

    with app.app_context():
        with pytest.raises(KeyboardInterrupt):
            demo.fill(app, stop_on_day_two)
        assert demo.fill(app, lambda line: None) is True
        assert demo.fill(app, lambda line: None) is False
        with db.engines["engine"].connect() as conn:
            now, real = conn.execute(text("SELECT hub_now(), clock_timestamp()")).one()
            assert abs(now - real) < timedelta(seconds=5)
            assert conn.execute(text("SELECT count(*) FROM organisation")).scalar_one() == 1
            assert conn.execute(text("SELECT DISTINCT state FROM inbound")).scalars().all() == ["applied"]
            states = set(conn.execute(text("SELECT DISTINCT state FROM delivery")).scalars())
            assert clock.now(conn) >= now
        assert {"sent", "failed"} <= states <= {"sent", "failed", "queued", "skipped"}


def test_everybody_of_the_demo_can_sign_in() -> None:
    told = "\n".join(demo.sign_ins())
    for _, _, email, _ in demo.STAFF:
        assert email in told
