"""The bounce reader and classifier against other people's bounces; see docs/bounces.md."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from corpus import Corpus, FOLDER  # noqa: E402


@pytest.fixture(scope="session")
def corpus(buzon):
    if not os.path.isdir(FOLDER):
        pytest.skip("the corpus ../shared/corpus/bounces is not there")
    return Corpus(buzon)
