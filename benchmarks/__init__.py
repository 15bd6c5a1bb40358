"""Figures of speed, each beside something to hold it against in the same run. `make bench` writes build/bench.json."""
