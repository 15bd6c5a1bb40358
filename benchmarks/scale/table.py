"""`python -m benchmarks.scale.table [--write]`: the tables of docs/performance.md, of build/bench.json.

It prints them; with `--write` it puts them into the page, between its two marks.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, TypeAlias

import typer

from benchmarks.paths import BUILD, REPOSITORY

Row: TypeAlias = Mapping[str, Any]

PAGE: Final = REPOSITORY / "docs" / "performance.md"
BEGIN: Final = "<!-- figures: written by `python -m benchmarks.scale.table --write`, from build/bench.json -->"
END: Final = "<!-- end of the figures -->"

_REPLAYED_FROM: Final = 5_000
_MISSING: Final = ""
_PARTS_SHOWN: Final = 7

# Label, where it stands in a row, unit, and the goal as it is on the page.
_FIGURES: Final[Sequence[tuple[str, str, str, str]]] = (
    ("all initialised", "initialised_s", "s", "100: < 12; 300: < 35"),
    ("of that, `kubectl apply`", "applied_s", "s", ""),
    ("idle CPU", "idle_cpu_cores", "cores", "100: < 0.003; 1,000: < 0.02"),
    ("idle requests to the API server", "idle_requests_s", "/s", ""),
    ("detected, p50", "detect_s.p50", "s", "100: < 0.5; 300: < 1"),
    ("detected, p95", "detect_s.p95", "s", "100: < 1; 300: < 3"),
    ("detected, the last", "detect_s.max", "s", ""),
    ("first weight after its pods are Available, p50", "first_weight_s", "s", "< 2"),
    ("first weight after the change, p50", "first_weight_after_change_s", "s", ""),
    ("whole run, p50 (the steps alone: 50)", "run_s", "s", "100: < 65; 300: < 80"),
    ("tick lag, p50", "tick_lag_s.p50", "s", ""),
    ("tick lag, p99", "tick_lag_s.p99", "s", "1,000: < 1"),
    ("busy CPU", "busy_cpu_cores", "cores", ""),
    ("CPU a finished run", "cpu_s_per_finished", "s", "< 0.10"),
    ("CPU to initialise one", "cpu_s_per_initialised", "s", ""),
    ("requests to the API server a run", "requests_per_run", "", ""),
    ("resident memory", "rss_mib", "MiB", "100: < 110; 1,000: < 250"),
    ("restarts", "restarts", "", "0"),
    ("lost Leases", "lost_leases", "", "0"),
    ("dropped events", "dropped_events", "", "0"),
    ("not promoted", "not_promoted", "", "0"),
)
_STORM: Final[Sequence[tuple[str, str, str, str]]] = (
    ("with Serin in place", "storm_s", "s", ""),
    ("the webhook alone, no agent", "storm_webhook_alone_s", "s", ""),
    ("without Serin", "storm_without_s", "s", ""),
    ("with to without", "storm_ratio", "", "300: < 1.5"),
    ("everything applied by one kubectl, with Serin", "applied_s", "s", ""),
    ("the same without", "applied_without_s", "s", ""),
)


def main(*, write: Annotated[bool, typer.Option("--write", help="Into docs/performance.md, too.")] = False) -> None:
    """Make the tables."""
    text = render(json.loads((BUILD / "bench.json").read_text()))
    print(text)
    if write:
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def render(figures: Mapping[str, Any]) -> str:
    """Return all tables, of what was measured of them."""
    rows: Sequence[Row] = figures.get("scale", ())
    on_sandbox = [row for row in rows if row["canaries"] < _REPLAYED_FROM]
    parts = [
        _told(figures.get("machine", {})),
        _table(rows, _FIGURES, "figure"),
        "Four clients set all images at once:\n",
        _table(on_sandbox, _STORM, "seconds until the last is answered"),
        "CPU seconds of each part of the cluster from the first image to the last promotion:\n",
        _shares(on_sandbox),
    ]
    if "webhook" in figures:
        parts += ["One `set image` after the other, in milliseconds:\n", _applies(figures["webhook"])]
    return "\n".join(parts)


def _told(found: Row) -> str:
    if not found:
        return ""
    what = f"{found['cores']} cores ({found['cpu']}), {found['memory_gib']} GiB, Linux {found['kernel']}"
    return f"{found['date']}, {what}, Python {found['python']}; load before it {found['load_at_first']}.\n"


def _table(rows: Sequence[Row], lines: Sequence[tuple[str, str, str, str]], title: str) -> str:
    heads = [_size(row["canaries"]) for row in rows]
    made = [f"| {title} | {' | '.join(heads)} | goal |", "|---" * (len(rows) + 2) + "|"]
    for label, path, unit, goal in lines:
        values = [_value(row, path) for row in rows]
        if any(value != _MISSING for value in values):
            named = f"{label}, {unit}" if unit else label
            made.append(f"| {named} | {' | '.join(values)} | {goal} |")
    return "\n".join(made) + "\n"


def _shares(rows: Sequence[Row]) -> str:
    spent: Callable[[Row], Mapping[str, float]] = lambda row: row.get("busy_cpu_s", {})  # noqa: E731
    names = sorted(
        {name for row in rows for name in spent(row)}, key=lambda name: -sum(spent(r).get(name, 0) for r in rows)
    )
    made = [f"| part | {' | '.join(_size(row['canaries']) for row in rows)} |", "|---" * (len(rows) + 1) + "|"]
    made += [
        f"| {name} | {' | '.join(str(spent(row).get(name, _MISSING)) for row in rows)} |"
        for name in names[:_PARTS_SHOWN]
    ]
    return "\n".join(made) + "\n"


def _applies(webhook: Row) -> str:
    made = ["| a patch of a Deployment's image | p50 | p99 |", "|---|---|---|"]
    kinds = {
        "marked": "Serin marks it",
        "constant": "a webhook that patches a constant",
        "empty": "a webhook that allows it, no more",
        "without": "no webhook",
    }
    for kind, label in kinds.items():
        found = webhook[f"apply_{kind}_ms"]
        made.append(f"| {label} | {found['p50']} | {found['p99']} |")
    told = f"What a mark adds is {webhook['marked_to_constant']} times what the constant patch adds (goal: < 1.3)."
    return "\n".join([*made, "", told, ""])


def _value(row: Row, path: str) -> str:
    found: Any = row
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return _MISSING if found is None else str(found)


def _size(canaries: int) -> str:
    return f"{canaries:,}" + (", replayed" if canaries >= _REPLAYED_FROM else "")


if __name__ == "__main__":
    typer.run(main)
