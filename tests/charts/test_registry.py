"""The charts as OCI artifacts: what is pushed to a registry is what is pulled from it, by both versions of Helm."""

import tarfile
from pathlib import Path

import pytest

from tests.support.charts import CHARTS, helm
from tests.support.registry import registry


def contents(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as packed:
        found = {member.name: packed.extractfile(member) for member in packed.getmembers() if member.isfile()}
        return {name: file.read() for name, file in found.items() if file is not None}


@pytest.mark.parametrize("version", [3, 4])
def test_what_is_pulled_is_what_was_pushed(tmp_path: Path, version: int) -> None:
    with registry(tmp_path / "registry") as address:
        for chart in ("serin", "loadtester"):
            packed, pulled = tmp_path / "packed", tmp_path / "pulled"
            repository = f"oci://{address}/charts"
            for arguments in (
                ("package", str(CHARTS / chart), f"--destination={packed}"),
                ("push", str(packed / f"{chart}-0.2.0.tgz"), repository, "--plain-http"),
                ("pull", f"{repository}/{chart}", "--version=0.2.0", "--plain-http", f"--destination={pulled}"),
            ):
                pulled.mkdir(exist_ok=True)
                done = helm(*arguments, version=version)
                assert done.returncode == 0, done.stderr
            files = contents(pulled / f"{chart}-0.2.0.tgz")
            assert files == contents(packed / f"{chart}-0.2.0.tgz")
            assert {f"{chart}/Chart.yaml", f"{chart}/values.schema.json"} <= files.keys()
        # What the pull of a user who names it wrongly says.
        absent = helm("pull", f"oci://{address}/charts/serin", "--version=9.9.9", "--plain-http", version=version)
        assert absent.returncode != 0
        assert "9.9.9" in absent.stderr
