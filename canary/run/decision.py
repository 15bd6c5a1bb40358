"""What a decision is, and the few ways to make one."""

from dataclasses import dataclass

from canary.run.action import Action
from canary.run.judge import CheckResult
from canary.run.messages import Message
from canary.run.observation import Question
from canary.run.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Either a transition of the intent, or actions that make the world match it, or waiting; never two of them.

    `intent`: the state to store; its messages are sent once it is stored. `actions`: carried out in order.
    `questions`: the tick asks them and decides again with the answers. `remarks`: reported beside the messages, once
    for as long as they stay the same. `wake_after_s`: look again after so many seconds, None to sleep until something
    changes. `judged`: the checks that it was made from, as they were judged.
    """

    intent: State | None = None
    actions: tuple[Action, ...] = ()
    questions: frozenset[Question] = frozenset()
    remarks: tuple[Message, ...] = ()
    wake_after_s: float | None = None
    judged: tuple[CheckResult, ...] = ()


def act(*actions: Action) -> Decision:
    """Make the world match the intent; the next tick follows at once and looks at what came of it."""
    return Decision(actions=actions, wake_after_s=0)


def ask(*questions: Question) -> Decision:
    """Ask, then decide again with the answers."""
    return Decision(questions=frozenset(questions))


def wait(*remarks: Message | None, seconds: float | None = None) -> Decision:
    """Do nothing until something changes, or until `seconds` have passed. None of `remarks` is nothing to report."""
    return Decision(remarks=tuple(one for one in remarks if one is not None), wake_after_s=seconds)
