"""PromQL that both dashboards use, and what they call its numbers. Pure."""

from typing import Final

STATUS_TEXTS: Final = {0: ("Progressing", "blue"), 1: ("Successful", "green"), 2: ("Failed", "red")}
STATUS_STEPS: Final = (("blue", None), ("green", 1.0), ("red", 2.0))

PHASE_TEXTS: Final = {
    "Initializing": ("Initializing", "blue"),
    "Initialized": ("Initialized", "green"),
    "Waiting": ("Waiting", "yellow"),
    "Progressing": ("Progressing", "blue"),
    "WaitingPromotion": ("WaitingPromotion", "yellow"),
    "Promoting": ("Promoting", "blue"),
    "Finalising": ("Finalising", "blue"),
    "Succeeded": ("Succeeded", "green"),
    "Failed": ("Failed", "red"),
    "Terminating": ("Terminating", "text"),
    "Terminated": ("Terminated", "text"),
}
READY_TEXTS: Final = {1: ("Ready", "green"), 0: ("not Ready", "orange")}

RATE: Final = "$__rate_interval"
STEP: Final = "$__interval"
SHOWN: Final = "$__range"

OF_NAMESPACE: Final = 'namespace=~"$namespace"'
READY: Final = f"serin_canary_ready{{{OF_NAMESPACE}}}"

_NONE: Final = "none"
_WHAT: Final = "what"
WHAT: Final = f"{{{{{_WHAT}}}}}"
"""The legend of `happened`: Grafana would write the name of a label that a series does not have."""


def or_zero(expression: str) -> str:
    """Show 0 where there is nothing."""
    return f"{expression} or vector(0)"


def or_none(expression: str, label: str) -> str:
    """Show 0 of "none" where there is nothing that has the label."""
    return f'{expression} or on () label_replace(vector(0), "{label}", "{_NONE}", "", "")'


def grown(counter: str, selected: str, by: str, window: str) -> str:
    """Count what happened in the window, with what is counted for the first time.

    A series with a new label's value begins at its first count, and `increase` misses what it is born with. It
    counts in full if the agent was scraped before the window: all are new to a Prometheus that has just started.
    """
    series = f"{counter}{selected}"
    born = f"({series} unless {series} offset {window}) and on (instance) serin_agent_leading offset {window}"
    return f"round(sum by ({by}) ({born} or increase({series}[{window}])))"


def happened(counter: str, *labels: str) -> str:
    """Count what there was any of by these labels, under the legend WHAT: counters of all that may come stand at 0."""
    named = ", ".join(f'"{label}"' for label in labels)
    some = f"{grown(counter, '', ', '.join(labels), RATE)} > 0"
    return or_none(f'label_join({some}, "{_WHAT}", " ", {named})', _WHAT)


def quantile(share: float, histogram: str, by: str, window: str, selected: str = "") -> str:
    """Return a quantile of a histogram over the window; nothing where nothing was measured."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (increase({histogram}_bucket{selected}[{window}]))) >= 0"
