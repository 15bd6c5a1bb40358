"""What the shipped Envoy says of a configuration, without serving it: `envoy --mode validate`, a tenth of a second."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]

_ENVOY: Final = Path(sys.executable).parent / "envoy"
_TYPE: Final = "type.googleapis.com/envoy.extensions.filters"
_PATIENCE_S: Final = 120.0
GLOOS_PROGRAM_SIZE: Final = 1_024
"""Instructions of a regular expression that Gloo lets Envoy take since 1.15 (`regexMaxProgramSize`)."""


def refusal(virtual_hosts: list[Json], folder: Path) -> str:
    """Return what Envoy says against the virtual hosts, empty when it takes them; `folder` takes its file."""
    path = folder / "envoy.json"
    path.write_text(json.dumps(_bootstrap(virtual_hosts)))
    command = [str(_ENVOY), "--mode", "validate", "-c", str(path), "-l", "error"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_PATIENCE_S)
    if done.returncode == 0:
        return ""
    said = (done.stdout + done.stderr).rpartition("error initializing configuration")[2]
    return said or f"Envoy ended with {done.returncode}"


def refusal_of_route(route: Json, folder: Path) -> str:
    """Return what Envoy says against one route."""
    return refusal([{"name": "all", "domains": ["*"], "routes": [route]}], folder)


def _bootstrap(virtual_hosts: list[Json]) -> Json:
    manager = {
        "@type": f"{_TYPE}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "route_config": {"name": "routes", "validate_clusters": False, "virtual_hosts": virtual_hosts},
        "http_filters": [
            {"name": "envoy.filters.http.cors", "typed_config": {"@type": f"{_TYPE}.http.cors.v3.Cors"}},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_TYPE}.http.router.v3.Router"}},
        ],
    }
    listener = {
        "name": "gateway",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 8080}},
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    # Gloo writes its limit into each regular expression, the sandbox into none.
    limit = {"re2.max_program_size.error_level": GLOOS_PROGRAM_SIZE}
    return {
        "static_resources": {"listeners": [listener]},
        "layered_runtime": {"layers": [{"name": "limits", "static_layer": limit}]},
    }
