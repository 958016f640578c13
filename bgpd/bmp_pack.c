/*
 * bgpd/bmp_pack.c: routes as UPDATEs in BMP messages, prefixes with the same attributes together.  Between
 * bmp_feed.c, which knows what is to be told, and a station's queue.
 *
 * Routes are told by UPDATEs of our own making rather than those that came: with what a fault cost taken
 * off (RFC 7606), and AS numbers of four octets always (RFC 7854 4.2); but for what peers were sent, which is
 * told as they got it (RFC 8671 5.1), the A flag with it.
 */
#include "bgpd/bmp_in.h"

#include "bgpd/msg.h"
#include "lib/mem.h"

#include <errno.h>

/* ---- who it is about ---- */

/* RFC 7854 4.2: instances beyond the first are told apart by their number. */
static void
about_instance(struct bmp_about *a, const struct instance *in, uint8_t first)
{
	a->type = in->number ? BMP_PEER_INSTANCE : first;
	a->distinguisher = in->number;
}

struct bmp_about
bmp_about_peer(const struct bmp_peer *bp, enum bmp_view view, uint64_t wall_us)
{
	static const uint8_t flags[BMP_NR_VIEWS] = { [BMP_VIEW_POST] = BMP_FLAG_POST,
		[BMP_VIEW_OUT_PRE] = BMP_FLAG_OUT,
		[BMP_VIEW_OUT_POST] = BMP_FLAG_OUT | BMP_FLAG_POST };
	const struct session *s = bp->session;
	const bool as2 = view == BMP_VIEW_OUT_POST && !s->theirs.caps.as4;
	struct bmp_about a = {
		.flags = (uint8_t)(flags[view] | (as2 ? BMP_FLAG_AS2 : 0)),
		.addr = s->names.remote,
		.as = s->theirs.as,
		.id = s->theirs.id,
		.wall_us = wall_us,
	};

	about_instance(&a, s->peer->instance, BMP_PEER_GLOBAL);
	return a;
}

/* RFC 9069 4.1: an address of zeros, our own AS and identifier. */
struct bmp_about
bmp_about_table(const struct bmp_table *t, uint64_t wall_us)
{
	return (struct bmp_about){
		.type = BMP_PEER_LOC_RIB,
		.distinguisher = t->instance->number,
		.as = t->instance->local_as,
		.id = t->instance->router_id,
		.wall_us = wall_us,
	};
}

uint64_t
bmp_now_us(const struct bmp_station *st)
{
	return loop_wall_us(st->bmp->bgp->loop);
}

struct wire_wr
bmp_scratch(struct bmp_station *st)
{
	return wire_wr_init(st->bmp->scratch, BMP_SCRATCH);
}

/* ---- packs ---- */

static struct bmp_about
about_pack(const struct bmp_station *st, enum bmp_view view)
{
	const struct bmp_pack *p = &st->packs[view];

	return p->peer ? bmp_about_peer(p->peer, view, bmp_now_us(st))
		       : bmp_about_table(p->table, bmp_now_us(st));
}

/* Each UPDATE of @bytes as a message of its own. */
static void
put_updates(struct bmp_station *st, const struct bmp_about *about, const uint8_t *bytes, size_t nr)
{
	struct wire_rd in = wire_rd_init(bytes, nr);

	while (wire_more(&in)) {
		struct wire_rd ahead = in;
		struct bmp_bytes update = { .p = in.p };
		struct wire_wr w = bmp_scratch(st);

		(void)wire_take(&ahead, BGP_HEADER_LEN - 3);
		update.len = wire_u16(&ahead);
		if (!wire_take(&in, update.len))
			return;
		bmp_route_encode(&w, about, update);
		station_put(st, &w);
	}
}

void
bmp_pack_close(struct bmp_station *st, enum bmp_view view)
{
	struct bmp_pack *p = &st->packs[view];
	struct bmp_about about;
	size_t len;

	if (!p->open)
		return;
	p->open = false;
	about = about_pack(st, view);
	len = bgp_pack_end(&p->pack);
	put_updates(st, &about, p->bytes, len);
	attrset_unref(&p->rib->sets, p->set);
}

void
bmp_flush(struct bmp_station *st)
{
	for (int v = 0; v < BMP_NR_VIEWS; v++)
		bmp_pack_close(st, (enum bmp_view)v);
}

/* Our own routes have no next hop yet: it is written by whom they are told to. */
static void
fill_next_hop(struct bgp_attrs *a, enum bgp_family f)
{
	if (!addr_is_set(&a->next_hop))
		a->next_hop.family = f == BGP_IPV4_UNICAST ? ADDR_V4 : ADDR_V6;
}

static void
pack_begin(struct bmp_pack *p, size_t limit)
{
	bgp_pack_begin(&p->pack, wire_wr_init(p->bytes, BMP_PACK_LEN), limit, p->family,
	    p->set ? &p->attrs : NULL, !p->as2);
	p->pack.add_path = p->add_path;
}

static int
pack_open(struct bmp_station *st, enum bmp_view view, const struct bmp_pack *like)
{
	struct bmp_pack *p = &st->packs[view];
	uint8_t *bytes = p->bytes ? p->bytes : mem_calloc(1, BMP_PACK_LEN);

	if (!bytes)
		return -ENOMEM;
	*p = *like;
	p->bytes = bytes;
	p->open = true;
	attrset_ref(&p->rib->sets, p->set);
	if (p->set) {
		attrset_view(&p->rib->sets, p->set, &p->attrs);
		fill_next_hop(&p->attrs, p->family);
	}
	pack_begin(p, BGP_MAX_LEN);
	return 0;
}

static int
pack_add(struct bmp_pack *p, const struct prefix *prefix, uint32_t path_id)
{
	p->pack.path_id = path_id;
	return bgp_pack_add(&p->pack, prefix);
}

static bool
pack_fits(const struct bmp_pack *p, const struct bmp_pack *like)
{
	return p->open && p->peer == like->peer && p->table == like->table &&
	    p->family == like->family && p->set == like->set;
}

/* A prefix of @like's subject with its set, 0: it is gone there. */
void
bmp_put_route(struct bmp_station *st, enum bmp_view view, const struct bmp_pack *like,
    const struct prefix *prefix, uint32_t path_id)
{
	struct bmp_pack *p = &st->packs[view];
	int err;

	if (!station_hears(st))
		return;
	if (!pack_fits(p, like)) {
		bmp_pack_close(st, view);
		if (pack_open(st, view, like) < 0) {
			station_doom(st, "out of memory");
			return;
		}
	}
	err = pack_add(p, prefix, path_id);
	if (err == -ENOSPC) {
		bmp_pack_close(st, view);
		if (pack_open(st, view, like) < 0) {
			station_doom(st, "out of memory");
			return;
		}
		err = pack_add(p, prefix, path_id);
	}
	if (err == -EMSGSIZE) { /* so many attributes came in a long message (RFC 8654) */
		pack_begin(p, BMP_PACK_LEN - 1);
		err = pack_add(p, prefix, path_id);
	}
	if (err < 0)
		station_doom(st, "a route does not fit into any message");
	work_post(&st->work);
}

void
bmp_put_eor(struct bmp_station *st, const struct bmp_about *about, enum bgp_family f)
{
	uint8_t bytes[64];
	struct wire_wr w = wire_wr_init(bytes, sizeof(bytes));

	bgp_eor_encode(&w, f);
	put_updates(st, about, bytes, w.len);
}
