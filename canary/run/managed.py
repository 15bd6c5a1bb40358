"""The objects of a canary that the agent keeps as rendered."""

from enum import StrEnum


class ManagedObject(StrEnum):
    """A generated object of a canary, except the primary workload: that one changes by promotion alone.

    `FORMER_SCALER` is to go: a copy of a scaler that the spec names no longer, as long as it scales the primary. Two
    are the users' own: `TARGET_SCALER`, a ScaledObject, is due when it is not paused though the target is at zero;
    `CANARY_CONFIG` when the target's pods run the analysed revision, but were started with another configuration.
    `PRIMARY_CONFIG` is all copies that the primary is configured by, and due when one is missing or is used no more.
    """

    APEX_SERVICE = "apex service"
    PRIMARY_SERVICE = "primary service"
    CANARY_SERVICE = "canary service"
    FORMER_SCALER = "former primary scaler"
    PRIMARY_SCALER = "primary scaler"
    TARGET_SCALER = "target scaler"
    CANARY_CONFIG = "canary configuration"
    PRIMARY_CONFIG = "primary configuration"
    PRIMARY_UPSTREAM = "primary upstream"
    CANARY_UPSTREAM = "canary upstream"
    ROUTE = "route"
