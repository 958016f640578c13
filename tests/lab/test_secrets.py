"""Keys of sessions: in no answer, no line of the log, no core dump, and when they are gone not in memory."""
import base64
import os
import re
import resource
import signal

import pytest

from herald_lab import herald as h
from herald_lab import until

FIRST = "Zx9-hush-hush-Q"
SECOND = "Yw8-another-one-P-" + "longer than what a reader begins with"
SANITIZED = "address" in os.environ.get("HERALD_BUILD", "")  # keeps what was freed, and dumps


def secret(value, encoded):
    doc = h.secret("bgp-key", value)
    if encoded:
        doc.pop("stringData", None)
        doc["data"] = {"password": base64.b64encode(value.encode()).decode()}
    return doc


def in_memory(pid, needle):
    """How often it stands anywhere in what the process may read."""
    nr = 0
    with open(f"/proc/{pid}/maps", encoding="ascii") as f:
        ranges = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) r\S* \S+ \S+ \d+ *(?!\[v)(.*)$", f.read(), re.M)
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for begin, end, _ in ranges:
            try:
                mem.seek(int(begin, 16))
                nr += mem.read(int(end, 16) - int(begin, 16)).count(needle.encode())
            except OSError:  # unmapped since
                pass
    return nr


def b64(value):
    """What stands of it in a Secret, but for the last letters."""
    return base64.b64encode(value.encode()).decode()[:16]


@pytest.mark.parametrize("encoded", [False, True], ids=["stringData", "data"])
def test_a_key_is_nowhere_once_it_is_gone(pair, encoded):
    pair.start(peers=pair.peers(v6=False), config={"authSecretRef": "bgp-key"})
    d = pair.herald
    pid = d.daemon.pid

    def notices():
        return "bgp-key" in str(d.ctl("status")["notices"])
    until(notices, what="the Secret is missed")
    d.write("70-secret.yaml", secret(FIRST, encoded))
    until(lambda: not notices(), what="the Secret is there")
    assert in_memory(pid, FIRST) > 0  # the search finds what there is
    for words in (("config", "show"), ("status",), ("bgp", "peers", "-v"), ("bgp", "peers", "r4"),
                  ("explain", "peer", "r4")):
        for form in (None, "json"):
            got = d.run_ctl(*words, form=form)
            said = got.stdout + got.stderr
            assert FIRST not in said and b64(FIRST) not in said, words
    d.write("70-secret.yaml", secret(SECOND, encoded))
    if not SANITIZED:
        until(lambda: in_memory(pid, SECOND) and not in_memory(pid, FIRST) + in_memory(pid, b64(FIRST)), 20,
              lambda: f"the first key is wiped; {in_memory(pid, FIRST)} {in_memory(pid, b64(FIRST))}")
    d.remove("70-secret.yaml")
    until(notices, what="the Secret is missed again")
    if not SANITIZED:
        until(lambda: not in_memory(pid, SECOND) + in_memory(pid, b64(SECOND)), 20,
              lambda: f"the second key is wiped; {in_memory(pid, SECOND)} {in_memory(pid, b64(SECOND))}")
    for value in (FIRST, SECOND):
        assert value not in d.daemon.text() and b64(value) not in d.daemon.text()


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's process may be looked into")
def test_no_core_is_dumped(pair):
    pair.start()
    d = pair.herald
    resource.prlimit(d.daemon.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    os.kill(d.daemon.pid, signal.SIGABRT)
    end = os.waitid(os.P_PID, d.daemon.pid, os.WEXITED | os.WNOWAIT)
    assert end.si_code == os.CLD_KILLED and end.si_status == signal.SIGABRT
