/*
 * bgpd/mrt_table.c: the table as records of MRT (TABLE_DUMP_V2, RFC 6396 4.3; RFC 8050 4): who tells routes,
 * then prefix by prefix what may be used of each.  Between rib.c and who asks, in portions of his choice.
 *
 * Nothing is held between two portions but a place in the table: it is a walk, and no copy, of what changes
 * meanwhile.  Each instance begins with an index of peers of its own.
 */
#include "bgpd/mrt.h"

#include "bgpd/attr.h"
#include "bgpd/msg.h"
#include "bgpd/rib.h"
#include "bgpd/speaker.h"
#include "lib/mem.h"

#include <string.h>

#define MRT_TABLE_DUMP_V2 13
#define PEER_INDEX_TABLE 1
#define BYTES_AT_ONCE (32u * 1024) /* then the portion is over */
#define NODES_AT_ONCE 2048
#define RECORD_LEN (48u * 1024) /* more entries go into another record, of the same prefix */
#define ENTRY_MAX (BGP_MAX_EXT_LEN + 64)
#define RECORD_MAX (RECORD_LEN + ENTRY_MAX)
#define PEERS_MAX 4096 /* in the index: a record has to fit; paths of further ones are left out */

/* The session whose number the entries have; another one's paths are not its. */
struct indexed {
	uint16_t adj;
	uint32_t id, as;
	struct addr addr;
};

struct bgp_table_dump {
	struct bgp *bgp;
	uint32_t instance; /* the next one, or that at hand, by its number */
	bool begun;	   /* its index was told */
	enum bgp_family family;
	uint32_t cursor, sequence;
	struct indexed *peers; /* 0: ourselves */
	size_t nr_peers;
	struct wire_wr record, entry;
	size_t len_at, count_at;
	unsigned nr_entries;
	bgp_dump_fn *hand; /* of the portion at hand */
	void *arg;
	size_t bytes;
};

/* ---- records ---- */

static void
record_begin(struct bgp_table_dump *d, unsigned subtype)
{
	struct wire_wr *w = &d->record;

	w->len = 0;
	w->full = false;
	wire_put_u32(w, (uint32_t)(loop_wall_us(d->bgp->loop) / 1000000));
	wire_put_u16(w, MRT_TABLE_DUMP_V2);
	wire_put_u16(w, (uint16_t)subtype);
	d->len_at = w->len;
	wire_put_u32(w, 0);
}

static void
record_end(struct bgp_table_dump *d)
{
	const size_t len = d->record.len - d->len_at - 4;

	wire_patch_u16(&d->record, d->len_at, (uint16_t)(len >> 16));
	wire_patch_u16(&d->record, d->len_at + 2, (uint16_t)len);
	if (!d->record.full)
		d->hand(d->arg, d->record.start, d->record.len);
	d->bytes += d->record.len;
}

/* RFC 6396 4.3.1: AS numbers of four octets always. */
static void
put_peer(struct wire_wr *w, uint32_t id, const struct addr *a, uint32_t as)
{
	const bool v6 = a->family == ADDR_V6;

	wire_put_u8(w, v6 ? 3 : 2);
	wire_put_u32(w, id);
	wire_put_bytes(w, a->b, v6 ? 16 : 4);
	wire_put_u32(w, as);
}

static bool
has_paths(const struct adj *adj)
{
	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		if (adj->nr_paths[f])
			return true;
	return false;
}

static void
peers_find(struct bgp_table_dump *d, const struct rib *r)
{
	d->nr_peers = 0;
	d->peers[d->nr_peers++] = (struct indexed){ .id = r->router_id, .as = r->local_as };
	for (uint32_t i = 1; i < r->nr_adjs && d->nr_peers < PEERS_MAX; i++) {
		const struct adj *adj = r->adjs[i];

		if (!adj || (!adj->up && !has_paths(adj)))
			continue;
		d->peers[d->nr_peers++] = (struct indexed){ .adj = adj->id,
			.id = adj->session.peer_id,
			.as = adj->session.peer_as,
			.addr = adj->session.remote };
	}
}

/* RFC 6396 4.3.1; the view is the instance. */
static void
index_tell(struct bgp_table_dump *d, const struct instance *in)
{
	const size_t name_len = strnlen(in->name, 255);

	peers_find(d, in->rib);
	record_begin(d, PEER_INDEX_TABLE);
	wire_put_u32(&d->record, in->router_id);
	wire_put_u16(&d->record, (uint16_t)name_len);
	wire_put_bytes(&d->record, in->name, name_len);
	wire_put_u16(&d->record, (uint16_t)d->nr_peers);
	for (size_t i = 0; i < d->nr_peers; i++)
		put_peer(&d->record, d->peers[i].id, &d->peers[i].addr, d->peers[i].as);
	record_end(d);
}

/* Who told it, in the index; nr_peers: he was not there at that time. */
static size_t
index_of(const struct bgp_table_dump *d, const struct rib *r, uint16_t adj)
{
	const struct adj_session *s = adj ? &r->adjs[adj]->session : NULL;
	size_t i = 0;

	while (i < d->nr_peers && d->peers[i].adj != adj)
		i++;
	if (i < d->nr_peers && s &&
	    (d->peers[i].id != s->peer_id || !addr_eq(&d->peers[i].addr, &s->remote)))
		return d->nr_peers;
	return i;
}

/* ---- entries ---- */

/* RFC 6396 4.3.4: of MP_REACH_NLRI only the next hop, and its length. */
static void
put_next_hop(struct wire_wr *w, const struct bgp_attrs *a)
{
	const bool v6 = a->next_hop.family != ADDR_V4, two = addr_is_set(&a->next_hop_ll);
	const uint8_t len = (uint8_t)(!v6 ? 4 : two ? 32 : 16);

	wire_put_u8(w, BGP_ATTR_OPTIONAL);
	wire_put_u8(w, BGP_ATTR_MP_REACH);
	wire_put_u8(w, (uint8_t)(len + 1));
	wire_put_u8(w, len);
	wire_put_bytes(w, a->next_hop.b, v6 ? 16 : 4);
	if (v6 && two)
		wire_put_bytes(w, a->next_hop_ll.b, 16);
}

static void
put_attrs(struct wire_wr *w, const struct rib *r, uint32_t set, enum bgp_family f)
{
	struct bgp_attrs a;

	attrset_view(&r->sets, set, &a);
	if (!addr_is_set(&a.next_hop)) /* our own routes have none until somebody is told */
		a.next_hop.family = f == BGP_IPV4_UNICAST ? ADDR_V4 : ADDR_V6;
	bgp_attrs_encode(w, &a, f, true);
	if (f != BGP_IPV4_UNICAST || a.next_hop.family != ADDR_V4)
		put_next_hop(w, &a);
}

static void
entry_make(struct bgp_table_dump *d, struct rib *r, uint32_t path, size_t peer, bool with_id)
{
	const struct path *p = rib_path(r, path);
	const uint64_t now_s = loop_wall_us(d->bgp->loop) / 1000000;
	struct wire_wr *w = &d->entry;
	size_t len_at;

	w->len = 0;
	w->full = false;
	wire_put_u16(w, (uint16_t)peer);
	wire_put_u32(w, (uint32_t)(now_s - (rib_now_s(r) - p->since)));
	if (with_id) /* RFC 8050 4.1 */
		wire_put_u32(w, umap_get(&r->path_ids, path));
	len_at = w->len;
	wire_put_u16(w, 0);
	put_attrs(w, r, p->set, d->family);
	wire_patch_u16(w, len_at, (uint16_t)(w->len - len_at - 2));
}

/* RFC 6396 4.3.2 */
static void
prefix_begin(struct bgp_table_dump *d, const struct prefix *p, bool with_id)
{
	static const uint8_t subtypes[2][BGP_NR_FAMILIES] = { { 2, 4 }, { 8, 10 } };

	record_begin(d, subtypes[with_id][d->family]);
	wire_put_u32(&d->record, d->sequence++);
	wire_put_u8(&d->record, p->len);
	wire_put_bytes(&d->record, p->addr.b, (p->len + 7u) / 8);
	d->count_at = d->record.len;
	wire_put_u16(&d->record, 0);
	d->nr_entries = 0;
}

static void
prefix_end(struct bgp_table_dump *d)
{
	wire_patch_u16(&d->record, d->count_at, (uint16_t)d->nr_entries);
	record_end(d);
	d->nr_entries = 0;
}

/* The paths of a node that came with an identifier, or those that did not. */
static void
node_tell(struct bgp_table_dump *d, struct rib *r, uint32_t id, bool with_id)
{
	const struct node *n = ptab_node(&r->tab[d->family], id);
	struct prefix prefix;

	ptab_prefix(&r->tab[d->family], id, &prefix);
	for (uint32_t i = n->paths; i; i = rib_path(r, i)->next) {
		const struct path *p = rib_path(r, i);
		const bool has_id =
		    p->adj && r->adjs[p->adj]->session.add_rx & BGP_FAMILY_MASK(d->family);
		const size_t peer =
		    p->set && has_id == with_id ? index_of(d, r, p->adj) : d->nr_peers;

		if (peer >= d->nr_peers)
			continue;
		entry_make(d, r, i, peer, with_id);
		if (d->nr_entries && d->record.len + d->entry.len > RECORD_LEN)
			prefix_end(d);
		if (!d->nr_entries)
			prefix_begin(d, &prefix, with_id);
		wire_put_bytes(&d->record, d->entry.start, d->entry.len);
		d->nr_entries++;
	}
	if (d->nr_entries)
		prefix_end(d);
}

/* ---- the walk ---- */

/* The instance at hand, or the next one when that is gone. */
static struct instance *
instance_at(struct bgp_table_dump *d)
{
	struct instance *found = NULL;

	for (struct instance *in = d->bgp->instances; in; in = in->next)
		if (in->number >= d->instance && (!found || in->number < found->number))
			found = in;
	if (found && (found->number != d->instance || !d->begun)) {
		d->instance = found->number;
		d->family = (enum bgp_family)0;
		d->cursor = 1;
		d->sequence = 0;
		d->begun = true;
		index_tell(d, found);
	}
	return found;
}

bool
bgp_table_dump_next(struct bgp_table_dump *d, bgp_dump_fn *hand, void *arg)
{
	struct instance *in;
	struct rib *r;
	uint32_t end;

	d->hand = hand;
	d->arg = arg;
	d->bytes = 0;
	in = instance_at(d);
	if (!in)
		return false;
	r = in->rib;
	end = ptab_end(&r->tab[d->family]);
	for (unsigned i = 0; i < NODES_AT_ONCE && d->cursor < end && d->bytes < BYTES_AT_ONCE;
	     i++) {
		if (ptab_node(&r->tab[d->family], d->cursor)->len != NODE_FREE) {
			node_tell(d, r, d->cursor, false);
			node_tell(d, r, d->cursor, true);
		}
		d->cursor++;
	}
	if (d->cursor < end)
		return true;
	d->cursor = 1;
	if (d->family + 1 < BGP_NR_FAMILIES) {
		d->family = (enum bgp_family)(d->family + 1);
		return true;
	}
	d->instance++;
	d->begun = false;
	return true;
}

/* ---- life ---- */

struct bgp_table_dump *
bgp_table_dump_new(struct bgp *b)
{
	struct bgp_table_dump *d = xnew(struct bgp_table_dump);

	d->bgp = b;
	d->peers = xcalloc(PEERS_MAX, sizeof(*d->peers));
	d->record = wire_wr_init(xcalloc(1, RECORD_MAX), RECORD_MAX);
	d->entry = wire_wr_init(xcalloc(1, ENTRY_MAX), ENTRY_MAX);
	return d;
}

void
bgp_table_dump_free(struct bgp_table_dump *d)
{
	if (!d)
		return;
	mem_free(d->record.start);
	mem_free(d->entry.start);
	mem_free(d->peers);
	mem_free(d);
}
