"""Where hooks that call ghz find the description of gRPC's health service."""

from pathlib import Path

import pytest

from loadtester.health_proto import PLACE, place_health_proto


def test_hooks_made_for_flagger_find_it_where_they_name_it() -> None:
    assert str(PLACE) == "/tmp/ghz/health.proto"


def test_it_describes_the_health_service(tmp_path: Path) -> None:
    place_health_proto(tmp_path / "ghz" / "health.proto")

    text = (tmp_path / "ghz" / "health.proto").read_text()
    assert "package grpc.health.v1;" in text
    assert "rpc Check(HealthCheckRequest) returns (HealthCheckResponse);" in text


def test_one_that_is_there_stays(tmp_path: Path) -> None:
    place = tmp_path / "health.proto"
    place.write_text("the user's own")
    place_health_proto(place)

    assert place.read_text() == "the user's own"


def test_a_folder_that_can_not_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    place_health_proto(tmp_path / "file" / "health.proto")

    assert "hooks that call ghz find no" in caplog.text
