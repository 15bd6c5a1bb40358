"""What the API server says of people: whose token it is (TokenReview), and what they may do (SubjectAccessReview).

Answers hold for a minute: a token that is revoked, or a right that is taken away, is out of use that soon. Of a token
no more than a digest is kept.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

from agent.resources import CANARIES
from canary.api.parts import items_of, mapping_of, text_of
from kube.errors import Forbidden, KubeError
from kube.resource import Object, Resource

_log = logging.getLogger(__name__)

TOKEN_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", is_namespaced=False)
SUBJECT_ACCESS_REVIEWS: Final = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", is_namespaced=False
)

AUDIENCE: Final = "serin"
"""A token for this audience opens the page and nothing else: `kubectl create token NAME --audience=serin`."""

VALID_S: Final = 60.0

_MOST_ANSWERS: Final = 5_000
_MOST_AT_ONCE: Final = 8
_WITHIN_S: Final = 5.0

_EVERYWHERE: Final = ""

T = TypeVar("T")


class NotReviewed(Exception):  # noqa: N818  reads as what happened
    """The API server did not answer, or the agent may not ask; the text is for people."""


class ApiServer(Protocol):
    """What is needed of `kube.client.Client`."""

    async def create(self, resource: Resource, body: Object, namespace: str | None = None) -> Object:
        """Create an object; a review comes back with its answer."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """A user as the API server knows it."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass
class _Answers(Generic[T]):
    """Answers by what was asked, each for `VALID_S`; who asks for the same meanwhile waits for the same answer."""

    clock: Callable[[], float]
    known: dict[Hashable, tuple[float, asyncio.Future[T]]] = field(default_factory=dict)

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        now_s = self.clock()
        found = self.known.get(key)
        if found is None or now_s >= found[0]:
            if len(self.known) >= _MOST_ANSWERS:
                self.known.clear()
            found = (now_s + VALID_S, asyncio.ensure_future(ask()))
            self.known[key] = found
        try:
            # Shielded: who asked first may go, and others wait for the same.
            return await asyncio.shield(found[1])
        except NotReviewed:
            if self.known.get(key) is found:
                del self.known[key]
            raise


class Reviews:
    """Asks the API server, at most some questions at once. `clock` returns monotonic seconds."""

    def __init__(self, api: ApiServer, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._viewers = _Answers[Viewer | None](clock)
        self._rights = _Answers[bool](clock)
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)

    async def viewer(self, token: str) -> Viewer | None:
        """Return whose token it is, None where the API server does not know it.

        Raises:
            NotReviewed: there is no answer.
        """
        digest = hashlib.sha256(token.encode()).digest()
        return await self._viewers.get(digest, lambda: self._ask_viewer(token))

    async def visible(self, viewer: Viewer, namespaces: Collection[str]) -> Collection[str]:
        """Return those of the namespaces whose canaries the viewer may list.

        Raises:
            NotReviewed: there is no answer.
        """
        if await self._may_list(viewer, _EVERYWHERE):
            return namespaces
        names = sorted(namespaces)
        allowed = await asyncio.gather(*(self._may_list(viewer, name) for name in names))
        return {name for name, is_allowed in zip(names, allowed, strict=True) if is_allowed}

    async def _may_list(self, viewer: Viewer, namespace: str) -> bool:
        return await self._rights.get((viewer, namespace), lambda: self._ask_right(viewer, namespace))

    async def _ask_viewer(self, token: str) -> Viewer | None:
        """Ask for a token of this page's audience first: it is worth the least to whoever steals it."""
        for audiences in ([AUDIENCE], []):
            answer = await self._ask(TOKEN_REVIEWS, {"token": token, "audiences": audiences})
            user = mapping_of(answer, "user")
            is_meant = not audiences or AUDIENCE in items_of(answer, "audiences")
            if answer.get("authenticated") is True and text_of(user, "username") and is_meant:
                return Viewer(
                    text_of(user, "username"),
                    text_of(user, "uid"),
                    tuple(filter(_is_text, items_of(user, "groups"))),
                    tuple(
                        (key, tuple(filter(_is_text, items_of(mapping_of(user, "extra"), key))))
                        for key in sorted(mapping_of(user, "extra"))
                    ),
                )
        return None

    async def _ask_right(self, viewer: Viewer, namespace: str) -> bool:
        attributes = {
            "namespace": namespace,
            "verb": "list",
            "group": CANARIES.group,
            "version": CANARIES.version,
            "resource": CANARIES.plural,
        }
        asked: dict[str, Any] = {
            "user": viewer.name,
            "uid": viewer.uid,
            "groups": list(viewer.groups),
            "extra": {key: list(values) for key, values in viewer.extra},
            "resourceAttributes": attributes,
        }
        return (await self._ask(SUBJECT_ACCESS_REVIEWS, asked)).get("allowed") is True

    async def _ask(self, resource: Resource, spec: Object) -> Object:
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}, "spec": spec}
        try:
            async with self._turns, asyncio.timeout(_WITHIN_S):
                answer = await self._api.create(resource, body)
        except Forbidden as error:
            _log.error("page: the agent may not create %s: apply manifests/page-token", resource.plural)
            text = f"the agent may not ask the API server for {resource.plural}: its operator finds more in its log"
            raise NotReviewed(text) from error
        except (KubeError, TimeoutError) as error:
            _log.warning("page: %s: no answer: %s", resource.plural, error)
            raise NotReviewed("the API server does not answer; try again") from error
        return dict(mapping_of(answer, "status"))


def _is_text(found: object) -> bool:
    return isinstance(found, str)
