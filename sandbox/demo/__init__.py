"""The demo: it plays the guide on a sandbox of its own and shows it live. `tests/demo` proves what comes of it."""
