"""The programs that hooks are made of: those that an image of the load tester has beside what Debian brings."""

import shutil
from typing import Final

PROGRAMS: Final = ("bash", "bats", "curl", "ghz", "grpc_health_probe", "helm", "hey", "jq", "kubectl", "wget", "wrk")
"""Those of Flagger's image, but for git. An image of somebody's own may have fewer, or more."""


def missing(program: str) -> str:
    """Say that a program is not there, and which are."""
    there = ", ".join(name for name in PROGRAMS if shutil.which(name))
    return f"{program} is not in this image; it has {there or 'none of the usual ones'}"
