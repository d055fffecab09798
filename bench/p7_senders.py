"""P7: real senders, to endpoints on this machine that take 40 ms to answer: one worker process beside the client library in a loop.

The worker is the product's, with its threads, its claims, attempts and settlements; SES and SNS through boto3, mail over SMTP
connections that are kept. The peer is what somebody writes first: one client, or one kept connection, and a loop. The
endpoints run in a process of their own on the same two cores. Then the same with a rate, which must never be exceeded: counted are the
attempts that began within any second, beside the places that a second has and the burst that is one second's worth.
"""

from __future__ import annotations

import smtplib
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import boto3
from botocore.config import Config

from bench.harness import Effort, Report
from bench.p6_delivery import DONE, fill, worked
from bench.providers import SECONDS
from bench.stand import Stand, stand
from notify_app.queue import BULK, DRAINS, HubQueue
from tests.channels.stubs import free_port

__all__ = ["run"]

LOOPS = 60  # messages of a loop: 23 a second
TIMES = 20  # the goal
RATE = 50  # a second, in the run with a rate
TO = "ana@bench.example"
NUMBER = "+12065552671"
AS_SMS = (
    """
    UPDATE address SET channel = 'sms', value = '+1206555' || lpad(n::text, 4, '0')
    FROM (SELECT id AS mine, 1000 + row_number() OVER (ORDER BY id) AS n FROM address) AS t WHERE id = mine
    """,
    "UPDATE delivery d SET channel = 'sms', address = a.value FROM address a WHERE a.person_id = d.person_id",
    """UPDATE content SET body = '{"text": "Repair R-1042 is done."}'""",
)
SMS_BACK = "UPDATE address SET channel = 'email', value = 'p-' || person_id || '@bench.example' WHERE channel = 'sms'"
# of attempts that began: the most in any second
BUSIEST = """
    SELECT max(n) FROM (SELECT count(*) OVER (ORDER BY started_at RANGE BETWEEN CURRENT ROW AND interval '1 second' FOLLOWING) AS n
                        FROM attempt) AS t
"""


@dataclass
class Sender:
    """One provider: what a loop over its library does, and the accounts of the worker."""

    name: str
    loop: Callable[[int, int], float]
    env: Callable[[int, int, str], dict[str, str]]
    sms: bool = False
    loops: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def run(effort: Effort) -> Report:
    """Measure and report."""
    report = Report(
        "p7",
        f"Real senders, to endpoints that answer after {SECONDS * 1000:.0f} ms; one worker process",
        effort,
    )
    senders = [
        Sender(
            "SES",
            _ses,
            lambda aws, _smtp, rate: _aws(aws) | {"HUB_EMAIL_ACCOUNTS": f"ses://us-east-1?rate={rate}"},
        ),
        Sender(
            "SNS",
            _sns,
            lambda aws, _smtp, rate: _aws(aws) | {"HUB_SMS_ACCOUNTS": f"sns://us-east-1?rate={rate}"},
            sms=True,
        ),
        Sender(
            "SMTP",
            _smtp,
            lambda _aws, smtp, rate: {"HUB_EMAIL_ACCOUNTS": f"smtp://127.0.0.1:{smtp}?rate={rate}"},
        ),
    ]
    aws, smtp = free_port(), free_port()
    with stand() as here:
        providers = here.run("providers", (sys.executable, "-m", "bench.providers", str(aws), str(smtp)))
        _until_ready(providers)
        for _ in range(effort.rounds):
            for one in senders:
                one.loops.append(one.loop(aws, smtp))
                _measure(here, one, effort.deliveries // 4, one.env(aws, smtp, "100000/s"))
        busiest = _paced(here, senders[0].env(aws, smtp, f"{RATE}/s"))
    for one in senders:
        loop = f"{one.name}: its library in a loop, one kept client"
        report.add(loop, one.loops, "/s")
        report.add(f"OURS: {one.name}", one.rates, "/s", of=loop, at_least=TIMES)
        report.add(f"  processor time of one, {one.name}: worker", one.cpu, "ms")
    report.add(
        f"OURS: SES with a rate of {RATE}/s: the most begun in any second",
        busiest,
        "",
        at_most=2 * RATE,
        note="a second's places and its burst",
    )
    return report


def _until_ready(running: Any) -> None:
    until = time.monotonic() + 20
    while "ready" not in running.log.read_text():
        if time.monotonic() > until:
            raise RuntimeError(f"the providers do not come up: {running.log.read_text()}")
        time.sleep(0.05)


# --- the library in a loop -------------------------------------------------------------------------------------------


def _aws(port: int) -> dict[str, str]:
    return {
        "HUB_AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }


def _client(service: str, port: int) -> Any:
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
        config=Config(retries={"total_max_attempts": 1}),
    )


def _timed(send: Callable[[], object]) -> float:
    send()
    begun = time.perf_counter()
    for _ in range(LOOPS):
        send()
    return LOOPS / (time.perf_counter() - begun)


def _mail() -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "office@bench.example", TO, "Repair completed"
    mail.set_content("Done.\n" * 60)
    mail.add_alternative("<p>Done.</p>\n" * 150, subtype="html")
    return mail.as_bytes(policy=mail.policy.clone(linesep="\r\n", max_line_length=78))


def _ses(aws: int, _smtp_port: int) -> float:
    client, raw = _client("sesv2", aws), _mail()
    return _timed(
        lambda: client.send_email(
            FromEmailAddress="office@bench.example",
            Destination={"ToAddresses": [TO]},
            Content={"Raw": {"Data": raw}},
        )
    )


def _sns(aws: int, _smtp_port: int) -> float:
    client = _client("sns", aws)
    return _timed(lambda: client.publish(PhoneNumber=NUMBER, Message="Repair R-1042 is done."))


def _smtp(_aws_port: int, smtp: int) -> float:
    raw = _mail()
    with closing(smtplib.SMTP("127.0.0.1", smtp)) as connection:
        return _timed(lambda: connection.sendmail("office@bench.example", [TO], raw))


# --- the worker ------------------------------------------------------------------------------------------------------


def _measure(here: Stand, one: Sender, deliveries: int, env: dict[str, str]) -> None:
    count, spent = _drained(here, one, deliveries, env)
    with here.admin() as connection:
        row = connection.execute(DONE).fetchone()
    if row is None or row[:2] != (count, count):
        raise RuntimeError(f"{one.name}: of {count} deliveries {row} are sent, with so many attempts")
    one.rates.append(count / float(row[2]))
    one.cpu.append(spent / count * 1000)


def _drained(here: Stand, one: Sender, deliveries: int, env: dict[str, str]) -> tuple[int, float]:
    """So many deliveries, sent; how many, and the worker's processor time."""
    here.empty()
    with here.admin() as connection:
        connection.execute(SMS_BACK)
    count = fill(here, deliveries, kept=True)
    if one.sms:
        with here.admin() as connection:
            for statement in AS_SMS:
                connection.execute(statement)
    HubQueue(BULK, connection=here.redis()).enqueue(DRAINS[BULK], result_ttl=0)
    (done,) = worked(here, "real", 1, **env)
    return count, done["cpu"]


def _paced(here: Stand, env: dict[str, str]) -> float:
    """The most attempts that began within any second, with a rate: four seconds' worth of messages, as the worker is woken
    for them."""
    here.empty()
    fill(here, 4 * RATE, kept=True)
    until = time.monotonic() + 60
    while here.count("SELECT count(*) FROM delivery WHERE state <> 'sent'"):
        if time.monotonic() > until:
            raise RuntimeError("what has a rate was not sent within a minute")
        HubQueue(BULK, connection=here.redis()).enqueue(DRAINS[BULK], result_ttl=0)
        worked(here, "real", 1, **env)
    return float(here.count(BUSIEST))
