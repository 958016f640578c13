"""The daemons behind one face.  All of them are AS 65001 with the identifier 10.0.0.1, announce
10.1.0.0/24 and fd01::/64, take everything from everybody and tell everybody everything, except
where a profile says otherwise; they wait for connections, except with `dial`."""

AS, SINK_AS, OTHER_AS = 65001, 65010, 65020
DUT4, DUT6, PEER6 = "10.0.0.1", "fd00::1", "fd00::2"
EBGP_SINK, IBGP_SINK = "10.0.0.2", "10.0.0.3"
OWN4, OWN6 = "10.1.0.0/24", "fd01::/64"
MD5_KEY = "conformance"
PATIENCE = 120  # s that a start may take, with hundreds of peers on a busy machine
LIMIT, RESTART_TIME, LONG_TIME = 5, 20, 60

# What a peer is configured as, and its AS if not 65000: who is told routes of that must have another,
# for some do not send a route to an AS that is in its path.  The word of a role is the daemon's own.
PROFILES = {
    "ebgp": {},
    "ibgp": {"as": AS},
    "other": {"as": OTHER_AS},
    "client": {"as": AS, "client": True},
    "short": {"hold": 3},
    "dial": {"dial": True},
    "gr": {"gr": True},
    "llgr": {"gr": True, "llgr": True},
    "llgr-other": {"as": OTHER_AS, "gr": True, "llgr": True},
    "paths": {"paths": True},
    "paths-other": {"as": OTHER_AS, "paths": True},
    "hop6": {"hop6": True},
    "long": {"long": True},
    "gtsm": {"gtsm": True},
    "md5": {"md5": True},
    "limit": {"limit": LIMIT},
    "nopolicy": {"as": OTHER_AS, "nopolicy": True},
    "customer": {"as": OTHER_AS, "role": "customer"},
    "provider": {"as": OTHER_AS, "role": "provider"},
    "peer": {"as": OTHER_AS, "role": "peer"},
    "bfd": {"bfd": True},
}


class Dut:
    """@peers: [(address, options)]; options as in PROFILES, and "as"."""

    name, title = "", ""
    fatal = ()  # cases that are known to end it: played one at a time
    refused = ()  # profiles that it takes no configuration for, as it must not
    lacking = {}  # profile: why the daemon has no such configuration

    def __init__(self, lab, ns, peers):
        self.lab, self.ns, self.peers = lab, ns, peers
        self.build()

    def build(self):
        raise NotImplementedError

    def lacks(self, profile):
        return self.lacking.get(profile)

    def refuses(self, profile):
        """Not even a configuration like this is taken: what that says, if the rule is kept by it."""
        return None

    def start(self):
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError

    def running(self):
        raise NotImplementedError

    def used(self, prefix):
        """Does the daemon itself say that it uses a route to @prefix?"""
        raise NotImplementedError

    def state(self, addr):
        """"established", or something else."""
        raise NotImplementedError

    def nudge(self):
        """A daemon that sleeps on its output is asked something."""

    # ---- what an operator does; Unsupported when he cannot ----

    def shutdown(self, addr, message):
        raise NotImplementedError

    def reset(self, addr):
        raise NotImplementedError

    def remove(self, addr):
        raise NotImplementedError

    def stop_gracefully(self):
        """Its process ends so that graceful restart will bridge the gap."""
        raise NotImplementedError

    def start_again(self):
        self.start()


def all_duts():
    # pylint: disable=import-outside-toplevel
    from .dut_bird import BirdDut
    from .dut_frr import FrrDut
    from .dut_gobgp import GoBgpDut
    from .dut_herald import HeraldDut
    from .dut_openbgpd import OpenBgpdDut
    return {d.name: d for d in (HeraldDut, FrrDut, BirdDut, GoBgpDut, OpenBgpdDut)}
