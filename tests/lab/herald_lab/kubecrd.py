"""A custom resource that stands in for EndpointSlices of discovery.k8s.io/v1, which the lab's API
server (1.20) does not have itself.  All other kinds come from etc/kubernetes."""

ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
STRING = {"type": "string"}


def _loose(required=(), **properties):
    return {**ANYTHING, "properties": properties, **({"required": required} if required else {})}


def _schema():
    conditions = _loose(**{c: {"type": "boolean"} for c in ("ready", "serving", "terminating")})
    endpoint = _loose(["addresses"], nodeName=STRING, zone=STRING, hostname=STRING,
                      conditions=conditions,
                      addresses={"type": "array", "minItems": 1, "maxItems": 100, "items": STRING})
    port = _loose(name={**STRING, "default": ""}, appProtocol=STRING,
                  protocol={**STRING, "default": "TCP", "enum": ["TCP", "UDP", "SCTP"]},
                  port={"type": "integer", "minimum": 1, "maximum": 65535})
    return _loose(["addressType", "endpoints"],
                  addressType={**STRING, "enum": ["IPv4", "IPv6", "FQDN"]},
                  endpoints={"type": "array", "maxItems": 1000, "items": endpoint},
                  ports={"type": "array", "maxItems": 100, "nullable": True, "items": port})


def endpoint_slices():
    """EndpointSlice v1, checked as the real kind is as far as a schema can."""
    # The server asks for this word before it lets anybody have a group of Kubernetes itself.
    allowed = {"api-approved.kubernetes.io": "unapproved, testing"}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "endpointslices.discovery.k8s.io", "annotations": allowed},
            "spec": {"group": "discovery.k8s.io", "scope": "Namespaced",
                     "names": {"kind": "EndpointSlice", "listKind": "EndpointSliceList",
                               "plural": "endpointslices", "singular": "endpointslice"},
                     "versions": [{"name": "v1", "served": True, "storage": True,
                                   "schema": {"openAPIV3Schema": _schema()}}]}}
