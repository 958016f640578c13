/*
 * tests/unit/heraldctl/test_render.c: answers as doc/control-protocol.md has them, and the tables
 * and YAML that they become.  The expected texts are written by hand from Cilium's and kubectl's
 * columns.
 */
#include "lib/buf.h"
#include "tests/unit/unit.h"
#include "tools/heraldctl/command.h"
#include "tools/heraldctl/render.h"
#include "tools/heraldctl/yaml.h"

#include <string.h>

/* clang-format off */
static const struct {
	command_render *render;
	const char *json, *text;
} cases[] = {
	{ render_bgp_peers,
	  "{\"peers\":[{\"name\":\"tor\",\"localASN\":65001,\"peerASN\":4200000000,\"peerAddress\":\"192.168.10.200\","
	  "\"state\":\"established\",\"uptimeSeconds\":125,\"new\":[1],\"families\":["
	  "{\"afi\":\"ipv4\",\"safi\":\"unicast\",\"received\":4,\"accepted\":3,\"advertised\":2},"
	  "{\"afi\":\"ipv6\",\"safi\":\"unicast\",\"received\":0,\"advertised\":1}]},"
	  "{\"name\":\"spine\",\"localASN\":65001,\"peerASN\":65002,\"peerAddress\":\"2001:db8::1\",\"state\":\"idle\","
	  "\"uptimeSeconds\":0,\"lastError\":\"connection refused\"}]}",
	  "Local AS   Peer AS      Peer Address     Session State   Uptime   Family         Received   Advertised\n"
	  "65001      4200000000   192.168.10.200   established     2m5s     ipv4/unicast   4          2\n"
	  "65001      4200000000   192.168.10.200   established     2m5s     ipv6/unicast   0          1\n"
	  "65001      65002        2001:db8::1      idle            0s       -              0          0\n"
	  "\nspine (2001:db8::1): connection refused\n" },
	{ render_bgp_peers, "{}",
	  "Local AS   Peer AS   Peer Address   Session State   Uptime   Family   Received   Advertised\n" },
	{ render_bgp_routes,
	  "{\"routes\":[{\"prefix\":\"10.10.1.0/24\",\"nextHop\":\"192.168.10.101\",\"peer\":\"tor\",\"best\":true,"
	  "\"multipath\":true,\"stale\":true,\"origin\":\"igp\",\"asPath\":[65000,\"{65001 65002}\"],\"med\":0,"
	  "\"localPreference\":100,\"communities\":[\"65000:1\",\"no-export\"],\"largeCommunities\":[],"
	  "\"ageSeconds\":61,\"localASN\":65001},"
	  "{\"prefix\":\"10.10.0.0/24\",\"nextHop\":\"0.0.0.0\",\"peer\":\"\",\"best\":true,\"origin\":\"igp\",\"instance\":\"k8s\"}]}",
	  "VRouter   Peer   Prefix         NextHop          Age   Attrs\n"
	  "65001     tor    10.10.1.0/24   192.168.10.101   61s   best, multipath, stale, Origin: igp, AsPath: 65000 "
	  "{65001 65002}, Med: 0, LocalPref: 100, Communities: 65000:1 no-export\n"
	  "k8s       -      10.10.0.0/24   0.0.0.0                best, Origin: igp\n" },
	{ render_bgp_policies,
	  "{\"policies\":[{\"name\":\"tor-svc\",\"type\":\"export\",\"peers\":[\"tor\",\"b\"],\"families\":[\"ipv4/unicast\"],"
	  "\"prefixes\":[{\"prefix\":\"172.16.1.1/32\",\"minLength\":32,\"maxLength\":32},\"10.0.0.0/8\"],\"action\":\"accept\","
	  "\"match\":[\"origin service\"],\"pathActions\":[\"set-local-preference 200\"],\"localASN\":65001}]}",
	  "VRouter   Policy Name   Type     Match Peers   Match Families   Match Prefixes (Min..Max Len)        Match Attributes   RIB Action   Path Actions\n"
	  "65001     tor-svc       export   tor, b        ipv4/unicast     172.16.1.1/32 (32..32), 10.0.0.0/8   origin service     accept       set-local-preference 200\n" },
	{ render_services,
	  "{\"services\":[{\"id\":1,\"frontend\":{\"ip\":\"172.16.1.1\",\"port\":80,\"protocol\":\"TCP\"},\"type\":\"LoadBalancer\","
	  "\"backends\":[{\"ip\":\"10.10.1.7\",\"port\":8080,\"state\":\"active\"},{\"ip\":\"10.10.2.7\",\"port\":8080,\"state\":\"terminating\"}]},"
	  "{\"id\":2,\"frontend\":{\"ip\":\"2001:db8::1\",\"port\":53,\"protocol\":\"UDP\"},\"type\":\"ClusterIP\",\"backends\":[]}]}",
	  "ID   Frontend               Service Type   Backends\n"
	  "1    172.16.1.1:80/TCP      LoadBalancer   1 => 10.10.1.7:8080/TCP (active)\n"
	  "                                           2 => 10.10.2.7:8080/TCP (terminating)\n"
	  "2    [2001:db8::1]:53/UDP   ClusterIP\n" },
	{ render_ippools,
	  "{\"pools\":[{\"name\":\"pool\",\"disabled\":false,\"conflicting\":false,\"available\":253,\"total\":254,\"ageSeconds\":330},"
	  "{\"name\":\"six\",\"disabled\":true,\"conflicting\":true,\"available\":9223372036854775807,"
	  "\"conflict\":{\"with\":\"pool\",\"range\":\"a-b\",\"otherRange\":\"c-d\"}}]}",
	  "NAME   DISABLED   CONFLICTING   IPS AVAILABLE         AGE\n"
	  "pool   false      false         253                   5m30s\n"
	  "six    true       true          9223372036854775807\n"
	  "\nsix: a-b overlaps c-d of pool\n" },
	{ render_ipam,
	  "{\"allocations\":[{\"address\":\"172.16.1.1\",\"owner\":\"default/web\",\"pool\":\"pool\",\"reason\":\"satisfied\"},"
	  "{\"address\":\"172.16.1.2\",\"owner\":\"default/b\",\"pool\":\"pool\",\"reason\":\"pool-disabled\"}],"
	  "\"waiting\":[{\"owner\":\"default/db\",\"family\":\"ipv4\",\"reason\":\"out-of-ips\",\"message\":\"Full.\"}]}",
	  "ADDRESS      OWNER         POOL   NOTE\n"
	  "172.16.1.1   default/web   pool\n"
	  "172.16.1.2   default/b     pool   pool-disabled\n"
	  "\n"
	  "WAITING      WANTS   REASON       MESSAGE\n"
	  "default/db   ipv4    out-of-ips   Full.\n" },
	{ render_routes,
	  "{\"routes\":[{\"prefix\":\"10.10.1.0/24\",\"nexthops\":[\"192.168.10.101\",\"192.168.10.102\"],\"origin\":\"bgp-learned\",\"installed\":true},"
	  "{\"prefix\":\"10.10.2.0/24\",\"nexthops\":[\"192.168.10.9\"],\"origin\":\"direct-node\",\"installed\":false,"
	  "\"reason\":\"gateway-unreachable\",\"hops\":[{\"gateway\":\"192.168.10.9\",\"interface\":\"eth1\"}]}]}",
	  "PREFIX         NEXTHOPS                         ORIGIN        STATE\n"
	  "10.10.1.0/24   192.168.10.101, 192.168.10.102   bgp-learned   installed\n"
	  "10.10.2.0/24   192.168.10.9 dev eth1            direct-node   gateway-unreachable\n" },
	{ render_status,
	  "{\"version\":\"0.1.0\",\"node\":\"w1\",\"uptimeSeconds\":3700,\"sources\":[{\"name\":\"files\",\"synced\":true,\"objects\":23}],"
	  "\"lastReload\":{\"ok\":false,\"ageSeconds\":5,\"faults\":[\"a.yaml:1:2: bad\"]},"
	  "\"bgp\":{\"peers\":2,\"established\":1,\"routes\":{\"received\":12,\"accepted\":9,\"originated\":4},"
	  "\"down\":[{\"name\":\"tor\",\"peerAddress\":\"192.168.10.200\",\"state\":\"idle\",\"lastError\":\"refused\"}]},"
	  "\"pools\":{\"total\":1,\"available\":253},\"datapath\":{\"mode\":\"none\"},"
	  "\"notices\":[{\"kind\":\"K\",\"name\":\"n\",\"message\":\"m.\"}]}",
	  "Herald:    0.1.0 on w1, up 61m\n"
	  "Sources:   files: in sync, 23 objects\n"
	  "Reload:    refused, 5s ago; the configuration from before is in force\n"
	  "           a.yaml:1:2: bad\n"
	  "BGP:       2 peers, 1 established; routes: 12 received, 9 accepted, 4 our own\n"
	  "           tor (192.168.10.200) is idle: refused\n"
	  "Pools:     1 pools, 253 addresses available\n"
	  "Datapath:  none\n"
	  "Notices:   K/n: m.\n" },
	{ render_services,
	  "{\"stats\":true,\"services\":[{\"id\":1,\"frontend\":{\"ip\":\"172.16.1.1\",\"port\":80,\"protocol\":\"TCP\"},"
	  "\"type\":\"LoadBalancer\",\"packets\":7,\"bytes\":420,\"flows\":2,\"backends\":["
	  "{\"ip\":\"10.10.1.7\",\"port\":8080,\"state\":\"active\"},{\"ip\":\"10.10.2.7\",\"port\":8080,\"state\":\"active\"}]},"
	  "{\"id\":2,\"frontend\":{\"ip\":\"10.96.0.1\",\"port\":53,\"protocol\":\"UDP\"},\"type\":\"ClusterIP\"}]}",
	  "ID   Frontend            Service Type   Packets   Bytes   Flows   Backends\n"
	  "1    172.16.1.1:80/TCP   LoadBalancer   7         420     2       1 => 10.10.1.7:8080/TCP (active)\n"
	  "                                                                  2 => 10.10.2.7:8080/TCP (active)\n"
	  "2    10.96.0.1:53/UDP    ClusterIP\n" },
	/* cilium-dbg bpf lb list */
	{ render_lb_list,
	  "{\"frontends\":[{\"id\":1,\"address\":\"172.16.1.1:80/TCP\",\"flags\":[\"LoadBalancer\",\"ExternalLocal\"],\"backends\":["
	  "{\"id\":9,\"address\":\"10.10.1.7:8080/TCP\",\"state\":\"active\"},"
	  "{\"id\":3,\"address\":\"10.10.2.7:8080/TCP\",\"state\":\"terminating\"}]},"
	  "{\"id\":2,\"address\":\"[2001:db8::1]:53/UDP\",\"flags\":[\"ClusterIP\",\"non-routable\"],\"backends\":[]}]}",
	  "SERVICE ADDRESS            BACKEND ADDRESS (REVNAT_ID) (SLOT)\n"
	  "172.16.1.1:80/TCP (0)      0.0.0.0:0 (1) (0) [LoadBalancer, ExternalLocal]\n"
	  "172.16.1.1:80/TCP (1)      10.10.1.7:8080/TCP (1) (1)\n"
	  "172.16.1.1:80/TCP (2)      10.10.2.7:8080/TCP (1) (2) [terminating]\n"
	  "[2001:db8::1]:53/UDP (0)   [::]:0 (2) (0) [ClusterIP, non-routable]\n" },
	{ render_lb_list,
	  "{\"backends\":[{\"id\":9,\"address\":\"10.10.1.7:8080/TCP\",\"state\":\"active\",\"node\":\"w1\",\"packets\":7,\"bytes\":420,"
	  "\"flows\":2}]}",
	  "ID   BACKEND ADDRESS      STATE    NODE   PACKETS   BYTES   FLOWS\n"
	  "9    10.10.1.7:8080/TCP   active   w1     7         420     2\n" },
	{ render_lb_list,
	  "{\"sourceRanges\":[{\"id\":1,\"address\":\"172.16.1.1:80/TCP\",\"ranges\":[\"10.0.0.0/8\",\"192.0.2.0/24\"]}]}",
	  "SERVICE ADDRESS     SOURCE RANGES\n"
	  "172.16.1.1:80/TCP   10.0.0.0/8, 192.0.2.0/24\n" },
	{ render_lb_conntrack,
	  "{\"flows\":[{\"client\":\"10.0.0.5:40312/TCP\",\"frontend\":\"172.16.1.1:80/TCP\",\"backend\":\"10.10.2.7:8080/TCP\","
	  "\"snatPort\":61000,\"state\":\"established\",\"idleSeconds\":3,\"timeoutSeconds\":21600,\"service\":\"default/web\"}],"
	  "\"limit\":1,\"limited\":true}",
	  "CLIENT               FRONTEND            BACKEND              SNAT PORT   STATE         IDLE   TIMEOUT   SERVICE\n"
	  "10.0.0.5:40312/TCP   172.16.1.1:80/TCP   10.10.2.7:8080/TCP   61000       established   3s     6h        default/web\n"
	  "\nThere may be more than these 1; --limit N shows them.\n" },
	{ render_lb_maglev,
	  "{\"tables\":[{\"address\":\"172.16.1.1:80/TCP\",\"scope\":\"external\",\"size\":251,\"backends\":["
	  "{\"address\":\"10.10.1.7:8080/TCP\",\"slots\":126,\"share\":0.50199},{\"address\":\"10.10.2.7:8080/TCP\",\"slots\":125,"
	  "\"share\":0.498}]}]}",
	  "FRONTEND            SCOPE      SIZE   BACKEND              SLOTS   SHARE\n"
	  "172.16.1.1:80/TCP   external   251    10.10.1.7:8080/TCP   126     50.20%\n"
	  "172.16.1.1:80/TCP   external   251    10.10.2.7:8080/TCP   125     49.80%\n" },
	{ render_lb_counters,
	  "{\"counters\":[{\"name\":\"no-backend\",\"kind\":\"drop\",\"count\":3,\"description\":\"None.\"}]}",
	  "NAME         KIND   COUNT   MEANING\n"
	  "no-backend   drop   3       None.\n" },
	{ render_observed,
	  "{\"time\":\"2026-01-01T00:00:00.000001Z\",\"event\":\"new\",\"client\":\"10.0.0.5:40312/TCP\",\"frontend\":\"172.16.1.1:80/TCP\","
	  "\"backend\":\"10.10.1.7:8080/TCP\",\"service\":\"default/web\",\"hook\":\"xdp\",\"interface\":\"eth1\",\"tcpFlags\":\"S\","
	  "\"snat\":true,\"reason\":\"forwarded\"}",
	  "2026-01-01T00:00:00.000001Z new 10.0.0.5:40312/TCP -> 172.16.1.1:80/TCP => 10.10.1.7:8080/TCP default/web (xdp "
	  "eth1, flags S, snat)\n" },
	{ render_observed,
	  "{\"time\":\"t\",\"event\":\"drop\",\"client\":\"a\",\"frontend\":\"b\",\"hook\":\"net\",\"reason\":\"no-backend\","
	  "\"message\":\"None.\"}",
	  "t drop a -> b (net) no-backend: None.\n" },
	{ render_observed, "{\"lost\":12}", "12 records were lost here: this reader is too slow\n" },
	{ render_status_datapath,
	  "{\"mode\":\"bpf\",\"loaded\":true,\"adopted\":true,\"services\":4,\"frontends\":9,\"backends\":8,\"conflicts\":1,"
	  "\"repaired\":2,\"devices\":[{\"name\":\"eth1\",\"side\":\"network\",\"attached\":\"xdp\"},{\"name\":\"veth1\",\"side\":\"pods\","
	  "\"attached\":\"none\",\"error\":\"it is gone\"}],\"socketLB\":{\"wanted\":true,\"attached\":false,\"error\":\"no cgroup2\",\"socketsOfPods\":{\"ended\":false,\"reason\":\"no right\"}},"
	  "\"maxFlows\":{\"ipv4\":524288,\"ipv6\":131072},\"drops\":{\"no-backend\":3,\"ttl\":1}}",
	  "Datapath:  bpf, loaded, took over what was there; 4 services, 9 frontends, 8 backends\n"
	  "           eth1: xdp\n"
	  "           veth1: none (pods), it is gone\n"
	  "           socketLB: not attached, no cgroup2\n"
	  "           connected UDP sockets of pods keep a backend that is gone: no right\n"
	  "           flows: at most 524288 IPv4, 131072 IPv6\n"
	  "           1 frontends are another Service's already\n"
	  "           2 words of the maps were found changed, and repaired\n"
	  "           drops: no-backend 3, ttl 1\n" },
	{ render_message, "{\"message\":\"done\"}", "done\n" },
	{ render_message, "{}", "" },
};
/* clang-format on */

static json_t *
load(const char *text)
{
	json_error_t bad;
	json_t *v = json_loads(text, 0, &bad);

	ck_assert_msg(v != NULL, "%s: %s", text, bad.text);
	return v;
}

/* Blanks at the ends of lines do not count. */
static void
trim(char *text)
{
	char *to = text;

	for (char *at = text; *at; at++) {
		if (*at == '\n')
			while (to > text && to[-1] == ' ')
				to--;
		*to++ = *at;
	}
	*to = '\0';
}

START_TEST(tables)
{
	json_t *data = load(cases[_i].json);
	struct buf out;
	char *text;

	buf_init(&out, 1 << 20);
	cases[_i].render(data, &out);
	text = strdup(buf_text(&out));
	trim(text);
	ck_assert_str_eq(text, cases[_i].text);
	free(text);
	buf_fini(&out);
	json_decref(data);
}
END_TEST

/* Nothing that a daemon could answer may crash a table: every kind of value in every place. */
START_TEST(any_answer_is_survived)
{
	static const char *const odd[] = { "[]", "null", "3", "\"x\"", "{\"peers\":3}",
		"{\"peers\":[3,null,{}],\"routes\":[null,{\"asPath\":7}],\"policies\":[{"
		"\"prefixes\":[3]}],"
		"\"services\":[{\"backends\":[null]}],\"pools\":[{\"conflict\":4}],\"allocations\":"
		"[4],"
		"\"waiting\":[4],\"sources\":[3],\"lastReload\":{\"faults\":[3]},\"bgp\":{\"down\":"
		"[3]},"
		"\"notices\":[3],\"uptimeSeconds\":-5,\"datapath\":3}",
		"{\"frontends\":[3,{\"flags\":[3],\"backends\":[3]}]}", "{\"backends\":[3,null]}",
		"{\"backends\":3}", "{\"sourceRanges\":[3,{\"ranges\":[3,null]}]}",
		"{\"flows\":[3],\"limited\":true}", "{\"tables\":[3,{\"backends\":[3]}]}",
		"{\"counters\":[3]}", "{\"lost\":null}",
		"{\"datapath\":{\"loaded\":3,\"devices\":[3],\"drops\":{\"x\":[]}}}",
		"{\"datapath\":{\"loaded\":true,\"socketLB\":4,\"maxFlows\":4}}" };

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		json_error_t bad;
		json_t *data = json_loads(odd[i], JSON_DECODE_ANY, &bad);

		for (const struct command *c = commands; c->words[0]; c++) {
			struct buf out;

			buf_init(&out, 1 << 20);
			if (c->render)
				c->render(data, &out);
			buf_fini(&out);
		}
		json_decref(data);
	}
}
END_TEST

START_TEST(as_yaml)
{
	static const char text[] =
	    "{\"a\":\"plain text\",\"b\":[1,true,null,1.5],\"c\":{},\"d\":[],"
	    "\"e\":\"yes\",\"f\":\"12\",\"g\":\"10.0.0.1\",\"h\":\"\",\"i\":\"65000:1\","
	    "\"j\":\"2001:db8::/32\",\"k\":{\"x: y\":\"- z\"},\"l\":\"2001-01-01\"}";
	static const char yaml[] = "a: plain text\nb:\n- 1\n- true\n- null\n- 1.5\nc: {}\nd: []\n"
				   "e: \"yes\"\nf: \"12\"\ng: 10.0.0.1\nh: \"\"\ni: \"65000:1\"\n"
				   "j: 2001:db8::/32\nk:\n  'x: y': '- z'\nl: \"2001-01-01\"\n";
	json_t *data = load(text), *two[2];
	struct buf out;

	buf_init(&out, 1 << 20);
	ck_assert_int_eq(yaml_print((const json_t *const *)&data, 1, &out), 0);
	ck_assert_str_eq(buf_text(&out), yaml);
	buf_reset(&out);
	json_decref(data);
	two[0] = load("{\"kind\":\"A\"}");
	two[1] = load("{\"kind\":\"B\"}");
	ck_assert_int_eq(yaml_print((const json_t *const *)two, 2, &out), 0);
	ck_assert_str_eq(buf_text(&out), "---\nkind: A\n---\nkind: B\n");
	json_decref(two[0]);
	json_decref(two[1]);
	buf_fini(&out);
	buf_init(&out, 5);
	data = load("{\"much\":\"longer than five\"}");
	ck_assert_int_lt(yaml_print((const json_t *const *)&data, 1, &out), 0);
	json_decref(data);
	buf_fini(&out);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("render");

	tcase_add_loop_test(tc, tables, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, any_answer_is_survived);
	tcase_add_test(tc, as_yaml);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("heraldctl-render", add_tests)
