"""keepalived on the nodes of a segment: what the same addresses do with VRRP, for comparison.

Instances, one for each node that is to be master of its share: the addresses are dealt out to them,
and the next node is the one with the next priority.  What an address is answered by is the same as
with Herald (lan: every node answers requests that come to it)."""
import contextlib
import os
import shutil
import signal

from herald_lab.lan import Lan, vip4, vip6
from herald_lab.proc import Daemon

PER_INSTANCE = 20  # what a VRRP packet may list; the others are "excluded": held, not listed


def missing():
    return "" if shutil.which("keepalived") else "keepalived is missing: tools/install-deps bench"


class Vrrp(Lan):
    """As LanScene: the same names for the same things."""

    def __init__(self, lab, nodes=3, pairs=2, six=True, advert_s=1, echo=True):
        super().__init__(lab, nodes)
        self.advert_s, self.daemons = advert_s, {}
        self.addrs = [vip4(i) for i in range(pairs)] + [vip6(i) for i in range(pairs if six else 0)]
        if echo:
            self.answer(*self.addrs)
        with_length = [f"{a}/{64 if ':' in a else 16}" for i in range(pairs)
                       for a in ([vip4(i), vip6(i)] if six else [vip4(i)])]
        # a pair stays together
        step = 2 if six else 1
        dealt = [with_length[i:i + step] for i in range(0, len(with_length), step)]
        for name in self.names:
            base = lab.path(f"keepalived-{name}")
            with open(f"{base}/keepalived.conf", "w", encoding="ascii") as f:
                f.write(self._config(name, dealt))
            self.daemons[name] = Daemon(
                lab, self.ns[name],
                ["keepalived", "--dont-fork", "--log-console", "--vrrp",
                 "--use-file", f"{base}/keepalived.conf", "--pid", f"{base}/pid",
                 "--vrrp_pid", f"{base}/vrrp.pid"], f"{base}/keepalived.log")

    def _config(self, name, dealt):
        n = len(self.names)
        out = [f"global_defs {{\n router_id {name}\n"
               f" vrrp_version {2 if self.advert_s >= 1 else 3}\n}}"]
        for i in range(n):
            mine = [a for group in dealt[i::n] for a in group]
            four = [a for a in mine if ":" not in a]
            listed = four[:PER_INSTANCE]
            excluded = [a for a in mine if a not in set(listed)]
            rank = (self.names.index(name) - i) % n
            block = "".join(f"  {a} dev eth1\n" for a in listed)
            more = "".join(f"  {a} dev eth1\n" for a in excluded)
            out.append(f"vrrp_instance V{i} {{\n state BACKUP\n interface eth1\n"
                       f" virtual_router_id {50 + i}\n priority {150 - 40 * rank}\n"
                       f" advert_int {self.advert_s:g}\n virtual_ipaddress {{\n{block} }}\n"
                       + (f" virtual_ipaddress_excluded {{\n{more} }}\n" if more else "") + "}")
        return "\n".join(out) + "\n"

    def start(self, *names):
        for name in names or self.names:
            self.daemons[name].start()
        return self

    start_daemon = start

    def kill_daemon(self, name):
        """All of it at once: the worker that outlived its parent would put all in order."""
        with contextlib.suppress(OSError, ValueError):
            with open(f"{self.lab.path(f'keepalived-{name}')}/vrrp.pid", encoding="ascii") as f:
                worker = int(f.read())
            self.daemons[name].send_signal(signal.SIGSTOP)
            os.kill(worker, signal.SIGKILL)
        self.daemons[name].kill()
        for pid in ("pid", "vrrp.pid"):  # a worker that nobody has reaped yet would count as running
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self.lab.path(f'keepalived-{name}')}/{pid}")

    def stop_daemon(self, name):
        """As systemd does it."""
        self.daemons[name].stop(signal.SIGTERM, grace=10)

    def told(self):
        return "\n".join(f"{n}:\n{d.text()[-1500:]}" for n, d in self.daemons.items())
