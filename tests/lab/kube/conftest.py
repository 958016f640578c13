"""Fixtures of the tests that want a real Kubernetes API server; without one they are skipped."""
import os

import pytest

from herald_lab.kube import Kube, missing

HERE = os.path.dirname(os.path.abspath(__file__))


def pytest_collection_modifyitems(items):
    reason = missing()
    if reason:
        for item in items:
            if str(item.path).startswith(HERE + os.sep):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="module")
def kube(module_lab):
    """A server in a namespace of its own, for the tests of one file."""
    return Kube(module_lab, module_lab.netns("api")).start()
