"""A real Kubernetes API server: etcd and kube-apiserver (tools/kube/build) in a namespace of the
lab, with TLS, tokens, RBAC, and the custom resources that a cluster with Herald has.

    kube = Kube(lab, ns, "192.168.30.10").start()
    kube.api().create(document)       kube.kubectl("get", "svc")
    kube.kubeconfig("admin")          kube.in_cluster()  a folder as in a pod
    kube.kill(); kube.start_server()  kube.compact()

No pods run and no controllers.  It takes about 400 writes a second; above that it is the
bottleneck, not who watches it."""
import base64
import contextlib
import glob
import json
import os
import re
import secrets
import shutil
import subprocess
import urllib.request

from . import kubecrd
from .kubeapi import Api, path_of
from .lab import root_dir
from .proc import Daemon
from .wait import until

PORT = 6443
ETCD = "http://127.0.0.1:2379"
ETCD_PEER = "http://127.0.0.1:2380"
ISSUER = "https://kubernetes.default.svc.cluster.local"
SERVICE_CIDR = "10.96.0.0/16,fd00:10:96::/112"
NAMESPACE = "herald-system"
DIALECTS = "herald-dialects"  # the role that is for the kinds of other projects
MANIFESTS = os.path.join(root_dir(), "etc/kubernetes")
GATES = ("IPv6DualStack=true,ServiceLBNodePortControl=true,MixedProtocolLBService=true,"
         "EfficientWatchResumption=true")


def binary():
    """Where tools/kube/build puts it."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cache = os.environ.get("HERALD_KUBE_CACHE") or os.path.join(base, "herald-kube")
    return os.path.join(cache, "kube-apiserver")


def missing():
    """What is not there that a server needs, in words; "" when all is."""
    if not os.access(binary(), os.X_OK):
        return "no kube-apiserver: tools/kube/build makes it"
    for tool in ("etcd", "kubectl", "openssl"):
        if not shutil.which(tool):
            return f"{tool} is missing: tools/install-deps kube"
    return ""


def _openssl(*args, cwd, text=None):
    done = subprocess.run(["openssl", *args], cwd=cwd, input=text, text=True, capture_output=True,
                          check=False)
    if done.returncode:
        raise OSError(f"openssl {' '.join(args)}: {done.stderr.strip()}")


class Pki:
    """A certificate authority of its own, and what it signed, in @dir."""

    def __init__(self, path):
        self.dir = path
        self._key("ca")
        _openssl("req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=herald-lab", "-days", "2",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", "ca.crt", cwd=path)
        _openssl("genrsa", "-out", "sa.key", "2048", cwd=path)
        _openssl("rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub", cwd=path)

    def _key(self, name):
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key",
                 cwd=self.dir)

    def issue(self, name, subject, *extensions):
        """NAME.crt and NAME.key; returns both paths."""
        self._key(name)
        _openssl("req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr",
                 cwd=self.dir)
        with open(f"{self.dir}/{name}.ext", "w", encoding="ascii") as f:
            f.write("\n".join(extensions) + "\n")
        _openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                 "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.crt",
                 cwd=self.dir)
        return f"{self.dir}/{name}.crt", f"{self.dir}/{name}.key"

    def server(self, name, *addresses):
        names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        alt = [f"DNS:{n}" for n in names] + [f"IP:{a}" for a in addresses]
        return self.issue(name, f"/CN={name}", f"subjectAltName={','.join(alt)}",
                          "extendedKeyUsage=serverAuth")

    def read(self, name):
        with open(f"{self.dir}/{name}", encoding="ascii") as f:
            return f.read()


def manifests():
    """Every document of etc/kubernetes that a user may apply."""
    import yaml  # what only the API server's tests need
    out = []
    for path in sorted([*glob.glob(f"{MANIFESTS}/*.yaml"), *glob.glob(f"{MANIFESTS}/dialects/*")]):
        with open(path, encoding="utf-8") as f:
            out += [d for d in yaml.load_all(f, yaml.CSafeLoader) if d and "metadata" in d]
    return out


class Kube:
    """@addr: how others reach it; 127.0.0.1 when they live in the same namespace.  @flags: further
    ones of kube-apiserver."""

    def __init__(self, lab, ns, addr="127.0.0.1", name="kube", flags=()):
        self.lab, self.ns, self.addr, self.flags = lab, ns, addr, list(flags)
        self.dir = lab.path(name)
        for sub in ("pki", "etcd", "in-cluster"):
            os.makedirs(f"{self.dir}/{sub}", exist_ok=True)
            os.chmod(f"{self.dir}/{sub}", 0o700)
        self.tokens = {user: secrets.token_urlsafe(24) for user in ("admin", "nobody")}
        self.pki, self._apis = None, {}
        self.etcd = Daemon(lab, ns, self._etcd_argv(), f"{self.dir}/etcd.log")
        env = {**os.environ, "GOGC": "200"}
        self.server = Daemon(lab, ns, self._server_argv(), f"{self.dir}/apiserver.log", env=env)

    @property
    def url(self):
        host = f"[{self.addr}]" if ":" in self.addr else self.addr
        return f"https://{host}:{PORT}"

    # ---- processes ----

    def _etcd_argv(self):
        return ["etcd", "--name", "lab", "--data-dir", f"{self.dir}/etcd", "--log-level", "error",
                "--logger", "zap", "--unsafe-no-fsync", "--quota-backend-bytes", str(4 << 30),
                "--listen-client-urls", ETCD, "--advertise-client-urls", ETCD,
                "--listen-peer-urls", ETCD_PEER, "--initial-advertise-peer-urls", ETCD_PEER,
                "--initial-cluster", f"lab={ETCD_PEER}",
                "--experimental-watch-progress-notify-interval", "5s"]

    def _server_argv(self):
        pki = f"{self.dir}/pki"
        # A loopback address may not be the endpoint of the Service kubernetes.
        local = self.addr.startswith("127.") or self.addr == "::1"
        where = (["--advertise-address", "192.0.2.1", "--endpoint-reconciler-type", "none"] if local
                 else ["--advertise-address", self.addr])
        return [binary(), "--etcd-servers", ETCD, "--bind-address", "0.0.0.0",
                "--secure-port", str(PORT), *where,
                "--tls-cert-file", f"{pki}/server.crt",
                "--tls-private-key-file", f"{pki}/server.key",
                "--client-ca-file", f"{pki}/ca.crt", "--token-auth-file", f"{pki}/tokens.csv",
                "--authorization-mode", "Node,RBAC", "--anonymous-auth=true",
                "--service-account-issuer", ISSUER, "--api-audiences", ISSUER,
                "--service-account-key-file", f"{pki}/sa.pub",
                "--service-account-signing-key-file", f"{pki}/sa.key",
                "--service-cluster-ip-range", SERVICE_CIDR, "--allow-privileged=true",
                # They wait for controllers, of which none runs.
                "--disable-admission-plugins",
                "ServiceAccount,DefaultStorageClass,StorageObjectInUseProtection",
                "--feature-gates", GATES,
                # discovery.k8s.io/v1 is a custom resource: its group has no built-in version then.
                "--runtime-config",
                "api/all=true,discovery.k8s.io/v1beta1=false,discovery.k8s.io/v1alpha1=false",
                "--storage-media-type", "application/vnd.kubernetes.protobuf",
                "--profiling=false", "--v=1", *self.flags]

    def start(self, *dialects):
        """Everything; returns when Herald's kinds are served, and those of these groups."""
        self.etcd.start()
        if not self.pki:
            self._identities()
        self.start_server()
        self.install_kinds(dialects)
        return self

    def start_server(self, wait=True):
        self.server.start()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=120):
        def ready():
            if not self.server.running():
                raise AssertionError("kube-apiserver ended")
            return self.api().raw("GET", "/readyz")[0] == 200
        until(ready, timeout, lambda: f"kube-apiserver ready:\n{self.server.text()[-3000:]}", 0.1)

    def stop(self):
        """As an upgrade does it."""
        return self.server.stop(grace=20)

    def kill(self):
        return self.server.kill()

    def restart(self, hard=True):
        if hard:
            self.kill()
        else:
            self.stop()
        return self.start_server()

    # ---- etcd ----

    def _ask_etcd(self, path, **body):
        with self.ns.inside():
            ask = urllib.request.Request(f"{ETCD}/v3/{path}", json.dumps(body).encode())
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                    ask, timeout=10) as answer:
                return json.loads(answer.read())

    def revision(self):
        return int(self._ask_etcd("maintenance/status")["header"]["revision"])

    def compact(self):
        """etcd forgets all that was; who asks for it is told 410 once the server's own memory of it
        is gone too (a restart)."""
        now = self.revision()
        self._ask_etcd("kv/compaction", revision=str(now), physical=True)
        return now

    # ---- who may come in ----

    def _identities(self):
        pki = self.pki = Pki(f"{self.dir}/pki")
        pki.server("server", *dict.fromkeys(("127.0.0.1", "10.96.0.1", self.addr)))
        pki.issue("admin", "/O=system:masters/CN=admin", "extendedKeyUsage=clientAuth")
        pki.issue("herald", "/O=herald/CN=herald-cert", "extendedKeyUsage=clientAuth")
        with open(f"{pki.dir}/tokens.csv", "w", encoding="ascii") as f:
            f.write(f'{self.tokens["admin"]},admin,admin,"system:masters"\n'
                    f'{self.tokens["nobody"]},nobody,nobody,"nothing"\n')
        shutil.copyfile(f"{pki.dir}/ca.crt", f"{self.dir}/in-cluster/ca.crt")

    def api(self, user="admin"):
        """A client of the tests' own, as @user (one that has a token)."""
        if user not in self._apis:
            self._apis[user] = Api(self.ns, self.addr, PORT, f"{self.dir}/pki/ca.crt",
                                   self.tokens[user])
        return self._apis[user]

    def service_account_token(self, name="herald", ns=NAMESPACE, seconds=3600):
        """A token as a kubelet gets it for a pod."""
        got = self.api().ask("POST", path_of("ServiceAccount", name, ns, sub="token"), {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds}})
        return got["status"]["token"]

    def in_cluster(self, token=None, ns=NAMESPACE, name="in-cluster"):
        """A folder with token, ca.crt and namespace as in a pod; the token is swapped like a
        kubelet does it when it is there already."""
        base = f"{self.dir}/{name}"
        os.makedirs(base, exist_ok=True)
        data = f"{base}/..{secrets.token_hex(4)}"
        os.makedirs(data)
        for file, text in (("token", token or self.service_account_token(ns=ns)),
                           ("ca.crt", self.pki.read("ca.crt")), ("namespace", ns)):
            with open(f"{data}/{file}", "w", encoding="ascii") as f:
                f.write(text)
            with contextlib.suppress(FileNotFoundError):
                if not os.path.islink(f"{base}/{file}"):
                    os.unlink(f"{base}/{file}")
            if not os.path.lexists(f"{base}/{file}"):
                os.symlink(f"..data/{file}", f"{base}/{file}")
        old = os.path.realpath(f"{base}/..data") if os.path.lexists(f"{base}/..data") else None
        os.symlink(os.path.basename(data), f"{base}/..data.new")
        os.rename(f"{base}/..data.new", f"{base}/..data")
        if old:
            shutil.rmtree(old, ignore_errors=True)
        return base

    def kubeconfig(self, name, user=None, namespace="default", url=None, **cluster):
        """DIR/NAME.kubeconfig with these fields of its user (JSON is YAML); without them, those of
        the user NAME: admin, nobody, admin-cert (files), herald-cert (inline)."""
        if user is None:
            user = self._user(name)
        data = base64.b64encode(self.pki.read("ca.crt").encode()).decode()
        told = {"apiVersion": "v1", "kind": "Config", "current-context": "lab",
                "clusters": [{"name": "lab", "cluster": {
                    "server": url or self.url, "certificate-authority-data": data, **cluster}}],
                "users": [{"name": name, "user": user}],
                "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": name,
                                                         "namespace": namespace}}]}
        path = f"{self.dir}/{name}.kubeconfig"
        with open(f"{path}.new", "w", encoding="ascii") as f:
            os.fchmod(f.fileno(), 0o600)
            json.dump(told, f, indent=1)
        os.rename(f"{path}.new", path)
        return path

    def _user(self, name):
        if name in self.tokens:
            return {"token": self.tokens[name]}
        of = name.removesuffix("-cert")
        if name == "admin-cert":
            return {"client-certificate": f"pki/{of}.crt", "client-key": f"pki/{of}.key"}
        return {f"client-{what}-data": base64.b64encode(
            self.pki.read(f"{of}.{end}").encode()).decode()
            for what, end in (("certificate", "crt"), ("key", "key"))}

    # ---- objects ----

    def kubectl(self, *args, check=True, text=None, user="admin", timeout=60):
        """Run kubectl in the server's namespace; returns what it printed."""
        path = f"{self.dir}/{user}.kubeconfig"
        if not os.path.exists(path):
            self.kubeconfig(user)
        env = {**os.environ, "HOME": self.dir, "KUBECONFIG": path}
        for name in [n for n in env if n.lower().endswith("_proxy")]:
            del env[name]
        with self.ns.inside():
            done = subprocess.run(["kubectl", *args], input=text, text=True, capture_output=True,
                                  env=env, timeout=timeout, check=False)
        if check and done.returncode:
            raise OSError(f"kubectl {' '.join(args)}: exit {done.returncode}: {done.stderr}")
        return done.stdout if check else done

    def apply(self, *files, documents=()):
        """`kubectl apply` of files, or of documents (dicts)."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)})
        args = [a for f in files for a in ("-f", f)] or ["-f", "-"]
        return self.kubectl("apply", *args, text=None if files else text)

    def rows(self, *args):
        """What a `kubectl get` prints, as dicts by the header line."""
        head, *rest = self.kubectl("get", *args).splitlines()
        at = [m.start() for m in re.finditer(r"\S+(?: \S+)*", head)]
        names = [m.group() for m in re.finditer(r"\S+(?: \S+)*", head)]
        return [{n: row[b:e].strip() for n, b, e in zip(names, at, [*at[1:], None])}
                for row in rest]

    def install(self, *definitions):
        """Custom resource definitions; waits until each of them is really served, which comes later
        than its condition Established."""
        for d in definitions:
            self.api().ensure(d)
        for d in definitions:
            spec = d["spec"]
            for version in [v["name"] for v in spec["versions"] if v["served"]]:
                at = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}?limit=1"
                until(lambda a=at: self.api().raw("GET", a)[0] == 200, 60, f"{at} served", 0.1)

    def install_kinds(self, dialects):
        """The kinds that a cluster with Herald has: those of etc/kubernetes, and EndpointSlices.
        Herald's namespace, ServiceAccount and roles too; nothing that would run.  The server needs
        a second or two for each kind, so there are no more than are asked for."""
        docs = manifests()
        groups = {"discovery.k8s.io", "heraldlb.io", *dialects}
        self.install(*(d for d in [kubecrd.endpoint_slices(), *docs]
                       if d["kind"] == "CustomResourceDefinition"
                       and d["spec"]["group"] in groups))
        for kind in ("Namespace", "ServiceAccount", "Role", "ClusterRole", "RoleBinding",
                     "ClusterRoleBinding"):
            for d in docs:
                if d["kind"] == kind and (dialects or d["metadata"]["name"] != DIALECTS):
                    self.api().ensure(d)
