/*
 * tests/unit/fib/test_fib.c: the engine against a stand-in for the kernel that keeps routes as the
 * kernel does (RTM_NEWROUTE with EXCL, REPLACE, RTM_DELROUTE by protocol) and answers when told to.
 */
#include "fib/core.h"
#include "lib/mem.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

enum { MAX = 200 };

struct kroute {
	bool used;
	struct prefix prefix;
	uint32_t table, metric;
	uint8_t protocol;
	size_t nr;
	struct nl_hop hop[FIB_HOPS_MAX];
};

static struct {
	struct kroute r[MAX];
	struct nl_link link[4];
	struct nl_ifaddr addr[8];
	size_t nr_links, nr_addrs;
	struct {
		bool dump;
		enum nl_what what;
		nl_dump_cb *dumped;
		enum nl_act act;
		struct kroute route;
		nl_route_cb *answered;
		void *arg;
	} q[4 * MAX];
	size_t nr_q;
	int fail_next;	/* errno for the next route request */
	char acts[400]; /* "+10.0.0.0/8@254 -..." of what was carried out */
} k;

static struct loop *loop;
static struct fib *fib;

/* ---- the kernel ---- */

static struct kroute *
kroute(const char *text, uint32_t table, uint32_t metric)
{
	struct prefix p;

	ck_assert_int_eq(prefix_parse(text, &p, NULL), 0);
	for (size_t i = 0; i < MAX; i++)
		if (k.r[i].used && prefix_eq(&k.r[i].prefix, &p) && k.r[i].table == table &&
		    k.r[i].metric == metric)
			return &k.r[i];
	return NULL;
}

static struct kroute *
kfree(void)
{
	for (size_t i = 0; i < MAX; i++)
		if (!k.r[i].used)
			return &k.r[i];
	ck_abort_msg("too many routes");
}

static int
k_dump(void *kernel, enum nl_what what, nl_dump_cb *done, void *arg)
{
	(void)kernel;
	k.q[k.nr_q].dump = true;
	k.q[k.nr_q].what = what;
	k.q[k.nr_q].dumped = done;
	k.q[k.nr_q++].arg = arg;
	return 0;
}

static int
k_route(void *kernel, enum nl_act act, const struct nl_route *r, nl_route_cb *done, void *arg)
{
	struct kroute *q = &k.q[k.nr_q].route;

	(void)kernel;
	ck_assert_uint_gt(r->nr_hops, 0);
	*q = (struct kroute){ .used = true,
		.prefix = r->prefix,
		.table = r->table,
		.metric = r->metric,
		.protocol = r->protocol,
		.nr = r->nr_hops };
	memcpy(q->hop, r->hops, r->nr_hops * sizeof(r->hops[0]));
	k.q[k.nr_q].dump = false;
	k.q[k.nr_q].act = act;
	k.q[k.nr_q].answered = done;
	k.q[k.nr_q++].arg = arg;
	return 0;
}

static void
k_close(void *kernel)
{
	(void)kernel;
	k.nr_q = 0;
}

static struct nl_route
told(const struct kroute *r)
{
	return (struct nl_route){ .prefix = r->prefix,
		.table = r->table,
		.metric = r->metric,
		.protocol = r->protocol,
		.hops = r->hop,
		.nr_hops = r->nr };
}

static int
carry_out(enum nl_act act, const struct kroute *want)
{
	struct kroute *have = kroute(prefix_str(&want->prefix), want->table, want->metric);
	int err = k.fail_next;
	size_t len = strlen(k.acts);

	k.fail_next = 0;
	if (err)
		return -err;
	if (act == NL_ADD && have)
		return -EEXIST;
	if (act == NL_REMOVE && (!have || have->protocol != want->protocol))
		return -ESRCH;
	snprintf(k.acts + len, sizeof(k.acts) - len, "%c%s@%u ", "+=-"[act],
	    prefix_str(&want->prefix), want -> table);
	if (act == NL_REMOVE)
		have->used = false;
	else
		*(have ? have : kfree()) = *want;
	return 0;
}

static void
tell_dump(enum nl_what what)
{
	for (size_t i = 0; what == NL_LINKS && i < k.nr_links; i++)
		fib_link_news(fib, NL_DUMPED, &k.link[i]);
	for (size_t i = 0; what == NL_IFADDRS && i < k.nr_addrs; i++)
		fib_addr_news(fib, NL_DUMPED, &k.addr[i]);
	for (size_t i = 0; what == NL_ROUTES && i < MAX; i++)
		if (k.r[i].used) {
			struct nl_route r = told(&k.r[i]);

			fib_route_news(fib, NL_DUMPED, &r, false);
		}
}

/* Answer everything that was asked; false: nothing was. */
static bool
k_run(void)
{
	size_t done = 0;

	for (; done < k.nr_q; done++) {
		if (k.q[done].dump) {
			tell_dump(k.q[done].what);
			k.q[done].dumped(k.q[done].arg, 0);
		} else {
			int err = carry_out(k.q[done].act, &k.q[done].route);

			k.q[done].answered(k.q[done].arg, err, "");
		}
		ck_assert_uint_lt(k.nr_q, MAX);
	}
	k.nr_q = 0;
	return done > 0;
}

static const struct fib_backend stand_in = { k_dump, k_route, k_close };

static void
settle(void)
{
	do
		loop_turn(loop, 0);
	while (k_run() || (fib->ready && fib->dirty));
}

/* ---- set-up ---- */

static struct prefix
P(const char *text) {
	struct prefix p;

	ck_assert_int_eq(prefix_parse(text, &p, NULL), 0);
	return p;
}

static void
k_addr(unsigned ifindex, const char *addr, unsigned len)
{
	struct nl_ifaddr *a = &k.addr[k.nr_addrs++];

	*a = (struct nl_ifaddr){ .ifindex = ifindex };
	ck_assert_int_eq(addr_parse(addr, &a->addr), 0);
	a->link = prefix_of(&a->addr, len);
}

static struct kroute *
k_add(const char *prefix, uint8_t protocol, uint32_t table, uint32_t metric, const char *gw)
{
	struct kroute *r = kfree();

	*r = (struct kroute){ .used = true,
		.prefix = P(prefix),
		.table = table,
		.metric = metric,
		.protocol = protocol,
		.nr = 1 };
	r->hop[0].ifindex = 1;
	ck_assert_int_eq(addr_parse(gw, &r->hop[0].gateway), 0);
	return r;
}

static void
start(void)
{
	fib = fib_new_on(loop, &(struct fib_conf){ 0 }, &stand_in, &k);
}

static void
no_log(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

static void
setup(void)
{
	log_sink(no_log, NULL);
	memset(&k, 0, sizeof(k));
	loop = loop_new_fake();
	k.link[0] = (struct nl_link){ .ifindex = 1, .up = true, .running = true };
	k.link[1] = (struct nl_link){ .ifindex = 2, .up = true, .running = true };
	k.nr_links = 2;
	k_addr(1, "192.168.10.100", 24);
	k_addr(1, "2001:db8:10::100", 64);
	k_addr(2, "192.168.20.100", 24);
	fib = NULL;
}

static void
teardown(void)
{
	fib_free(fib);
	loop_free(loop);
}

/* "gw gw" */
static void
want(enum fib_origin origin, const char *prefix, const char *gateways)
{
	struct prefix p = P(prefix);
	struct fib_hop hops[FIB_HOPS_MAX] = { 0 };
	char copy[300], *save = NULL;
	size_t nr = 0;

	snprintf(copy, sizeof(copy), "%s", gateways);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		ck_assert_int_eq(addr_parse(w, &hops[nr++].gateway), 0);
	ck_assert_int_eq(fib_route_set(fib, origin, &p, hops, nr), 0);
}

static void
unwant(enum fib_origin origin, const char *prefix)
{
	struct prefix p = P(prefix);

	fib_route_del(fib, origin, &p);
}

/* The kernel's route as "gw%if gw%if", "" when there is none. */
static const char *
shown(const char *prefix, uint32_t table)
{
	static char text[400];
	const struct kroute *r = kroute(prefix, table, FIB_METRIC);

	text[0] = '\0';
	for (size_t i = 0; r && i < r->nr; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s%%%u", i ? " " : "",
		    addr_str(&r->hop[i].gateway), r->hop[i].ifindex);
	return text;
}

struct lookup {
	struct prefix prefix;
	struct fib_route_info info;
	unsigned found;
};

static bool
match_info(void *arg, const struct fib_route_info *info)
{
	struct lookup *l = arg;

	if (prefix_eq(&info->prefix, &l->prefix)) {
		l->info = *info;
		l->found++;
	}
	return true;
}

static struct fib_route_info
info_of(const char *prefix)
{
	struct lookup l = { .prefix = P(prefix) };

	fib_each(fib, match_info, &l);
	ck_assert_uint_eq(l.found, 1);
	return l.info;
}

/* ---- installing ---- */

START_TEST(installs_resolves_and_removes)
{
	start();
	want(FIB_BGP_LEARNED, "10.10.1.0/24", "192.168.20.1 192.168.10.101 192.168.20.1");
	want(FIB_BGP_LEARNED, "2001:db8:1::/64", "2001:db8:10::1");
	settle();
	ck_assert_str_eq(shown("10.10.1.0/24", 254), "192.168.10.101%1 192.168.20.1%2");
	ck_assert_str_eq(shown("2001:db8:1::/64", 254), "2001:db8:10::1%1");
	ck_assert_uint_eq(kroute("10.10.1.0/24", 254, FIB_METRIC)->protocol, FIB_PROTOCOL);
	ck_assert(info_of("10.10.1.0/24").installed);
	k.acts[0] = '\0';
	want(FIB_BGP_LEARNED, "10.10.1.0/24", "192.168.10.101 192.168.20.1");
	settle();
	ck_assert_str_eq(k.acts, ""); /* the same again */
	want(FIB_BGP_LEARNED, "10.10.1.0/24", "192.168.10.101");
	settle();
	ck_assert_str_eq(k.acts, "=10.10.1.0/24@254 ");
	unwant(FIB_BGP_LEARNED, "10.10.1.0/24");
	settle();
	ck_assert_str_eq(shown("10.10.1.0/24", 254), "");
}
END_TEST

START_TEST(a_change_while_asking_is_not_lost)
{
	start();
	settle();
	want(FIB_BGP_LEARNED, "10.10.1.0/24", "192.168.10.101");
	loop_turn(loop, 0); /* asked, not answered */
	want(FIB_BGP_LEARNED, "10.10.1.0/24", "192.168.10.102");
	loop_turn(loop, 0);
	k.fail_next = ENOBUFS; /* not even when the first fails */
	settle();
	ck_assert_str_eq(shown("10.10.1.0/24", 254), "192.168.10.102%1");
	unwant(FIB_BGP_LEARNED, "10.10.1.0/24");
	loop_turn(loop, 0);
	want(FIB_BGP_LEARNED, "10.10.1.0/24", "192.168.10.103");
	settle();
	ck_assert_str_eq(shown("10.10.1.0/24", 254), "192.168.10.103%1");
}
END_TEST

START_TEST(direct_before_learned)
{
	start();
	want(FIB_BGP_LEARNED, "10.10.1.0/24", "192.168.20.1");
	want(FIB_DIRECT_NODE, "10.10.1.0/24", "192.168.10.101");
	settle();
	ck_assert_str_eq(shown("10.10.1.0/24", 254), "192.168.10.101%1");
	unwant(FIB_DIRECT_NODE, "10.10.1.0/24");
	settle();
	ck_assert_str_eq(shown("10.10.1.0/24", 254), "192.168.20.1%2");
}
END_TEST

START_TEST(complete_set_sweeps)
{
	start();
	want(FIB_BGP_LEARNED, "10.1.0.0/16", "192.168.10.1");
	want(FIB_BGP_LEARNED, "10.2.0.0/16", "192.168.10.1");
	want(FIB_DIRECT_NODE, "10.3.0.0/16", "192.168.10.1");
	settle();
	fib_sync_begin(fib, FIB_BGP_LEARNED);
	want(FIB_BGP_LEARNED, "10.2.0.0/16", "192.168.10.1");
	fib_sync_end(fib, FIB_BGP_LEARNED);
	settle();
	ck_assert_str_eq(shown("10.1.0.0/16", 254), "");
	ck_assert_str_eq(shown("10.2.0.0/16", 254), "192.168.10.1%1");
	ck_assert_str_eq(shown("10.3.0.0/16", 254), "192.168.10.1%1");
}
END_TEST

/* ---- refusals ---- */

static const struct {
	const char *prefix, *gateway;
	enum reason why;
} refusals[] = {
	{ "192.168.10.100/32", "192.168.10.1", REASON_LOCAL_ADDRESS },
	{ "2001:db8:10::100/128", "2001:db8:10::1", REASON_LOCAL_ADDRESS },
	{ "10.10.0.0/24", "192.168.10.1", REASON_PROTECTED_PREFIX },
	{ "10.10.0.128/25", "192.168.10.1", REASON_PROTECTED_PREFIX },
	{ "192.168.20.0/24", "192.168.10.1", REASON_CONNECTED_PREFIX },
	{ "10.9.0.0/16", "172.31.0.1", REASON_GATEWAY_UNREACHABLE },
	{ "10.9.0.0/16", "192.168.10.100", REASON_GATEWAY_UNREACHABLE },
	{ "192.168.10.1/32", "192.168.10.1", REASON_GATEWAY_UNREACHABLE },
	{ "10.10.0.0/16", "192.168.10.1", REASON_SATISFIED },
	{ "192.168.10.7/32", "192.168.10.1", REASON_SATISFIED },
	{ "192.168.0.0/16", "192.168.10.1", REASON_SATISFIED },
	{ "0.0.0.0/0", "192.168.10.1", REASON_SATISFIED },
};

START_TEST(refused_with_a_reason)
{
	struct prefix own = P("10.10.0.0/24");

	start();
	ck_assert_int_eq(fib_protect_set(fib, &own, 1), 0);
	want(FIB_BGP_LEARNED, refusals[_i].prefix, refusals[_i].gateway);
	settle();
	ck_assert_str_eq(
	    reason_name(info_of(refusals[_i].prefix).reason), reason_name(refusals[_i].why));
	ck_assert_int_eq(kroute(refusals[_i].prefix, 254, FIB_METRIC) != NULL,
	    refusals[_i].why == REASON_SATISFIED);
}
END_TEST

/* RFC 4271 9.1.2.1: a next hop that is on no link of ours is reached as the kernel would. */
START_TEST(a_far_gateway_is_reached_by_the_routes_of_others)
{
	struct kroute *def = k_add("0.0.0.0/0", RTPROT_BOOT, 254, 0, "192.168.10.1"), *more;
	struct nl_route r;

	start();
	want(FIB_BGP_LEARNED, "10.9.0.0/16", "172.31.0.1");
	want(FIB_BGP_LEARNED, "172.31.0.0/24", "172.31.0.1");
	want(FIB_BGP_LEARNED, "0.0.0.0/0", "172.31.0.1");
	settle();
	ck_assert_str_eq(shown("10.9.0.0/16", 254), "192.168.10.1%1");
	ck_assert_int_eq(info_of("172.31.0.0/24").reason, REASON_GATEWAY_UNREACHABLE);
	ck_assert_int_eq(info_of("0.0.0.0/0").reason, REASON_GATEWAY_UNREACHABLE);
	/* other nodes' pods only over a link that we share */
	want(FIB_DIRECT_NODE, "10.7.0.0/16", "172.31.0.1");
	settle();
	ck_assert_int_eq(info_of("10.7.0.0/16").reason, REASON_GATEWAY_UNREACHABLE);
	/* a longer one wins */
	more = k_add("172.31.0.0/16", RTPROT_STATIC, 254, 5, "192.168.20.1");
	more->hop[0].ifindex = 2;
	r = told(more);
	fib_route_news(fib, NL_NEW, &r, false);
	loop_advance(loop, FIB_SETTLE_MS);
	settle();
	ck_assert_str_eq(shown("10.9.0.0/16", 254), "192.168.20.1%2");
	/* and when it goes, the other is back; without any, so is the route */
	fib_route_news(fib, NL_DEL, &r, false);
	more->used = false;
	loop_advance(loop, FIB_SETTLE_MS);
	settle();
	ck_assert_str_eq(shown("10.9.0.0/16", 254), "192.168.10.1%1");
	def->used = false; /* silently, with its link */
	fib_node_changed(fib);
	loop_advance(loop, FIB_SETTLE_MS);
	settle();
	ck_assert_str_eq(shown("10.9.0.0/16", 254), "");
}
END_TEST

START_TEST(a_new_pod_cidr_takes_the_route_away)
{
	struct prefix own = P("10.10.0.0/24");

	start();
	want(FIB_BGP_LEARNED, "10.10.0.0/24", "192.168.10.1");
	settle();
	ck_assert_int_eq(fib_protect_set(fib, &own, 1), 0);
	settle();
	ck_assert_str_eq(shown("10.10.0.0/24", 254), "");
}
END_TEST

START_TEST(reachable_gateways_only_and_again_when_they_come)
{
	start();
	want(FIB_BGP_LEARNED, "10.9.0.0/16", "172.31.0.1 192.168.10.1");
	settle();
	ck_assert_str_eq(shown("10.9.0.0/16", 254), "192.168.10.1%1");
	k_addr(2, "172.31.0.100", 16);
	fib_addr_news(fib, NL_NEW, &k.addr[k.nr_addrs - 1]);
	loop_advance(loop, FIB_SETTLE_MS);
	settle();
	ck_assert_str_eq(shown("10.9.0.0/16", 254), "172.31.0.1%2 192.168.10.1%1");
	k.link[0].running = false;
	fib_link_news(fib, NL_NEW, &k.link[0]);
	loop_advance(loop, FIB_SETTLE_MS);
	settle();
	ck_assert_str_eq(shown("10.9.0.0/16", 254), "172.31.0.1%2");
}
END_TEST

/* ---- the past ---- */

START_TEST(adopts_then_removes_what_nobody_wants)
{
	k_add("10.1.0.0/16", FIB_PROTOCOL, 254, FIB_METRIC, "192.168.10.1");
	k_add("10.2.0.0/16", FIB_PROTOCOL, 254, FIB_METRIC, "192.168.10.1");
	k_add("10.3.0.0/16", FIB_PROTOCOL, 100, 7, "192.168.10.1"); /* from another table */
	k_add("10.4.0.0/16", RTPROT_STATIC, 254, FIB_METRIC, "192.168.10.1");
	start();
	want(FIB_BGP_LEARNED, "10.1.0.0/16", "192.168.10.1");
	settle();
	ck_assert_str_eq(k.acts, "");
	ck_assert(info_of("10.2.0.0/16").adopted && !info_of("10.2.0.0/16").installed);
	ck_assert(info_of("10.1.0.0/16").installed);
	fib_adopted_done(fib);
	settle();
	ck_assert_ptr_nonnull(kroute("10.1.0.0/16", 254, FIB_METRIC));
	ck_assert_ptr_null(kroute("10.2.0.0/16", 254, FIB_METRIC));
	ck_assert_ptr_null(kroute("10.3.0.0/16", 100, 7));
	ck_assert_ptr_nonnull(kroute("10.4.0.0/16", 254, FIB_METRIC));
}
END_TEST

START_TEST(withdrawn_before_done_goes_at_once)
{
	k_add("10.1.0.0/16", FIB_PROTOCOL, 254, FIB_METRIC, "192.168.10.1");
	start();
	settle();
	want(FIB_BGP_LEARNED, "10.1.0.0/16", "192.168.10.1");
	settle();
	unwant(FIB_BGP_LEARNED, "10.1.0.0/16");
	settle();
	ck_assert_ptr_null(kroute("10.1.0.0/16", 254, FIB_METRIC));
}
END_TEST

/* ---- others ---- */

START_TEST(never_replaces_a_route_of_others)
{
	struct kroute *theirs =
	    k_add("10.4.0.0/16", RTPROT_STATIC, 254, FIB_METRIC, "192.168.10.9");
	struct fib_route_info info;

	start();
	want(FIB_BGP_LEARNED, "10.4.0.0/16", "192.168.10.1");
	settle();
	info = info_of("10.4.0.0/16");
	ck_assert_int_eq(info.reason, REASON_KERNEL_REFUSED);
	ck_assert_int_eq(info.error, EEXIST);
	ck_assert_str_eq(shown("10.4.0.0/16", 254), "192.168.10.9%1");
	unwant(FIB_BGP_LEARNED, "10.4.0.0/16");
	settle();
	ck_assert(theirs->used);
	want(FIB_BGP_LEARNED, "10.4.0.0/16", "192.168.10.1");
	settle();
	theirs->used = false;
	loop_advance(loop, 64000);
	settle();
	ck_assert_str_eq(shown("10.4.0.0/16", 254), "192.168.10.1%1");
}
END_TEST

START_TEST(repairs_what_others_remove)
{
	struct kroute *r;
	struct nl_route gone;
	struct fib_stats s;

	start();
	want(FIB_BGP_LEARNED, "10.4.0.0/16", "192.168.10.1");
	settle();
	r = kroute("10.4.0.0/16", 254, FIB_METRIC);
	r->used = false;
	gone = told(r);
	fib_route_news(fib, NL_DEL, &gone, false);
	settle();
	ck_assert_str_eq(shown("10.4.0.0/16", 254), "192.168.10.1%1");
	fib_stats(fib, &s);
	ck_assert_uint_eq(s.repaired, 1);
	ck_assert_uint_eq(s.installed, 1);
}
END_TEST

START_TEST(repairs_what_went_silently_with_a_link)
{
	start();
	want(FIB_BGP_LEARNED, "10.4.0.0/16", "192.168.10.1");
	settle();
	kroute("10.4.0.0/16", 254, FIB_METRIC)->used = false;
	k.link[0].running = false;
	fib_link_news(fib, NL_NEW, &k.link[0]);
	k.link[0].running = true;
	fib_link_news(fib, NL_NEW, &k.link[0]);
	loop_advance(loop, FIB_SETTLE_MS);
	settle();
	ck_assert_str_eq(shown("10.4.0.0/16", 254), "192.168.10.1%1");
}
END_TEST

START_TEST(removes_what_others_make_in_our_name)
{
	struct nl_route theirs;

	start();
	fib_adopted_done(fib);
	settle();
	theirs = told(k_add("10.8.0.0/16", FIB_PROTOCOL, 254, FIB_METRIC, "192.168.10.1"));
	fib_route_news(fib, NL_NEW, &theirs, false);
	settle();
	ck_assert_ptr_null(kroute("10.8.0.0/16", 254, FIB_METRIC));
}
END_TEST

START_TEST(moves_new_before_old)
{
	start();
	want(FIB_BGP_LEARNED, "10.4.0.0/16", "192.168.10.1");
	settle();
	k.acts[0] = '\0';
	fib_conf_set(fib, &(struct fib_conf){ .table = 100 });
	settle();
	ck_assert_str_eq(k.acts, "+10.4.0.0/16@100 -10.4.0.0/16@254 ");
}
END_TEST

START_TEST(flush_takes_all_even_what_is_on_its_way)
{
	start();
	want(FIB_BGP_LEARNED, "10.4.0.0/16", "192.168.10.1");
	settle();
	want(FIB_BGP_LEARNED, "10.5.0.0/16", "192.168.10.1");
	loop_turn(loop, 0);
	fib_flush(fib);
	settle();
	for (size_t i = 0; i < MAX; i++)
		ck_assert(!k.r[i].used);
}
END_TEST

START_TEST(lost_news_are_made_good)
{
	start();
	want(FIB_BGP_LEARNED, "10.4.0.0/16", "192.168.10.1");
	settle();
	kroute("10.4.0.0/16", 254, FIB_METRIC)->used = false;
	fib_resync(fib);
	settle();
	ck_assert_str_eq(shown("10.4.0.0/16", 254), "192.168.10.1%1");
}
END_TEST

/* ---- random ---- */

static uint32_t seed;

static unsigned
rnd(unsigned n)
{
	seed = seed * 1664525u + 1013904223u;
	return (unsigned)((seed >> 8) % n);
}

/* Wants, interference and failures at random; at rest the kernel has what is wanted, and foreign
 * routes are as they were. */
START_TEST(random_life_ends_as_wanted)
{
	static const char *const gws[] = { "192.168.10.1", "192.168.10.2", "192.168.20.1",
		"192.168.10.1 192.168.20.1" };
	static const char *const as_shown[] = { "192.168.10.1%1", "192.168.10.2%1",
		"192.168.20.1%2", "192.168.10.1%1 192.168.20.1%2" };
	int wanted[16];
	char p[32];

	seed = 42 + (uint32_t)_i;
	memset(wanted, -1, sizeof(wanted));
	start();
	fib_adopted_done(fib);
	k_add("10.200.0.0/16", RTPROT_BGP, 254, FIB_METRIC, "192.168.10.77");
	for (int step = 0; step < 3000; step++) {
		unsigned i = rnd(16), g = rnd(4);
		struct kroute *r;

		snprintf(p, sizeof(p), "10.%u.0.0/16", i);
		r = kroute(p, 254, FIB_METRIC);
		switch (rnd(8)) {
		case 0:
		case 1:
		case 2:
			want(FIB_BGP_LEARNED, p, gws[g]);
			wanted[i] = (int)g;
			break;
		case 3:
			unwant(FIB_BGP_LEARNED, p);
			wanted[i] = -1;
			break;
		case 4:
			k.fail_next = ENOBUFS;
			break;
		case 5:
			if (r && r->protocol == FIB_PROTOCOL) {
				struct nl_route gone = told(r);

				r->used = false;
				if (rnd(2))
					fib_route_news(fib, NL_DEL, &gone, false);
			}
			break;
		case 6:
			loop_advance(loop, rnd(3000));
			break;
		default:
			k_run();
		}
		if (rnd(2))
			loop_turn(loop, 0);
		if (rnd(50) > 0)
			continue;
		k.fail_next = 0;
		settle();
		loop_advance(loop, 600000); /* every retry and an audit */
		settle();
		loop_advance(loop, 64000);
		settle();
		for (unsigned j = 0; j < 16; j++) {
			snprintf(p, sizeof(p), "10.%u.0.0/16", j);
			ck_assert_str_eq(shown(p, 254), wanted[j] < 0 ? "" : as_shown[wanted[j]]);
		}
		ck_assert_str_eq(shown("10.200.0.0/16", 254), "192.168.10.77%1");
	}
}
END_TEST

/* Every n-th allocation fails: no crash, no leak, and all is well once there is memory again. */
START_TEST(out_of_memory)
{
	for (unsigned n = 1; n < 30; n++) {
		struct fib_hop hop = { 0 };
		struct prefix p = P("10.4.0.0/16");
		int err;

		memset(k.r, 0, sizeof(k.r));
		k_add("10.7.0.0/16", FIB_PROTOCOL, 254, FIB_METRIC, "192.168.10.1");
		ck_assert_int_eq(addr_parse("192.168.10.1", &hop.gateway), 0);
		mem_fail_at(n);
		start();
		err = fib_route_set(fib, FIB_BGP_LEARNED, &p, &hop, 1);
		ck_assert(err == 0 || err == -ENOMEM);
		settle();
		mem_fail_at(0);
		ck_assert_int_eq(fib_route_set(fib, FIB_BGP_LEARNED, &p, &hop, 1), 0);
		fib_adopted_done(fib);
		for (int i = 0; i < 8; i++) {
			settle();
			loop_advance(loop, 64000);
		}
		settle();
		ck_assert_str_eq(shown("10.4.0.0/16", 254), "192.168.10.1%1");
		ck_assert_str_eq(shown("10.7.0.0/16", 254), "");
		fib_free(fib);
		fib = NULL;
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("fib");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, installs_resolves_and_removes);
	tcase_add_test(tc, a_change_while_asking_is_not_lost);
	tcase_add_test(tc, direct_before_learned);
	tcase_add_test(tc, complete_set_sweeps);
	tcase_add_loop_test(tc, refused_with_a_reason, 0, sizeof(refusals) / sizeof(refusals[0]));
	tcase_add_test(tc, a_far_gateway_is_reached_by_the_routes_of_others);
	tcase_add_test(tc, a_new_pod_cidr_takes_the_route_away);
	tcase_add_test(tc, reachable_gateways_only_and_again_when_they_come);
	tcase_add_test(tc, adopts_then_removes_what_nobody_wants);
	tcase_add_test(tc, withdrawn_before_done_goes_at_once);
	tcase_add_test(tc, never_replaces_a_route_of_others);
	tcase_add_test(tc, repairs_what_others_remove);
	tcase_add_test(tc, repairs_what_went_silently_with_a_link);
	tcase_add_test(tc, removes_what_others_make_in_our_name);
	tcase_add_test(tc, moves_new_before_old);
	tcase_add_test(tc, flush_takes_all_even_what_is_on_its_way);
	tcase_add_test(tc, lost_news_are_made_good);
	tcase_add_loop_test(tc, random_life_ends_as_wanted, 0, 4);
	tcase_add_test(tc, out_of_memory);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("fib", add_tests)
