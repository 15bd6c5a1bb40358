"""The sandbox's own life: up, up again, killed, broken, down. Bare clusters, in state directories of their own."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sandbox.paths import bin_dir
from tests.support.cluster import REPOSITORY, Cluster
from tests.support.processes import alive, holder_pid, init_pid, name_of, processes


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The state directory that this module's tests share, and its end."""
    found = Cluster(tmp_path_factory.mktemp("bare"))
    try:
        yield found
    finally:
        found.down()


@pytest.fixture
def bare(shared: Cluster) -> Cluster:
    """A cluster without Serin that is up, whatever the test before has done to it."""
    shared.up(with_serin=False)
    return shared


def wait_until(is_true: Callable[[], bool], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def is_open(url: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=1):
            return True
    except OSError:
        return False


def test_up_again_is_harmless(bare: Cluster) -> None:
    before = holder_pid(bare), bare.endpoints
    assert "is up" in bare.up(with_serin=False)
    assert (holder_pid(bare), bare.endpoints) == before


def test_status_names_each_part_and_where_to_reach_the_cluster(bare: Cluster) -> None:
    told = bare.sandbox("status")
    assert told.startswith("ready\n")
    for part in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "node", "kube-proxy", "dns"):
        assert f"  {part} " in told
        assert (bare.state / "logs" / f"{part}.log").exists()
    for name, url in bare.endpoints.items():
        assert name in told
        assert url in told


def test_kubectl_reaches_the_cluster_from_the_host_and_keeps_its_exit_code(bare: Cluster) -> None:
    assert "Ready" in bare.kubectl("get", "nodes")
    missing = bare.try_sandbox("kubectl", "get", "pod", "missing")
    assert missing.returncode == 1
    assert 'pods "missing" not found' in missing.stderr


def test_run_keeps_the_working_directory_and_the_exit_code(bare: Cluster) -> None:
    done = bare.try_sandbox("run", "sh", "-c", "pwd; exit 7")
    assert (done.returncode, done.stdout.strip()) == (7, str(Path.cwd()))


def test_a_service_answers_on_its_cluster_ip_and_by_name(bare: Cluster) -> None:
    assert '"minor": "36"' in bare.run("curl", "--silent", "--insecure", "https://10.96.0.1/version")
    ca = bare.state / "run" / "pki" / "ca.crt"
    assert '"minor": "36"' in bare.run("curl", "--silent", "--cacert", str(ca), "https://kubernetes.default/version")


def test_names_of_services_resolve_and_others_do_not(bare: Cluster) -> None:
    assert bare.run("getent", "hosts", "kubernetes.default").startswith("10.96.0.1 ")
    gateway = bare.kubectl("-n", "gloo-system", "get", "service", "gateway-proxy", "-o", "jsonpath={.spec.clusterIP}")
    assert bare.run("getent", "hosts", "gateway-proxy.gloo-system").startswith(f"{gateway} ")
    assert bare.try_sandbox("run", "getent", "hosts", "missing.default").returncode == 2


def test_the_gateway_is_reachable_from_the_host(bare: Cluster) -> None:
    answer = subprocess.run(
        ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", bare.endpoints["gateway"]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "404", "Envoy answers, and has no route yet"


def test_an_unknown_log_is_refused_with_those_that_exist(bare: Cluster) -> None:
    done = bare.try_sandbox("logs", "nonsense")
    assert done.returncode == 1
    assert "no log of 'nonsense'" in done.stderr
    assert "kube-apiserver" in done.stderr
    assert bare.sandbox("logs", "apply-gloo").startswith("namespace/gloo-system created")


@pytest.mark.parametrize("victim", [init_pid, holder_pid], ids=["first-process", "holder"])
def test_a_killed_cluster_leaves_nothing_and_comes_up_again(bare: Cluster, victim: Callable[[Cluster], int]) -> None:
    before, doors = processes(bare), list(bare.endpoints.values())
    assert len(before) > 8
    os.kill(victim(bare), signal.SIGKILL)
    assert "ready in" in bare.up(with_serin=False), "not taken for the one that was killed"
    assert not alive(before)
    assert not any(is_open(url) for url in doors)
    assert "Ready" in bare.kubectl("get", "nodes")


def test_a_part_that_dies_ends_the_cluster_and_is_named(bare: Cluster) -> None:
    scheduler = next(pid for pid in processes(bare) if name_of(pid) == "kube-scheduler")
    os.kill(scheduler, signal.SIGKILL)
    wait_until(lambda: bare.try_sandbox("status").stdout.startswith("down\n"))
    assert "kube-scheduler ended with code -9; the last lines of" in bare.try_sandbox("status").stdout


# Holds a bare cluster, says so, and waits for its own end.
HOLD = """
import sys, time
from pathlib import Path
from sandbox import lifeline
from sandbox.paths import State
from tests.support.cluster import Cluster

state = Path(sys.argv[1])
with lifeline.hold(State(state).lifeline):
    Cluster(state).sandbox("up", "--held", "--without-serin")
    print("up", flush=True)
    time.sleep(3600)
"""


@contextmanager
def holding(state: Path) -> Iterator["subprocess.Popen[str]"]:
    """Have another process hold the cluster in a state directory, and end it after the block if it lives."""
    command = [sys.executable, "-c", HOLD, str(state)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "up\n"
            yield holder
        finally:
            holder.kill()


@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGTERM, id="SIGTERM", marks=pytest.mark.long), pytest.param(signal.SIGKILL, id="SIGKILL")],
)
def test_a_held_cluster_ends_when_its_last_holder_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    cluster = Cluster(tmp_path)
    with holding(tmp_path) as first:
        before = processes(cluster)
        assert len(before) > 8
        with holding(tmp_path) as second:
            first.send_signal(number)
            first.wait()
            assert "Ready" in cluster.kubectl("get", "nodes"), "the second one needs it"
            second.send_signal(number)
            second.wait()
            wait_until(lambda: not alive(before))


def test_down_leaves_no_process_and_no_door(bare: Cluster) -> None:
    before, doors = processes(bare), list(bare.endpoints.values())
    assert bare.down() == "stopped\n"
    wait_until(lambda: not alive(before))
    assert not any(is_open(url) for url in doors)
    assert bare.down() == "is not up\n"
    assert bare.try_sandbox("status").returncode == 1
    log = (bare.state / "logs" / "init.log").read_text()
    assert log.index("stopping node") < log.index("stopping kube-apiserver") < log.index("stopping etcd")


def test_a_part_that_fails_is_named_with_its_last_lines(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for built in bin_dir().iterdir():
        (tools / built.name).symlink_to(built)
    broken = tools / "kube-scheduler"
    broken.unlink()
    broken.write_text("#!/bin/sh\necho no such luck >&2\nexit 7\n")
    broken.chmod(0o755)
    cluster = Cluster(tmp_path / "state", environment={"SERIN_SANDBOX_BIN": str(tools)})
    done = cluster.try_sandbox("up", "--without-serin")
    assert done.returncode == 1
    assert done.stderr.startswith("sandbox: kube-scheduler ended with code 7; the last lines of ")
    assert done.stderr.endswith("\n    no such luck\n")
    assert cluster.down() == "is not up\n"


def test_ctrl_c_during_up_tears_down(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    with cluster.start_sandbox("up", "--without-serin") as starting:
        wait_until((tmp_path / "logs" / "kube-apiserver.log").exists)
        starting.send_signal(signal.SIGINT)
        assert starting.wait(timeout=20) == 130
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
