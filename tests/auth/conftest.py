import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from driver import Driver  # noqa: E402


@pytest.fixture(scope="session")
def driver(buzon):
    d = Driver(buzon)
    assert os.path.exists(d.path), f"build it first: ninja -C build src/protocols/auth_driver ({d.path})"
    return d
