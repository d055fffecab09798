"""What the hand-over leans on in the installed gunicorn, shown on a real one: if a new version breaks it, this says so.

And where a connection cannot be handed over, the generator answers.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.streams.wire import Connection, Gunicorn, descriptors, eventually

BARE = "tests.streams.bare:app"
CONNECTIONS = 4  # that the server would take at a time, if it counted streams


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    log = tmp_path_factory.mktemp("bare") / "log"
    with Gunicorn(BARE, "--worker-connections", str(CONNECTIONS), log=log) as running:
        yield running
    assert "Traceback" not in running.said(), running.said()
    assert "rror" not in running.said(), running.said()


@pytest.fixture(autouse=True)
def nothing_is_held(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "server" in request.fixturenames:
        post(request.getfixturevalue("server"), "/close")


def post(server: Gunicorn, path: str, body: bytes = b"") -> None:
    with Connection(server.port) as one:
        one.ask(path, f"Content-Length: {len(body)}", "Connection: close", method="POST", body=body)
        assert b" 204 " in one.until(b"\r\n\r\n")


def facts(server: Gunicorn) -> dict[str, object]:
    with Connection(server.port) as one:
        one.ask("/facts", "Connection: close").ended()
    found: dict[str, object] = json.loads(one.text.partition(b"\r\n\r\n")[2])
    return found


def test_a_stream_is_handed_over_and_written_to_by_us_alone(server: Gunicorn) -> None:
    with Connection(server.port) as stream:
        head, _, body = stream.ask().until(b"handed over\n").partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert lines[0] == "HTTP/1.1 200 OK"
        names = [line.partition(":")[0].lower() for line in lines[1:]]
        assert "Content-Type: text/event-stream; charset=utf-8" in lines
        assert "X-Own: yes" in lines
        assert "Connection: close" in lines
        assert sorted(set(names)) == sorted(names), "each header once"
        assert not {"transfer-encoding", "content-length", "server"} & set(names)
        assert "date" in names
        assert body == b"handed over\n"
        post(server, "/say", b"later\n")
        assert stream.until(b"later\n").endswith(b"handed over\nlater\n")


def test_the_connection_is_fit_to_be_written_to_without_waiting(server: Gunicorn) -> None:
    with Connection(server.port) as stream:
        stream.ask().until(b"handed over")
        found = facts(server)
    assert found["blocking"] is False
    assert found["no_delay"] == 1
    assert found["given_up_ms"] == 30_000
    assert found["send_buffer"] == 2 * 128 * 1024, "the kernel doubles what it is told, and then keeps to it"


def test_the_server_has_let_go_and_counts_it_no_more(server: Gunicorn) -> None:
    """One descriptor for a stream, ours; and many more of them than the server takes connections at a time."""
    streams = [Connection(server.port) for _ in range(5 * CONNECTIONS)]
    for stream in streams:
        stream.ask().until(b"handed over")
    eventually(
        lambda: descriptors(server.worker, server.port) == len(streams),
        "the server's own descriptors are closed",
    )
    assert facts(server)["held"] == len(streams)
    post(server, "/close")
    assert all(stream.ended() for stream in streams)
    eventually(lambda: descriptors(server.worker, server.port) == 0, "nothing is left")
    for stream in streams:
        stream.socket.close()


def test_a_connection_that_has_served_pages_can_become_a_stream(server: Gunicorn) -> None:
    with Connection(server.port) as one:
        one.ask("/facts").until(b"}")
        one.ask("/facts").until(b"}")
        assert b"X-Own: yes" in one.ask().until(b"handed over\n")


def test_an_answer_that_is_no_stream_is_the_servers_own(server: Gunicorn) -> None:
    """Accepted, and then refused: the view has the last word."""
    with Connection(server.port) as one:
        text = one.ask("/stream?refuse=1").until(b"refused")
        assert text.startswith(b"HTTP/1.1 503 ")
        assert b"Content-Length: 7" in text
        one.ask("/facts").until(b'"held":0')


@pytest.mark.parametrize(
    ("version", "headers", "more"),
    [
        ("1.0", (), b""),
        ("1.1", ("Content-Length: 4",), b"body"),
        ("1.1", ("Transfer-Encoding: chunked",), b"0\r\n\r\n"),
        ("1.1", (), b"GET /facts HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ],
    ids=["HTTP/1.0", "a body", "a chunked body", "something more was read"],
)
def test_what_cannot_be_handed_over_is_answered_by_the_generator(
    server: Gunicorn, version: str, headers: tuple[str, ...], more: bytes
) -> None:
    with Connection(server.port) as one:
        text = one.ask("/stream", *headers, version=version, body=more).until(b"by a generator\n")
        assert b"Server: gunicorn" in text
        assert b"X-Own" not in text


def test_with_tls_nothing_is_written_past_it(tmp_path: Path) -> None:
    certificate, key = _self_signed(tmp_path)
    trusted = ssl.create_default_context(cafile=str(certificate))
    arguments = ("--certfile", str(certificate), "--keyfile", str(key))
    with (
        Gunicorn(BARE, *arguments, log=tmp_path / "log") as server,
        Connection(server.port, tls=trusted) as one,
    ):
        assert b"by a generator\n" in one.ask().until(b"by a generator\n")


def test_another_kind_of_worker_has_no_offer(tmp_path: Path) -> None:
    with (
        Gunicorn(BARE, "--worker-class", "gthread", log=tmp_path / "log") as server,
        Connection(server.port) as one,
    ):
        one.ask().until(b"by a generator\n")


def _self_signed(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "certificate.pem", directory / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths
