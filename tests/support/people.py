"""An API server that answers reviews: whose a token is, and what its user may do."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from kube.errors import Unavailable
from kube.resource import Resource

Json = dict[str, Any]


@dataclass
class People:
    """An API server that knows tokens, and who may list canaries where ("" is everywhere)."""

    users: dict[str, str] = field(default_factory=lambda: {"t-alice": "alice", "t-admin": "admin"})
    for_page: frozenset[str] = frozenset()
    may_list: dict[str, set[str]] = field(default_factory=lambda: {"alice": {"team-a"}, "admin": {""}})
    asked: list[Json] = field(default_factory=list)
    error: Exception | None = None
    hangs: bool = False
    failing: frozenset[str] = frozenset()

    async def create(self, resource: Resource, body: Json, namespace: str | None = None) -> Json:
        assert namespace is None
        self.asked.append(body)
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        if resource.kind in self.failing:
            raise Unavailable("gone")
        spec = body["spec"]
        if resource.kind == "TokenReview":
            return {"status": self._token(spec["token"], spec["audiences"])}
        assert spec["resourceAttributes"] | {"namespace": ""} == {
            "namespace": "",
            "verb": "list",
            "group": "flagger.app",
            "version": "v1beta1",
            "resource": "canaries",
        }
        allowed = spec["resourceAttributes"]["namespace"] in self.may_list.get(spec["user"], set())
        return {"status": {"allowed": allowed}}

    def _token(self, token: str, audiences: list[str]) -> Json:
        is_for_page = token in self.for_page
        if token not in self.users or is_for_page != (audiences == ["serin"]):
            return {"authenticated": False}
        user = {
            "username": self.users[token],
            "uid": "u-1",
            "groups": ["system:authenticated"],
            "extra": {"key": ["value"]},
        }
        return {"authenticated": True, "user": user, "audiences": audiences}


@dataclass
class Clock:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


class SlowPeople(People):
    """Answers nobody before `go`, and counts who waits."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.go = asyncio.Event()
        self.waiting = 0
        self.begun = 0

    async def create(self, resource: Resource, body: Json, namespace: str | None = None) -> Json:
        self.waiting += 1
        self.begun += 1
        try:
            await self.go.wait()
        finally:
            self.waiting -= 1
        return await super().create(resource, body, namespace)
