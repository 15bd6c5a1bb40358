"""Who may look at the page, and at which namespaces' canaries.

Without tokens the page is bound to the pod's loopback: whoever may forward a port to the pod may look. A browser there
may be led by another site, so a request must name this host (else a name of that site was rebound to loopback), and
none may come from another site.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import urlsplit

from agent.page.reviews import NotReviewed, Reviews, Viewer

_COOKIE: Final = "serin-page"

MOST_TOKEN_CHARS: Final = 3_500
"""Of a token: browsers keep cookies of up to 4,096 bytes, and a token of a service account has some 1,200."""

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_BEARER: Final = "Bearer "


class Refused(Exception):  # noqa: N818  reads as what happened
    """A request is refused: `status` is HTTP's, the text is for people. `is_unknown`: a token would help."""

    def __init__(self, status: HTTPStatus, text: str, *, is_unknown: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.is_unknown = is_unknown


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says of who sends it: the headers by their names in lower case, and the token of the cookie."""

    headers: Mapping[str, str]
    cookie: str = ""

    @property
    def token(self) -> str:
        """Return the token, empty without one; the header goes before the cookie."""
        header = self.headers.get("authorization", "")
        return header.removeprefix(_BEARER).strip() if header.startswith(_BEARER) else self.cookie

    @property
    def host(self) -> str:
        """Return the name of the host that the request is for, without its port."""
        return host_of(self.headers.get("host", ""))

    @property
    def is_private(self) -> bool:
        """Return whether nobody between reads along: over TLS that ends before us, or through a forwarded port."""
        return is_over_tls(self.headers) or self.host in _LOOPBACK


class Access(Protocol):
    """How the page knows who may look."""

    has_login: bool

    async def admit(self, credentials: Credentials) -> Viewer:
        """Return who looks.

        Raises:
            Refused: nobody who may.
        """

    async def visible(self, viewer: Viewer, namespaces: Collection[str]) -> Collection[str]:
        """Return those of the namespaces whose canaries the viewer may see.

        Raises:
            Refused: nobody can say so now.
        """


class LoopbackAccess:
    """Lets in whoever reaches loopback, and shows everything."""

    has_login = False

    async def admit(self, credentials: Credentials) -> Viewer:
        """Return nobody in particular. Raise Refused for a host that is not this one."""
        if credentials.host not in _LOOPBACK:
            text = "Host: found another host; allowed: localhost, 127.0.0.1 or [::1], as kubectl port-forward gives it"
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, text)
        return Viewer("")

    async def visible(self, _viewer: Viewer, namespaces: Collection[str]) -> Collection[str]:
        """Return all of them."""
        return namespaces


class TokenAccess:
    """Lets in those whose token the API server knows, and shows them what they may list by RBAC."""

    has_login = True

    def __init__(self, reviews: Reviews) -> None:
        self._reviews = reviews

    async def admit(self, credentials: Credentials) -> Viewer:
        """Return whose token it is. Raise Refused without one, with another, and where nobody knows."""
        token = credentials.token
        if not token:
            raise Refused(HTTPStatus.UNAUTHORIZED, "no token: sign in, or send one as bearer", is_unknown=True)
        if len(token) > MOST_TOKEN_CHARS or not token.isascii() or not token.isprintable():
            raise Refused(HTTPStatus.UNAUTHORIZED, "the token is none of the API server's", is_unknown=True)
        try:
            viewer = await self._reviews.viewer(token)
        except NotReviewed as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
        if viewer is None:
            raise Refused(HTTPStatus.UNAUTHORIZED, "the API server does not know the token (any more)", is_unknown=True)
        return viewer

    async def visible(self, viewer: Viewer, namespaces: Collection[str]) -> Collection[str]:
        """Return those in which the viewer may list canaries. Raise Refused where the API server does not say."""
        try:
            return await self._reviews.visible(viewer, namespaces)
        except NotReviewed as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error


def host_of(header: str) -> str:
    """Return the host of a Host header in lower case, without port and brackets; empty where it is none."""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_over_tls(headers: Mapping[str, str]) -> bool:
    """Return whether the browser talks TLS to whatever is before the page."""
    return headers.get("x-forwarded-proto", "") == "https"


def cookie_of(headers: Mapping[str, str]) -> str:
    """Return the name of the cookie. Over TLS no other host of the domain can set one of this name."""
    return f"__Host-{_COOKIE}" if is_over_tls(headers) else _COOKIE


def is_from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Return whether another site's page made a browser send a request; what is no browser says nothing of it."""
    site = headers.get("sec-fetch-site", "")
    if site:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin", "")
    return bool(origin) and _netloc_of(origin) != headers.get("host", "").lower()


def _netloc_of(origin: str) -> str:
    """Return host and port of an origin; empty where it is none, such as `null`."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
