"""Which requests an A/B test sends to the canary."""

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


class RequestMatch(ApiModel):
    """All conditions of one entry must hold; the entries of a list are alternatives."""

    name: str = ""
    uri: StringMatch | None = None
    ignore_uri_case: Switch = False
    method: StringMatch | None = None
    headers: dict[str, StringMatch] = Field(default_factory=dict)
    without_headers: dict[str, StringMatch] = Field(default_factory=dict)
    query_params: dict[str, StringMatch] = Field(default_factory=dict)

    # Conditions of a service mesh: kept, and warned about, for Gloo can't ask them here.
    scheme: StringMatch | None = None
    authority: StringMatch | None = None
    port: Whole | None = None
    gateways: tuple[str, ...] = ()
    source_labels: StringMap = Field(default_factory=dict)
    source_namespace: str = ""
