"""Unsent alerts in the status: written, read again, and left out where somebody wrote something else."""

from typing import Any

import pytest

from canary.run.mark import Mark
from canary.run.messages import Alert
from canary.run.unsent import Unsent, read_unsent, write_unsent

ALERT = Alert(
    "error",
    "Reasons",
    "because",
    has_settings=True,
    change=Mark("rev-2", "podinfod image 1 -> 2", "alice"),
    revision="rev-2",
    id="12.2",
    at_s=1_700_000_000.0,
)
FULL = (Unsent(ALERT, "test/team"), Unsent(ALERT, ""), Unsent(ALERT, "test/on-call", "agent-1_ab12"))
STORED: dict[str, Any] = {
    "id": "12.2",
    "at": "2023-11-14T22:13:20Z",
    "severity": "error",
    "text": "Reasons",
    "to": ["test/team", ""],
    "begun": ["test/on-call"],
    "begunBy": "agent-1_ab12",
    "reason": "because",
    "revision": "rev-2",
    "change": "podinfod image 1 -> 2",
    "by": "alice",
    "hasSettings": True,
}


def test_what_is_written_is_read_again() -> None:
    assert write_unsent(FULL) == [STORED]
    assert read_unsent([STORED]) == FULL


@pytest.mark.parametrize(
    "found",
    [
        None,
        "x",
        {},
        [1],
        [STORED | {"text": ""}],
        [STORED | {"severity": "loud"}],
        [STORED | {"at": "soon"}],
        [STORED | {"to": "test/team", "begun": [1]}],
    ],
)
def test_what_somebody_else_wrote_is_left_out(found: object) -> None:
    assert read_unsent(found) == ()


def test_a_status_stays_small() -> None:
    [written] = write_unsent([Unsent(Alert("error", "x" * 5_000, "y" * 5_000, change=Mark("r", "z" * 5_000, "a")))])
    assert [len(written[key].encode()) for key in ("text", "reason", "change")] == [512, 512, 512]
    assert len(read_unsent([STORED | {"to": ["test/a"] * 60, "begun": []}] * 20)) == 16 * 50


def test_an_alert_to_many_chats_stands_in_the_status_once() -> None:
    many = [Unsent(ALERT, f"test/chat-{number}") for number in range(50)]
    [written] = write_unsent(many)
    assert written["to"] == [f"test/chat-{number}" for number in range(50)]
    assert read_unsent([written]) == tuple(many)
