"""Herald as in a pod: the environment and the folder of a service account at the usual place say where
the API server is; token and authorities in it are exchanged while it runs."""
import os
import shutil

import pytest

from herald_lab import until
from herald_lab.kube import PORT, Pki
from herald_lab.kubescene import ELECTION, KubePair, wait_synced, withdrawn
from herald_lab.lab import program

# A mount namespace of its own: what others find below /run is not its business.
AS_IN_A_POD = """
at=/run/secrets/kubernetes.io/serviceaccount
mount -t tmpfs none /run
mkdir -p $at
mount --bind "$1" $at
shift
exec "$@"
"""


@pytest.fixture
def one(lab):
    p = KubePair(lab).start_kube()
    p.put(*p.documents())
    p.peer = p.speaker().serve()
    p.herald.write("herald.yaml", p.herald.settings(sources={"kubernetes": {
        "inCluster": True, "dialects": ["heraldlb.io"], "leaderElection": ELECTION}}))
    daemon = p.herald.daemon
    daemon.env.update(KUBERNETES_SERVICE_HOST=p.kube.addr, KUBERNETES_SERVICE_PORT=str(PORT))
    daemon.argv = ["unshare", "--mount", "sh", "-ec", AS_IN_A_POD, "sh", p.kube.in_cluster(),
                   program("herald"), *daemon.argv[1:]]
    daemon.start()
    p.herald.wait_ready()
    wait_synced(p.herald)
    p.herald.wait_established()
    return p


def in_cluster(one):
    return next(s for s in one.herald.ctl("status")["sources"] if s["name"] == "kubernetes")


def exchange_authority(kube):
    """The server has a certificate of another authority from its next start on, and our own clients
    trust that one alone."""
    os.makedirs(f"{kube.dir}/pki-new", mode=0o700)
    new = Pki(f"{kube.dir}/pki-new")
    new.server("server", "127.0.0.1", "10.96.0.1", kube.addr)
    for name in ("ca.crt", "ca.key", "server.crt", "server.key"):
        shutil.copyfile(f"{new.dir}/{name}", f"{kube.pki.dir}/{name}")
    kube._apis.clear()  # pylint: disable=protected-access


def test_another_authority_is_believed_without_a_restart(one):
    one.web("before")
    addr = one.wait_address("before")
    one.peer.last.wait_prefix(f"{addr}/32")
    one.kube.stop()
    exchange_authority(one.kube)
    one.kube.start_server()
    # nobody whom it knows signed that one
    until(lambda: "certificate" in in_cluster(one)["error"], 60, lambda: in_cluster(one))
    one.web("after")
    one.kube.in_cluster()  # as the kubelet exchanges the folder: the token too
    assert one.wait_address("after", 120) != addr
    assert one.kube.api().ingress("before") == [addr]
    assert not withdrawn(one.peer.last) and len(one.peer.connections) == 1
