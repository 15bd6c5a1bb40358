"""Rules for the generated services."""

import re
from collections.abc import Iterator

from canary.api.canary import Canary
from canary.api.names import RESERVED_PREFIXES
from canary.api.problems import Problem, field_path
from canary.api.service import CustomMetadata
from canary.rules.http_syntax import LABEL_VALUE, QUALIFIED_NAME, is_label_value, is_qualified_name

MAX_PORT = 65_535
TRAFFIC_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")

# Kubernetes' IANA_SVC_NAME: at most 15 characters, a letter among them, no dashes at the ends or side by side.
_PORT_NAME = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")

_PORT_NUMBER = re.compile(r"[1-9][0-9]{0,4}")

_SERVICE_PORT_NAME = re.compile(r"(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?")


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
        if isinstance(target_port, str) and _PORT_NUMBER.fullmatch(target_port):
            allowed = f"{target_port} without quotes: with them it is the name of a container's port"
        yield Problem("spec.service.targetPort", target_port, allowed)


def traffic_distribution_is_known(canary: Canary) -> Iterator[Problem]:
    written = canary.spec.service.traffic_distribution
    if written and written not in TRAFFIC_DISTRIBUTIONS:
        yield Problem("spec.service.trafficDistribution", written, f"one of {', '.join(TRAFFIC_DISTRIBUTIONS)}")


def port_name_is_a_label(canary: Canary) -> Iterator[Problem]:
    written = canary.spec.service.port_name
    if written and not _SERVICE_PORT_NAME.fullmatch(written):
        yield Problem("spec.service.portName", written, "lower-case letters, digits and '-', at most 63")


def app_protocol_is_a_name(canary: Canary) -> Iterator[Problem]:
    written = canary.spec.service.app_protocol
    if written and not is_qualified_name(written):
        yield Problem("spec.service.appProtocol", written, f"{QUALIFIED_NAME}, or http, https, tcp")


def metadata_can_be_stored(canary: Canary) -> Iterator[Problem]:
    """Refuse metadata for which the API server would refuse the service."""
    service = canary.spec.service
    for side, metadata in (("apex", service.apex), ("primary", service.primary), ("canary", service.canary)):
        yield from _metadata_problems(f"spec.service.{side}", metadata)


def _metadata_problems(path: str, metadata: CustomMetadata) -> Iterator[Problem]:
    for kind, entries in (("labels", metadata.labels), ("annotations", metadata.annotations)):
        for key, value in entries.items():
            if key.startswith(RESERVED_PREFIXES):
                allowed = f"for its key: none that begins with {' or '.join(RESERVED_PREFIXES)}; it is left out"
                yield Problem(field_path(path, kind, key), value, allowed, spares_stored=True)
    for key, value in metadata.labels.items():
        if not is_qualified_name(key):
            yield Problem(field_path(path, "labels", key), value, f"for its key: {QUALIFIED_NAME}")
        elif not is_label_value(value):
            yield Problem(field_path(path, "labels", key), value, LABEL_VALUE)
    for key, value in metadata.annotations.items():
        if not is_qualified_name(key.lower()):
            yield Problem(field_path(path, "annotations", key), value, f"for its key: {QUALIFIED_NAME}")


SERVICE_RULES = (
    port_is_in_range,
    target_port_is_a_port,
    traffic_distribution_is_known,
    port_name_is_a_label,
    app_protocol_is_a_name,
    metadata_can_be_stored,
)
