"""SES, SNS and a mail server that take 40 ms for each answer: `python -m bench.providers AWS-PORT SMTP-PORT`, until it is ended."""

from __future__ import annotations

import signal
import sys
import threading

from tests.channels.stubs import AwsStub, SmtpSink

__all__ = ["SECONDS"]

SECONDS = 0.04


def main() -> None:
    """Answer until somebody says that it is enough."""
    aws, smtp = (int(port) for port in sys.argv[1:])
    enough = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: enough.set())
    with AwsStub(latency=SECONDS, port=aws), SmtpSink(latency=SECONDS, port=smtp):
        print("ready", flush=True)
        enough.wait()


if __name__ == "__main__":
    main()
