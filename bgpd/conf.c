/*
 * bgpd/conf.c: fields of a peer's configuration as a table: how each is compared, and what its
 * change costs.  Between bgp_apply() and the peers.
 */
#include "bgpd/conf.h"

#include <string.h>

#include "lib/mem.h"

enum kind { ADDRESS, NUMBER, TEXT };

struct field {
	const char *name;
	size_t at, size;
	enum kind kind;
	enum conf_cost cost;
};

#define FIELD(f, k, c)                                                                             \
	{                                                                                          \
		.name = #f, .at = offsetof(struct bgp_peer_conf, f),                               \
		.size = sizeof(((struct bgp_peer_conf *)0)->f), .kind = (k), .cost = (c)           \
	}

/* clang-format off */
static const struct field fields[] = {
	FIELD(addr,            ADDRESS, CONF_RESET),
	FIELD(ifindex,         NUMBER,  CONF_RESET),
	FIELD(port,            NUMBER,  CONF_RESET),
	FIELD(local_addr,      ADDRESS, CONF_RESET),
	FIELD(peer_as,         NUMBER,  CONF_RESET),
	FIELD(other_as,        NUMBER,  CONF_RESET),
	FIELD(hold_s,          NUMBER,  CONF_RESET), /* in the OPEN */
	FIELD(keepalive_s,     NUMBER,  CONF_RESET),
	FIELD(ttl,             NUMBER,  CONF_RESET),
	FIELD(gtsm_hops,       NUMBER,  CONF_RESET),
	FIELD(local_as,        NUMBER,  CONF_RESET), /* in the OPEN */
	FIELD(local_as_mode,   NUMBER,  CONF_RESET),
	FIELD(ext_msg,         NUMBER,  CONF_RESET), /* capabilities are told once */
	FIELD(ext_next_hop,    NUMBER,  CONF_RESET),
	FIELD(gr,              NUMBER,  CONF_RESET),
	FIELD(gr_time_s,       NUMBER,  CONF_RESET),
	FIELD(family[BGP_IPV4_UNICAST].stale_s, NUMBER, CONF_RESET),
	FIELD(family[BGP_IPV6_UNICAST].stale_s, NUMBER, CONF_RESET),
	FIELD(role,            NUMBER,  CONF_RESET),
	FIELD(role_strict,     NUMBER,  CONF_RESET),
	FIELD(md5_key,         TEXT,    CONF_RESET),
	FIELD(ao_keys,         TEXT,    CONF_RESET),
	FIELD(rr_client,       NUMBER,  CONF_RESET),
	FIELD(held_down,       TEXT,    CONF_RESET),
	FIELD(family[BGP_IPV4_UNICAST].enabled, NUMBER, CONF_RESET),
	FIELD(family[BGP_IPV6_UNICAST].enabled, NUMBER, CONF_RESET),
	FIELD(family[BGP_IPV4_UNICAST].add_path, NUMBER, CONF_RESET),
	FIELD(family[BGP_IPV6_UNICAST].add_path, NUMBER, CONF_RESET),
	FIELD(connect_retry_s, NUMBER,  CONF_NEXT),
	FIELD(passive,         NUMBER,  CONF_NEXT),
	FIELD(allow_as_in,     NUMBER,  CONF_SOFT), /* adj_conf() takes these on */
	FIELD(graceful_shutdown, NUMBER, CONF_SOFT),
	FIELD(stale_to_all,    NUMBER,  CONF_SOFT),
	FIELD(honor_shutdown,  NUMBER,  CONF_SOFT),
	FIELD(any_first_as,    NUMBER,  CONF_SOFT),
	FIELD(family[BGP_IPV4_UNICAST].max_prefixes, NUMBER, CONF_SOFT),
	FIELD(family[BGP_IPV6_UNICAST].max_prefixes, NUMBER, CONF_SOFT),
	FIELD(family[BGP_IPV4_UNICAST].warn_prefixes, NUMBER, CONF_SOFT),
	FIELD(family[BGP_IPV6_UNICAST].warn_prefixes, NUMBER, CONF_SOFT),
	FIELD(family[BGP_IPV4_UNICAST].limit_action, NUMBER, CONF_SOFT),
	FIELD(family[BGP_IPV6_UNICAST].limit_action, NUMBER, CONF_SOFT),
	FIELD(family[BGP_IPV4_UNICAST].restart_s, NUMBER, CONF_SOFT),
	FIELD(family[BGP_IPV6_UNICAST].restart_s, NUMBER, CONF_SOFT),
};
/* clang-format on */
#define NR_FIELDS (sizeof(fields) / sizeof(fields[0]))

static char *
copy_text(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

struct bgp_peer_conf *
conf_copy(const struct bgp_peer_conf *from)
{
	struct bgp_peer_conf *c = xnew(struct bgp_peer_conf);

	*c = *from;
	c->name = copy_text(from->name);
	c->md5_key = copy_text(from->md5_key);
	c->ao_keys = copy_text(from->ao_keys);
	c->held_down = copy_text(from->held_down);
	c->import = c->export = (struct bgp_policy){ 0 };
	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		c->family[f].audience = NULL;
	return c;
}

/* A string that we made ourselves; the configuration's types have them const. */
static void
free_text(const char *s, bool secret)
{
	char *own;

	if (!s)
		return;
	memcpy(&own, &s, sizeof(own));
	if (secret)
		mem_wipe(own, strlen(own));
	mem_free(own);
}

void
conf_free(struct bgp_peer_conf *c)
{
	if (!c)
		return;
	free_text(c->name, false);
	free_text(c->md5_key, true);
	free_text(c->ao_keys, true);
	free_text(c->held_down, false);
	mem_free(c);
}

static bool
texts_equal(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

static bool
field_equal(const struct field *f, const struct bgp_peer_conf *a, const struct bgp_peer_conf *b)
{
	const char *pa = (const char *)a + f->at, *pb = (const char *)b + f->at, *ta, *tb;
	struct addr aa, ab;

	switch (f->kind) {
	case ADDRESS:
		memcpy(&aa, pa, sizeof(aa));
		memcpy(&ab, pb, sizeof(ab));
		return addr_eq(&aa, &ab);
	case TEXT:
		memcpy(&ta, pa, sizeof(ta));
		memcpy(&tb, pb, sizeof(tb));
		return texts_equal(ta, tb);
	case NUMBER:
		break;
	}
	return memcmp(pa, pb, f->size) == 0;
}

enum conf_cost
conf_compare(const struct bgp_peer_conf *a, const struct bgp_peer_conf *b, const char **field)
{
	enum conf_cost cost = CONF_SAME;

	for (size_t i = 0; i < NR_FIELDS; i++) {
		if (fields[i].cost <= cost || field_equal(&fields[i], a, b))
			continue;
		cost = fields[i].cost;
		*field = fields[i].name;
	}
	return cost;
}

size_t
conf_differences(
    const struct bgp_peer_conf *a, const struct bgp_peer_conf *b, const char **names, size_t max)
{
	size_t nr = 0;

	for (int cost = CONF_RESET; cost > CONF_SAME; cost--)
		for (size_t i = 0; i < NR_FIELDS && nr < max; i++)
			if ((int)fields[i].cost == cost && !field_equal(&fields[i], a, b))
				names[nr++] = fields[i].name;
	return nr;
}

unsigned
conf_families(const struct bgp_peer_conf *c)
{
	unsigned mask = 0;

	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		mask |= c->family[f].enabled ? BGP_FAMILY_MASK(f) : 0;
	return mask;
}
