/*
 * tools/heraldctl/render.c: one function a command, from the answer's JSON to text.
 */
#include "tools/heraldctl/render.h"

#include "lib/buf.h"
#include "lib/text.h"
#include "tools/heraldctl/answer.h"

#include <stdbool.h>
#include <string.h>

/* ---- cells ---- */

static const char *
yes_no(const json_t *obj, const char *key)
{
	return answer_is(obj, key) ? "true" : "false";
}

/* A list's elements, texts and numbers alike. */
static void
put_list(struct buf *out, const json_t *list, const char *between)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		if (i > 0)
			buf_puts(out, between);
		if (json_is_integer(v))
			buf_printf(out, "%lld", (long long)json_integer_value(v));
		else if (json_is_string(v))
			buf_puts(out, json_string_value(v));
	}
}

static void
cell_list(struct text_table *t, const json_t *list)
{
	struct buf b;

	buf_init(&b, 1 << 24);
	put_list(&b, list, ", ");
	text_cell(t, buf_text(&b));
	buf_fini(&b);
}

static void
cell_int(struct text_table *t, const json_t *obj, const char *key)
{
	const json_t *v = json_object_get(obj, key);

	if (json_is_integer(v))
		text_cellf(t, "%lld", (long long)json_integer_value(v));
	else
		text_cell(t, "");
}

static void
print_free(struct text_table *t, struct buf *out)
{
	text_table_print(t, out);
	text_table_free(t);
}

/* ---- BGP ---- */

/* One that is to be found has none yet. */
static const char *
address_of(const json_t *peer)
{
	const char *address = answer_str(peer, "peerAddress");

	return *address ? address : "-";
}

static void
render_ranges(const json_t *ranges, struct buf *out)
{
	const json_t *r;
	size_t i;

	json_array_foreach(ranges, i, r)
	{
		const char *why = answer_str(r, "heldDown");

		buf_printf(out, "\n%s: listening for %s, %lld of at most %lld peers%s%s\n",
		    answer_str(r, "name"), answer_str(r, "prefix"),
		    (long long)answer_int(r, "peers"), (long long)answer_int(r, "limit"),
		    *why ? "; nobody is let in: " : "", why);
	}
}

void
render_bgp_peers(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "Local AS", "Peer AS", "Peer Address", "Session State",
		"Uptime", "Family", "Received", "Advertised", NULL };
	struct text_table *t;
	const json_t *peer, *family;
	char age[24];
	size_t i, j, nr;

	if (answer_is(data, "verbose")) {
		render_bgp_details(data, out);
		return;
	}
	t = text_table_new(head);
	json_array_foreach(json_object_get(data, "peers"), i, peer)
	{
		const json_t *families = json_object_get(peer, "families");

		nr = json_array_size(families);
		for (j = 0; j < nr || j == 0; j++) {
			family = json_array_get(families, j);
			cell_int(t, peer, "localASN");
			cell_int(t, peer, "peerASN");
			text_cell(t, address_of(peer));
			text_cell(t, answer_str(peer, "state"));
			text_cell(t, answer_age(peer, "uptimeSeconds", age, sizeof(age)));
			if (family)
				text_cellf(t, "%s/%s", answer_str(family, "afi"),
				    answer_str(family, "safi"));
			else
				text_cell(t, "-");
			text_cellf(t, "%lld", (long long)answer_int(family, "received"));
			text_cellf(t, "%lld", (long long)answer_int(family, "advertised"));
		}
	}
	print_free(t, out);
	json_array_foreach(json_object_get(data, "peers"), i, peer)
	{
		const char *why = answer_str(peer, "heldDown");

		if (!*why)
			why = answer_str(peer, "lastError");
		if (*why && strcmp(answer_str(peer, "state"), "established") != 0)
			buf_printf(out, "\n%s (%s): %s\n", answer_str(peer, "name"),
			    address_of(peer), why);
	}
	render_ranges(json_object_get(data, "ranges"), out);
}

static void
attr_sep(struct buf *b)
{
	if (b->len > 0)
		buf_puts(b, ", ");
}

static void
attr_list(struct buf *b, const char *label, const json_t *list)
{
	if (json_array_size(list) == 0)
		return;
	attr_sep(b);
	buf_printf(b, "%s: ", label);
	put_list(b, list, " ");
}

static void
attr_str(struct buf *b, const char *label, const char *value)
{
	if (!*value)
		return;
	attr_sep(b);
	buf_printf(b, "%s: %s", label, value);
}

static void
attr_int(struct buf *b, const char *label, const json_t *v)
{
	if (!json_is_integer(v))
		return;
	attr_sep(b);
	buf_printf(b, "%s: %lld", label, (long long)json_integer_value(v));
}

static void
attr_flag(struct buf *b, const char *label, bool is_set)
{
	if (!is_set)
		return;
	attr_sep(b);
	buf_puts(b, label);
}

static void
cell_attrs(struct text_table *t, const json_t *r)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	attr_flag(&b, "best", answer_is(r, "best"));
	attr_flag(&b, "multipath", answer_is(r, "multipath"));
	attr_flag(&b, "stale", answer_is(r, "stale"));
	if (!*answer_str(r, "why"))
		attr_str(&b, "Rejected", answer_str(r, "rejected"));
	attr_str(&b, "Origin", answer_str(r, "origin"));
	attr_list(&b, "AsPath", json_object_get(r, "asPath"));
	attr_int(&b, "Med", json_object_get(r, "med"));
	attr_int(&b, "LocalPref", json_object_get(r, "localPreference"));
	attr_list(&b, "Communities", json_object_get(r, "communities"));
	attr_list(&b, "LargeCommunities", json_object_get(r, "largeCommunities"));
	attr_list(&b, "ExtendedCommunities", json_object_get(r, "extendedCommunities"));
	attr_int(&b, "PathID", json_object_get(r, "pathID"));
	attr_str(&b, "OriginatorID", answer_str(r, "originatorID"));
	attr_list(&b, "ClusterList", json_object_get(r, "clusterList"));
	attr_str(&b, "Why", answer_str(r, "why"));
	text_cell(t, buf_text(&b));
	buf_fini(&b);
}

void
render_bgp_routes(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "VRouter", "Peer", "Prefix", "NextHop", "Age", "Attrs",
		NULL };
	struct text_table *t = text_table_new(head);
	const json_t *r;
	char age[24];
	size_t i;

	json_array_foreach(json_object_get(data, "routes"), i, r)
	{
		if (json_object_get(r, "localASN"))
			cell_int(t, r, "localASN");
		else
			text_cell(t, answer_str(r, "instance"));
		text_cell(t, *answer_str(r, "peer") ? answer_str(r, "peer") : "-");
		text_cell(t, answer_str(r, "prefix"));
		text_cell(t, answer_str(r, "nextHop"));
		text_cell(t, answer_age(r, "ageSeconds", age, sizeof(age)));
		cell_attrs(t, r);
	}
	print_free(t, out);
}

#define PREFIXES_SHOWN 16 /* all of a long list are for scripts */

/* "172.16.1.1/32" or {"prefix", "minLength", "maxLength"}. */
static void
put_prefixes(struct buf *b, const json_t *list)
{
	const json_t *p;
	size_t i;

	json_array_foreach(list, i, p)
	{
		if (i > 0)
			buf_puts(b, ", ");
		if (i == PREFIXES_SHOWN) {
			buf_printf(b, "and %zu more", json_array_size(list) - i);
			return;
		}
		if (json_is_string(p))
			buf_puts(b, json_string_value(p));
		else
			buf_printf(b, "%s (%lld..%lld)", answer_str(p, "prefix"),
			    (long long)answer_int(p, "minLength"),
			    (long long)answer_int(p, "maxLength"));
	}
}

void
render_bgp_policies(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "VRouter", "Policy Name", "Type", "Match Peers",
		"Match Families", "Match Prefixes (Min..Max Len)", "Match Attributes", "RIB Action",
		"Path Actions", NULL };
	struct text_table *t = text_table_new(head);
	const json_t *p;
	struct buf b;
	size_t i;

	json_array_foreach(json_object_get(data, "policies"), i, p)
	{
		if (json_object_get(p, "localASN"))
			cell_int(t, p, "localASN");
		else
			text_cell(t, answer_str(p, "instance"));
		text_cell(t, answer_str(p, "name"));
		text_cell(t, answer_str(p, "type"));
		cell_list(t, json_object_get(p, "peers"));
		cell_list(t, json_object_get(p, "families"));
		buf_init(&b, 1 << 24);
		put_prefixes(&b, json_object_get(p, "prefixes"));
		text_cell(t, buf_text(&b));
		buf_fini(&b);
		cell_list(t, json_object_get(p, "match"));
		text_cell(t, answer_str(p, "action"));
		cell_list(t, json_object_get(p, "pathActions"));
	}
	print_free(t, out);
}

/* ---- services and addresses ---- */

static const char *
colon_safe(const char *ip, const char **close)
{
	bool v6 = strchr(ip, ':') != NULL;

	*close = v6 ? "]" : "";
	return v6 ? "[" : "";
}

static void
cell_backend(struct text_table *t, const json_t *b, size_t nr, const char *protocol)
{
	const char *close, *open = colon_safe(answer_str(b, "ip"), &close);

	text_cellf(t, "%zu => %s%s%s:%lld/%s (%s)", nr, open, answer_str(b, "ip"), close,
	    (long long)answer_int(b, "port"), protocol, answer_str(b, "state"));
}

/* The cells of a frontend; empty ones on the lines of its further backends. */
static void
cells_frontend(struct text_table *t, const json_t *s, bool stats)
{
	const json_t *front = json_object_get(s, "frontend");
	const char *close, *open = colon_safe(answer_str(front, "ip"), &close);

	cell_int(t, s, "id");
	text_cellf(t, "%s%s%s:%lld/%s", open, answer_str(front, "ip"), close,
	    (long long)answer_int(front, "port"), answer_str(front, "protocol"));
	text_cell(t, answer_str(s, "type"));
	if (!stats)
		return;
	cell_int(t, s, "packets");
	cell_int(t, s, "bytes");
	cell_int(t, s, "flows");
}

/* As `cilium-dbg service list`: a line a backend, those after the first without the frontend. */
void
render_services(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "ID", "Frontend", "Service Type", "Backends", NULL };
	static const char *const head_stats[] = { "ID", "Frontend", "Service Type", "Packets",
		"Bytes", "Flows", "Backends", NULL };
	const bool stats = answer_is(data, "stats");
	struct text_table *t = text_table_new(stats ? head_stats : head);
	const json_t *s;
	size_t i, j, nr;

	json_array_foreach(json_object_get(data, "services"), i, s)
	{
		const json_t *backends = json_object_get(s, "backends");
		const char *protocol = answer_str(json_object_get(s, "frontend"), "protocol");

		nr = json_array_size(backends);
		for (j = 0; j < nr || j == 0; j++) {
			if (j == 0)
				cells_frontend(t, s, stats);
			for (size_t k = 0; j > 0 && k < (stats ? 6 : 3); k++)
				text_cell(t, "");
			if (nr == 0)
				text_cell(t, "");
			else
				cell_backend(t, json_array_get(backends, j), j + 1, protocol);
		}
	}
	print_free(t, out);
}

void
render_ippools(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "NAME", "DISABLED", "CONFLICTING", "IPS AVAILABLE",
		"AGE", NULL };
	struct text_table *t = text_table_new(head);
	const json_t *p, *c;
	char age[24];
	size_t i;

	json_array_foreach(json_object_get(data, "pools"), i, p)
	{
		text_cell(t, answer_str(p, "name"));
		text_cell(t, yes_no(p, "disabled"));
		text_cell(t, yes_no(p, "conflicting"));
		cell_int(t, p, "available");
		text_cell(t, answer_age(p, "ageSeconds", age, sizeof(age)));
	}
	print_free(t, out);
	json_array_foreach(json_object_get(data, "pools"), i, p)
	{
		c = json_object_get(p, "conflict");
		if (c)
			buf_printf(out, "\n%s: %s overlaps %s of %s\n", answer_str(p, "name"),
			    answer_str(c, "range"), answer_str(c, "otherRange"),
			    answer_str(c, "with"));
	}
	json_array_foreach(json_object_get(data, "notes"), i, p)
	    buf_printf(out, "\n%s: %s; addresses held: %lld\n",
		*answer_str(p, "pool") ? answer_str(p, "pool") : "(no pool)",
		answer_str(p, "reason"), (long long)answer_int(p, "addresses"));
}

/* Addresses that nobody has and nobody gets yet. */
static void
render_resting(const json_t *resting, struct buf *out)
{
	static const char *const head[] = { "RESTING", "LAST OWNER", "REASON", "FREE IN", NULL };
	struct text_table *t;
	const json_t *a;
	char age[24];
	size_t i;

	if (json_array_size(resting) == 0)
		return;
	buf_puts(out, "\n");
	t = text_table_new(head);
	json_array_foreach(resting, i, a)
	{
		text_cell(t, answer_str(a, "address"));
		text_cell(t, answer_str(a, "last"));
		text_cell(t, answer_str(a, "reason"));
		text_cell(t, answer_age(a, "seconds", age, sizeof(age)));
	}
	print_free(t, out);
}

void
render_ipam(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "ADDRESS", "OWNER", "POOL", "NOTE", NULL };
	static const char *const head_waiting[] = { "WAITING", "WANTS", "REASON", "MESSAGE", NULL };
	const json_t *waiting = json_object_get(data, "waiting"), *a;
	struct text_table *t = text_table_new(head);
	size_t i;

	json_array_foreach(json_object_get(data, "allocations"), i, a)
	{
		const char *note = answer_str(a, "reason");

		text_cell(t, answer_str(a, "address"));
		text_cell(t, answer_str(a, "owner"));
		text_cell(t, answer_str(a, "pool"));
		text_cell(t,
		    strcmp(note, "satisfied") != 0 ? note
			: answer_is(a, "shared")   ? "shared"
						   : "");
	}
	print_free(t, out);
	render_resting(json_object_get(data, "resting"), out);
	if (json_array_size(waiting) == 0)
		return;
	buf_puts(out, "\n");
	t = text_table_new(head_waiting);
	json_array_foreach(waiting, i, a)
	{
		const char *requested = answer_str(a, "requested");

		text_cell(t, answer_str(a, "owner"));
		text_cell(t, *requested ? requested : answer_str(a, "family"));
		text_cell(t, answer_str(a, "reason"));
		text_cell(t, answer_str(a, "message"));
	}
	print_free(t, out);
}

/* "192.168.10.101 dev eth1", or only the gateways when the answer has no more. */
static void
cell_hops(struct text_table *t, const json_t *route)
{
	const json_t *hops = json_object_get(route, "hops"), *hop;
	bool weighted = false;
	struct buf b;
	size_t i;

	if (!json_is_array(hops)) {
		cell_list(t, json_object_get(route, "nexthops"));
		return;
	}
	json_array_foreach(hops, i, hop) weighted = weighted || answer_int(hop, "weight") > 1;
	buf_init(&b, 1 << 20);
	json_array_foreach(hops, i, hop)
	{
		buf_printf(&b, "%s%s", i ? ", " : "", answer_str(hop, "gateway"));
		if (*answer_str(hop, "interface"))
			buf_printf(&b, " dev %s", answer_str(hop, "interface"));
		/* Where all are alike nothing is said, as `ip route` does for one. */
		if (weighted)
			buf_printf(&b, " weight %lld", (long long)answer_int(hop, "weight"));
	}
	text_cell(t, buf_text(&b));
	buf_fini(&b);
}

void
render_routes(const json_t *data, struct buf *out)
{
	static const char *const head[] = { "PREFIX", "NEXTHOPS", "ORIGIN", "STATE", NULL };
	struct text_table *t = text_table_new(head);
	const json_t *r;
	size_t i;

	json_array_foreach(json_object_get(data, "routes"), i, r)
	{
		bool absent = json_is_false(json_object_get(r, "installed"));

		text_cell(t, answer_str(r, "prefix"));
		cell_hops(t, r);
		text_cell(t, answer_str(r, "origin"));
		text_cell(t, absent ? answer_str(r, "reason") : "installed");
	}
	print_free(t, out);
}

void
render_message(const json_t *data, struct buf *out)
{
	const char *m = answer_str(data, "message");

	if (*m)
		buf_printf(out, "%s\n", m);
}

/* ---- status ---- */

static void
status_sources(const json_t *data, struct buf *out)
{
	const json_t *s;
	size_t i;

	json_array_foreach(json_object_get(data, "sources"), i, s)
	{
		buf_printf(out, "%-10s %s: %s", i == 0 ? "Sources:" : "", answer_str(s, "name"),
		    answer_is(s, "synced") ? "in sync" : "not in sync");
		if (json_object_get(s, "objects"))
			buf_printf(out, ", %lld objects", (long long)answer_int(s, "objects"));
		if (json_object_get(s, "connected"))
			buf_puts(
			    out, answer_is(s, "connected") ? ", connected" : ", not connected");
		if (*answer_str(s, "error"))
			buf_printf(out, ", %s", answer_str(s, "error"));
		buf_puts(out, "\n");
	}
}

/* Who gives addresses, and what waits to be written. */
static void
status_kubernetes(const json_t *kube, struct buf *out)
{
	const json_t *writes = json_object_get(kube, "writes");
	const char *leader = answer_str(kube, "leader");

	if (!kube)
		return;
	buf_printf(out, "%-10s %s%s; writes: %lld waiting, %lld under way, %lld sent\n",
	    "Leader:", *leader ? leader : "none that is known",
	    answer_is(kube, "leading") ? " (this node)" : "",
	    (long long)answer_int(writes, "waiting"), (long long)answer_int(writes, "underWay"),
	    (long long)answer_int(writes, "sent"));
}

static void
status_bgp(const json_t *bgp, struct buf *out)
{
	const json_t *routes = json_object_get(bgp, "routes"), *peer;
	size_t i;

	if (!bgp)
		return;
	buf_printf(out, "%-10s %lld peers, %lld established",
	    "BGP:", (long long)answer_int(bgp, "peers"), (long long)answer_int(bgp, "established"));
	if (routes)
		buf_printf(out, "; routes: %lld received, %lld accepted, %lld our own",
		    (long long)answer_int(routes, "received"),
		    (long long)answer_int(routes, "accepted"),
		    (long long)answer_int(routes, "originated"));
	buf_puts(out, "\n");
	json_array_foreach(json_object_get(bgp, "down"), i, peer)
	{
		buf_printf(out, "%-10s %s (%s) is %s", "", answer_str(peer, "name"),
		    answer_str(peer, "peerAddress"), answer_str(peer, "state"));
		if (*answer_str(peer, "lastError"))
			buf_printf(out, ": %s", answer_str(peer, "lastError"));
		buf_puts(out, "\n");
	}
}

/* A count with its word, when the field is there. */
static void
status_count(struct buf *line, const json_t *obj, const char *key, const char *word)
{
	const json_t *v = json_object_get(obj, key);

	if (json_is_integer(v))
		buf_printf(line, "%s%lld %s", line->len ? ", " : "",
		    (long long)json_integer_value(v), word);
}

static void
status_counts(struct buf *out, const char *label, const json_t *obj, const char *const words[][2])
{
	struct buf line;

	if (!obj)
		return;
	buf_init(&line, 4096);
	for (size_t i = 0; words[i][0]; i++)
		status_count(&line, obj, words[i][0], words[i][1]);
	if (line.len)
		buf_printf(out, "%-10s %s\n", label, buf_text(&line));
	buf_fini(&line);
}

static void
status_reload(const json_t *data, struct buf *out)
{
	const json_t *last = json_object_get(data, "lastReload");
	const json_t *faults = json_object_get(last, "faults"), *f;
	char age[24];
	size_t i;

	if (!last)
		return;
	buf_printf(out, "%-10s %s", "Reload:", answer_is(last, "ok") ? "ok" : "refused");
	if (json_object_get(last, "ageSeconds"))
		buf_printf(out, ", %s ago", answer_age(last, "ageSeconds", age, sizeof(age)));
	if (!answer_is(last, "ok"))
		buf_puts(out, "; the configuration from before is in force");
	buf_puts(out, "\n");
	json_array_foreach(faults, i, f) if (json_is_string(f))
	    buf_printf(out, "%-10s %s\n", "", json_string_value(f));
}

/* Nothing when there is none. */
static void
status_tunnel(const json_t *tunnel, struct buf *out)
{
	if (!tunnel || strcmp(answer_str(tunnel, "mode"), "none") == 0)
		return;
	buf_printf(out, "%-10s %s, %s %s, MTU %lld; %lld of %lld nodes",
	    "Tunnel:", answer_str(tunnel, "mode"), answer_str(tunnel, "device"),
	    answer_is(tunnel, "up") ? "up" : "not up", (long long)answer_int(tunnel, "mtu"),
	    (long long)answer_int(tunnel, "set"), (long long)answer_int(tunnel, "nodes"));
	if (json_object_get(tunnel, "error"))
		buf_printf(out, "; %s", answer_str(tunnel, "error"));
	buf_puts(out, "\n");
}

/* Nothing while it takes part. */
static void
status_drain(const json_t *drain, struct buf *out)
{
	if (!drain)
		return;
	buf_printf(out, "%-10s %s", "Drain:", answer_str(drain, "message"));
	if (json_object_get(drain, "secondsLeft"))
		buf_printf(out, " Peers take other paths; Services are withdrawn in %lld s.\n",
		    (long long)answer_int(drain, "secondsLeft"));
	else
		buf_puts(out, " Its Services are withdrawn.\n");
}

void
render_status(const json_t *data, struct buf *out)
{
	static const char *const pools[][2] = { { "total", "pools" },
		{ "conflicting", "conflicting" }, { "disabled", "disabled" },
		{ "available", "addresses available" }, { NULL, NULL } };
	static const char *const services[][2] = { { "total", "services" },
		{ "loadBalancer", "of type LoadBalancer" }, { "waiting", "waiting for an address" },
		{ NULL, NULL } };
	static const char *const routes[][2] = { { "installed", "in the kernel" },
		{ "failed", "not possible" }, { NULL, NULL } };
	const json_t *notice;
	char age[24];
	size_t i;

	buf_printf(out, "%-10s %s on %s, up %s\n", "Herald:", answer_str(data, "version"),
	    answer_str(data, "node"), answer_age(data, "uptimeSeconds", age, sizeof(age)));
	status_sources(data, out);
	status_kubernetes(json_object_get(data, "kubernetes"), out);
	status_reload(data, out);
	status_drain(json_object_get(data, "drain"), out);
	status_bgp(json_object_get(data, "bgp"), out);
	status_counts(out, "Pools:", json_object_get(data, "pools"), pools);
	status_counts(out, "Services:", json_object_get(data, "services"), services);
	status_counts(out, "Routes:", json_object_get(data, "routes"), routes);
	status_tunnel(json_object_get(data, "tunnel"), out);
	render_status_datapath(json_object_get(data, "datapath"), out);
	for (i = 0; i < json_array_size(json_object_get(data, "notices")); i++) {
		notice = json_array_get(json_object_get(data, "notices"), i);
		buf_printf(out, "%-10s %s/%s: %s\n", i == 0 ? "Notices:" : "",
		    answer_str(notice, "kind"), answer_str(notice, "name"),
		    answer_str(notice, "message"));
	}
}
