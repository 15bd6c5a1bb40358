"""Building the Go programs, with a stand-in for the compiler."""

import re
from pathlib import Path

import pytest

from sandbox import tools
from sandbox.paths import REPOSITORY

COMPILER = """#!/bin/sh
case "$1" in
version) echo "go version go1.26.8 linux/amd64" ;;
install)
    echo "$PWD $CGO_ENABLED $*" >> "$GOBIN/compiled"
    echo "some/package" >&2
    test -z "$BROKEN" || { echo "undefined: nonsense" >&2; exit 1; }
    touch "$GOBIN/${BUILT:-server}" ;;
esac
"""


@pytest.fixture
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tools' folder of its own, and a compiler in front of PATH."""
    compiler = tmp_path / "path" / "go"
    compiler.parent.mkdir()
    compiler.write_text(COMPILER)
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(compiler.parent), prepend=":")
    monkeypatch.setenv("SERIN_SANDBOX_BIN", str(tmp_path / "bin"))
    return tmp_path / "bin"


def test_a_fresh_checkout_builds_every_module_once(bin_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tools.missing_tools() == ["cluster", "prometheus"]
    tools.build()
    assert tools.missing_tools() == []
    tools.build()
    compiled = (bin_dir / "compiled").read_text().splitlines()
    assert [Path(line.split()[0]).name for line in compiled] == ["cluster", "prometheus"]
    assert all(line.split()[1] == "0" for line in compiled), "built without cgo"
    assert "built cluster in" in capsys.readouterr().out


def test_kubernetes_has_the_version_of_its_module_stamped_in(bin_dir: Path) -> None:
    tools.build()
    cluster, prometheus = (bin_dir / "compiled").read_text().splitlines()
    assert "-X=k8s.io/component-base/version.gitVersion=v1.36.3 " in cluster
    assert "-X=k8s.io/component-base/version.gitMajor=1 " in cluster
    assert "-X=k8s.io/component-base/version.gitMinor=36 " in cluster
    assert "-X=" not in prometheus


def test_promtool_is_of_prometheus_version_and_without_the_clouds_that_it_could_discover(bin_dir: Path) -> None:
    tools.build(["prometheus", "promtool"])
    prometheus, promtool = (bin_dir / "compiled").read_text().splitlines()
    assert "-tags=remove_all_sd,enable_kubernetes_sd" in prometheus
    assert "-tags=remove_all_sd,enable_kubernetes_sd" in promtool
    versions = [
        re.findall(
            r"github.com/prometheus/prometheus v\S+", (REPOSITORY / "sandbox" / "tools" / name / "go.mod").read_text()
        )
        for name in ("prometheus", "promtool")
    ]
    assert versions[0] == versions[1] != []


def test_etcd_gets_its_own_name(bin_dir: Path) -> None:
    tools.build(["cluster"])
    assert (bin_dir / "etcd").exists()
    assert not (bin_dir / "server").exists()


def test_what_no_cluster_needs_is_built_where_it_is_asked_for(bin_dir: Path) -> None:
    tools.build(["helm3", "helm4"])
    assert tools.missing_tools(["helm3", "helm4"]) == []
    assert tools.missing_tools() == ["cluster", "prometheus"]
    assert [Path(line.split()[0]).name for line in (bin_dir / "compiled").read_text().splitlines()] == [
        "helm3",
        "helm4",
    ]


def test_the_two_helms_get_names_of_their_own(bin_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILT", "helm")
    tools.build(["helm3"])
    tools.build(["helm4"])
    assert {"helm3", "helm4"} <= {path.name for path in bin_dir.iterdir()}
    assert not (bin_dir / "helm").exists()


def test_a_changed_go_mod_is_built_again(bin_dir: Path) -> None:
    tools.build()
    (bin_dir / ".cluster.built").write_text("the hash of another go.mod")
    assert tools.missing_tools() == ["cluster"]


def test_a_failed_build_ends_with_the_compilers_words_and_is_tried_again(
    bin_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKEN", "yes")
    with pytest.raises(tools.BuildError, match=r"building cluster failed:\nsome/package\nundefined: nonsense"):
        tools.build()
    assert tools.missing_tools() == ["cluster", "prometheus"]


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26)),
        ("go version go1.19 linux/arm64", (1, 19)),
        ("go version go1.27rc1 linux/amd64", (1, 27)),
        ("", (0, 0)),
    ],
)
def test_the_version_of_a_toolchain(answer: str, version: tuple[int, int], tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\necho '{answer}'\n")
    go.chmod(0o755)
    assert tools.go_version(str(go)) == version
