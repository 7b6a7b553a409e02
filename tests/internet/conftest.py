"""Simulated internets for the tests of this folder; skipped with a reason where there can be none."""
import contextlib
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from internet import CannotRun, Internet, NoNamespaces  # noqa: E402


@contextlib.contextmanager
def internet(text):
    try:
        with Internet(text) as net:
            yield net
            assert not net.journal.find("mistake"), net.journal.find("mistake")
    except (NoNamespaces, CannotRun) as why:
        pytest.skip(str(why))


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
