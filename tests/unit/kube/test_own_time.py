"""What a thread computed and waited for a core, as the kernel tells."""

import time
from pathlib import Path

import pytest

from kube.own_time import own_s


def test_time_on_a_core_and_time_of_waiting_for_one_are_both_the_threads_own(tmp_path: Path) -> None:
    told = tmp_path / "schedstat"
    told.write_text("1250000000 750000000 42\n")
    assert own_s(str(told)) == 2.0


def test_where_the_kernel_tells_of_no_waits_it_is_the_time_on_a_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "thread_time", lambda: 1.5)
    assert own_s(str(tmp_path / "none")) == 1.5


def test_this_kernel_s_own_words_are_read() -> None:
    assert own_s() >= 0.0


@pytest.mark.parametrize("told", ["0 0 0\n", "", "what is this"])
def test_a_kernel_that_keeps_no_such_statistics_tells_of_no_waits(
    told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "schedstat").write_text(told)
    monkeypatch.setattr(time, "thread_time", lambda: 1.5)
    assert own_s(str(tmp_path / "schedstat")) == 1.5
