"""Fixtures of the lab's tests."""
import contextlib
import os
import re
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from herald_lab import Lab  # noqa: E402
from herald_lab.pair import Pair  # noqa: E402

LOG_LINES = 25

# A shell that starts something behind its back has it ignore interrupts, and what that starts, too.
with contextlib.suppress(ValueError):  # not the main thread
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Where sanitizers' finds are to be written, for what nobody looks at the exit of.
FINDS = os.environ.get("HERALD_FINDS")
if FINDS:
    os.makedirs(FINDS, exist_ok=True)
    os.chmod(FINDS, 0o1777)
    for kind, more in (("ASAN", "quarantine_size_mb=8:malloc_context_size=12:"), ("UBSAN", "halt_on_error=1:print_stacktrace=1:")):
        os.environ.setdefault(f"{kind}_OPTIONS", f"{more}exitcode=99:log_path={FINDS}/find")


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root: network namespaces"))


@pytest.fixture
def lab(request):
    with Lab(re.sub(r"\W+", "-", request.node.name)[:40]) as made:
        request.node.stash[LABS] = made
        yield made


@pytest.fixture(scope="module")
def module_lab(request):
    with Lab(re.sub(r"\W+", "-", request.node.name)[:40]) as made:
        request.node.stash[LABS] = made
        yield made


@pytest.fixture
def pair(lab):
    """One Herald and one machine beside it, nothing started."""
    return Pair(lab)


LABS = pytest.StashKey()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """The ends of all logs go into a failed test's report, while the lab still stands."""
    report = (yield).get_result()
    if report.failed and call.when in ("setup", "call"):
        for node in (item, item.getparent(pytest.Module)):
            made = node.stash.get(LABS, None) if node else None
            for name, text in made.logs() if made else ():
                lines = text.splitlines()[-LOG_LINES:]
                report.sections.append((f"log {name}", "\n".join(lines)))
