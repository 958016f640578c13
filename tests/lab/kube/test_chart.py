"""The Helm chart, its templates run by Go's text/template as Helm runs them: what comes out is what
etc/kubernetes/herald.yaml says, and a real API server takes it, whatever the values."""
import copy
import glob
import json
import os
import shutil
import subprocess

import pytest
import yaml

from herald_lab import herald as h
from herald_lab.kube import MANIFESTS, Kube
from herald_lab.lab import root_dir

CHART = os.path.join(root_dir(), "etc/helm/herald")
HERE = os.path.dirname(os.path.abspath(__file__))
NAMESPACE = "herald-system"


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def values(**more):
    """values.yaml with changes; those of "a": {...} within a."""
    made = yaml.safe_load(read(f"{CHART}/values.yaml"))
    for key, value in more.items():
        made[key] = {**made[key], **value} if isinstance(value, dict) else value
    return made


ALL = values(
    dialects=["heraldlb.io", "cilium.io", "metallb.io"], loadBalancerClass="example.org/lb",
    hostPID=True, podAnnotations={"note": 'says "#1": yes'}, imagePullSecrets=[{"name": "pull"}],
    apiServer={"host": "fd00::1"}, pods={"enabled": True}, maxUnavailable=2, tolerations=[],
    nodeSelector={"herald": "yes"}, seccompProfile={"type": "Unconfined"},
    rbac={"secretNamespaces": ["metallb-system", "other"]},
    serviceAccount={"name": "other", "annotations": {"a": "1"}},
    image={"repository": "example.org:5000/herald", "tag": "v9"},
    metrics={"address": "[::]", "port": 9479, "perService": True},
    config={"datapath": {"mode": "bpf"}, "bgp": {"listen": ["0.0.0.0:179", "[::]:179"]},
            "log": {"level": "debug"}})
NONE = values(serviceAccount={"create": False}, rbac={"create": False}, config={}, nodeSelector={},
              resources={}, capabilities=["NET_ADMIN"])


@pytest.fixture(scope="module")
def chart(module_lab):
    """chart(values, namespace): the objects that the templates make."""
    if not shutil.which("go"):
        pytest.skip("go is missing: tools/install-deps kube")
    folder = module_lab.path("chart")
    program = f"{folder}/render"
    env = {**os.environ, "GOCACHE": f"{folder}/cache", "GO111MODULE": "off", "GOFLAGS": "",
           "CGO_ENABLED": "0"}
    subprocess.run(["go", "build", "-o", program, f"{HERE}/chart/render.go"], check=True, env=env)

    def made(with_values, namespace=NAMESPACE):
        about = yaml.safe_load(read(f"{CHART}/Chart.yaml"))
        dot = {"Values": with_values, "Release": {"Name": "herald", "Namespace": namespace},
               "Chart": {"AppVersion": about["appVersion"]}}
        files = {p: read(p) for p in sorted(glob.glob(f"{CHART}/templates/*"))}
        done = subprocess.run([program], input=json.dumps({"dot": dot, "files": files}), text=True,
                              capture_output=True, check=False)
        assert not done.returncode, done.stderr
        got = json.loads(done.stdout)
        assert not any("<no value>" in text for text in got.values())
        return [d for p, text in got.items() if p.endswith(".yaml")
                for d in yaml.safe_load_all(text) if d]
    return made


@pytest.fixture(scope="module")
def kube(module_lab):
    one = Kube(module_lab, module_lab.netns("api")).start()
    for name in (NAMESPACE, "elsewhere", "metallb-system", "other"):
        one.api().ensure({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return one


def by_name(objects):
    """The config of a ConfigMap as what it says, not how it is written."""
    made = {(d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]): copy.deepcopy(d)
            for d in objects}
    for d in made.values():
        if d["kind"] == "ConfigMap":
            d["data"] = {k: yaml.safe_load(v) for k, v in d["data"].items()}
    return made


def test_with_its_own_values_it_makes_the_manifest(chart):
    want = by_name(d for d in yaml.safe_load_all(read(f"{MANIFESTS}/herald.yaml"))
                   if d and d["kind"] != "Namespace")
    got = by_name(chart(values()))
    assert got.keys() == want.keys()
    for key, d in want.items():
        assert got[key] == d, key


def test_its_kinds_are_those_of_the_manifests():
    assert read(f"{CHART}/crds/crds.yaml") == read(f"{MANIFESTS}/crds.yaml")


@pytest.mark.parametrize("what", [values(), ALL, NONE], ids=["own", "all", "none"])
@pytest.mark.parametrize("namespace", [NAMESPACE, "elsewhere"])
def test_the_server_takes_what_it_makes(kube, chart, what, namespace):
    objects = chart(what, namespace)
    config, = (d for d in objects if d["kind"] == "ConfigMap")
    objects += list(yaml.safe_load_all(config["data"]["herald.yaml"]))
    said = kube.kubectl("apply", "--dry-run=server", "-f", "-", text=h.to_yaml(*objects))
    assert len(said.splitlines()) == len(objects)


def leaves(value):
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return [text for one in value for text in leaves(one)]
    return [str(value)]


def test_every_value_counts(chart):
    """What is set is somewhere in what comes out."""
    objects = list(by_name(chart(ALL, "elsewhere")).values())
    said = leaves(objects)
    for word in ("example.org/lb", 'says "#1": yes', "pull", "fd00::1", "Unconfined", "[::]:9479",
                 "example.org:5000/herald:v9", "ciliumbgppeerconfigs", "ipaddresspools",
                 "nodes/status", "install-cni", "metallb-system", "0.0.0.0:179", "debug"):
        assert word in said, word
    daemon, = (d for d in objects if d["kind"] == "DaemonSet")
    spec = daemon["spec"]["template"]["spec"]
    assert spec["hostPID"] and spec["serviceAccountName"] == "other" and "tolerations" not in spec
    assert daemon["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] == 2
    assert {d["kind"] for d in chart(NONE)} == {"ConfigMap", "DaemonSet"}
