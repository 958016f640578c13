/*
 * kube/kinds.c: the table of kinds that are followed; see kinds.h.
 *
 * HeraldConfig is not among them: where the API server is stands in it, so it comes from files.
 */
#include "kube/kinds.h"

#include "lib/mem.h"

#include <string.h>

#define NATIVE "heraldlb.io/v1"
#define CILIUM "cilium.io/v2", "cilium.io/v2alpha1"

/* Slices of headless Services carry this label; such a Service has no address to be reached by, so
 * nobody here asks for its endpoints.  Those that are made by others than Kubernetes' own controller,
 * and those of Services that another proxy serves, count: they are announced all the same. */
#define NOT_HEADLESS "labelSelector=%21service.kubernetes.io%2Fheadless"

/* clang-format off */
static const struct kube_kind kinds[] = {
	{ RES_NODE, KUBE_ALWAYS, "", "Node", "nodes", { "v1" }, "" },
	{ RES_LB_IP_POOL, KUBE_ALWAYS, "", "LoadBalancerIPPool", "loadbalancerippools", { NATIVE }, "" },
	{ RES_BGP_CLUSTER_CONFIG, KUBE_ALWAYS, "", "BGPClusterConfig", "bgpclusterconfigs", { NATIVE }, "" },
	{ RES_BGP_PEER_CONFIG, KUBE_ALWAYS, "", "BGPPeerConfig", "bgppeerconfigs", { NATIVE }, "" },
	{ RES_BGP_ADVERTISEMENT, KUBE_ALWAYS, "", "BGPAdvertisement", "bgpadvertisements", { NATIVE }, "" },
	{ RES_BGP_NODE_CONFIG_OVERRIDE, KUBE_ALWAYS, "", "BGPNodeConfigOverride", "bgpnodeconfigoverrides",
	  { NATIVE }, "" },
	{ RES_L2_POLICY, KUBE_ALWAYS, "", "L2AnnouncementPolicy", "l2announcementpolicies", { NATIVE }, "" },
	{ RES_BFD_PROFILE, KUBE_ALWAYS, "", "BFDProfile", "bfdprofiles", { NATIVE }, "" },
	{ RES_POD_IP_POOL, KUBE_ALWAYS, "", "PodIPPool", "podippools", { NATIVE }, "" },
	{ RES_LB_IP_POOL, KUBE_ALWAYS, "cilium.io", "CiliumLoadBalancerIPPool", "ciliumloadbalancerippools",
	  { CILIUM }, "" },
	{ RES_BGP_CLUSTER_CONFIG, KUBE_ALWAYS, "cilium.io", "CiliumBGPClusterConfig",
	  "ciliumbgpclusterconfigs", { CILIUM }, "" },
	{ RES_BGP_PEER_CONFIG, KUBE_ALWAYS, "cilium.io", "CiliumBGPPeerConfig", "ciliumbgppeerconfigs",
	  { CILIUM }, "" },
	{ RES_BGP_ADVERTISEMENT, KUBE_ALWAYS, "cilium.io", "CiliumBGPAdvertisement",
	  "ciliumbgpadvertisements", { CILIUM }, "" },
	{ RES_BGP_NODE_CONFIG_OVERRIDE, KUBE_ALWAYS, "cilium.io", "CiliumBGPNodeConfigOverride",
	  "ciliumbgpnodeconfigoverrides", { CILIUM }, "" },
	{ RES_L2_POLICY, KUBE_ALWAYS, "cilium.io", "CiliumL2AnnouncementPolicy",
	  "ciliuml2announcementpolicies", { "cilium.io/v2alpha1" }, "" },
	{ RES_POD_IP_POOL, KUBE_ALWAYS, "cilium.io", "CiliumPodIPPool", "ciliumpodippools",
	  { "cilium.io/v2alpha1" }, "" },
	{ RES_METALLB_POOL, KUBE_ALWAYS, "metallb.io", "IPAddressPool", "ipaddresspools",
	  { "metallb.io/v1beta1" }, "" },
	{ RES_METALLB_ADDRESS_POOL, KUBE_ALWAYS, "metallb.io", "AddressPool", "addresspools",
	  { "metallb.io/v1beta1", "metallb.io/v1alpha1" }, "" },
	{ RES_METALLB_L2_ADVERTISEMENT, KUBE_ALWAYS, "metallb.io", "L2Advertisement", "l2advertisements",
	  { "metallb.io/v1beta1" }, "" },
	{ RES_METALLB_BGP_ADVERTISEMENT, KUBE_ALWAYS, "metallb.io", "BGPAdvertisement",
	  "bgpadvertisements", { "metallb.io/v1beta1" }, "" },
	{ RES_METALLB_COMMUNITY, KUBE_ALWAYS, "metallb.io", "Community", "communities",
	  { "metallb.io/v1beta1" }, "" },
	{ RES_METALLB_BFD_PROFILE, KUBE_ALWAYS, "metallb.io", "BFDProfile", "bfdprofiles",
	  { "metallb.io/v1beta1" }, "" },
	{ RES_METALLB_PEER, KUBE_ALWAYS, "metallb.io", "BGPPeer", "bgppeers",
	  { "metallb.io/v1beta2", "metallb.io/v1beta1" }, "" },
	{ RES_SERVICE, KUBE_ALWAYS, "", "Service", "services", { "v1" }, "" },
	{ RES_ENDPOINT_SLICE, KUBE_ALWAYS, "", "EndpointSlice", "endpointslices", { "discovery.k8s.io/v1" },
	  NOT_HEADLESS },
	{ RES_NAMESPACE, KUBE_ON_DEMAND, "", "Namespace", "namespaces", { "v1" }, "" },
	{ RES_SECRET, KUBE_BY_NAME, "", "Secret", "secrets", { "v1" }, "" },
};
/* clang-format on */

const struct kube_kind *
kube_kind_at(size_t i)
{
	return i < sizeof(kinds) / sizeof(kinds[0]) ? &kinds[i] : NULL;
}

char *
kube_kind_resource(const struct kube_kind *k)
{
	const char *version = k->versions[0];
	int group = (int)strcspn(version, "/");

	if (!version[group])
		return xstrdup(k->plural);
	return xasprintf("%s.%.*s", k->plural, group, version);
}

char *
kube_kind_path(const struct kube_kind *k, size_t version, const char *ns)
{
	const char *v = k->versions[version];

	return xasprintf("/%s/%s%s%s/%s", strchr(v, '/') ? "apis" : "api", v,
	    *ns ? "/namespaces/" : "", ns, k->plural);
}
