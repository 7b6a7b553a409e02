"""Simulated internets for the tests of this folder."""
import contextlib
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from internet.testing import internet  # noqa: E402


@pytest.fixture(scope="module")
def net(request):
    """The module's own internet: its variable SCENARIO."""
    with internet(request.module.SCENARIO) as started:
        yield started


@pytest.fixture
def make_net():
    """A function that starts another internet, for tests that need one of their own."""
    with contextlib.ExitStack() as stack:
        yield lambda text: stack.enter_context(internet(text))
