"""Fixtures of all tests, and a namespace for each test that has a cluster.

Those of tests/cluster share one cluster, whichever process runs them: they keep to their namespace. Those in
tests/exclusive stop agents, hold Leases or change what belongs to the whole cluster: each process that runs them has a
cluster of its own. Either ends with the last test that has use for it, see the conftest.py of these folders.
"""

import asyncio
import inspect
import logging
import secrets
import signal
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from sandbox.node import syscalls
from tests.support import rights_used
from tests.support.api import new_namespace
from tests.support.cluster import Cluster
from tests.support.schedule import Schedule, arrange

# How long an example takes says nothing on a busy machine: speed is measured by `make bench`.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# For tasks that a test has cancelled: it only ends the wait for those that nobody ends.
_ENDS_WITHIN_S = 10.0


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Take away what a test had a program set up: a later one would log to a stream that is closed by then."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """The name of a namespace of this test's own; its deletion goes on behind the next tests."""
    name = f"test-{secrets.token_hex(4)}"
    with new_namespace(cluster.kubeconfig, name):
        yield name


@pytest.fixture
async def no_task_is_left() -> AsyncIterator[None]:
    """Fail a test that leaves a task running in its event loop: somebody must own it and end it."""
    before = asyncio.all_tasks()
    yield
    others = asyncio.all_tasks() - before - {asyncio.current_task()}
    # Those of libraries that were cancelled take some turns of the loop.
    _, running = await asyncio.wait(others, timeout=_ENDS_WITHIN_S) if others else ((), ())
    left = [task.get_name() for task in running]
    assert not left, f"tasks that are still running: {left}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have asynchronous tests look for tasks that they left, and sort all tests so that they take the least time."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            item.fixturenames.insert(0, "no_task_is_left")
    arrange(items)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Schedule:
    """Have pytest-xdist hand the tests out as tests/support/schedule.py says, whatever `--dist` says."""
    return Schedule(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Have a process that runs tests for another end with it, and so the clusters that it holds, however that ends."""
    rights_used.note_start(config, time.time())
    if hasattr(config, "workerinput"):
        syscalls.die_with_parent(signal.SIGKILL)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hold what Serin asked the API servers for against its rights, in the process that knows of all others."""
    if not hasattr(session.config, "workerinput"):
        rights_used.check(session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what that found."""
    rights_used.show(terminalreporter)
