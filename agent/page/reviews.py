"""What the API server says of people: whose token it is (TokenReview), and what they may do (SubjectAccessReview).

Answers hold for a minute: a token that is revoked, or a right that is taken away, is out of use that soon. Of a token
no more than a digest is kept.
"""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

from agent.resources import CANARIES
from canary.api.parts import items_of, mapping_of, text_of
from kube.errors import Forbidden, KubeError
from kube.resource import SUBJECT_ACCESS_REVIEWS, Object, Resource

_log = logging.getLogger(__name__)

TOKEN_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", is_namespaced=False)
AUDIENCE: Final = "serin"
"""A token for this audience opens the page and nothing else: `kubectl create token NAME --audience=serin`."""

VALID_S: Final = 60.0

MOST_WAITING: Final = 32
"""Tokens that nobody knows yet, asked for at once: whoever reaches the port may send any number of them."""

MOST_TOKENS: Final = 1_000
"""Whose users are kept; as many tokens of nobody are, apart from them."""

MOST_VIEWERS: Final = 200
"""Whose rights are kept, each with the names of all namespaces that have canaries."""

_MOST_AT_ONCE: Final = 8
_WITHIN_S: Final = 5.0

_EVERYWHERE: Final = ""

K = TypeVar("K")


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


class _Shared(Generic[K]):
    """Questions under way: who asks the same waits for the same answer, and what nobody waits for any more ends."""

    def __init__(self) -> None:
        self._waiting: dict[K, tuple[asyncio.Task[None], list[None]]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: K) -> bool:
        return key in self._waiting

    async def wait(self, key: K, ask: Callable[[], Awaitable[None]]) -> None:
        found = self._waiting.get(key)
        if found is None:
            found = self._waiting[key] = (asyncio.ensure_future(ask()), [])
        task, waiting = found
        waiting.append(None)
        try:
            await asyncio.shield(task)
        finally:
            waiting.pop()
            if self._waiting.get(key) is found and (task.done() or not waiting):
                del self._waiting[key]
                task.cancel()


@dataclass
class _Sight:
    """What one viewer may see, until a moment: everything, or of the namespaces `asked` for the `allowed` ones."""

    until_s: float
    is_everywhere: bool | None = None
    asked: set[str] = field(default_factory=set)
    allowed: set[str] = field(default_factory=set)


class Reviews:
    """Asks the API server, at most some questions at once. `clock` returns monotonic seconds."""

    def __init__(self, api: ApiServer, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, Viewer]] = OrderedDict()
        self._unknown: OrderedDict[bytes, float] = OrderedDict()
        self._sights: OrderedDict[Viewer, _Sight] = OrderedDict()
        self._tokens = _Shared[bytes]()
        self._looks = _Shared[Viewer]()
        # Apart, so that whoever sends tokens of nobody delays no question about a user.
        self._turns = {TOKEN_REVIEWS: asyncio.Semaphore(_MOST_AT_ONCE)}
        self._turns[SUBJECT_ACCESS_REVIEWS] = asyncio.Semaphore(_MOST_AT_ONCE)

    async def viewer(self, token: str) -> Viewer | None:
        """Return whose token it is, None where the API server does not know it.

        Raises:
            NotReviewed: there is no answer.
        """
        digest = hashlib.sha256(token.encode()).digest()
        until_s, viewer = self._known.get(digest, (0.0, None))
        if viewer is not None and self._clock() < until_s:
            self._known.move_to_end(digest)
            return viewer
        if self._clock() < self._unknown.get(digest, 0.0):
            return None
        # A user who was here before is asked for again in any case.
        if viewer is None and digest not in self._tokens and len(self._tokens) >= MOST_WAITING:
            raise NotReviewed("too many tokens are asked about at once; try again")
        await self._tokens.wait(digest, lambda: self._review(digest, token))
        return self._known[digest][1] if digest in self._known else None

    async def _review(self, digest: bytes, token: str) -> None:
        until_s = self._clock() + VALID_S
        viewer = await self._ask_viewer(token)
        if viewer is None:
            self._known.pop(digest, None)
            self._unknown[digest] = until_s
        else:
            self._unknown.pop(digest, None)
            self._known[digest] = (until_s, viewer)
        for kept in (self._known, self._unknown):
            while len(kept) > MOST_TOKENS:
                kept.popitem(last=False)

    async def visible(self, viewer: Viewer, namespaces: Collection[str]) -> Collection[str]:
        """Return those of the namespaces whose canaries the viewer may list.

        Raises:
            NotReviewed: there is no answer.
        """
        sight = self._sights.get(viewer)
        if sight is None or self._clock() >= sight.until_s:
            sight = self._sights[viewer] = _Sight(self._clock() + VALID_S)
            while len(self._sights) > MOST_VIEWERS:
                self._sights.popitem(last=False)
        self._sights.move_to_end(viewer)
        wanted = set(namespaces)
        while not sight.is_everywhere and (sight.is_everywhere is None or wanted - sight.asked):
            await self._looks.wait(viewer, lambda: self._look(viewer, sight, wanted))
        return wanted if sight.is_everywhere else wanted & sight.allowed

    async def _look(self, viewer: Viewer, sight: _Sight, wanted: Collection[str]) -> None:
        """Ask for all namespaces, else for those that are new, a few at once; what is answered stays answered."""
        if sight.is_everywhere is None:
            sight.is_everywhere = await self._ask_right(viewer, _EVERYWHERE)
        if sight.is_everywhere:
            return
        names = sorted(set(wanted) - sight.asked)
        for start in range(0, len(names), _MOST_AT_ONCE):
            group = names[start : start + _MOST_AT_ONCE]
            answers = await asyncio.gather(*(self._ask_right(viewer, name) for name in group))
            sight.asked.update(group)
            sight.allowed.update(name for name, is_allowed in zip(group, answers, strict=True) if is_allowed)

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
            async with asyncio.timeout(_WITHIN_S), self._turns[resource]:
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
