"""Rules for the generated services."""

import re
from collections.abc import Iterator

from canary.model.canary import Canary
from canary.problems import Problem

MAX_PORT = 65_535
TRAFFIC_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")

# Kubernetes' IANA_SVC_NAME: at most 15 characters, a letter among them, no dashes at the ends or side by side.
_PORT_NAME = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")


def port_is_in_range(canary: Canary) -> Iterator[Problem]:
    port = canary.spec.service.port
    if not 1 <= port <= MAX_PORT:
        is_written = "port" in canary.spec.service.model_fields_set
        yield Problem("spec.service.port", port if is_written else None, f"a port from 1 to {MAX_PORT}")


def target_port_is_a_port(canary: Canary) -> Iterator[Problem]:
    target_port = canary.spec.service.target_port
    if not target_port:
        return
    is_valid = _PORT_NAME.fullmatch(target_port) if isinstance(target_port, str) else 1 <= target_port <= MAX_PORT
    if not is_valid:
        allowed = f"a port from 1 to {MAX_PORT}, or the name of a container's port (a-z, 0-9 and '-', at most 15)"
        yield Problem("spec.service.targetPort", target_port, allowed)


def traffic_distribution_is_known(canary: Canary) -> Iterator[Problem]:
    written = canary.spec.service.traffic_distribution
    if written and written not in TRAFFIC_DISTRIBUTIONS:
        yield Problem("spec.service.trafficDistribution", written, f"one of {', '.join(TRAFFIC_DISTRIBUTIONS)}")


SERVICE_RULES = (port_is_in_range, target_port_is_a_port, traffic_distribution_is_known)
