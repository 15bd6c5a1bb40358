"""What people ask of a run: promote, abort, pause, resume, retry, skip, undo."""
