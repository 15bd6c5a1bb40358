"""The live timeline: moments become lines, and where one tells of checks, their values come before it."""

import re
from collections import Counter

import aiohttp
from rich.text import Text

from sandbox.demo.checks import Answers, checks_of, read_answers
from sandbox.demo.figures import CANARY
from sandbox.demo.moments import (
    AvailableSeen,
    EventSeen,
    LoadBegan,
    LoadEnded,
    Moment,
    PhaseSeen,
    RequestFailed,
    WeightSeen,
)
from sandbox.demo.observer import Observer
from sandbox.demo.screen import Screen, weight_bar

# The events that follow from a round of checks with values. "Halt advancement" itself says that there were none.
_AFTER_CHECKS = re.compile(r"(Halt \S+\.test advancement|Copying|Rolling back) ")


class Timeline:
    """Shows what the observer notes; times count from `begin`."""

    def __init__(self, observer: Observer, screen: Screen, session: aiohttp.ClientSession, agent_url: str) -> None:
        self._observer = observer
        self._screen = screen
        self._session = session
        self._agent_url = agent_url
        self._begin_s = 0.0
        self._shown = 0
        self._shown_rounds = 0
        self._weight = 0
        self._texts: Counter[str] = Counter()

    def begin(self, at_s: float) -> None:
        """An act begins."""
        self._begin_s = at_s
        self._texts.clear()

    async def run(self) -> None:
        """Show until cancelled."""
        while True:
            await self._observer.more_than(self._shown)
            await self.catch_up()

    async def catch_up(self) -> None:
        """Return when everything noted so far is shown."""
        async with self._screen.floor:
            while self._shown < len(self._observer.moments):
                moment = self._observer.moments[self._shown]
                self._shown += 1
                await self._show(moment)

    async def _show(self, moment: Moment) -> None:
        await self._show_checks(moment)
        match moment:
            case EventSeen():
                self._show_event(moment)
            case WeightSeen(weight_percent=weight):
                self._weight = weight
                self._line(moment, "weight", weight_bar(weight))
            case PhaseSeen(phase=phase):
                self._line(moment, "status", Text(phase, style="bold"))
            case AvailableSeen(deployment=name, replicas=replicas):
                self._line(moment, "pods", Text(f"deployment {name} is available: {replicas} of {replicas}"))
            case LoadBegan(url=url, per_second=rate):
                self._line(moment, "load", Text(f"{url} answers as expected: {rate:g} requests a second from here on"))
            case RequestFailed(url=url, why=why, took_s=took_s):
                self._line(moment, "failed", Text(f"a request to {url}, after {took_s:.2f} s: {why}"))
            case LoadEnded(answers=answers):
                for url, counts in answers.items():
                    came = ", ".join(f"{answer} x {count:,}" for answer, count in counts.items())
                    self._line(moment, "load", Text(f"{url} got no more requests; its answers: {came}"))
            case _:
                pass

    def _show_event(self, event: EventSeen) -> None:
        """A text that was told before in this act is told more briefly."""
        self._texts[event.text] += 1
        times = self._texts[event.text]
        again = Text(f"(x{times}) ", style="dim") if times > 1 else Text()
        kind = "warning" if event.is_warning else "event"
        self._screen.moment(event.at_s - self._begin_s, kind, again + Text(event.text), is_brief=times > 1)

    def _line(self, moment: Moment, kind: str, what: Text) -> None:
        self._screen.moment(moment.at_s - self._begin_s, kind, what)

    async def _show_checks(self, moment: Moment) -> None:
        """Show the values that `moment` follows from, once for each round of checks.

        The first weight of a run follows from the pre-rollout hooks only: what the page has then is of the run before.
        """
        is_step = isinstance(moment, WeightSeen) and self._weight > 0
        is_first = isinstance(moment, WeightSeen) and self._weight == 0
        is_told = isinstance(moment, EventSeen) and _AFTER_CHECKS.match(moment.text) is not None
        if not (is_step or is_first or is_told):
            return
        answers = await read_answers(self._session, self._agent_url, CANARY)
        if answers is None or answers.rounds == self._shown_rounds:
            return
        self._shown_rounds = answers.rounds
        if not is_first:
            self._show_answers(moment, answers)

    def _show_answers(self, moment: Moment, answers: Answers) -> None:
        checks = checks_of(self._observer.canaries[CANARY])
        width = max((len(check.name) for check in checks), default=0)
        for check in checks:
            value = answers.values.get(check.name)
            if value is not None:
                mark = ("✔ ", "green") if check.passes(value) else ("✘ ", "red")
                self._line(moment, "check", Text.assemble(mark, f"{check.name:<{width}}  {check.text(value)}"))
