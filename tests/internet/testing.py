"""For pytest, in any folder of tests: a simulated internet, or a skipped test with the reason."""
import contextlib

import pytest

from .launcher import Internet, NoNamespaces
from .peers import CannotRun


@contextlib.contextmanager
def internet(source):
    """with internet("FILE or text") as net: …; a mistake of the simulator itself fails the test."""
    try:
        with Internet(source) as net:
            yield net
            assert not net.journal.find("mistake"), net.journal.find("mistake")
    except (NoNamespaces, CannotRun) as why:
        pytest.skip(str(why))
