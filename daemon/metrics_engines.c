/*
 * daemon/metrics_engines.c: numbers of the engines: sessions, layer 2, load balancer, kernel routes.
 * See metrics.h.
 */
#include "daemon/metrics_parts.h"

#include "bfd/bfd.h"
#include "daemon/app.h"
#include "daemon/l2_side.h"
#include "lib/mem.h"

#include <stdio.h>
#include <string.h>

#define ROWS_AT_ONCE                                                                               \
	256 /* frontends: each has counters of each processor, and maybe three series */
#define COUNTERS_END 256 /* no counter has a number as high */

/* ---- BGP ---- */

struct peers {
	struct scrape *s;
	struct bgp_peer_stats *v;
	size_t nr, cap;
};

/* Names live as long as the peers, and nothing happens to those before this part is done. */
static bool
add_peer(void *arg, const struct bgp_peer_stats *p)
{
	struct peers *list = arg;

	if (mem_grow((void **)&list->v, &list->cap, list->nr, sizeof(*list->v), 0) < 0)
		return false;
	list->v[list->nr++] = *p;
	return true;
}

static uint64_t
peer_number(const struct bgp_peer_stats *p, enum metric m)
{
	switch (m) {
	case METRIC_BGP_UP:
		return p->state == BGP_ESTABLISHED;
	case METRIC_BGP_STATE:
		return (uint64_t)p->state;
	case METRIC_BGP_HELD_DOWN:
		return p->held_down != NULL;
	default:
		return p->flaps;
	}
}

static uint64_t
family_number(const struct bgp_family_stats *f, enum metric m)
{
	switch (m) {
	case METRIC_BGP_RECEIVED:
		return f->received;
	case METRIC_BGP_ACCEPTED:
		return f->accepted;
	case METRIC_BGP_ADVERTISED:
		return f->advertised;
	case METRIC_BGP_AS_WITHDRAW:
		return f->withdraws_as_error;
	default:
		return f->attrs_discarded;
	}
}

static const char *const family_names[BGP_NR_FAMILIES] = { "ipv4", "ipv6" };

static void
put_of_peers(struct metric_out *o, const struct peers *list, enum metric m)
{
	for (size_t i = 0; i < list->nr; i++)
		metric_u64(o, m, peer_number(&list->v[i], m),
		    METRIC_VALUES(list->v[i].instance, list->v[i].name));
}

static void
put_of_families(struct metric_out *o, const struct peers *list, enum metric m)
{
	for (size_t i = 0; i < list->nr; i++)
		for (int f = 0; f < BGP_NR_FAMILIES; f++)
			if (list->v[i].family[f].configured)
				metric_u64(o, m, family_number(&list->v[i].family[f], m),
				    METRIC_VALUES(
					list->v[i].instance, list->v[i].name, family_names[f]));
}

static void
put_since(struct scrape *s, const struct peers *list)
{
	const uint64_t now_ms = loop_now_ms(s->app->loop);
	const double wall = (double)loop_wall_us(s->app->loop) / 1e6;

	for (size_t i = 0; i < list->nr; i++)
		if (list->v[i].up_ms)
			metric_double(&s->out, METRIC_BGP_SINCE,
			    wall - (double)(now_ms - list->v[i].up_ms) / 1e3,
			    METRIC_VALUES(list->v[i].instance, list->v[i].name));
}

static void
put_messages(struct metric_out *o, const struct peers *list)
{
	for (size_t i = 0; i < list->nr; i++) {
		const struct bgp_peer_stats *p = &list->v[i];

		for (unsigned t = 0; t < BGP_NR_MESSAGE_TYPES; t++) {
			const char *type = bgp_message_name(t);

			if (!type)
				continue;
			metric_u64(o, METRIC_BGP_MESSAGES, p->in[t],
			    METRIC_VALUES(p->instance, p->name, type, "received"));
			metric_u64(o, METRIC_BGP_MESSAGES, p->out[t],
			    METRIC_VALUES(p->instance, p->name, type, "sent"));
		}
	}
}

static bool
put_table_prefixes(void *arg, const struct bgp_table_stats *t)
{
	struct scrape *s = arg;

	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		metric_u64(&s->out, METRIC_BGP_RIB_PREFIXES, t->prefixes[f],
		    METRIC_VALUES(t->instance, family_names[f]));
	return true;
}

static bool
put_table_paths(void *arg, const struct bgp_table_stats *t)
{
	metric_u64(&((struct scrape *)arg)->out, METRIC_BGP_RIB_PATHS, t->paths,
	    METRIC_VALUES(t->instance));
	return true;
}

static bool
put_table_own(void *arg, const struct bgp_table_stats *t)
{
	metric_u64(&((struct scrape *)arg)->out, METRIC_BGP_ORIGINATED, t->originated,
	    METRIC_VALUES(t->instance));
	return true;
}

bool
metrics_bgp(struct scrape *s)
{
	static const enum metric of_peer[] = { METRIC_BGP_UP, METRIC_BGP_STATE,
		METRIC_BGP_HELD_DOWN, METRIC_BGP_FLAPS };
	static const enum metric of_family[] = { METRIC_BGP_RECEIVED, METRIC_BGP_ACCEPTED,
		METRIC_BGP_ADVERTISED, METRIC_BGP_AS_WITHDRAW, METRIC_BGP_DISCARDED };
	struct peers list = { .s = s };

	bgp_peers_each(s->app->bgp, add_peer, &list);
	for (size_t i = 0; i < sizeof(of_peer) / sizeof(of_peer[0]); i++)
		put_of_peers(&s->out, &list, of_peer[i]);
	put_since(s, &list);
	for (size_t i = 0; i < sizeof(of_family) / sizeof(of_family[0]); i++)
		put_of_families(&s->out, &list, of_family[i]);
	put_messages(&s->out, &list);
	metric_u64(&s->out, METRIC_BGP_REFUSED, bgp_nr_refused(s->app->bgp), NULL);
	bgp_tables_each(s->app->bgp, put_table_prefixes, s);
	bgp_tables_each(s->app->bgp, put_table_paths, s);
	bgp_tables_each(s->app->bgp, put_table_own, s);
	mem_free(list.v);
	return false;
}

/* ---- BFD ---- */

struct bfd_pass {
	struct metric_out *out;
	enum metric metric;
};

static bool
put_bfd(void *arg, const struct bfd_seen *b)
{
	const struct bfd_pass *pass = arg;
	const char *device = b->device ? b->device : "";
	struct metric_out *o = pass->out;
	char peer[ADDR_STRLEN];

	addr_format(&b->peer, peer, sizeof(peer));
	switch (pass->metric) {
	case METRIC_BFD_UP:
		metric_u64(o, pass->metric, b->state == BFD_UP, METRIC_VALUES(peer, device));
		break;
	case METRIC_BFD_DETECT:
		metric_double(
		    o, pass->metric, (double)b->detect_us / 1e6, METRIC_VALUES(peer, device));
		break;
	case METRIC_BFD_DOWNS:
		metric_u64(o, pass->metric, b->downs, METRIC_VALUES(peer, device));
		break;
	default:
		metric_u64(o, pass->metric, b->received, METRIC_VALUES(peer, device, "received"));
		metric_u64(o, pass->metric, b->sent, METRIC_VALUES(peer, device, "sent"));
		break;
	}
	return true;
}

bool
metrics_bfd(struct scrape *s)
{
	static const enum metric of_session[] = { METRIC_BFD_UP, METRIC_BFD_DETECT,
		METRIC_BFD_DOWNS, METRIC_BFD_PACKETS };
	const char *name;

	if (!s->app->bfd)
		return false;
	for (size_t i = 0; i < sizeof(of_session) / sizeof(of_session[0]); i++) {
		struct bfd_pass pass = { &s->out, of_session[i] };

		bfd_each(s->app->bfd, put_bfd, &pass);
	}
	for (unsigned i = 0; (name = bfd_drop_name(i)); i++)
		metric_u64(
		    &s->out, METRIC_BFD_DROPS, bfd_drops(s->app->bfd, i), METRIC_VALUES(name));
	return false;
}

/* ---- layer 2 ---- */

static bool
count_node(void *arg, const struct cluster_seen *c)
{
	((uint64_t *)arg)[c->life]++;
	return true;
}

/* The nodes among themselves. */
static void
put_nodes(struct metric_out *o, const struct cluster *cluster)
{
	uint64_t nr[CLUSTER_NR_LIVES] = { 0 };

	if (!cluster)
		return;
	metric_u64(o, METRIC_L2_HELD, cluster_nr_held(cluster), NULL);
	cluster_each(cluster, count_node, nr);
	for (unsigned i = 0; i < CLUSTER_NR_LIVES; i++)
		metric_u64(o, METRIC_L2_NODES, nr[i],
		    METRIC_VALUES(cluster_life_name((enum cluster_life)i)));
	metric_u64(o, METRIC_L2_CUT_OFF, cluster_is_cut_off(cluster), NULL);
}

bool
metrics_l2(struct scrape *s)
{
	struct l2_info info = { 0 };
	const char *name;

	if (!s->app->l2)
		return false;
	l2_info(s->app->l2, &info);
	metric_u64(&s->out, METRIC_L2_LOADED, info.loaded, NULL);
	metric_u64(&s->out, METRIC_L2_WANTED, info.addresses, NULL);
	metric_u64(&s->out, METRIC_L2_ANSWERING, info.answering, NULL);
	metric_u64(&s->out, METRIC_L2_BEGUN, info.begun, NULL);
	metric_u64(&s->out, METRIC_L2_ENDED, info.ended, NULL);
	metric_u64(&s->out, METRIC_L2_ANNOUNCED, info.announced, NULL);
	metric_u64(&s->out, METRIC_L2_WAITING, info.waiting, NULL);
	for (unsigned i = 0; (name = l2_counter_name(i)); i++)
		metric_u64(
		    &s->out, METRIC_L2_EVENTS, l2_counter(s->app->l2, i), METRIC_VALUES(name));
	if (s->app->l2_side)
		put_nodes(&s->out, s->app->l2_side->cluster);
	return false;
}

/* ---- load balancer ---- */

static void
put_devices(struct metric_out *o, const struct dp_info *info)
{
	static const char *const hows[] = { [DP_LINK_NONE] = "none",
		[DP_LINK_XDP_NATIVE] = "xdp",
		[DP_LINK_XDP_GENERIC] = "xdp-generic",
		[DP_LINK_TC] = "tc" };
	uint64_t nr[sizeof(hows) / sizeof(hows[0])] = { 0 };

	for (size_t i = 0; i < info->nr_devices; i++)
		nr[info->devices[i].how]++;
	for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++)
		metric_u64(o, METRIC_DP_DEVICES, nr[i], METRIC_VALUES(hows[i]));
}

static void
put_counters(struct scrape *s, enum metric m, unsigned from, unsigned end)
{
	for (unsigned i = from; i < end; i++) {
		const char *name = dp_counter_name(i);

		if (name)
			metric_u64(
			    &s->out, m, dp_counter(s->app->datapath, i), METRIC_VALUES(name));
	}
}

bool
metrics_datapath(struct scrape *s)
{
	struct metric_out *o = &s->out;
	struct dp_info info = { 0 };

	if (!s->app->datapath)
		return false;
	dp_info(s->app->datapath, &info);
	metric_u64(o, METRIC_DP_LOADED, info.loaded, NULL);
	put_devices(o, &info);
	metric_u64(o, METRIC_DP_SERVICES, info.services, NULL);
	metric_u64(o, METRIC_DP_FRONTENDS, info.frontends, NULL);
	metric_u64(o, METRIC_DP_BACKENDS, info.backends, NULL);
	metric_u64(o, METRIC_DP_CONFLICTS, info.conflicts, NULL);
	put_counters(s, METRIC_DP_PACKETS, 0, LB_NR_FINE);
	put_counters(s, METRIC_DP_DROPS, LB_NR_FINE, LB_NR_WHY);
	put_counters(s, METRIC_DP_EVENTS, LB_WHY_ROOM, COUNTERS_END);
	metric_u64(o, METRIC_DP_FLOW_ROOM, info.flows4_max, METRIC_VALUES("ipv4"));
	metric_u64(o, METRIC_DP_FLOW_ROOM, info.flows6_max, METRIC_VALUES("ipv6"));
	metric_u64(o, METRIC_DP_TABLE_WORDS, info.tables_words, METRIC_VALUES("tables"));
	metric_u64(o, METRIC_DP_TABLE_USED, info.tables_used, METRIC_VALUES("tables"));
	metric_u64(o, METRIC_DP_REPAIRED, info.repaired, NULL);
	metric_double(o, METRIC_DP_LOAD_TIME, (double)info.load_us / 1e6, NULL);
	metric_u64(o, METRIC_DP_SOCKET_LB, info.socket_lb, NULL);
	return false;
}

/* A row whose counters went back is another frontend's by now. */
static void
carry(struct carried *c, const struct dp_seen_count *seen)
{
	struct dp_counts *last;

	while (c->nr <= seen->row) {
		if (mem_grow((void **)&c->last, &c->cap, c->nr, sizeof(*c->last), 0) < 0)
			return;
		c->last[c->nr++] = (struct dp_counts){ 0 };
	}
	last = &c->last[seen->row];
	if (seen->counts.packets < last->packets || seen->counts.bytes < last->bytes ||
	    seen->counts.flows < last->flows)
		*last = (struct dp_counts){ 0 };
	c->sum.packets += seen->counts.packets - last->packets;
	c->sum.bytes += seen->counts.bytes - last->bytes;
	c->sum.flows += seen->counts.flows - last->flows;
	*last = seen->counts;
}

static const char *
proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_SCTP:
		return "SCTP";
	default:
		return "ANY";
	}
}

static void
put_frontend(void *arg, const struct dp_seen_count *c)
{
	struct scrape *s = arg;
	const uint64_t numbers[3] = { c->counts.packets, c->counts.bytes, c->counts.flows };
	const size_t ns_len = strcspn(c->service_name, "/");
	char ns[256], addr[ADDR_STRLEN], port[8];

	carry(&s->metrics->carried, c);
	if (!s->per_service || !c->service_name[ns_len] || c->proto == 0)
		return;
	snprintf(ns, sizeof(ns), "%.*s", (int)ns_len, c->service_name);
	snprintf(port, sizeof(port), "%u", (unsigned)c->port);
	addr_format(&c->ip, addr, sizeof(addr));
	for (unsigned i = 0; i < 3; i++)
		metric_u64(&s->each_out[i], (enum metric)(METRIC_SVC_PACKETS + i), numbers[i],
		    METRIC_VALUES(
			ns, c->service_name + ns_len + 1, addr, port, proto_name(c->proto)));
}

/* All frontends, some in each slice: also their sums need a look at each. */
bool
metrics_frontends(struct scrape *s)
{
	if (!s->app->datapath)
		return false;
	if (dp_counts_each(s->app->datapath, &s->row, ROWS_AT_ONCE, put_frontend, s) > 0)
		return true;
	metric_u64(&s->out, METRIC_DP_FLOWS, s->metrics->carried.sum.flows, NULL);
	metric_u64(&s->out, METRIC_DP_BYTES, s->metrics->carried.sum.bytes, NULL);
	for (unsigned i = 0; i < 3; i++) {
		buf_add(&s->text, buf_text(&s->each[i]), s->each[i].len);
		s->text.failed |= s->each[i].failed;
		buf_fini(&s->each[i]);
	}
	return false;
}

/* ---- kernel routes ---- */

bool
metrics_routes(struct scrape *s)
{
	struct metric_out *o = &s->out;
	struct tunnel_info tunnel = { 0 };
	struct fib_stats fib = { 0 };

	if (s->app->fib) {
		fib_stats(s->app->fib, &fib);
		metric_u64(o, METRIC_ROUTES_WANTED, fib.wanted, NULL);
		metric_u64(o, METRIC_ROUTES_INSTALLED, fib.installed, NULL);
		metric_u64(o, METRIC_ROUTES_FAILED, fib.failed, NULL);
		metric_u64(o, METRIC_ROUTES_CHANGES, fib.added, METRIC_VALUES("added"));
		metric_u64(o, METRIC_ROUTES_CHANGES, fib.removed, METRIC_VALUES("removed"));
		metric_u64(o, METRIC_ROUTES_CHANGES, fib.repaired, METRIC_VALUES("repaired"));
		metric_u64(o, METRIC_ROUTES_CHANGES, fib.errors, METRIC_VALUES("refused"));
	}
	if (s->app->tunnel) {
		tunnel_info(s->app->tunnel, &tunnel);
		metric_u64(o, METRIC_TUNNEL_NODES, tunnel.nr_nodes, METRIC_VALUES("wanted"));
		metric_u64(o, METRIC_TUNNEL_NODES, tunnel.nr_set, METRIC_VALUES("set"));
	}
	return false;
}
