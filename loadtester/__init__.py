"""The load tester: the service that a canary's hooks call to run commands."""
