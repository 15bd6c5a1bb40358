"""A short run of the coverage-guided fuzzer; `make fuzz` goes on for longer."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
RUNS = 2_000

# Who asks for a long run is not to take a skipped one for it.
if "SERIN_FUZZ_RUNS" not in os.environ:
    pytest.importorskip("atheris", reason="atheris has no wheel for this Python or machine")


def _review(kind: str, spec: dict[str, Any], operation: str = "UPDATE", **old: Any) -> dict[str, Any]:
    group, version = ("apps", "v1") if kind == "Deployment" else ("flagger.app", "v1beta1")
    obj = {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": {"name": "podinfo", "namespace": "test"}}
    request = {
        "uid": "1",
        "kind": {"group": group, "version": version, "kind": kind},
        "resource": {"group": group, "version": version, "resource": f"{kind.lower()}s"},
        "namespace": "test",
        "name": "podinfo",
        "operation": operation,
        "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
        "object": obj | {"spec": spec},
        "oldObject": (obj | {"spec": spec | old}) if operation == "UPDATE" else None,
        "dryRun": False,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def _template(tag: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "podinfod", "image": f"podinfo:{tag}", "env": [{"name": "A"}]}]}}


def _seeds() -> list[bytes]:
    analysis = {
        "interval": "1m",
        "stepWeights": [1, 50],
        "iterations": 2,
        "match": [{"headers": {"x": {"regex": "a.*"}}}],
        "metrics": [
            {"name": "request-success-rate", "thresholdRange": {"min": 99}},
            {"name": "q", "query": "up == 1"},
            {"name": "t", "templateRef": {"name": "a"}, "templateVariables": {"x": "b"}, "threshold": 1},
        ],
        "alerts": [{"name": "chat", "providerRef": {"name": "podinfo"}}],
        "webhooks": [{"name": "gate", "type": "confirm-rollout", "url": "http://a.b/"}],
    }
    canary = {
        "targetRef": {"kind": "Deployment", "name": "podinfo"},
        "autoscalerRef": {"kind": "HorizontalPodAutoscaler", "name": "podinfo"},
        "upstreamRef": {"kind": "Upstream", "name": "podinfo"},
        "service": {"port": 80, "headers": {"request": {"set": {"x": "%REQ(a)%"}}}},
        "analysis": analysis,
    }
    template = {"provider": {"type": "prometheus", "address": "http://p"}, "query": "sum(rate(x[{{ interval }}]))"}
    reviews = [
        _review("Deployment", {"template": _template("2")}, template=_template("1")),
        _review("Canary", canary, "CREATE"),
        _review("Canary", canary, service={"port": 81}),
        _review("MetricTemplate", {**template}, "CREATE"),
        _review("AlertProvider", {"type": "slack", "address": "https://a.b/"}, "CREATE"),
    ]
    return [json.dumps(review).encode() for review in reviews]


def test_whatever_bytes_come_each_entry_gives_a_review_or_says_what_is_wrong(tmp_path: Path) -> None:
    corpus, found = tmp_path / "corpus", tmp_path / "found"
    corpus.mkdir()
    found.mkdir()
    for number, seed in enumerate(_seeds()):
        (corpus / str(number)).write_bytes(seed)
    runs = os.environ.get("SERIN_FUZZ_RUNS", str(RUNS))
    first = "0" if "SERIN_FUZZ_RUNS" in os.environ else "1"  # 0 is another one each time
    limits = [f"-runs={runs}", f"-seed={first}", "-timeout=30", "-rss_limit_mb=1024", f"-artifact_prefix={found}/"]
    command = [sys.executable, "-m", "tests.fuzz.reviews", str(corpus), "-max_len=65536", *limits]
    done = subprocess.run(command, check=False, cwd=REPOSITORY, capture_output=True, text=True)
    inputs = {path.name: path.read_bytes() for path in found.iterdir()}
    assert done.returncode == 0, f"{done.stderr[-4000:]}\nfound with: {inputs}"
