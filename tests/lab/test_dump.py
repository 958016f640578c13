"""heraldctl bgp dump: MRT records (RFC 6396) as bgpdump reads them, and as a decoder of the test's own does."""
import ipaddress
import os
import signal
import struct
import subprocess

from herald_lab import bgpmsg, until
from herald_lab import herald as h
from herald_lab.lab import program
from herald_lab.pair import AS, FAR4, FAR6, HERALD4, HERALD6, PEER4, PEER6, PEER_AS, VIP4
from herald_lab.proc import Daemon

ET = 17
STATE, AS4, AS4_LOCAL = 5, 4, 7


class Record:
    """BGP4MP_ET, AS numbers of four octets or of two."""

    def __init__(self, kind, sub, body, at):
        assert kind == ET
        self.sub, self.at = sub, at + int.from_bytes(body[:4], "big") / 1e6
        body = body[4:]
        size = 2 if sub in (1, 6, 8, 10) else 4
        self.peer_as, self.local_as = (int.from_bytes(body[i * size:(i + 1) * size], "big")
                                       for i in range(2))
        body = body[2 * size:]
        afi = int.from_bytes(body[2:4], "big")
        n = 4 if afi == 1 else 16
        self.peer, self.local = (str(ipaddress.ip_address(body[4 + i * n:4 + (i + 1) * n]))
                                 for i in range(2))
        rest = body[4 + 2 * n:]
        if sub == STATE:
            self.states = struct.unpack("!HH", rest)
        else:
            assert len(rest) == int.from_bytes(rest[16:18], "big")
            self.msg = bgpmsg.Msg(rest)


def records(path):
    with open(path, "rb") as f:
        data = f.read()
    out = []
    while len(data) >= 12:
        at, kind, sub, size = struct.unpack("!IHHI", data[:12])
        if len(data) < 12 + size:
            break
        out.append(Record(kind, sub, data[12:12 + size], at))
        data = data[12 + size:]
    return out, data


class Dump:
    def __init__(self, pair, peer, *args):
        self.path = os.path.join(pair.lab.dir, f"{peer}.mrt")
        self.daemon = Daemon(pair.lab, pair.n1, [program("heraldctl"), "-s", pair.herald.socket, "bgp", "dump",
                                                 peer, self.path, *args], self.path + ".log").start()
        self.daemon.wait_log("writing to")

    def records(self):
        return records(self.path)[0]

    def messages(self, kind):
        return [r for r in self.records() if r.sub != STATE and r.msg.type == kind]


def test_a_whole_session_as_bgpdump_reads_it(pair):
    s = pair.speaker()
    pair.start(peers=pair.peers(v6=False))
    d = Dump(pair, "r4")
    c = s.dial_up(HERALD4)
    c.send(bgpmsg.announce([FAR4], PEER4, [PEER_AS, 4200000001]), bgpmsg.end_of_rib())
    until(lambda: any(VIP4 in m.msg.update().announced for m in d.messages(bgpmsg.UPDATE)), what="ours")
    until(lambda: any(FAR4 in m.msg.update().announced for m in d.messages(bgpmsg.UPDATE)), what="theirs")
    c.send(bgpmsg.notification(6, 2, b"\3bye"))
    until(lambda: [r for r in d.records() if r.sub == STATE and r.states[0] == 6], what="the end")
    d.daemon.send_signal(signal.SIGINT)
    d.daemon.wait()
    got, rest = records(d.path)
    assert not rest, "only whole records"
    for r in got:
        assert (r.peer, r.peer_as, r.local_as) == (PEER4, PEER_AS, AS)
        assert r.local in (HERALD4, "0.0.0.0")
    assert [r.at for r in got] == sorted(r.at for r in got)
    opens = {r.sub: r.msg.open().asn for r in got if r.sub != STATE and r.msg.type == bgpmsg.OPEN}
    assert opens == {AS4: PEER_AS, AS4_LOCAL: AS}
    # byte for byte what was on the wire
    theirs = [r.msg.raw for r in got if r.sub == AS4]
    assert bgpmsg.notification(6, 2, b"\3bye") in theirs
    assert [r.msg.raw for r in got if r.sub == AS4_LOCAL][-len(c.messages):] == \
        [m.raw for m in c.messages]
    done = subprocess.run(["bgpdump", "-m", d.path], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert any(f"|A|{PEER4}|{PEER_AS}|{FAR4}|{PEER_AS} 4200000001|IGP|{PEER4}|" in x for x in lines), lines
    assert any(f"|A|{PEER4}|{PEER_AS}|{VIP4}|{AS}|IGP|{HERALD4}|" in x for x in lines), lines
    assert any("|STATE|" in x and x.endswith("|5|6") for x in lines), lines
    assert len(lines) >= 5


def test_all_peers_for_a_time_and_what_is_wrong(pair):
    pair.start()
    f = pair.foreign("frr").start()
    d = Dump(pair, "all", "--seconds", "600")
    pair.herald.wait_established()
    f.wait_routes(VIP4)
    until(lambda: {r.peer for r in d.records()} == {PEER4, PEER6}, what="both peers")
    assert {r.local for r in d.records() if r.peer == PEER6} <= {HERALD6, "::"}
    d.daemon.kill()
    short = Dump(pair, "r4", "--seconds", "1")
    assert short.daemon.wait(60) == 0
    assert "none lost" in short.daemon.text()
    path = os.path.join(pair.lab.dir, "x.mrt")
    with open(path, "w", encoding="ascii") as x:
        x.write("kept")
    for args, status, what in ((["nobody", path], 1, "no peer is called"),
                               (["r4", path, "--seconds", "0"], 2, "usage"),
                               (["r4"], 2, "missing"),
                               (["r4", "/nowhere/at/all"], 2, "cannot write")):
        done = pair.herald.run_ctl("bgp", "dump", *args)
        assert done.returncode == status and what in done.stderr, (args, done.stderr)
    with open(path, encoding="ascii") as x:
        assert x.read() == "kept", "what was not begun replaces nothing"
    # the daemon goes on and listens to nobody
    assert pair.herald.peer("r4")["state"] == "established"


def test_two_octets_of_an_old_speaker(pair):
    """RFC 6396 4.4: its UPDATEs are in a record that says so."""
    pair.start(peers=pair.peers(v6=False))
    d = Dump(pair, "r4")
    c = pair.speaker(caps=[bgpmsg.cap_mp(bgpmsg.IPV4)]).dial_up(HERALD4)
    c.send(bgpmsg.update([FAR4], [bgpmsg.origin(), bgpmsg.as_path(PEER_AS, size=2),
                                  bgpmsg.next_hop(PEER4)]))
    until(lambda: {r.sub for r in d.messages(bgpmsg.UPDATE)} == {1, 6}, what="both directions")
    assert {r.sub for r in d.messages(bgpmsg.OPEN)} == {AS4, AS4_LOCAL}
    d.daemon.send_signal(signal.SIGTERM)
    d.daemon.wait()
    done = subprocess.run(["bgpdump", "-m", d.path], capture_output=True, text=True, check=False)
    assert f"|A|{PEER4}|{PEER_AS}|{FAR4}|{PEER_AS}|" in done.stdout


def bgpdump(path):
    """Its lines: [(peer, AS, prefix, path, next hop)], and what it complains of."""
    done = subprocess.run(["bgpdump", "-m", path], capture_output=True, text=True, check=False)
    rows = [line.split("|") for line in done.stdout.splitlines()]
    assert all(r[0] in ("TABLE_DUMP2", "TABLE_DUMP2_AP") and r[2] == "B" for r in rows), rows[:3]
    wrong = [x for x in done.stderr.splitlines() if "[error]" in x or "[warn]" in x]
    return [(r[3], int(r[4]), r[5], r[6], r[8]) for r in rows], wrong


def test_the_table_as_bgpdump_reads_it(pair):
    """RFC 6396 4.3: both families of FRR's and our own, and what one announcement after the other made."""
    pair.start()
    f = pair.foreign("frr").start()
    pair.herald.wait_established()
    f.wait_routes(VIP4)
    until(lambda: {FAR4, FAR6} <= {r["prefix"] for r in pair.herald.routes("available")}, what="FRR's")
    path = os.path.join(pair.lab.dir, "table.mrt")
    done = pair.herald.run_ctl("bgp", "dump", "table", path)
    assert done.returncode == 0 and "none lost" in done.stderr, done.stderr
    rows, wrong = bgpdump(path)
    assert not wrong, wrong
    assert (PEER4, PEER_AS, FAR4, str(PEER_AS), PEER4) in rows
    six, = (r for r in rows if r[2] == FAR6)
    assert six[:2] == (PEER6, PEER_AS) and six[3] == str(PEER_AS) and ":" in six[4]
    assert ("0.0.0.0", AS, VIP4, "", "0.0.0.0") in rows
    assert {r[2] for r in rows} == {r["prefix"] for r in pair.herald.routes("available")}
    done = pair.herald.run_ctl("bgp", "dump", "table", path, "--seconds", "3")
    assert done.returncode == 2 and "usage" in done.stderr


def test_a_large_table_and_a_reader_that_stops(pair):
    """20,000 prefixes, some with two paths by identifiers (RFC 8050); a slow reader loses nothing and costs
    the sessions nothing."""
    pair.write()
    pair.herald.write("30-bgp.yaml", h.cluster(AS, pair.peers(v6=False)), h.peer_config(
        "tor", families=[{"afi": "ipv4", "safi": "unicast", "addPath": "receive"}]))
    pair.herald.start()
    caps = [bgpmsg.cap_mp(bgpmsg.IPV4), bgpmsg.cap_as4(PEER_AS), bgpmsg.cap(69, b"\0\1\1\2")]
    c = pair.speaker(caps=caps).dial_up(HERALD4)
    nets = [f"20.{i >> 8}.{i & 255}.0/24" for i in range(20000)]
    for i in range(0, 20000, 200):
        for ident in (1, 2) if i < 2000 else (1,):
            nlri = b"".join(bytes([0, 0, 0, ident]) + bgpmsg.prefix(n) for n in nets[i:i + 200])
            c.send(bgpmsg.update(nlri, [bgpmsg.origin(), bgpmsg.as_path(PEER_AS, *[64000] * ident),
                                        bgpmsg.next_hop(PEER4)]))
    until(lambda: pair.herald.peer("r4")["families"][0]["received"] >= 22000, 60, "all of it")
    path = os.path.join(pair.lab.dir, "table.mrt")
    dump = Daemon(pair.lab, pair.n1, [program("heraldctl"), "-s", pair.herald.socket, "bgp", "dump", "table",
                                      path], path + ".log").start()
    dump.wait_log("writing to")
    dump.send_signal(signal.SIGSTOP)
    until(lambda: pair.herald.peer("r4")["state"] == "established", what="an answer meanwhile")
    dump.send_signal(signal.SIGCONT)
    assert dump.wait(60) == 0
    assert "none lost" in dump.text()
    rows, wrong = bgpdump(path)
    assert not wrong, wrong[:3]
    told = [r[2] for r in rows if r[0] == PEER4]
    assert len(told) == 22000 and set(told) == set(nets)
