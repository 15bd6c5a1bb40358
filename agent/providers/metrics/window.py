"""The window of a question to servers whose queries have none of their own."""

from typing import Final

from agent.providers.metrics.port import Question

_INTERVALS: Final = 10
"""Flagger's: such servers get their samples late, so of one interval alone they may have none yet."""


def window_of(asked: Question) -> tuple[float, float]:
    """Return begin and end in seconds since the epoch: ten intervals, and nothing of before the revision's traffic."""
    return max(asked.now_s - _INTERVALS * asked.interval_s, asked.since_s), asked.now_s
