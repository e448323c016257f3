"""A stack started through the command line, shared by the tests of one module; and how to talk to its servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.local.support import Up, dev

from heliograph_local.testing import new_stack_folder


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """Servers only, detached."""
    with new_stack_folder() as data:
        started = dev("up", "--detach", "--only-servers", data=data)
        assert started.returncode == 0, started.stderr + started.stdout
        yield Up(data)
        stopped = dev("down", data=data)
        assert stopped.returncode == 0, stopped.stderr
