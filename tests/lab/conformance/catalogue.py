"""The list of cases.  A case is a function of a stage.Play; what it raises is its verdict:

    nothing           pass
    AssertionError    fail
    Unsupported       the daemon does not do this at all: it does not offer the capability, or has
                      no way to configure it
    Unobservable      it cannot be seen from here"""
import dataclasses
import typing

MUST, SHOULD, MAY = "MUST", "SHOULD", "MAY"


class Unsupported(Exception):
    pass


class Unobservable(Exception):
    pass


@dataclasses.dataclass
class Case:
    name: str  # unique: subject and what is done, words with hyphens
    rfc: int
    section: str
    level: str
    rule: str
    play: typing.Callable
    slots: tuple  # a profile for each peer that it needs; see duts.PROFILES
    alone: bool = False  # has a daemon to itself, because it ends it
    slow: float = 0  # s that it takes by itself


CASES = {}


def case(name, rfc, section, level, rule, slots=("ebgp",), **more):
    """Enter the function below into the list."""
    def enter(play):
        assert name not in CASES, f"two cases are called {name}"
        CASES[name] = Case(name, rfc, section, level, rule, play, tuple(slots), **more)
        return play
    return enter


def load():
    """All cases, in the order of the matrix."""
    # pylint: disable=import-outside-toplevel,unused-import
    from . import (cases_bfd, cases_known, cases_open, cases_paths, cases_restart,  # noqa: F401
                   cases_routes, cases_session, cases_update)
    return dict(sorted(CASES.items(), key=lambda item: (item[1].rfc, section_key(item[1].section))))


def section_key(section):
    return [int(x) if x.isdigit() else ord(x[0]) for x in section.replace("-", ".").split(".") if x]
