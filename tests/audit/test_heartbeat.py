"""The address outside: called once a minute, only while all is well, never into our own house."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from notify_app import outgoing
from notify_app.audit.heartbeat import Heartbeat
from notify_app.audit.look import connect
from notify_app.audit.watch import Watch, this_process
from notify_app.config import Settings, SettingsError
from notify_app.queue import QUEUES
from tests.auditing import Auditor
from tests.stories.test_everything_runs import attempts

URL = "https://watch.example.com/ping/42"


@pytest.fixture
def auditor(hub: Any) -> Auditor:
    return Auditor(hub.world)


class Outside:
    """Who is called; answers with `status`."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.status = 200
        self.error: Exception | None = None

    def __call__(self, url: str) -> int:
        self.calls.append(url)
        if self.error:
            raise self.error
        return self.status


def beat(auditor: Auditor, outside: Outside) -> None:
    """What a worker's thread does after each sign of life, to its end."""
    url = auditor.settings.database_engine_url
    heartbeat = Heartbeat(URL, url, outside)
    with connect(url) as conn:
        heartbeat(conn)
    if heartbeat._sending:
        heartbeat._sending.join(10)


def test_it_is_sent_once_a_minute_while_the_last_look_is_fresh_and_found_nothing(
    hub: Any, auditor: Auditor
) -> None:
    outside = Outside()
    beat(auditor, outside)
    assert outside.calls == [], "nobody has looked yet"
    auditor.look()
    beat(auditor, outside)
    beat(auditor, outside)
    assert outside.calls == [URL]
    hub.build.run("UPDATE audit_run SET pinged_at = pinged_at - interval '56 seconds'")
    beat(auditor, outside)
    assert outside.calls == [URL, URL]
    hub.build.run("UPDATE audit_run SET pinged_at = NULL, done_at = done_at - interval '61 seconds'")
    beat(auditor, outside)
    assert outside.calls == [URL, URL], "nobody looks any more"


def test_it_is_not_sent_while_anything_is_wrong(hub: Any, auditor: Auditor) -> None:
    outside = Outside()
    hub.build.run("DELETE FROM process_beat WHERE kind = 'scheduler'")
    auditor.look()
    beat(auditor, outside)
    assert outside.calls == []
    auditor.alive()
    auditor.look()
    beat(auditor, outside)
    assert outside.calls == [URL]


def test_what_is_one_offices_own_matter_does_not_stop_it(hub: Any, auditor: Auditor) -> None:
    outside = Outside()
    hub.person("marco")
    attempts(hub, 20, 20)
    auditor.look()
    assert set(auditor.known(hub)) == {"channel_failing"}
    beat(auditor, outside)
    assert outside.calls == [URL]


def test_a_workers_thread_sends_it_after_its_look_and_a_scheduler_has_nothing_to_send(
    hub: Any, auditor: Auditor
) -> None:
    outside, url = Outside(), auditor.settings.database_engine_url
    here = this_process("worker", QUEUES)
    Watch(url, hub.world.valkey, auditor.watched, this_process("scheduler")).once()
    assert outside.calls == []
    heartbeat = Heartbeat(URL, url, outside)
    Watch(url, hub.world.valkey, auditor.watched, here, heartbeat).once()
    assert heartbeat._sending
    heartbeat._sending.join(10)
    assert outside.calls == [URL]


@pytest.mark.parametrize(
    ("status", "error", "noted"),
    [
        (204, None, None),
        (301, None, "answered 301"),
        (500, None, "answered 500"),
        (200, TimeoutError(), "TimeoutError"),
        (200, outgoing.Inside("no"), "the address is inside this network"),
    ],
)
def test_what_became_of_it_is_noted(
    hub: Any, auditor: Auditor, status: int, error: Exception | None, noted: str | None
) -> None:
    outside = Outside()
    outside.status, outside.error = status, error
    auditor.look()
    beat(auditor, outside)
    assert hub.build.one("SELECT ping_error FROM audit_run").ping_error == noted


@pytest.mark.parametrize(
    "url",
    ["http://watch.example.com/", "https://", "watch.example.com", "https://me:secret@watch.example.com/"],
)
def test_an_address_that_is_not_encrypted_or_carries_a_password_stops_the_start(url: str) -> None:
    known = {
        "HUB_SECRET_KEY": "x" * 40,
        "DATABASE_URL": "postgresql://a@localhost/hub",
        "DATABASE_ENGINE_URL": "postgresql://b@localhost/hub",
        "REDIS_URL": "redis://localhost",
    }
    with pytest.raises(SettingsError, match="HUB_HEARTBEAT_URL"):
        Settings.from_env(known | {"HUB_HEARTBEAT_URL": url})


@pytest.mark.proves("S7")
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.2.7",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fe80::1%eth0",
        "ff02::1",
        "2001:db8::1",
    ],
)
def test_no_address_inside_is_public_however_it_is_written(address: str) -> None:
    assert not outgoing.public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert outgoing.public(address)


@pytest.mark.proves("S7")
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"]
)
def test_nothing_is_sent_into_the_house_by_any_spelling(host: str) -> None:
    with pytest.raises((outgoing.Inside, OSError)) as problem:
        outgoing.get(f"https://{host}:9/")
    assert not isinstance(problem.value, ConnectionError), "it was tried"


# --- over the wire -------------------------------------------------------------------------------------------------


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers["Host"]))  # type: ignore[attr-defined]
        self.send_response(302)
        self.send_header("Location", "https://127.0.0.1:9/inside")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of localhost with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "localhost.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def watcher(certificate: Path) -> Iterator[ThreadingHTTPServer]:
    """A server with TLS on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    server.seen = []  # type: ignore[attr-defined]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_it_asks_for_the_names_own_certificate_and_follows_no_redirect(
    watcher: ThreadingHTTPServer, certificate: Path
) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    port = watcher.server_address[1]

    def everything(address: str) -> bool:
        return ipaddress.ip_address(address).version == 4

    url = f"https://localhost:{port}/ping?x=1"
    assert outgoing.get(url, allowed=lambda _: True, context=context) == 302
    assert watcher.seen == [("/ping?x=1", f"localhost:{port}")]  # type: ignore[attr-defined]
    with pytest.raises(ssl.SSLCertVerificationError):
        outgoing.get(f"https://127.0.0.1:{port}/", allowed=everything, context=context)
    with pytest.raises(ssl.SSLCertVerificationError):
        outgoing.get(url, allowed=lambda _: True)
