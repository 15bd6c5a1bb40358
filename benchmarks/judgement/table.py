"""The tables of docs/concepts/judging.md, in Markdown."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from benchmarks.judgement.cells import BURSTS, FINER, RATES, REQUESTS_PER_S, Cell, Played
from benchmarks.judgement.release import FIRST_PERCENT, TICK_S

Results: TypeAlias = Sequence[tuple[Cell, Played]]


def tables(limit: Results, bursts: Results, primary: Results, finer: Results) -> str:
    """Return all of them."""
    return "\n\n".join([_limit(limit), _finer(limit, finer), _bursts(bursts), _primary(primary), ""])


def _limit(played: Sequence[tuple[Cell, Played]]) -> str:
    """Each cell: the rule's figure, then the evidence's."""
    found = {(cell.world.requests_per_s, cell.world.canary_fails, cell.judge): result for cell, result in played}
    rows = []
    for requests in REQUESTS_PER_S:
        for rate in RATES:
            rule, ours = found[requests, rate, "threshold"], found[requests, rate, "evidence"]
            rows.append(
                [
                    f"{requests:,}",
                    f"{100 * rate:g} %",
                    f"{rule.rolled_back:g} / {ours.rolled_back:g} %",
                    f"{rule.promoted:g} / {ours.promoted:g} %",
                    f"{ours.undecided:g} %",
                    f"{_or_none(rule.promoted_after_s)} / {_or_none(ours.promoted_after_s)}",
                    f"{_or_none(rule.failed_until_rollback)} / {_or_none(ours.failed_until_rollback)}",
                ]
            )
    head = [
        "req/s",
        "fails",
        "rolled back",
        "promoted",
        "held for an hour",
        "promoted after, s",
        "failed until rolled back",
    ]
    return _markdown(head, rows)


def _finer(limit: Results, finer: Results) -> str:
    """Return what users felt of bad releases, by how often is looked and how small the first step is."""
    looks = ((TICK_S, FIRST_PERCENT), *FINER)
    found = {
        (cell.world.requests_per_s, cell.world.canary_fails, cell.tick_s, cell.first_percent): result
        for cell, result in (*limit, *finer)
        if cell.judge == "evidence"
    }
    rows = [
        [
            f"{requests:,}",
            f"{100 * rate:g} %",
            *(_or_none(found[requests, rate, *look].failed_until_rollback) for look in looks),
        ]
        for requests, rate in dict.fromkeys((cell.world.requests_per_s, cell.world.canary_fails) for cell, _ in finer)
    ]
    return _markdown(["req/s", "fails", *(f"each {tick_s:g} s, {percent} %" for tick_s, percent in looks)], rows)


def _bursts(played: Sequence[tuple[Cell, Played]]) -> str:
    found = {(cell.world.burst, cell.world.requests_per_s, cell.judge): result for cell, result in played}
    rows = [
        [
            f"{burst}",
            f"{requests:,}",
            f"{found[burst, requests, 'threshold'].rolled_back:g} %",
            f"{found[burst, requests, 'naive'].rolled_back:g} %",
            f"{found[burst, requests, 'evidence'].rolled_back:g} %",
            f"{found[burst, requests, 'evidence'].undecided:g} %",
        ]
        for burst in BURSTS
        for requests in REQUESTS_PER_S
    ]
    return _markdown(["burst", "req/s", "threshold rule", "`burst: 1`", "`burst: auto`", "held for an hour"], rows)


def _primary(played: Sequence[tuple[Cell, Played]]) -> str:
    rows = [
        [cell.name, f"{result.rolled_back:g} %", f"{result.promoted:g} %", f"{result.undecided:g} %"]
        for cell, result in played
    ]
    return _markdown(["canary against the primary", "rolled back", "promoted", "held for an hour"], rows)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:]])


def _or_none(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
