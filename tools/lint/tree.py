"""tools/lint/tree.py: the files of the tree as the linters see them, and how a fault is told."""

import argparse
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SKIP_DIRS = {"build", "__pycache__", "autom4te.cache"}
TOKEN = re.compile(
    r'(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<text>"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')', re.S
)


def files(root, *suffixes):
    """Paths below @root, relative to it, in order; hidden folders and builds are left out."""
    found = []
    for at, dirs, names in os.walk(root):
        dirs[:] = sorted(d for d in dirs if d not in SKIP_DIRS and not d.startswith("."))
        for name in names:
            if not suffixes or name.endswith(suffixes):
                found.append(os.path.relpath(os.path.join(at, name), root))
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def code(text):
    """C text with comments and the insides of strings blanked out; lines stay where they are."""

    def blank(match):
        if match.group("text"):
            return match.group(0)[0] + " " * (len(match.group(0)) - 2) + match.group(0)[0]
        return re.sub(r"[^\n]", " ", match.group(0))

    return TOKEN.sub(blank, text)


def stand_in_config(folder):
    """A config.h for linters, which need no configured build: each name of config.h.in as text."""
    text = read(ROOT, "config.h.in")
    with open(os.path.join(folder, "config.h"), "w") as f:
        f.write(re.sub(r"^#undef (\w+)$", r'#define \1 "lint"', text, flags=re.M))


class Faults:
    """Collects `file:line: what is wrong; how to mend it`."""

    def __init__(self):
        self.rows = []

    def add(self, path, line, what, mend):
        self.rows.append((path, line, f"{path}:{line}: {what}; {mend}"))

    def tell(self):
        for _, _, text in sorted(self.rows):
            print(text)
        return 1 if self.rows else 0


def main(doc, lint):
    """The command line that all linters share: lint(root) gives Faults."""
    parser = argparse.ArgumentParser(description=doc.split("\n\n")[0])
    parser.add_argument("--root", default=ROOT, help="another tree (self-tests)")
    sys.exit(lint(parser.parse_args().root).tell())
