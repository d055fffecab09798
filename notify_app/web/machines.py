"""Requests of machines take the short way: what proves itself by a signature (`@allow("source")`) has no session.

Sign-in, form tokens, limits by address, languages and compression are for people with browsers. Their hooks cost more
than all the rest of a webhook, and none of them has anything to say about one. So these requests are matched, viewed and
answered, errors included, without them; they carry the same headers as every other answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from flask.sessions import NullSession, SecureCookieSession, SecureCookieSessionInterface
from flask.wrappers import Request
from werkzeug.wsgi import ClosingIterator

from notify_app.web.headers import FOR_MACHINES, SECURE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["PREFIXES", "HubFlask", "Ready"]

# only systems come here: no cookie, no form, and errors as JSON
PREFIXES = ("/hooks/", "/receipts/", "/inbound/")
SHORT = "hub.short_way"  # in the environment of a request that took it


def _others_first() -> None:
    """Under gevent, a sender whose next request is there already is served again and again, until it stops for breath.
    One turn of the loop for each request treats all alike; it also groups what the loop does, and so costs nothing."""
    if _loop is not None:
        _loop.sleep(0)


def _running_loop() -> Any:
    """gevent, if it has taken over in this process."""
    monkey = sys.modules.get("gevent.monkey")
    return sys.modules["gevent"] if monkey is not None and monkey.is_module_patched("threading") else None


_loop = _running_loop()


@dataclass(frozen=True, slots=True)
class Ready:
    """An answer in JSON whose head need not be put together; a WSGI application, as Flask lets a view return one.
    `then` is called when it has left."""

    status: str
    text: str
    then: Callable[[], None]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = self.text.encode()
        head = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *FOR_MACHINES]
        if environ["wsgi.url_scheme"] == "https":
            head.append(SECURE)
        start_response(self.status, head)
        return ClosingIterator([body], self.then)


class _Sessions(SecureCookieSessionInterface):
    """Flask's own, except that the cookie of a machine's request is not read."""

    _none = NullSession()  # empty, and refuses to be written to

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of this request."""
        return self._none if request.path.startswith(PREFIXES) else super().open_session(app, request)


class HubFlask(Flask):
    """Flask with the short way in front of the usual one."""

    session_interface = _Sessions()

    def full_dispatch_request(self) -> Response:
        """Answer the request that was matched."""
        rule = request.url_rule
        if rule is None or getattr(self.view_functions[rule.endpoint], "guard", None) != "source":
            return super().full_dispatch_request()
        request.environ[SHORT] = True
        _others_first()
        try:
            answer = self.dispatch_request()
        except Exception as error:  # noqa: BLE001  (mapped by `problems`, as everywhere)
            answer = self.handle_user_exception(error)
        if isinstance(answer, Ready):
            return answer  # type: ignore[return-value]  # all that is asked of it is to be called
        response = self.make_response(answer)
        response.headers.extend(FOR_MACHINES)
        if request.is_secure:
            response.headers.add(*SECURE)
        return response

    def do_teardown_request(self, exc: Any = None) -> None:
        """What set nothing up has nothing to tear down."""
        if SHORT not in request.environ:
            super().do_teardown_request(exc)
