"""`python -m tests.fuzz.run TARGET CORPUS [libFuzzer's options]`: fuzzes one target, led by coverage.

libFuzzer itself watches for an input that never ends (-timeout) and memory (-rss_limit_mb).
"""

import logging
import sys

import atheris

from tests.fuzz.mutations import mutate

with atheris.instrument_imports(include=["agent", "canary", "kube", "render", "webhook"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Hand over to libFuzzer; it ends the process."""
    program, target, *options = sys.argv
    check = TARGETS[target]

    def run(body: bytes) -> None:
        check(body)

    def mutated(body: bytes, max_size: int, seed: int) -> bytes:
        return mutate(body, max_size, seed, atheris.Mutate)

    logging.disable(logging.CRITICAL)
    atheris.Setup([program, *options], run, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
