"""Custom resources that stand in for kinds which the lab's API server (1.20) does not have itself:
EndpointSlices of discovery.k8s.io/v1, and the kinds of Cilium and MetalLB with schemas that let
everything through, as the tests bring their own faults.  Herald's own kinds come from
etc/kubernetes.

The versions and scopes are those of Cilium 1.18 and MetalLB 0.15."""

ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
STRING = {"type": "string"}
AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
TWO = ("v2", "v2alpha1")
POOL_COLUMNS = (
    {"name": "Disabled", "type": "boolean", "jsonPath": ".spec.disabled"},
    {"name": "Conflicting", "type": "string",
     "jsonPath": '.status.conditions[?(@.type=="cilium.io/PoolConflict")].status'},
    {"name": "IPs Available", "type": "string",
     "jsonPath": '.status.conditions[?(@.type=="cilium.io/IPsAvailable")].message'}, AGE)

# kind: (plural, versions, the first is the stored one; short names)
CILIUM = {
    "CiliumLoadBalancerIPPool": ("ciliumloadbalancerippools", TWO,
                                 ("ippools", "ippool", "lbippool", "lbippools")),
    "CiliumL2AnnouncementPolicy": ("ciliuml2announcementpolicies", ("v2alpha1",),
                                   ("l2announcement",)),
    "CiliumBGPClusterConfig": ("ciliumbgpclusterconfigs", TWO, ("cbgpcluster",)),
    "CiliumBGPPeerConfig": ("ciliumbgppeerconfigs", TWO, ("cbgppeer",)),
    "CiliumBGPAdvertisement": ("ciliumbgpadvertisements", TWO, ("cbgpadvert",)),
    "CiliumBGPNodeConfig": ("ciliumbgpnodeconfigs", TWO, ("cbgpnode",)),
    "CiliumBGPNodeConfigOverride": ("ciliumbgpnodeconfigoverrides", TWO, ("cbgpnodeoverride",)),
    "CiliumPodIPPool": ("ciliumpodippools", ("v2alpha1",), ("cpip",)),
    "CiliumNode": ("ciliumnodes", ("v2",), ("cn",)),
}
METALLB = {
    "IPAddressPool": ("ipaddresspools", ("v1beta1",), ()),
    "L2Advertisement": ("l2advertisements", ("v1beta1",), ()),
    "BGPPeer": ("bgppeers", ("v1beta2", "v1beta1"), ()),
    "BGPAdvertisement": ("bgpadvertisements", ("v1beta1",), ()),
    "BFDProfile": ("bfdprofiles", ("v1beta1",), ()),
    "Community": ("communities", ("v1beta1",), ()),
    "ServiceL2Status": ("servicel2statuses", ("v1beta1",), ()),
}


def definition(group, kind, plural, versions, scope, short=(), schema=None, columns=(AGE,)):
    """A CustomResourceDefinition; without @schema, of spec and status with anything in them."""
    status = schema is None
    schema = schema or {"type": "object", "properties": {"spec": ANYTHING, "status": ANYTHING}}
    out = []
    for name in versions:
        version = {"name": name, "served": True, "storage": name == versions[0],
                   "schema": {"openAPIV3Schema": schema},
                   "additionalPrinterColumns": list(columns)}
        if status:
            version["subresources"] = {"status": {}}
        out.append(version)
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {"group": group, "scope": scope, "versions": out,
                     "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural,
                               "singular": kind.lower(), "shortNames": list(short)}}}


def endpoint_slices():
    """EndpointSlice v1, checked as the real kind is as far as a schema can."""
    def loose(required=(), **properties):
        return {**ANYTHING, "properties": properties,
                **({"required": list(required)} if required else {})}
    conditions = loose(**{c: {"type": "boolean"} for c in ("ready", "serving", "terminating")})
    endpoint = loose(["addresses"], nodeName=STRING, zone=STRING, hostname=STRING,
                     conditions=conditions,
                     addresses={"type": "array", "minItems": 1, "maxItems": 100, "items": STRING})
    port = loose(name={**STRING, "default": ""}, appProtocol=STRING,
                 protocol={**STRING, "default": "TCP", "enum": ["TCP", "UDP", "SCTP"]},
                 port={"type": "integer", "minimum": 1, "maximum": 65535})
    schema = loose(["addressType", "endpoints"],
                   addressType={**STRING, "enum": ["IPv4", "IPv6", "FQDN"]},
                   endpoints={"type": "array", "maxItems": 1000, "items": endpoint},
                   ports={"type": "array", "maxItems": 100, "nullable": True, "items": port})
    made = definition("discovery.k8s.io", "EndpointSlice", "endpointslices", ["v1"], "Namespaced",
                      schema=schema)
    # The server asks for this word before it lets anybody have a group of Kubernetes itself.
    made["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, testing"}
    return made


def dialects():
    return ([definition("cilium.io", k, plural, versions, "Cluster", short,
                        columns=POOL_COLUMNS if k == "CiliumLoadBalancerIPPool" else (AGE,))
             for k, (plural, versions, short) in CILIUM.items()]
            + [definition("metallb.io", k, plural, versions, "Namespaced", short)
               for k, (plural, versions, short) in METALLB.items()])
