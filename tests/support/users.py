"""Users of an application who look at who answers them: one request after the other, on one connection each."""

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from threading import Event, Thread
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.support.rollout import Rollouts

_PAUSE_S = 0.03
_TIMEOUT_S = 10.0


class Served(NamedTuple):
    """Who answered: `side` is primary or canary, `tag` that of its image. Nobody: what came instead."""

    side: str
    tag: str


BEFORE, CANARY, AFTER = Served("primary", "3.1.0"), Served("canary", "3.1.1"), Served("primary", "3.1.1")
"""A run from 3.1.0 to 3.1.1: its primary before, its canary side, its primary after the promotion."""


@dataclass
class User:
    """What one user got. `cookies`: every Set-Cookie header; with `keeps_cookies` they are sent from then on."""

    rollouts: Rollouts
    path: str
    headers: Mapping[str, str]
    keeps_cookies: bool
    cookies: list[str] = field(default_factory=list)
    _jar: dict[str, str] = field(default_factory=dict)
    _answers: list[tuple[float, str]] = field(default_factory=list)
    _tags: dict[str, str] = field(default_factory=dict)

    def answers(self, *, since_s: float = 0.0) -> list[Served]:
        """Return who answered, one for each request whose answer came after a time of `time.monotonic`."""
        answers = [answer for at_s, answer in list(self._answers) if at_s >= since_s]
        if not self._tags.keys() >= {_replica_set(host) for host in answers if _is_host(host)}:
            self._tags.update(self._read_tags())
        return [self._served(answer) for answer in answers]

    def sequence(self) -> list[Served]:
        """Return who answered, without repeats."""
        answers = self.answers()
        return [one for before, one in zip([None, *answers], answers, strict=False) if one != before]

    def stayed_from(self, served: Served, count: int, *, since_s: float) -> float:
        """Return when the first of `count` answers in a row came from `served`, after a time of `time.monotonic`."""
        times = [at_s for at_s, _ in list(self._answers) if at_s >= since_s]
        answers = self.answers(since_s=since_s)
        stays = (at_s for index, at_s in enumerate(times) if answers[index : index + count] == [served] * count)
        found = next(stays, None)
        assert found is not None, f"{served} never answered {count} times in a row"
        return found

    def last(self) -> Served | None:
        """Return who answered last."""
        return next(reversed(self.answers()), None)

    def ask(self, connection: http.client.HTTPConnection) -> None:
        """Ask once, and keep what came."""
        sent = {"Host": f"{self.rollouts.namespace}.example.com"} | dict(self.headers)
        if self._jar:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._jar.items())
        try:
            connection.request("GET", self.path, headers=sent)
            response = connection.getresponse()
            body = response.read()
            is_served = response.status == http.client.OK
            self._note(json.loads(body)["hostname"] if is_served else f"{response.status} {body.decode()}")
            self._keep(response.headers.get_all("Set-Cookie") or [])
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self._note(repr(error))

    def _note(self, answer: str) -> None:
        self._answers.append((time.monotonic(), answer))

    def _keep(self, headers: list[str]) -> None:
        self.cookies += headers
        for header in headers if self.keeps_cookies else ():
            for name, cookie in SimpleCookie(header).items():
                self._jar[name] = cookie.value
                if int(cookie["max-age"] or 1) <= 0:
                    del self._jar[name]

    def _read_tags(self) -> dict[str, str]:
        """Return the image's tag of every ReplicaSet, those of older revisions too."""
        path = "{range .items[*]}{.metadata.name} {.spec.template.spec.containers[0].image}{'\\n'}{end}"
        command = ("-n", self.rollouts.namespace, "get", "replicasets", "-o", f"jsonpath={path}")
        lines = self.rollouts.cluster.kubectl(*command).splitlines()
        return {name: image.partition(":")[2] for name, _, image in (line.partition(" ") for line in lines)}

    def _served(self, answer: str) -> Served:
        if not _is_host(answer):
            return Served("nobody", answer)
        return Served("primary" if "-primary-" in answer else "canary", self._tags[_replica_set(answer)])


def _is_host(answer: str) -> bool:
    return answer.startswith("app-")


def _replica_set(host: str) -> str:
    return host.rpartition("-")[0]


@contextmanager
def asking(rollouts: Rollouts, path: str = "/", *, keeps_cookies: bool = False, **headers: str) -> Iterator[User]:
    """Let a user ask the podinfo `app` through the gateway, some twenty times a second, until the block ends."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    user = User(rollouts, path, named, keeps_cookies)
    gateway, is_over = urlsplit(rollouts.cluster.endpoints["gateway"]), Event()

    def ask() -> None:
        connection = http.client.HTTPConnection(gateway.hostname or "", gateway.port, timeout=_TIMEOUT_S)
        while not is_over.is_set():
            user.ask(connection)
            time.sleep(_PAUSE_S)
        connection.close()

    thread = Thread(target=ask, name=f"user of {rollouts.namespace}{path}", daemon=True)
    thread.start()
    try:
        yield user
    finally:
        is_over.set()
        thread.join(_TIMEOUT_S)
