"""A laboratory of network namespaces: Herald, the BGP daemons that people run beside it, and a
scripted speaker that can say anything.  Behind the tests of tests/lab/, `make demo` and
tests/bench/.  Needs root, Python 3.11 and Debian packages, nothing else.

    lab        Lab: owns everything of one run and takes it away again, whatever happens
    netns      namespaces, links, addresses, routes
    proc       processes in a namespace
    wait       waiting for a condition with a deadline; nothing here ever sleeps a fixed time
    herald     a Herald daemon and its documents
    frr, bird, gobgp, openbgpd    the foreign daemons
    bgpmsg     BGP messages as bytes, written from the RFCs
    speaker    a BGP peer under a test's control
    topology   the reference scenario
    plant      a network for the datapath, both families, with
    podserver, inside, load    what runs in its pods, asks them, and goes on asking
    lan        one segment, its nodes and a client, and cutters for what lies between, with
    lanscene   Heralds on it that answer for addresses
    lanclient, laneye, lanecho, asked    the yardsticks: a client's requests, who answers for what
    bpf        a bpffs and a cgroup of one node
    kube       a real Kubernetes API server, with
    kubeapi, kubecrd    a client of its API, and EndpointSlices for it
    kubescene  the scenario and a pair with it
    kubefault  a proxy before it that does what no real one would
"""
from .lab import Lab
from .netns import Netns
from .wait import Timeout, until

__all__ = ["Lab", "Netns", "Timeout", "until"]
