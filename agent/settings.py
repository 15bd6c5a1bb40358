"""The agent's settings: its command line, read."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from agent.limits.runs import RunLimits
from render.labels import FLAGGERS_LABELS, LabelSettings
from service.installation import DEFAULT_NAMESPACE, trusted_namespaces

FIELD_MANAGER: Final = "serin"
EVENT_REASON: Final = "Synced"

CONFIG_READS_S: Final = 60.0


class ConfigTracking(StrEnum):
    """How the agent follows what targets are configured by: not at all, by reading it one by one, or by a watch."""

    OFF = "off"
    REFERENCED = "referenced"
    WATCH = "watch"


class Judge(StrEnum):
    """How the builtin checks are judged that say nothing of it: by their thresholds, or by evidence."""

    THRESHOLD = "threshold"
    EVIDENCE = "evidence"


class PageAuth(StrEnum):
    """Who may look at the page: whoever may forward a port to the pod, or whose token the API server knows."""

    NONE = "none"
    TOKEN = "token"  # noqa: S105  the word for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The command line, read. Times are seconds.

    `pod_uid`, if any, names the agent in its Lease: who is restarted in the same pod goes on as its holder at once.
    `namespace` limits the agent to one, empty is all. `metrics_server` is the Prometheus of the builtin checks where a
    canary names none. `query_timeout_s` bounds one query; a hook has its own timeout. `slack_url`, if any,
    gets the alerts of the canaries that name no chat of their own; url, token and proxy are secrets. `event_webhook`,
    if any, gets the events of the canaries that name no event hook of their own. `pod_namespace` is where the agent
    itself runs, empty where that is not known. A Flagger is looked for in `flagger_namespaces`, too, see
    `trusts_flaggers_of`. What users name is asked in `allowed_address_ranges` even where such addresses are refused.
    `config_reads_s` is the time between two reads of what a target refers to while its template stays as it is.
    `labels` are Flagger's two settings of labels. `allows_across`: canaries may refer to objects in other namespaces.
    `gateway_namespaces`: whose series the builtin checks count, empty for anybody's. `hook_key` signs what hooks are
    sent. `identity_namespaces`, see `lends_identity_to`. `page_port` is None where there is no page. `shards` is how
    many leaders share the namespaces.
    """

    metrics_server: str
    namespace: str = ""
    port: int = 8080
    log_level: str = "info"
    kubeconfig: Path | None = None
    is_leader_election_on: bool = True
    leader_election_namespace: str = DEFAULT_NAMESPACE
    shards: int = 1
    pod_uid: str = ""
    query_timeout_s: float = 10.0
    slack_url: str = field(default="", repr=False)
    slack_token: str = field(default="", repr=False)
    slack_proxy_url: str = field(default="", repr=False)
    slack_channel: str = ""
    slack_user: str = ""
    msteams_url: str = field(default="", repr=False)
    msteams_proxy_url: str = field(default="", repr=False)
    cluster_name: str = ""
    event_webhook: str = field(default="", repr=False)
    pod_namespace: str = ""
    flagger_namespaces: tuple[str, ...] = ()
    allowed_address_ranges: tuple[str, ...] = ()
    config_tracking: ConfigTracking = ConfigTracking.REFERENCED
    config_reads_s: float = CONFIG_READS_S
    labels: LabelSettings = FLAGGERS_LABELS
    allows_across: bool = True
    gateway_namespaces: tuple[str, ...] = ()
    hook_key: str = field(default="", repr=False)
    identity_namespaces: tuple[str, ...] = ()
    judge: Judge = Judge.THRESHOLD
    page_port: int | None = None
    page_auth: PageAuth = PageAuth.NONE
    run_limits: RunLimits = field(default_factory=RunLimits)

    @property
    def trusts_flaggers_of(self) -> frozenset[str]:
        """Return the namespaces in which a Flagger holds everything up."""
        own = (self.pod_namespace, self.leader_election_namespace, self.namespace)
        return trusted_namespaces(own, self.flagger_namespaces)

    @property
    def lends_identity_to(self) -> frozenset[str]:
        """Return the namespaces whose MetricTemplates may be asked for in the agent's own name at a cloud.

        Its own is one: who may write there can take over the agent anyway. `*` is all of them.
        """
        return frozenset({self.pod_namespace, *self.identity_namespaces}) - {""}
