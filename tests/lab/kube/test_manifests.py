"""etc/kubernetes against a real API server: every file is taken, and what CRDs promise holds."""
import glob
import os

import pytest
import yaml

from herald_lab import herald as h
from herald_lab import until
from herald_lab.kube import MANIFESTS, Kube, manifests
from herald_lab.lab import root_dir
from herald_lab.topology import FILES, REFERENCE

ALL = sorted([*glob.glob(f"{MANIFESTS}/*.yaml"), *glob.glob(f"{MANIFESTS}/dialects/*.yaml")])
KINDS = [d for d in manifests() if d["kind"] == "CustomResourceDefinition"]


@pytest.fixture(scope="module")
def kube(module_lab):
    return Kube(module_lab, module_lab.netns("api")).start(*{d["spec"]["group"] for d in KINDS})


def files():
    """The files that `kubectl apply -f` is for: a kustomization is for -k."""
    return [f for f in ALL if os.path.basename(f) != "kustomization.yaml"]


@pytest.mark.parametrize("path", files(), ids=lambda p: os.path.relpath(p, MANIFESTS))
def test_the_server_takes_it(kube, path):
    said = kube.kubectl("apply", "--dry-run=server", "-f", path)
    with open(path, encoding="utf-8") as f:
        assert len(said.splitlines()) == len([d for d in yaml.safe_load_all(f) if d])


@pytest.mark.parametrize("path", files(), ids=lambda p: os.path.relpath(p, MANIFESTS))
def test_applied_twice_it_changes_nothing(kube, path):
    kube.kubectl("apply", "-f", path)
    for line in kube.kubectl("apply", "-f", path).splitlines():
        assert line.endswith("unchanged"), line


@pytest.mark.parametrize("kind", KINDS, ids=lambda d: d["metadata"]["name"])
def test_each_kind_is_established_and_complete(kube, kind):
    got = kube.api().get("CustomResourceDefinition", kind["metadata"]["name"])
    state = {c["type"]: c["status"] for c in got["status"]["conditions"]}
    assert state["Established"] == "True" and state["NamesAccepted"] == "True", state
    assert state.get("NonStructuralSchema", "False") == "False", state
    if kind["spec"]["names"]["kind"] != "HeraldConfig":  # nothing is said there
        assert all("status" in v.get("subresources", {}) for v in kind["spec"]["versions"])


def test_kubectl_explain_knows_the_fields(kube):
    """Which the server gathers after everything else, a second or two for each kind."""
    def said():
        return kube.kubectl("explain", "loadbalancerippools.spec.blocks", "--api-version",
                            "heraldlb.io/v1")
    until(lambda: "cidr" in said() and "start" in said(), 120, "fields and their descriptions", 1)


def test_short_names(kube):
    for short in ("lbpool", "bgpcc", "bgppc", "bgpadv", "l2pol", "bgpns"):
        kube.kubectl("get", short)


@pytest.mark.parametrize("name", FILES)
def test_the_scenarios_files_are_taken_unchanged(kube, name):
    kube.kubectl("apply", "--dry-run=server", "-f", f"{REFERENCE}/{name}")


def test_other_example_documents_are_taken(kube):
    for path in sorted(glob.glob(f"{root_dir()}/etc/examples/**/*.yaml", recursive=True)):
        with open(path, encoding="utf-8") as f:
            docs = [d for d in yaml.safe_load_all(f) if d]
        if all("apiVersion" in d for d in docs):
            kube.kubectl("apply", "--dry-run=server", "-f", path)


GOOD = [h.pool("g", "172.16.0.0/16", ("fd00::1", "fd00::9"), allowFirstLastIPs="No"),
        h.cluster(65001, {"tor": {"peerASN": 65000, "peerAddress": "192.0.2.1", "config": "x"}}),
        h.peer_config("g", hold=9, ebgpMultihop=2), h.advertise_pods(), h.advertise_services(),
        h.doc("HeraldConfig", "default", {"log": {"level": "debug"}})]
BAD = [h.pool("b", disabled="yes"), h.doc("LoadBalancerIPPool", "b", {"blocks": [{"cidr": 7}]}),
       h.cluster(-1, {}), h.cluster(65001, {"tor": {"peerASN": 1 << 33}}),
       h.peer_config("b", hold=1 << 20), h.peer_config("b", ebgpMultihop=1000),
       h.doc("BGPAdvertisement", "b", {"advertisements": [{"advertisementType": "Everything"}]}),
       h.doc("HeraldConfig", "b", {"datapath": {"mode": "magic"}})]


@pytest.mark.parametrize("doc", GOOD, ids=lambda d: d["kind"])
def test_right_documents_are_taken(kube, doc):
    kube.kubectl("apply", "--dry-run=server", "-f", "-", text=h.to_yaml(doc))


@pytest.mark.parametrize("doc", BAD, ids=lambda d: d["kind"])
def test_wrong_documents_are_refused_by_their_field(kube, doc):
    done = kube.kubectl("apply", "--dry-run=server", "--validate=false", "-f", "-",
                        text=h.to_yaml(doc), check=False)
    assert done.returncode == 1 and "spec." in done.stderr, done.stderr


@pytest.mark.parametrize("base", [d for d in (MANIFESTS, f"{MANIFESTS}/base",
                                              f"{MANIFESTS}/kustomize/base")
                                  if os.path.exists(f"{d}/kustomization.yaml")])
def test_the_kustomize_base_is_taken(kube, base):
    kube.kubectl("apply", "--dry-run=server", "-k", base)
