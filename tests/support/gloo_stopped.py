"""The gateway without its control plane: it serves on what it served last, and says nothing any more."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.cluster import Cluster


@contextmanager
def gloo_stopped(cluster: Cluster) -> Iterator[None]:
    """Stop the stand-in for Gloo: what it served last is served on, as by a real Envoy whose control plane died."""
    switch = ("-n", "gloo-system", "configmap", "sandbox-gloo")
    cluster.kubectl("create", *switch, "--from-literal=delays=stopped")
    try:
        yield
    finally:
        cluster.kubectl("delete", *switch)
