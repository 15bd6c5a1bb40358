"""What one Envoy has asked for on its ADS stream, and what it must be sent next. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

CLUSTERS = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ASSIGNMENTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
TYPES = (CLUSTERS, ASSIGNMENTS, ROUTES)  # in the order in which they must reach Envoy

Versions = Mapping[str, Mapping[str, str]]  # type -> resource name -> version


@dataclass
class _Subscription:
    names: frozenset[str] = frozenset()
    sent: dict[str, str] = field(default_factory=dict)
    is_answered: bool = False
    is_refused: bool = False


@dataclass
class Subscriptions:
    """One stream's state. State of the world: a response of clusters holds all of them, the others what changed."""

    _by_type: dict[str, _Subscription] = field(default_factory=dict)

    def note_request(self, type_url: str, names: frozenset[str], *, is_refusal: bool) -> None:
        """Take a request, an acknowledgement or a refusal of Envoy: all three say what it wants from now on."""
        subscription = self._by_type.setdefault(type_url, _Subscription())
        subscription.names = names
        subscription.is_refused = is_refusal
        if type_url != CLUSTERS:
            # A name that is asked for again later must be sent again.
            subscription.sent = {name: version for name, version in subscription.sent.items() if name in names}

    def next_response(self, versions: Versions) -> tuple[str, list[str]] | None:
        """Return type and names of the resources to send now, and note them as sent; None if Envoy has everything."""
        self._forget_ended(versions[ASSIGNMENTS])
        for type_url in TYPES:
            subscription = self._by_type.get(type_url)
            if subscription is None or (type_url == ROUTES and not self._has_clusters(versions)):
                continue
            available = versions[type_url]
            wanted = (
                dict(available)
                if type_url == CLUSTERS
                else {name: available[name] for name in subscription.names if name in available}
            )
            changed = [name for name, version in wanted.items() if subscription.sent.get(name) != version]
            is_first_or_fewer = type_url == CLUSTERS and (
                not subscription.is_answered or subscription.sent.keys() - wanted.keys()
            )
            if changed or is_first_or_fewer:
                subscription.sent = wanted if type_url == CLUSTERS else subscription.sent | wanted
                subscription.is_answered, subscription.is_refused = True, False
                return type_url, sorted(wanted if type_url == CLUSTERS else changed)
        return None

    def _forget_ended(self, assignments: Mapping[str, str]) -> None:
        """Forget clusters that are gone: when one comes back, Envoy wants its endpoints again before it says so."""
        if (known := self._by_type.get(ASSIGNMENTS)) is not None:
            known.sent = {name: version for name, version in known.sent.items() if name in assignments}

    def has_routes(self, versions: Versions) -> bool:
        """Return whether Envoy, if it asks for routes at all, was sent the newest of them."""
        routes = self._by_type.get(ROUTES)
        return routes is None or not routes.names or versions[ROUTES].items() <= routes.sent.items()

    def _has_clusters(self, versions: Versions) -> bool:
        """Return whether routes may be sent: one to a cluster that still waits for its endpoints would answer 503."""
        clusters, assignments = self._by_type.get(CLUSTERS), self._by_type.get(ASSIGNMENTS)
        if clusters is None or clusters.sent != versions[CLUSTERS]:
            return False
        if clusters.is_refused:
            return True  # the refused ones will never ask for endpoints
        sent = assignments.sent if assignments else {}
        return versions[ASSIGNMENTS].keys() <= sent.keys()
