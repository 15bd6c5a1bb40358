"""`python -m benchmarks`: measure, print, and write build/bench.json."""

import json

import typer
from rich.console import Console

from benchmarks import alerts, core, memory, people, scrape
from benchmarks.judgement import measurement as judgement
from benchmarks.page import measurement as page
from benchmarks.paths import BUILD
from benchmarks.webhook import measurement as webhook

_OUTPUT = BUILD / "bench.json"


def main() -> None:
    """Measure what Serin costs. A noisy machine moves the times; the ratios stay."""
    figures = {
        "core": core.measure(),
        "judgement": judgement.measure(),
        "memory": memory.measure(),
        "scrape": scrape.measure(),
        "alerts": alerts.measure(),
        "webhook": webhook.measure(),
        "people": people.measure() | page.measure(),
    }
    _OUTPUT.parent.mkdir(exist_ok=True)
    _OUTPUT.write_text(json.dumps(figures, indent=2) + "\n")
    Console().print_json(data=figures)


if __name__ == "__main__":
    typer.run(main)
