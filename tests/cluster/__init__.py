"""A package, so that the cluster ends when a process has run the last of its tests."""
