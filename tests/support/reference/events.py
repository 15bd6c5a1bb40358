"""The events of a canary: each function that makes a message is called once with each kind of argument."""

import inspect
from collections.abc import Callable, Iterator
from itertools import product
from types import FunctionType
from typing import Any, Final

from canary.api.metrics import ThresholdRange
from canary.run import messages, request_messages
from canary.run.judge import Sample, judge
from canary.run.mark import Mark
from canary.run.messages import Message
from canary.run.request import RequestResult
from canary.run.streaks import count_failures
from tests.support.canaries import canary
from tests.support.reference.page import code, page, section, sentence, table
from tests.support.reference.source import first_paragraph

_OURS: Final = "The text is ours"

# What the texts are made with. A parameter that is not here shows its own name.
_SAMPLES: Final[dict[str, tuple[Any, ...]]] = {
    "name": ("podinfo.test",),
    "target": ("podinfo.test",),
    "target_kind": ("Deployment",),
    "primary": ("podinfo-primary.test",),
    "workload": ("podinfo.test",),
    "namespace": ("test",),
    "hook": ("acceptance-test",),
    "by": ("alice",),
    "revision": ("3f2a9c0d11e4b7a6",),
    "change": (Mark("3f2a9c0d11e4b7a6", "podinfod image 3.1.0 -> 3.1.1", "alice"),),
    "request": (RequestResult("pause@3f2a9c", "", 0.0, "during a run", "alice"),),
    "weight_percent": (20,),
    "iteration": (2,),
    "iterations": (10,),
    "replicas": (4,),
    "present": (2,),
    "of": (12,),
    "bound": ("--max-runs is 20",),
}
_KINDS_OF_GATES: Final = ("confirm-rollout", "confirm-traffic-increase", "confirm-promotion")
_NO_EVENTS: Final = {"info", "warning", "by_request"}


def events_page() -> str:
    """Return the page of all events, with the alert that goes with some."""
    return page(
        "Events",
        "Every event of a canary; its reason is `Synced`. What stands in angle brackets is told by the occasion. "
        "Where Flagger has an event for it, ours has the same words. An alert goes to "
        "[chats](../how-to/alerts.md) as well, with the severity and the text that stand beside it.",
        section("What happens", table(("type", "text", "alert", "when", "words"), _rows())),
        section(
            "What a check says",
            "After `Halt podinfo.test advancement` where it failed, after `Halt advancement` where it has no "
            "answer, and as the reason of a rollback's alert.",
            table(("verdict", "text"), _sentences()),
        ),
    )


def _sentences() -> Iterator[tuple[str, str]]:
    guides = canary().analysis
    assert guides is not None
    rate, duration = guides.metrics
    own = rate.model_copy(update={"name": "404s percentage", "threshold_range": ThresholdRange(max=5)})
    twice = rate.model_copy(update={"consecutive_failures": 2})
    few = rate.model_copy(update={"min_requests": 100})
    for metric, sample in (
        (rate, Sample(69.17)),
        (twice, Sample(69.17)),
        (duration, Sample(812.5)),
        (own, Sample(6.2)),
        (few, Sample(50.0, requests=12)),
        (rate, Sample()),
        (rate, Sample(error="http://prometheus:9090: no answer within 10 s")),
    ):
        _, (result,) = count_failures((), [judge(metric, sample, "podinfo.test")])
        yield result.verdict.value, code(result.text)


def _rows() -> Iterator[tuple[str, str, str, str, str]]:
    for function in _functions():
        doc = first_paragraph(function.__doc__)
        words = "ours" if _OURS in doc else "Flagger's"
        when = sentence(doc.split(". ")[0].removeprefix("Report that ").removeprefix("Report "))
        seen: set[tuple[str, bool]] = set()
        for message in _calls(function):
            if (message.text, message.is_warning) in seen:
                continue
            seen.add((message.text, message.is_warning))
            alert = "" if message.alert is None else f"{message.alert.severity}: {code(message.alert.text)}"
            yield "Warning" if message.is_warning else "Normal", code(message.text), alert, when, words


def _functions() -> Iterator[Callable[..., Any]]:
    for module in (messages, request_messages):
        for name, value in vars(module).items():
            is_own = isinstance(value, FunctionType) and value.__module__ == module.__name__
            if is_own and not name.startswith("_") and name not in _NO_EVENTS:
                yield value


def _calls(function: Callable[..., Any]) -> Iterator[Message]:
    parameters = inspect.signature(function).parameters
    choices = [_samples(function, parameter) for parameter in parameters.values()]
    for values in product(*choices):
        positional = [
            value for value, one in zip(values, parameters.values(), strict=True) if one.kind is not one.KEYWORD_ONLY
        ]
        named = {
            one.name: value
            for value, one in zip(values, parameters.values(), strict=True)
            if one.kind is one.KEYWORD_ONLY
        }
        made = function(*positional, **named)
        yield from made if isinstance(made, tuple) else (made,)


def _samples(function: Callable[..., Any], parameter: inspect.Parameter) -> tuple[Any, ...]:
    if parameter.annotation is bool:
        return (True, False)
    if function is messages.gate_shut and parameter.name == "kind":
        return _KINDS_OF_GATES
    if function is request_messages.request_refused and parameter.name == "name":
        return ("podinfo",)
    if function is messages.hook_passed and parameter.name == "kind":
        return ("pre-rollout",)
    if parameter.name in _SAMPLES:
        return _SAMPLES[parameter.name]
    if parameter.annotation in {int, float}:
        return (3,)
    return (f"<{parameter.name}>",)
