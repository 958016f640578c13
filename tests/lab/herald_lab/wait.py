"""Waiting for a condition, with a deadline."""
import json
import subprocess
import time

STEP = 0.03

# What a condition may raise while what it looks at is not there yet.
NOT_YET = (AssertionError, LookupError, TypeError, AttributeError, ValueError, OSError, EOFError,
           json.JSONDecodeError, subprocess.SubprocessError)


class Timeout(AssertionError):
    """The deadline passed first."""


def until(condition, timeout=10.0, what="the condition", step=STEP):
    """Call @condition until it returns something true, and return that.  What it raises counts as
    "not yet" and is told when the deadline passes.  @what may be a callable: asked only then."""
    end = time.monotonic() + timeout
    while True:
        trouble, got = None, None
        try:
            got = condition()
            if got:
                return got
        except NOT_YET as e:
            trouble = e
        if time.monotonic() >= end:
            text = what() if callable(what) else what
            last = repr(trouble) if trouble else repr(got)
            raise Timeout(f"after {timeout:g} s still not: {text} (last: {last[:2000]})"
                          ) from trouble
        time.sleep(step)


def stays(condition, seconds, what="the condition", step=STEP):
    """Check that @condition is true at every look for @seconds: promises that nothing happens."""
    end = time.monotonic() + seconds
    while True:
        assert condition(), f"did not stay: {what() if callable(what) else what}"
        if time.monotonic() >= end:
            return
        time.sleep(step)
