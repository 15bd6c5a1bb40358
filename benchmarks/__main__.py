"""`python -m benchmarks [KEY ...]`: measure, print, and write build/bench.json."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from benchmarks import alerts, core, memory, people, scrape
from benchmarks.judgement import measurement as judgement
from benchmarks.machine import machine
from benchmarks.page import measurement as page
from benchmarks.paths import BUILD
from benchmarks.scale import measurement as scale
from benchmarks.webhook import measurement as webhook

_OUTPUT = BUILD / "bench.json"

_MEASUREMENTS: Final[dict[str, Callable[[], Any]]] = {
    "core": core.measure,
    "judgement": judgement.measure,
    "memory": memory.measure,
    "scrape": scrape.measure,
    "alerts": alerts.measure,
    "webhook": webhook.measure,
    "people": lambda: people.measure() | page.measure(),
    "scale": scale.measure,
}


def main(
    keys: Annotated[
        list[str] | None, typer.Argument(help=f"What to measure; all without one: {', '.join(_MEASUREMENTS)}.")
    ] = None,
) -> None:
    """Measure what Serin costs. A noisy machine moves the times; the ratios stay.

    What is not measured now keeps its figures in build/bench.json.
    """
    unknown = sorted(set(keys or ()) - set(_MEASUREMENTS))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: there is {', '.join(_MEASUREMENTS)}", param_hint="KEY")
    _OUTPUT.parent.mkdir(exist_ok=True)
    figures: dict[str, Any] = json.loads(_OUTPUT.read_text()) if keys and _OUTPUT.exists() else {}
    figures["machine"] = machine()
    for key in keys or _MEASUREMENTS:
        figures[key] = _MEASUREMENTS[key]()
        # After each: what comes later may take an hour, or fail.
        _OUTPUT.write_text(json.dumps(figures, indent=2) + "\n")
    Console().print_json(data={key: figures[key] for key in keys or _MEASUREMENTS})


if __name__ == "__main__":
    typer.run(main)
