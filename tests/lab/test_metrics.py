"""metrics.listen: the text is what Prometheus takes it for, every number that alerts and dashboard use is
there, health in words, and a scrape holds nobody up."""
import json
import re
import subprocess
import time
import urllib.parse

import pytest

from herald_lab import herald as h
from herald_lab import until
from herald_lab.lab import root_dir
from herald_lab.pair import Pair
from herald_lab.plant import wait_loaded
from herald_lab.proc import Daemon

TOP = root_dir()
RULES, DASHBOARD = f"{TOP}/etc/prometheus/herald-rules.yaml", f"{TOP}/etc/grafana/herald.json"
AT = "http://127.0.0.1:7479"
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
"""
POLICY = h.doc("L2AnnouncementPolicy", "all", {"loadBalancerIPs": True, "interfaces": ["eth0"]})


class Scene(Pair):
    """A node with everything on: a session, a load balancer, layer 2; and in a namespace beside it one
    whose API server is away."""

    def __init__(self, lab):
        super().__init__(lab)
        self.herald = h.Herald(lab, self.n1, "n1", datapath=True)
        self.herald.write("70-l2.yaml", POLICY)
        self.n2 = lab.netns("n2")
        lab.link(self.n1, "to-n2", self.n2, "eth0")
        self.n1.addr("to-n2", "10.9.0.1/24")
        self.n2.addr("eth0", "10.9.0.2/24")
        self.away = h.Herald(lab, self.n2, "n2")
        config = f"{self.away.dir}/kubeconfig"
        with open(config, "w", encoding="utf-8") as f:
            f.write(KUBECONFIG)
        self.away.write("10-settings.yaml", self.away.settings(
            sources={"kubernetes": {"kubeconfig": config}}, metrics={"listen": "10.9.0.2:7479"}))

    def get(self, path="/metrics", ns=None, at=AT):
        """Status and body."""
        got = (ns or self.n1).run("curl", "-sS", "-m", "20", "-w", "\n%{http_code}", f"{at}{path}")
        body, _, status = got.rpartition("\n")
        return int(status), body

    def metrics(self, **kw):
        """{series: number} as they come."""
        status, text = self.get(**kw)
        assert status == 200, text
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
                for line in text.splitlines() if not line.startswith("#")}


def prometheus(scene, lab):
    """Prometheus in n1's namespace, with the rules as they are."""
    where = lab.path("prometheus")
    config = f"{where}/prometheus.yaml"
    with open(config, "w", encoding="utf-8") as f:
        f.write(f"""\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{RULES}]
scrape_configs:
- job_name: herald
  static_configs: [{{targets: ["127.0.0.1:7479", "10.9.0.2:7479"]}}]
""")
    return Daemon(lab, scene.n1, ["prometheus", f"--config.file={config}",
                                  f"--storage.tsdb.path={where}/tsdb",
                                  "--web.listen-address=127.0.0.1:9090"],
                  f"{where}/log").start()


def ask(scene, path, **query):
    got = scene.n1.run("curl", "-sS", "-m", "20",
                       f"http://127.0.0.1:9090/api/v1/{path}?{urllib.parse.urlencode(query)}",
                       check=False)
    answer = json.loads(got or "{}")
    assert answer.get("status") in ("success", None), f"{query}: {answer}"
    return answer.get("data")


@pytest.fixture(scope="module")
def up(module_lab):
    scene = Scene(module_lab)
    speaker = scene.speaker()
    speaker.serve()
    scene.herald.write("31-bfd.yaml", h.doc("BFDProfile", "slow", {"receiveInterval": 1000}))
    scene.start(peers=scene.peers(v6=False), settings={"metrics": {"perService": True}},
                config={"bfdProfile": "slow"})
    scene.away.start()
    wait_loaded(scene.herald)
    scene.herald.wait_established()
    until(lambda: scene.get("/readyz")[0] == 200, what=lambda: f"n1 ready: {scene.get('/readyz')}")
    return scene


def series(metrics, name):
    return {k: v for k, v in metrics.items() if re.match(rf"{name}(\{{|$)", k)}


# ---- the text ----

@pytest.mark.parametrize("node", ["n1", "n2"])
def test_promtool_finds_nothing(up, node):
    kw = {} if node == "n1" else {"ns": up.n2, "at": "http://10.9.0.2:7479"}
    _, text = up.get(**kw)
    run = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                         capture_output=True, check=False)
    assert run.returncode == 0 and not run.stdout + run.stderr, run.stdout + run.stderr


def test_every_metric_is_documented_with_its_labels(up):
    with open(f"{TOP}/doc/metrics.md", encoding="utf-8") as f:
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", f.read(), re.M)
    documented = {name: (kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels in rows}
    there = {}
    for text in (up.get()[1], up.get(ns=up.n2, at="http://10.9.0.2:7479")[1]):
        kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            name = re.sub(r"_(bucket|sum|count)$", "", re.match(r"\w+", line).group(0))
            name = name if name in kinds else re.match(r"\w+", line).group(0)
            labels = [x for x in re.findall(r'(\w+)="', line) if x != "le"]
            assert documented[name] == (kinds[name], labels), line
            there[name] = True
    # what only shows when it happens
    assert set(documented) - set(there) <= {"herald_services_unsatisfied"}


def test_numbers_are_those_of_heraldctl(up):
    m = up.metrics()
    peer = 'instance="main",peer="r4"'
    assert m[f'herald_bgp_session_up{{{peer}}}'] == 1
    assert m[f'herald_bgp_session_state{{{peer}}}'] == 5
    since = m[f'herald_bgp_session_established_timestamp_seconds{{{peer}}}']
    assert m["process_start_time_seconds"] - 1 <= since <= time.time() + 1
    family = up.herald.peer("r4")["families"][0]
    assert m[f'herald_bgp_prefixes_advertised{{{peer},family="ipv4"}}'] == family["advertised"] > 0
    assert m[f'herald_bgp_messages_total{{{peer},type="open",direction="sent"}}'] >= 1
    pool = next(p for p in up.herald.ctl("ippools")["pools"] if p["name"] == "v4")
    assert m['herald_ippool_addresses{pool="v4"}'] == pool["total"]
    assert m['herald_ippool_addresses_available{pool="v4"}'] == pool["available"]
    assert m['herald_services{type="LoadBalancer"}'] == 1
    assert m['herald_services_load_balancer{state="satisfied"}'] == 1
    assert m["herald_datapath_loaded"] == 1 and m["herald_ready"] == 1
    assert m['herald_source_synced{source="files"}'] == 1
    assert m['herald_objects{kind="Service"}'] == 1
    fronts = series(m, "herald_service_packets_total")
    assert any('namespace="default",service="web",address="172.16.1.1",port="80",protocol="TCP"' in k
               for k in fronts), fronts
    assert m['herald_loop_turn_seconds_bucket{le="+Inf"}'] == m["herald_loop_turn_seconds_count"] > 0


def test_packets_are_counted(up):
    web = ('namespace="default",service="web",address="172.16.1.1",port="80",protocol="TCP"')
    before = up.metrics()
    up.other.ip("route replace 172.16.1.1/32 via 10.0.0.1")

    def counted():
        up.other.run("curl", "-sS", "-m", "0.2", "http://172.16.1.1/", check=False)
        m = up.metrics()
        return m if m[f"herald_service_packets_total{{{web}}}"] > before.get(
            f"herald_service_packets_total{{{web}}}", 0) else None
    after = until(counted, what="a packet to the Service counted")
    assert after["herald_datapath_bytes_total"] > before["herald_datapath_bytes_total"]
    assert after["herald_datapath_flows_total"] > before["herald_datapath_flows_total"]


def test_an_unsatisfied_service_by_its_reason(up):
    up.herald.write("61-more.yaml", h.service("more", families=["IPv4"], annotations={
        "heraldlb.io/ips": "9.9.9.9"}))
    name = 'herald_services_unsatisfied{reason="outside-pool"}'
    until(lambda: up.metrics().get(name) == 1, what="the Service that waits")
    assert up.metrics()['herald_services_load_balancer{state="unsatisfied"}'] == 1
    up.herald.remove("61-more.yaml")
    until(lambda: name not in up.metrics(), what="it is gone")


def test_a_refused_reload(up):
    before = up.metrics()['herald_config_reloads_total{result="refused"}']
    up.herald.write("62-bad.yaml", "apiVersion: v1\nkind: Sevice\n")
    until(lambda: up.metrics()["herald_config_last_reload_successful"] == 0, what="told")
    m = up.metrics()
    assert m['herald_config_reloads_total{result="refused"}'] > before
    assert m["herald_config_faults"] == 1 and m["herald_ready"] == 1
    up.herald.remove("62-bad.yaml")
    until(lambda: up.metrics()["herald_config_last_reload_successful"] == 1, what="good again")


# ---- health ----

def test_health_and_readiness_in_words(up):
    assert up.get("/healthz") == (200, "ok\n")
    status, words = up.get("/readyz?verbose")
    assert status == 200 and "[-]" not in words and words.endswith("ready\n"), words
    assert {"[+]source files", "[+]datapath", "[+]addresses"} <= set(words.splitlines())
    status, words = up.get("/readyz", ns=up.n2, at="http://10.9.0.2:7479")
    assert status == 503 and "[-]source kubernetes: " in words and "not ready" in words, words
    assert up.get("/healthz", ns=up.n2, at="http://10.9.0.2:7479")[0] == 200
    status, words = up.get("/")
    assert status == 404 and "/metrics" in words


def test_the_api_is_away(up):
    m = up.metrics(ns=up.n2, at="http://10.9.0.2:7479")
    assert m["herald_kube_connected"] == 0 and m["herald_kube_leader"] == 0
    assert any(v > 0 for v in series(m, "herald_kube_requests_total").values())
    assert m['herald_source_synced{source="kubernetes"}'] == 0


def test_listens_elsewhere_and_not_at_all(pair):
    settings = pair.herald.settings
    pair.start()
    write = pair.herald.write
    curl = ("curl", "-s", "-o", "/dev/null", "-m", "5", "-w", "%{http_code}")
    until(lambda: pair.n1.run(*curl, f"{AT}/healthz", check=False) == "200", what="the default")
    write("10-settings.yaml", settings(metrics={"listen": "[::1]:9999"}))
    until(lambda: pair.n1.run(*curl, "http://[::1]:9999/healthz", check=False) == "200",
          what="another address")
    assert pair.n1.run(*curl, f"{AT}/healthz", check=False) == "000"
    write("10-settings.yaml", settings(metrics={"listen": ""}))
    until(lambda: pair.n1.run(*curl, "http://[::1]:9999/healthz", check=False) == "000",
          what="off")


# ---- alerts and dashboard ----

def names_in(text):
    return {re.sub(r"_bucket$", "", n) for n in re.findall(r"\b(?:herald|process)_[a-z0-9_]+\b", text)}


def expressions():
    yaml = pytest.importorskip("yaml")
    with open(RULES, encoding="utf-8") as f:
        for group in yaml.safe_load(f)["groups"]:
            for rule in group["rules"]:
                yield rule["alert"], rule["expr"]
    with open(DASHBOARD, encoding="utf-8") as f:
        board = json.load(f)
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            expr = target["expr"].replace("$__rate_interval", "1m").replace("$job", "herald")
            yield panel["title"], expr.replace("$instance", ".*")


def test_rules_hold_what_they_promise():
    for argv in (["promtool", "check", "rules", RULES],
                 ["promtool", "test", "rules", f"{TOP}/tests/lab/alerts.yaml"],
                 ["promtool", "check", "config", f"{TOP}/etc/prometheus/prometheus.yaml"]):
        run = subprocess.run(argv, text=True, capture_output=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
    with open(RULES, encoding="utf-8") as f:
        alerts = set(re.findall(r"alert: (\w+)", f.read()))
    with open(f"{TOP}/tests/lab/alerts.yaml", encoding="utf-8") as f:
        assert set(re.findall(r"- name: (\w+)", f.read())) == alerts


def test_prometheus_has_every_metric_that_is_asked_for(up, module_lab):
    prometheus(up, module_lab)
    up.herald.write("61-more.yaml", h.service("more", families=["IPv4"], annotations={
        "heraldlb.io/ips": "9.9.9.9"}))

    def scraped():
        got = ask(up, "query", query='count by (instance) (up{job="herald"} == 1)')
        return got and len(got["result"]) == 2
    until(scraped, timeout=60, what="both nodes scraped")
    for title, expr in expressions():
        ask(up, "query", query=expr)  # it is one that Prometheus understands
        for name in names_in(expr):
            def there(name=name):
                got = ask(up, "query", query=f'{{__name__=~"{name}(_bucket)?"}}')
                return got and got["result"]
            until(there, timeout=30, what=f"{name}, which {title} asks for")
    up.herald.remove("61-more.yaml")
    rules = ask(up, "rules")["groups"]
    assert rules and all(r["health"] != "err" for g in rules for r in g["rules"])


# ---- those who do not behave ----

def test_clients_that_break_off_or_send_rubbish(up):
    code = """
import socket
def dial(data, n=1):
    socks = []
    for _ in range(n):
        s = socket.create_connection(("127.0.0.1", 7479), 10)
        s.sendall(data)
        socks.append(s)
    return socks
for s in dial(b"GET /metrics HTTP/1.1\\r\\n\\r\\n", 40):
    s.close()
for data in (b"\\0\\0\\0", b"A" * 20000, b"\\r\\n\\r\\n", b"GET\\r\\n\\r\\n", b"GET /\\x80 HTTP/1.1\\r\\n\\r\\n"):
    for s in dial(data):
        try:
            s.recv(65536)
        except OSError:
            pass
        s.close()
half = dial(b"GET /met", 60)
"""
    up.n1.run("/usr/bin/python3", "-c", code)
    until(lambda: up.get()[0] == 200, what="answers still")
    assert up.herald.daemon.running()


def test_series_do_not_follow_services(up):
    """But with metrics.perService."""
    up.herald.write("10-settings.yaml", up.herald.settings())
    until(lambda: not series(up.metrics(), "herald_service_packets_total"), what="off again")
    before = len(up.metrics())
    up.herald.write("63-many.yaml", *(h.service(f"many{i}", families=["IPv4"]) for i in range(20)))
    until(lambda: up.metrics()['herald_services{type="LoadBalancer"}'] == 21, what="20 more")
    assert len(up.metrics()) <= before + 1
    up.herald.remove("63-many.yaml")
