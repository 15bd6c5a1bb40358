"""Which requests an A/B test sends to the canary."""

from typing import Any

from pydantic import Field

from canary.api.scalars import StringMap, Switch, Whole
from canary.api.schema import ApiModel


class StringMatch(ApiModel):
    """One way to compare a value; `present` is ours and asks only whether it is there."""

    exact: str | None = None
    prefix: str | None = None
    suffix: str | None = None
    regex: str | None = None
    present: Switch | None = None

    @property
    def ways(self) -> tuple[str, ...]:
        """Return the names of the comparisons that are written, e.g. `("exact",)`."""
        return tuple(way for way in ("exact", "prefix", "suffix", "regex", "present") if getattr(self, way) is not None)

    @property
    def is_clear(self) -> bool:
        """Return whether it says one thing: no second comparison, and none that this version does not know."""
        return len(self.ways) <= 1 and not self.model_extra

    @property
    def is_blank(self) -> bool:
        """Return whether it compares with nothing, or with an empty text."""
        return not any(getattr(self, way) for way in self.ways)


class RequestMatch(ApiModel):
    """All conditions of one entry must hold; the entries of a list are alternatives."""

    name: str = ""
    uri: StringMatch | None = None
    ignore_uri_case: Switch = False
    method: StringMatch | None = None
    scheme: StringMatch | None = None
    authority: StringMatch | None = None
    headers: dict[str, StringMatch] = Field(default_factory=dict)
    without_headers: dict[str, StringMatch] = Field(default_factory=dict)
    query_params: dict[str, StringMatch] = Field(default_factory=dict)

    # Conditions of a service mesh, which a gateway can't ask.
    port: Whole | None = None
    gateways: tuple[str, ...] = ()
    source_labels: StringMap = Field(default_factory=dict)
    source_namespace: str = ""

    @property
    def of_every_request(self) -> dict[str, StringMatch]:
        """Return the conditions on what every request has beside its path, by field."""
        found = {"method": self.method, "scheme": self.scheme, "authority": self.authority}
        return {field: match for field, match in found.items() if match is not None}

    @property
    def of_a_mesh(self) -> dict[str, Any]:
        """Return the conditions that only a service mesh can ask, by field."""
        found = {
            "port": self.port,
            "gateways": self.gateways,
            "sourceLabels": self.source_labels,
            "sourceNamespace": self.source_namespace,
        }
        return {field: value for field, value in found.items() if value}

    @property
    def has_conditions(self) -> bool:
        """Return whether it asks for anything that a gateway sees."""
        return bool(self.uri or self.of_every_request or self.headers or self.without_headers or self.query_params)

    @property
    def is_for_somebody(self) -> bool:
        """Return whether a request can fulfil the entry, as far as Gloo can ask it.

        An entry with a condition that can't be asked is for nobody: without the condition it would be for more requests
        than were meant, and at a weight of 100. So are an entry without conditions, one with a field that this version
        does not know, and one that compares a path, a method, a scheme or an authority with nothing.
        """
        always_there = [*self.of_every_request.values(), *([self.uri] if self.uri else ())]
        sent = [*self.headers.values(), *self.without_headers.values(), *self.query_params.values()]
        return (
            self.has_conditions
            and not self.of_a_mesh
            and not self.model_extra
            and all(match.is_clear for match in (*always_there, *sent))
            and not any(match.is_blank for match in always_there)
            and not any(match.present is False for match in self.query_params.values())
            and (self.uri is None or _is_possible_path(self.uri))
        )


def _is_possible_path(uri: StringMatch) -> bool:
    """Return whether a path can be so. Gloo leaves out the whole route where a matcher of it does not begin with /."""
    return (uri.exact or uri.prefix or uri.regex or "").startswith("/")
