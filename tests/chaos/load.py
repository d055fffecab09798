"""Systems that report to the hub as real ones do: signed, at once on several connections, and again with the same id
and the same bytes until they are answered with a 2xx."""

from __future__ import annotations

import http.client
import json
import math
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from notify_app.pipeline import signature
from tests.chaos.office import Chain, Office, Post

SENDERS = 8
AGAIN_AFTER = 0.1
PATIENCE = 30.0  # how long a sender waits for an answer


@dataclass(frozen=True)
class Answer:
    """What came back; for a 2xx the id that the hub gave."""

    status: int
    id: str = ""


class Load:
    """Reports these chains; within a chain one after the other, each once its predecessor was accepted."""

    def __init__(self, port: int, office: Office, chains: Iterable[Chain], *, senders: int = SENDERS) -> None:
        chains = list(chains)
        self.posts: list[Post] = [post for chain in chains for post in chain]
        self.answers: dict[str, list[Answer]] = defaultdict(list)
        self.torn: Counter[str] = Counter()  # requests that were open when the other side died, by message
        self.unreachable = 0  # tries at which nobody listened
        self._port, self._office = port, office
        self._waiting: deque[deque[Post]] = deque(deque(chain) for chain in chains)
        self._open: set[str] = set()
        self._accepted: set[str] = set()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._pause_at = math.inf
        self._taken = 0
        self._senders = [threading.Thread(target=self._send_all, daemon=True) for _ in range(senders)]

    def start(self) -> Load:
        for sender in self._senders:
            sender.start()
        return self

    def pause(self, at: int) -> Load:
        """Report only so many for now, so that the rest is still to come when something is broken."""
        self._pause_at = at
        return self

    def go_on(self) -> None:
        """Report the rest."""
        with self._changed:
            self._pause_at = math.inf
            self._changed.notify_all()

    # --- for the test ----------------------------------------------------------------------------------------------

    @property
    def accepted(self) -> set[str]:
        """The messages that were answered with a 2xx."""
        with self._changed:
            return set(self._accepted)

    @property
    def unanswered(self) -> set[str]:
        """The messages that are on their way now."""
        with self._changed:
            return set(self._open)

    def soon(self) -> str:
        """A message that has not been reported yet, and will be in a moment."""
        with self._changed:
            return self._waiting[2 * SENDERS][0].id

    @property
    def going_on(self) -> bool:
        """Whether there is still something to report."""
        return len(self.accepted) < len(self.posts)

    def statuses(self) -> Counter[int]:
        """How often each status was answered."""
        with self._changed:
            return Counter(answer.status for answers in self.answers.values() for answer in answers)

    def wait(self, accepted: int, seconds: float = 40) -> None:
        """Until so many were accepted."""
        self._wait(lambda: len(self._accepted) >= accepted, seconds)

    def wait_for(self, true: Callable[[Load], bool], seconds: float = 20) -> None:
        """Until this is true of the load, looked at after each answer and each break."""
        self._wait(lambda: true(self), seconds)

    def _wait(self, true: Callable[[], bool], seconds: float) -> None:
        with self._changed:
            came = self._changed.wait_for(true, seconds)
        assert came, (
            f"{len(self._accepted)} of {len(self.posts)} accepted after {seconds} s; answers {self.statuses()}"
        )

    def finish(self, seconds: float = 60) -> Load:
        """Until every message has been accepted."""
        until = time.monotonic() + seconds
        self.go_on()
        for sender in self._senders:
            sender.join(max(0.0, until - time.monotonic()))
        self._stop.set()
        missing = {post.id for post in self.posts} - self.accepted
        assert not missing, (
            f"never accepted: {sorted(missing)[:5]} ({len(missing)}); answers {self.statuses()}"
        )
        return self

    def abandon(self) -> None:
        """No more tries."""
        self._stop.set()
        self.go_on()
        for sender in self._senders:
            if sender.ident is not None:
                sender.join(PATIENCE)

    # --- a sender --------------------------------------------------------------------------------------------------

    def _send_all(self) -> None:
        while not self._stop.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._taken < self._pause_at or self._stop.is_set())
                chain = self._waiting.popleft() if self._waiting else None
                self._taken += chain is not None
            if chain is None:
                return
            self._until_accepted(chain.popleft())
            if chain:
                with self._changed:
                    self._waiting.append(chain)

    def _until_accepted(self, post: Post) -> None:
        body = post.body()
        while not self._stop.is_set():
            answer = self._try(post.id, body)
            if answer is not None and 200 <= answer.status < 300:
                with self._changed:
                    self._accepted.add(post.id)
                    self._changed.notify_all()
                return
            self._stop.wait(AGAIN_AFTER)

    def _try(self, message_id: str, body: bytes) -> Answer | None:
        """One request on a connection of its own: a connection that breaks took exactly this one along."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.connect()
        except OSError:
            self.unreachable += 1
            connection.close()
            return None
        self._note(message_id, now_open=True)
        try:
            connection.request(
                "POST", f"/hooks/{self._office.slug}", body, _headers(self._office, message_id, body)
            )
            response = connection.getresponse()
            said = response.read()
        except (OSError, http.client.HTTPException):
            self._note(message_id, now_open=False, torn=True)
            return None
        finally:
            connection.close()
        answer = Answer(response.status, json.loads(said).get("id", "") if response.status < 300 else "")
        self._note(message_id, now_open=False, answer=answer)
        return answer

    def _note(
        self, message_id: str, *, now_open: bool, torn: bool = False, answer: Answer | None = None
    ) -> None:
        with self._changed:
            (self._open.add if now_open else self._open.discard)(message_id)
            if torn:
                self.torn[message_id] += 1
            if answer:
                self.answers[message_id].append(answer)
            self._changed.notify_all()


class Reported:
    """The same for one batch, sent by hand: what the checks ask of a load."""

    def __init__(self, port: int, office: Office, posts: list[Post]) -> None:
        self.posts = posts
        self.answers: dict[str, list[Answer]] = defaultdict(list)
        self._port, self._office = port, office
        events = [{"id": post.id, **json.loads(post.body())} for post in posts]
        self._body = json.dumps({"events": events}).encode()

    @property
    def accepted(self) -> set[str]:
        return set(self.answers)

    @property
    def statuses(self) -> list[int]:
        return [answer.status for answers in self.answers.values() for answer in answers]

    def send(self) -> bool | None:
        """Whether it was accepted; None when there was no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            headers = _headers(self._office, "batch", self._body)
            connection.request("POST", f"/hooks/{self._office.slug}/batch", self._body, headers)
            response = connection.getresponse()
            said = response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        if response.status >= 300:
            return False
        for one in json.loads(said)["results"]:
            self.answers[one["event"]].append(Answer(one["status"], one["id"]))
        return True


def _headers(office: Office, message_id: str, body: bytes) -> dict[str, str]:
    signed = signature.sign(office.secret, message_id, datetime.now(UTC), body)
    return {"Content-Type": "application/json", "Connection": "close", **signed}
