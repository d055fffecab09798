"""The smallest application that accepts a connection: what the hand-over leans on is seen without anything of ours
around it. `/say` writes to all that were handed over, `/facts` tells what they were handed over as."""

from __future__ import annotations

import os
import socket
from typing import Any

from flask import Flask, Response, jsonify, request

from notify_app.live.handover import OFFER, Handover

app = Flask("bare")
app.wsgi_app = Handover(app.wsgi_app, "/stream")  # type: ignore[method-assign]
held: list[int] = []
facts: dict[str, Any] = {}


@app.get("/stream")
def stream() -> Response:
    offer = request.environ.get(OFFER)
    if "refuse" in request.args:
        offer.accept(_keep)
        return Response("refused", status=503)
    if offer is None:
        return Response(iter([b"by a generator\n"]), mimetype="text/event-stream")
    offer.accept(_keep)
    return Response(
        iter(()), mimetype="text/event-stream", headers={"X-Own": "yes", "Connection": "keep-alive"}
    )


@app.post("/say")
def say() -> Response:
    for fd in held:
        os.write(fd, request.data)
    return Response(status=204)


@app.post("/close")
def close() -> Response:
    while held:
        os.close(held.pop())
    return Response(status=204)


@app.get("/facts")
def tell() -> Response:
    return jsonify(facts | {"held": len(held)})


def _keep(fd: int, head: bytes) -> None:
    os.write(fd, head + b"handed over\n")
    held.append(fd)
    with socket.socket(fileno=os.dup(fd)) as one:
        facts["blocking"] = os.get_blocking(fd)
        facts["no_delay"] = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        facts["given_up_ms"] = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        facts["send_buffer"] = one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
