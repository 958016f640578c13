"""A client of the Kubernetes API for tests: small, blocking, and independent of Herald's own.

    api = Api(ns, "192.168.30.10", 6443, ca="ca.crt", token="...")
    api.create(document)        api.merge("Service", "web", {"spec": {...}})
    api.get("Service", "web")   api.list("Service")["items"]

Watch is the plain watch client that others are measured against: it notes when each event came."""
import contextlib
import http.client
import json
import ssl
import threading
import time

JSON = "application/json"
MERGE = "application/merge-patch+json"

# Of kinds whose plural is not the kind in small letters with an s, or whose group is not asked for.
PLURALS = {"CiliumL2AnnouncementPolicy": "ciliuml2announcementpolicies",
           "L2AnnouncementPolicy": "l2announcementpolicies", "Community": "communities",
           "NetworkPolicy": "networkpolicies", "ServiceL2Status": "servicel2statuses",
           "BGPNodeStatus": "bgpnodestatuses"}
APIS = {"Service": "v1", "Node": "v1", "Namespace": "v1", "Secret": "v1", "Event": "v1",
        "ServiceAccount": "v1", "ConfigMap": "v1", "EndpointSlice": "discovery.k8s.io/v1",
        "Lease": "coordination.k8s.io/v1",
        "CustomResourceDefinition": "apiextensions.k8s.io/v1",
        "ClusterRole": "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding": "rbac.authorization.k8s.io/v1",
        "Role": "rbac.authorization.k8s.io/v1", "RoleBinding": "rbac.authorization.k8s.io/v1"}
UNSPACED = {"Node", "Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}


class ApiError(AssertionError):
    """The server said no."""

    def __init__(self, method, path, status, said):
        self.status = status
        self.reason = said.get("reason", "") if isinstance(said, dict) else ""
        text = said.get("message", said) if isinstance(said, dict) else said
        super().__init__(f"{method} {path}: {status} {self.reason}: {str(text)[:1000]}")


def path_of(kind, name="", ns="default", api=None, sub=""):
    """Where an object of @kind lies; without @name, all of them (@ns "": of every namespace)."""
    api = api or APIS.get(kind) or "heraldlb.io/v1"
    plural = PLURALS.get(kind, kind.lower() + "s")
    spaced = kind not in UNSPACED and not api.startswith(("heraldlb.io/", "cilium.io/"))
    at = f"/api/{api}" if "/" not in api else f"/apis/{api}"
    if spaced and ns:
        at += f"/namespaces/{ns}"
    return at + f"/{plural}" + (f"/{name}" if name else "") + (f"/{sub}" if sub else "")


def path_of_document(d):
    meta = d["metadata"]
    return path_of(d["kind"], "", meta.get("namespace", "default"), d["apiVersion"])


class Api:
    """Requests as one user, from inside @ns.  Every thread has a connection of its own."""

    def __init__(self, ns, addr, port, ca, token=None, cert=None, timeout=20):
        self.ns, self.addr, self.port, self.token, self.timeout = ns, addr, port, token, timeout
        self.tls = ssl.create_default_context(cafile=ca)
        if cert:
            self.tls.load_cert_chain(*cert)
        self._own = threading.local()

    def connect(self, timeout=None):
        conn = http.client.HTTPSConnection(self.addr, self.port)
        plain = self.ns.socket(family=10 if ":" in self.addr else 2)
        plain.settimeout(timeout or self.timeout)
        try:
            plain.connect((self.addr, self.port))
            plain.setsockopt(6, 1, 1)  # TCP_NODELAY
            conn.sock = self.tls.wrap_socket(plain, server_hostname=self.addr)
        except BaseException:
            plain.close()
            raise
        return conn

    def headers(self, kind=None):
        out = {"Accept": JSON}
        if self.token:
            out["Authorization"] = f"Bearer {self.token}"
        if kind:
            out["Content-Type"] = kind
        return out

    def raw(self, method, path, body=None, kind=JSON):
        """(status, body as bytes); a kept connection that was closed meanwhile is made anew."""
        data = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        for last in (False, True):
            conn = getattr(self._own, "conn", None)
            fresh = conn is None
            try:
                if fresh:
                    conn = self._own.conn = self.connect()
                conn.request(method, path, data, self.headers(kind if data is not None else None))
                answer = conn.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                self.close()
                if last or fresh:
                    raise

    def close(self):
        conn = getattr(self._own, "conn", None)
        self._own.conn = None
        if conn:
            conn.close()

    def ask(self, method, path, body=None, kind=JSON):
        status, said = self.raw(method, path, body, kind)
        with contextlib.suppress(ValueError):
            said = json.loads(said)
        if status >= 300:
            raise ApiError(method, path, status, said)
        return said

    # ---- objects ----

    def get(self, kind, name, ns="default", api=None):
        return self.ask("GET", path_of(kind, name, ns, api))

    def find(self, kind, name, ns="default", api=None):
        """The object, or None."""
        try:
            return self.get(kind, name, ns, api)
        except ApiError as e:
            if e.status != 404:
                raise
            return None

    def list(self, kind, ns="", api=None, query=""):
        return self.ask("GET", path_of(kind, "", ns, api) + query)

    def create(self, document):
        return self.ask("POST", path_of_document(document), document)

    def ensure(self, document):
        """Create it, or put it in place of what is there."""
        meta = document["metadata"]
        found = self.find(document["kind"], meta["name"], meta.get("namespace", "default"),
                          document["apiVersion"])
        if not found:
            return self.create(document)
        meta = {**meta, "resourceVersion": found["metadata"]["resourceVersion"]}
        return self.ask("PUT", f"{path_of_document(document)}/{meta['name']}",
                        {**document, "metadata": meta})

    def merge(self, kind, name, patch, ns="default", api=None, sub=""):
        return self.ask("PATCH", path_of(kind, name, ns, api, sub), patch, MERGE)

    def delete(self, kind, name, ns="default", api=None):
        return self.ask("DELETE", path_of(kind, name, ns, api))

    def ingress(self, name, ns="default"):
        """The addresses that a Service's status tells."""
        status = self.get("Service", name, ns).get("status", {})
        return [i["ip"] for i in status.get("loadBalancer", {}).get("ingress") or []]


class Watch(threading.Thread):
    """A watch in a thread of its own; calls back with (type, object, monotonic time)."""

    def __init__(self, api, path, since, event):
        super().__init__(daemon=True)
        self.event = event
        self.conn = api.connect()
        mark = "&" if "?" in path else "?"
        self.conn.request("GET", f"{path}{mark}watch=1&resourceVersion={since}", None,
                          api.headers())
        self.answer = self.conn.getresponse()
        if self.answer.status != 200:
            raise ApiError("WATCH", path, self.answer.status, self.answer.read().decode())
        self.conn.sock.settimeout(None)
        self.start()

    def run(self):
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException, AttributeError):
            while line := self.answer.readline():
                now = time.monotonic()
                got = json.loads(line)
                self.event(got["type"], got["object"], now)

    def close(self):
        with contextlib.suppress(OSError):
            self.conn.sock.shutdown(2)
        self.join(5)
        self.conn.close()
