"""Options and the server of the tests."""
import os
import random
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support.desk import Desk  # noqa: E402
from support.server import Server  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--buzon", default=None, help="the program to test")
    parser.addoption("--differential-seed", type=int, default=None, help="one seed for the comparison with another server")
    parser.addoption("--differential-steps", type=int, default=100, help="commands for each seed of it")
    parser.addoption("--kills", type=int, default=None, help="how often the crash tests kill")
    parser.addoption("--seed", type=int, default=random.randrange(1 << 32), help="repeats the crash test's choice of kills")


@pytest.fixture(scope="session")
def buzon(request):
    return request.config.getoption("--buzon")


@pytest.fixture(scope="module")
def server(buzon):
    s = Server(buzon)
    s.start()
    yield s
    s.close()


@pytest.fixture
def fresh(buzon):
    """A server that is not started yet, for tests that change it or break it."""
    s = Server(buzon)
    yield s
    s.close()


@pytest.fixture(scope="module")
def clear_server(buzon):
    """A server that takes passwords without TLS as well."""
    s = Server(buzon, extra="sign-in { plain-without-tls = true }")
    s.start()
    yield s
    s.close()


@pytest.fixture
def desk():
    d = Desk()
    yield d
    d.close()
