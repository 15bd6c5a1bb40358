"""Each chart has copies of what it needs of manifests/, and no copy is stale."""

import pytest

from tests.support.charts import CHARTS, MANIFESTS


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
