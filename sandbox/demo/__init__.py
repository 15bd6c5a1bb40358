"""The demo: the guide played on a sandbox of its own, watched live and held to what the guide shows."""
