"""What the loops of all canaries share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from agent.apply import Applier
from agent.ask import Asker
from agent.caches import Caches
from agent.fault_injection import FaultInjection
from agent.flagger import FlaggerWatch
from agent.limits.runs import RunQueue
from agent.managed_objects import ManagedObjects
from agent.observe import Observer
from agent.providers.alerts.dispatcher import AlertDispatcher
from agent.providers.routing.port import Routing
from agent.reporting.event_hooks import EventHooks
from agent.series.agent_metrics import AgentMetrics
from agent.turns import Turns
from kube.client import Client
from kube.events import EventRecorder


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentServices:
    """The services of one agent, each of them one for all canaries.

    `process` names this process and no other, a restarted one neither. `now_s` returns seconds since the epoch,
    `is_leader` whether this process may write in a namespace. `judges_by_evidence`: so are builtin checks that say
    nothing of it.
    """

    client: Client
    caches: Caches
    managed: ManagedObjects
    observer: Observer
    routing: Routing
    asker: Asker
    applier: Applier
    recorder: EventRecorder
    alerts: AlertDispatcher
    event_hooks: EventHooks
    flagger: FlaggerWatch
    metrics: AgentMetrics
    faults: FaultInjection
    process: str
    now_s: Callable[[], float]
    is_leader: Callable[[str], bool] = lambda _: True
    judges_by_evidence: bool = False
    turns: Turns = field(default_factory=Turns)
    runs: RunQueue = field(default_factory=RunQueue)
