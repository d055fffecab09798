"""P12: what everything holds in memory when idle, and how long a second `make run` takes to its first page.

`make run` itself, on a fresh instance directory with the demo office. Each page of memory that several processes map
counts once (PSS); the sum of RSS, which counts it for each, stands beside. Then a person signs in, looks at every
page with a stream open, and a repair goes all the way; the same again.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from bench.harness import ROOT, Effort, Memory, Report, cpu_seconds, family, memory
from notify_app import demo
from tests.channels.stubs import free_port

__all__ = ["run"]

WITHIN = 240.0  # seconds: the first run makes an environment
PAGES = ("/", "/inbox", "/dashboard", "/work", "/preferences", "/outbox")
ROLES = (  # by command line, in this order; the first that fits
    ("web (gunicorn: master and worker)", "gunicorn"),
    ("route worker", "work route"),
    ("urgent worker", "work urgent"),
    ("bulk worker", "work bulk"),
    ("scheduler", "worker.py schedule"),
    ("supervisor", "notify_app.supervisor"),
    ("PostgreSQL", "postgres"),
    ("Valkey", "valkey"),
    ("make", "make"),
)


def run(effort: Effort) -> Report:
    """Measure and report."""
    report = Report("p12", "Memory of everything, idle, with the demo office; a second `make run`", effort)
    with _instance() as instance:
        first = _Product(instance)
        try:
            seconds, _ = first.until_page()
        finally:
            first.stop()
        second = _Product(instance)
        try:
            again, spent = second.until_page()
            time.sleep(effort.idle_seconds)
            idle = _by_role(second.process.pid)
            second.use()
            time.sleep(effort.idle_seconds)
            used = _by_role(second.process.pid)
        finally:
            second.stop()
    report.add(
        "first `make run` to the first page", seconds, "s", note="makes the cluster, the tables and the demo"
    )
    report.add("second `make run` to the first page", again, "s", at_most=6)
    report.add("  its processor time, all processes", spent, "s")
    total, after = sum(idle.values(), Memory()), sum(used.values(), Memory())
    report.add("memory of everything, idle (PSS)", total.pss, "MB", at_most=450)
    report.add("  the same as a sum of RSS", total.rss, "MB")
    for name, found in sorted(idle.items(), key=lambda pair: -pair[1].pss):
        report.add(f"  {name}", found.pss, "MB")
    report.add("memory after use: pages, a stream, a repair (PSS)", after.pss, "MB")
    report.facts["after use, MB"] = {name: round(found.pss, 1) for name, found in used.items()}
    return report


@contextlib.contextmanager
def _instance() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="hub-bench-"))
    directory.chmod(0o711)  # as the supervisor makes its own: the engines' user walks through
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _by_role(pid: int) -> dict[str, Memory]:
    found: dict[str, Memory] = defaultdict(Memory)
    for one in family(pid):
        found[_role(one)] += memory([one])
    return dict(found)


def _role(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "ended"
    return next((name for name, words in ROLES if words in command), command[:60])


@dataclass
class _Product:
    """One `make run`, in a process group of its own, ended as Ctrl-C would."""

    instance: Path

    def __post_init__(self) -> None:
        self.port = free_port()
        self.begun = time.monotonic()
        self.log = self.instance / "make-run.log"
        others = ("DATABASE_", "REDIS_", "HUB_", "AWS_", "MAKE")
        env = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                ["make", "run", f"PORT={self.port}"],
                cwd=ROOT,
                env=env | {"HUB_INSTANCE": str(self.instance)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def until_page(self) -> tuple[float, float]:
        """Seconds from the command to the whole of the sign-in page, and of processor time."""
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self._get("/sign-in")[0] == 200:
                    return time.monotonic() - self.begun, cpu_seconds(self.process.pid)
            if self.process.poll() is not None or time.monotonic() > self.begun + WITHIN:
                self.stop()
                raise RuntimeError(f"make run shows no page:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
            self.process.wait(40)

    # --- a person looks around -------------------------------------------------------------------------------------

    def use(self) -> None:
        """Sign in as the office, look at every page with a stream open, create a repair by a webhook."""
        cookie = self._sign_in("alice@evergreen.example")
        with socket.create_connection(("127.0.0.1", self.port)) as stream:
            stream.sendall(f"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode())
            stream.recv(4096)
            for page in PAGES:
                status, _, _ = self._get(page, cookie)
                if status >= 400:
                    raise RuntimeError(f"{page} answers {status}")
            self._hook()

    def _hook(self) -> None:
        """By the product's own command, which signs with the demo's secret."""
        data = (
            '{"id": "R-9001", "status": "approved", "vehicle": "2021 Kia Soul", "technician": {"id": "T-1"}}'
        )
        command = [
            ".venv/bin/python",
            "-m",
            "flask",
            "--app",
            "wsgi",
            "webhook",
            demo.OFFICES[0].slug,
            "repair.upsert",
            data,
        ]
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "HUB_"))
        }
        env |= {"HUB_INSTANCE": str(self.instance)}
        curl = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout
        subprocess.run(["sh", "-c", curl], capture_output=True, check=True)

    def _get(self, path: str, cookie: str = "") -> tuple[int, str, str]:
        return self._ask("GET", path, cookie)

    def _ask(
        self, method: str, path: str, cookie: str, fields: dict[str, str] | None = None
    ) -> tuple[int, str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"Cookie": cookie} if cookie else {}
            if fields:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request(method, path, urlencode(fields) if fields else None, headers)
            response = connection.getresponse()
            body = response.read().decode(errors="replace")
            return response.status, body, (response.getheader("Set-Cookie") or "").partition(";")[0]
        finally:
            connection.close()

    def _sign_in(self, email: str) -> str:
        _, page, cookie = self._get("/sign-in")
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        if token is None:
            raise RuntimeError("the sign-in page holds no token")
        fields = {"csrf_token": token[1], "email": email, "password": demo.PASSWORD}
        status, _, signed_in = self._ask("POST", "/sign-in", cookie, fields)
        if status != 303:
            raise RuntimeError(f"signing in answers {status}")
        return signed_in
