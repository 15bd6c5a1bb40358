"""The rows of `serin-overview` about our programs and what they talk to. Pure."""

from typing import Final

from dashboards.panels import (
    Ask,
    Looks,
    Panel,
    Row,
    counted,
    fixed,
    graph,
    override,
    override_by_pattern,
    stat,
    timeline,
)
from dashboards.queries import RATE, READY, WHAT, happened, or_none, quantile

_LEADS: Final = {1: ("leads", "green"), 0: ("stands by", "blue")}
_SECONDS: Final = Looks(unit="s", least=0)
_QUANTILES: Final = (override("p50", color=fixed("light-blue")), override("p99", color=fixed("blue")))
_OUTCOMES: Final = (
    override("none", color=fixed("text")),
    override_by_pattern(".*(failed|lost|error|refused|unavailable).*", color=fixed("red")),
)


def agent() -> Row:
    """Return how the agents are: who leads, and whether they keep up."""
    per_second = Looks(unit="ops", least=0)
    return Row(
        "Agent",
        (
            timeline(
                "Who leads",
                "Which agent decides, by shard: 0 alone is all canaries. Without one nothing is rolled back.",
                Ask("max by (instance, shard) (serin_shard_leader)", "{{instance}} {{shard}}"),
                looks=Looks(steps=(("blue", None), ("green", 1)), texts=_LEADS, nothing="no agent is scraped"),
                width=12,
                height=8,
            ),
            graph(
                "Not Ready, by reason",
                "Canaries whose condition Ready is False, by its reason.",
                Ask(or_none(f"count by (reason) ({READY} == 0)", "reason"), "{{reason}}"),
                looks=Looks(decimals=0, least=0, overrides=(override("none", color=fixed("text")),)),
                is_stepped=True,
                is_stacked=True,
            ),
            graph(
                "Tick duration",
                "From a canary's wake-up to its next sleep. Hooks and metrics servers that are slow show here.",
                Ask(quantile(0.5, "serin_tick_seconds", "", RATE), "p50"),
                Ask(quantile(0.99, "serin_tick_seconds", "", RATE), "p99"),
                looks=Looks(unit="s", least=0, nothing="no ticks", overrides=_QUANTILES),
            ),
            graph(
                "Lateness",
                "How late due ticks begin, and how late the event loop is. Beyond a second it has too little CPU.",
                Ask(quantile(0.99, "serin_tick_lag_seconds", "", RATE), "ticks p99"),
                Ask(quantile(0.99, "serin_event_loop_lag_seconds", "", RATE), "event loop p99"),
                looks=_SECONDS,
            ),
            graph(
                "Ticks",
                "How often canaries wake up.",
                Ask(f"sum(rate(serin_tick_seconds_count[{RATE}]))", "ticks"),
                looks=per_second,
                width=8,
            ),
            graph(
                "Queues",
                "What waits in the agent: ticks, alerts, events, and calls of event hooks.",
                Ask("max by (queue) (serin_queue_length)", "{{queue}}"),
                looks=Looks(decimals=0, least=0),
                width=8,
            ),
            counted(
                "Tick errors",
                "Ticks that ended in an error, by its class.",
                Ask(happened("serin_tick_errors_total", "error"), WHAT),
                looks=Looks(decimals=0, least=0, overrides=_OUTCOMES),
                width=8,
            ),
        ),
    )


def neighbours() -> Row:
    """Return how metrics servers, the API server, hooks and chats answer the agent."""
    return Row(
        "What the agent talks to",
        (*_servers(), *_receivers()),
    )


def _servers() -> tuple[Panel, ...]:
    """Return how metrics servers and the API server answer."""
    return (
        graph(
            "Metrics servers",
            "How long metrics servers take to answer, p99 by type.",
            Ask(quantile(0.99, "serin_provider_request_seconds", "provider", RATE), "{{provider}}"),
            looks=Looks(unit="s", least=0, nothing="nothing was asked"),
        ),
        counted(
            "Errors of metrics servers",
            "Queries without an answer that can be used: unavailable is asked again, refused has to be mended.",
            Ask(
                happened("serin_provider_errors_total", "provider", "kind"),
                WHAT,
            ),
            looks=Looks(decimals=0, least=0, overrides=_OUTCOMES),
        ),
        graph(
            "Requests to the API server",
            "By verb and code.",
            Ask(f"sum by (verb, code) (rate(serin_api_requests_total[{RATE}]))", "{{verb}} {{code}}"),
            looks=Looks(unit="reqps", least=0),
        ),
        graph(
            "Latency of the API server",
            "The p99 by verb, without the watches.",
            Ask(quantile(0.99, "serin_api_request_seconds", "verb", RATE), "{{verb}}"),
            looks=Looks(unit="s", least=0, nothing="nothing was asked"),
        ),
    )


def _receivers() -> tuple[Panel, ...]:
    """Return how hooks and chats answer."""
    return (
        graph(
            "Hooks",
            "How long the hooks of canaries take to answer, p99 by type.",
            Ask(or_none(quantile(0.99, "serin_hook_seconds", "type", RATE), "type"), "{{type}}"),
            looks=Looks(unit="s", least=0, nothing="no hook was called"),
            width=8,
        ),
        counted(
            "Calls of hooks",
            "By type and outcome.",
            Ask(happened("serin_hook_calls_total", "type", "outcome"), WHAT),
            looks=Looks(decimals=0, least=0, overrides=_OUTCOMES),
            width=8,
        ),
        counted(
            "Alerts and event hooks",
            "Alerts to chats and events to hooks, by outcome: failed and lost ones did not arrive.",
            Ask(
                happened("serin_alerts_total", "provider_type", "outcome"),
                WHAT,
            ),
            Ask(
                happened("serin_event_hook_events_total", "outcome"),
                f"event hook {WHAT}",
            ),
            looks=Looks(decimals=0, least=0, overrides=_OUTCOMES),
            width=8,
        ),
    )


def admission() -> Row:
    """Return how the admission webhook is."""
    month_s = 30 * 24 * 3600.0
    return Row(
        "Admission webhook",
        (
            stat(
                "Certificate ends in",
                "The certificate is renewed 30 days before its end. Without one nothing is marked or explained.",
                Ask("min(serin_certificate_expiry_seconds)"),
                looks=Looks(
                    unit="s", steps=(("red", None), ("orange", month_s / 2), ("green", month_s)), nothing="not scraped"
                ),
                width=6,
                height=8,
            ),
            graph(
                "Admission requests",
                "By outcome: denied has a fault that was explained, failed was let through by an error of ours.",
                Ask(f"sum by (outcome) (rate(serin_admission_requests_total[{RATE}]))", "{{outcome}}"),
                looks=Looks(unit="reqps", least=0, nothing="no requests"),
                width=9,
            ),
            graph(
                "Admission latency",
                "What the webhook adds to a request, p99 by its entry.",
                Ask(quantile(0.99, "serin_admission_seconds", "entry", RATE), "{{entry}}"),
                looks=Looks(unit="s", least=0, nothing="no requests"),
                width=9,
            ),
        ),
    )
