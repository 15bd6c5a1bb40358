"""Rendering: what Helm makes of the charts, and kustomize of the manifests."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sandbox.paths import bin_dir
from tests.support.cluster import REPOSITORY

CHARTS = REPOSITORY / "charts"
MANIFESTS = REPOSITORY / "manifests"

Json = dict[str, Any]
Key = tuple[str, str, str]
"""Kind, namespace (empty for what belongs to the cluster), name."""

# A Helm that was built from its module calls itself one for Kubernetes 1.20.
KUBERNETES = "1.34.0"


def helm(*arguments: str, version: int = 4) -> subprocess.CompletedProcess[str]:
    """Run Helm 3 or 4."""
    program = bin_dir() / f"helm{version}"
    assert program.exists(), f"{program} is missing: python -m sandbox build helm3 helm4"
    return subprocess.run([str(program), *arguments], check=False, capture_output=True, text=True)


def render(
    chart: str = "serin",
    *files: Path,
    release: str = "",
    namespace: str = "gloo-system",
    values: Mapping[str, Any] | None = None,
    version: int = 4,
) -> list[Json]:
    """Return the objects of a chart; what Helm refuses fails the test."""
    done = template(chart, *files, release=release, namespace=namespace, values=values, version=version)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if document]


def template(
    chart: str = "serin",
    *files: Path,
    release: str = "",
    namespace: str = "gloo-system",
    values: Mapping[str, Any] | None = None,
    version: int = 4,
    more: tuple[str, ...] = ("--kube-version", KUBERNETES),
) -> subprocess.CompletedProcess[str]:
    """Render a chart and return what Helm says."""
    return _template(chart, files, release or chart, namespace, json.dumps(values or {}), version, more)


@cache
def _template(
    chart: str,
    files: tuple[Path, ...],
    release: str,
    namespace: str,
    values: str,
    version: int,
    more: tuple[str, ...],
) -> subprocess.CompletedProcess[str]:
    given = [f"--set-json={key}={json.dumps(value)}" for key, value in json.loads(values).items()]
    named = [f"--values={file}" for file in files]
    arguments = ["template", release, str(CHARTS / chart), "--namespace", namespace, *named, *given, *more]
    return helm(*arguments, version=version)


def notes(
    chart: str = "serin", *files: Path, values: Mapping[str, Any] | None = None, namespace: str = "gloo-system"
) -> str:
    """Return what Helm tells after an installation."""
    given = [f"--set-json={key}={json.dumps(value)}" for key, value in (values or {}).items()]
    named = [f"--values={file}" for file in files]
    release = "flagger-loadtester" if chart == "loadtester" else chart
    done = helm("install", release, str(CHARTS / chart), "-n", namespace, "--dry-run=client", *named, *given)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("NOTES:\n")[2]


@cache
def kustomize(folder: Path) -> tuple[Json, ...]:
    """Return the objects of a kustomization."""
    command = [str(bin_dir() / "kubectl"), "kustomize", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return tuple(document for document in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if document)


def by_key(objects: Iterable[Json]) -> dict[Key, Json]:
    """Return objects by what names them; a second one of a name fails the test."""
    found: dict[Key, Json] = {}
    for one in objects:
        key = (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"])
        assert key not in found, f"twice: {key}"
        found[key] = one
    return found


def pod_of(objects: Iterable[Json], deployment: str) -> Json:
    """Return the pod of a Deployment."""
    found = [one for one in objects if one["kind"] == "Deployment" and one["metadata"]["name"] == deployment]
    assert len(found) == 1, deployment
    pod: Json = found[0]["spec"]["template"]["spec"]
    return pod
