"""Each chart has copies of what it needs of manifests/, and no copy is stale."""

import tomllib

import pytest
import yaml

from tests.support.charts import CHARTS, MANIFESTS
from tests.support.cluster import REPOSITORY


@pytest.mark.parametrize("chart", ["serin", "loadtester"])
def test_the_copies_are_what_make_charts_writes(chart: str) -> None:
    copies = CHARTS / chart / "files" / "manifests"
    folders = sorted(folder.name for folder in copies.iterdir())
    meant = {
        path.relative_to(MANIFESTS): path.read_text()
        for folder in folders
        for path in (MANIFESTS / folder).rglob("*")
        if path.is_file()
    }
    found = {path.relative_to(copies): path.read_text() for path in copies.rglob("*") if path.is_file()}
    assert meant
    assert found == meant, "a copy is stale: make charts"


@pytest.mark.parametrize("chart", ["serin", "loadtester"])
def test_a_chart_is_of_the_version_that_it_installs(chart: str) -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    about = yaml.safe_load((CHARTS / chart / "Chart.yaml").read_text())
    assert about["apiVersion"] == "v2"
    assert about["version"] == about["appVersion"] == version
