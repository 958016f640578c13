"""The laboratory's own API server: that it is what the other tests take it for."""
import json

import pytest

from herald_lab import until
from herald_lab.kubeapi import Api, ApiError, Watch, path_of
from herald_lab.herald import endpoints, service


def uid(api, kind, name):
    return api.get(kind, name)["metadata"]["uid"]


def test_services_keep_the_fields_that_came_after_1_20(kube):
    made = kube.api().create(service("fields", kind="LoadBalancer", itp="Local",
                                     loadBalancerClass="example.com/other"))
    assert made["spec"]["loadBalancerClass"] == "example.com/other"
    assert made["spec"]["internalTrafficPolicy"] == "Local"
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9", "ipMode": "Proxy"}]}}}
    kube.api().merge("Service", "fields", status, sub="status")
    got = kube.api().get("Service", "fields")["status"]["loadBalancer"]["ingress"]
    assert got == [{"ip": "192.0.2.9", "ipMode": "Proxy"}]


def test_slices_are_checked_and_kept(kube):
    good = endpoints("checked", ("172.20.1.10", "k8s-w1"))
    kube.api().create(good)
    assert kube.api().get("EndpointSlice", "checked-1")["endpoints"] == good["endpoints"]
    bad = endpoints("unchecked", ("172.20.1.10", "k8s-w1"))
    bad["addressType"] = "IPv5"
    with pytest.raises(ApiError) as told:
        kube.api().create(bad)
    assert told.value.status == 422


def test_kubectl_shows_tables(kube):
    kube.api().create(service("shown"))
    row, = (r for r in kube.rows("svc") if r["NAME"] == "shown")
    assert row["TYPE"] == "LoadBalancer" and row["EXTERNAL-IP"] == "<pending>"


def test_who_has_no_role_may_see_nothing(kube):
    with pytest.raises(ApiError) as told:
        kube.api("nobody").list("Service")
    assert told.value.status == 403 and "services" in str(told.value)


def test_every_kind_of_kubeconfig_lets_in(kube):
    for name in ("admin", "admin-cert"):
        assert json.loads(kube.kubectl("get", "svc", "-o", "json", user=name))["items"]
    assert kube.kubectl("get", "svc", user="herald-cert", check=False).returncode == 1


def test_a_service_account_has_a_token_and_a_folder_as_in_a_pod(kube):
    api = kube.api()
    api.ensure({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "own"}})
    api.ensure({"apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"name": "pod", "namespace": "own"}})
    folder = kube.in_cluster(kube.service_account_token("pod", "own"), "own", "folder")

    def who():
        with open(f"{folder}/token", encoding="ascii") as f:
            mine = Api(kube.ns, kube.addr, 6443, f"{folder}/ca.crt", f.read())
        with pytest.raises(ApiError) as told:
            mine.list("Service")
        return str(told.value)
    assert "system:serviceaccount:own:pod" in who()
    kube.in_cluster("not-a-token", "own", "folder")
    assert "401" in who()


def test_a_killed_server_comes_back_with_all_there_was(kube):
    kube.api().create(service("kept"))
    before = uid(kube.api(), "Service", "kept")
    kube.restart()
    assert uid(kube.api(), "Service", "kept") == before
    assert kube.api().list("EndpointSlice")["items"]


def test_after_compaction_and_restart_an_old_version_is_gone(kube):
    api = kube.api()
    old = api.list("Service")["metadata"]["resourceVersion"]
    api.create(service("churned"))
    for i in range(150):  # more than the server remembers at the least
        api.merge("Service", "churned", {"metadata": {"annotations": {"n": str(i)}}})
    kube.restart(hard=False)
    kube.compact()
    seen = []
    watch = Watch(api, path_of("Service", ns=""), old, lambda *event: seen.append(event))
    try:
        kind, told, _ = until(lambda: seen and seen[0], what="an event")
        assert kind == "ERROR" and told["code"] == 410
    finally:
        watch.close()
