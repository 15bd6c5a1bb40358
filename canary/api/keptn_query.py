"""The query of a MetricTemplate of the type keptn, in Flagger's form: which object of Keptn is asked for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from canary.api.duration import parse_duration_s

_FORM: Final = "keptnmetric/NAMESPACE/NAME, or analysis/NAMESPACE/NAME/TIMEFRAME/ARGUMENT=VALUE;..."
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_DEFAULT_TIMEFRAME: Final = "1m"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a query asks for. `timeframe_s` and `arguments` are an Analysis'."""

    is_analysis: bool
    namespace: str
    name: str
    timeframe_s: float = 0.0
    arguments: Mapping[str, str] | None = None


def read_query(text: str) -> Wanted:
    """Read a query in Flagger's form. Kind, namespace and name may be in capitals, as there.

    Raises:
        ValueError: it is something else.
    """
    kind, namespace, name, timeframe, pairs = (*text.strip().split("/", 4), "", "", "", "")[:5]
    kind, namespace, name = kind.lower(), namespace.lower(), name.lower()
    if kind not in {"keptnmetric", "keptnmetrics", "analysis", "analyses"}:
        raise ValueError(f"the query asks for {kind[:80]!r}; allowed: {_FORM}")
    if not _NAME.fullmatch(namespace) or not _NAME.fullmatch(name):
        raise ValueError(f"the query has no namespace and name; allowed: {_FORM}")
    if kind.startswith("keptn"):
        return Wanted(is_analysis=False, namespace=namespace, name=name)
    try:
        timeframe_s = parse_duration_s(timeframe or _DEFAULT_TIMEFRAME)
    except ValueError as error:
        raise ValueError(f"the query's timeframe: {error}") from error
    split = [pair.partition("=") for pair in pairs.split(";") if pair]
    if not all(equals for _, equals, _ in split):
        raise ValueError(f"the query has an argument without a value; allowed: {_FORM}")
    arguments = {key: value for key, _, value in split}
    return Wanted(is_analysis=True, namespace=namespace, name=name, timeframe_s=timeframe_s, arguments=arguments)
