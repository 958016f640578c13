/*
 * bgpd/emit.c: changes becoming bytes: counted blocks of whole UPDATEs.  Between an export group
 * or a member and the session's queue.
 */
#include <errno.h>

#include "bgpd/msg.h"
#include "bgpd/emit.h"
#include "bgpd/out.h"
#include "lib/mem.h"

struct bgp_block *
bgp_block_new(size_t cap)
{
	struct bgp_block *b;

	if (cap > UINT32_MAX)
		return NULL;
	/* Not zeroed: it is written before it is read. */
	b = mem_realloc(NULL, 1, sizeof(*b) + cap);
	if (b)
		*b = (struct bgp_block){ .refs = 1, .cap = (uint32_t)cap };
	return b;
}

struct bgp_block *
bgp_block_ref(struct bgp_block *b)
{
	b->refs++;
	return b;
}

void
bgp_block_unref(struct bgp_block *b)
{
	if (b && --b->refs == 0)
		mem_free(b);
}

/* Give back what was not filled. */
static struct bgp_block *
block_trim(struct bgp_block *b)
{
	struct bgp_block *smaller;

	if (b->cap - b->len < 256)
		return b;
	smaller = mem_realloc(b, 1, sizeof(*b) + b->len);
	if (!smaller)
		return b;
	smaller->cap = smaller->len;
	return smaller;
}

void
emit_begin(struct emit *e, struct out_group *g, emit_fn *fn, void *arg)
{
	e->group = g;
	e->fn = fn;
	e->arg = arg;
	e->block = NULL;
	e->open = false;
	e->not_src = e->not_nh = 0;
	e->path_id = 0;
}

/* Close the message that is being filled. */
static void
pack_close(struct emit *e)
{
	if (!e->open)
		return;
	e->block->len += (uint32_t)bgp_pack_end(&e->pack);
	e->block->nr_messages += e->pack.nr_messages;
	e->open = false;
}

static void
block_close(struct emit *e)
{
	pack_close(e);
	if (e->block && e->block->len) {
		e->block = block_trim(e->block);
		e->fn(e->arg, e->block, e->not_src, e->not_nh);
	}
	bgp_block_unref(e->block);
	e->block = NULL;
}

static void
pack_open(struct emit *e, uint32_t set)
{
	const struct out_group *g = e->group;
	struct bgp_block *b = e->block;

	if (set)
		attrset_view(&g->rib->sets, set, &e->attrs);
	bgp_pack_begin(&e->pack, wire_wr_init(b->data + b->len, b->cap - b->len),
	    g->ext_msg ? BGP_MAX_EXT_LEN : BGP_MAX_LEN, g->family, set ? &e->attrs : NULL, g->as4);
	e->pack.add_path = g->add != NULL;
	e->set = set;
	e->open = true;
}

int
emit_add(struct emit *e, uint32_t node, uint32_t set, uint16_t not_src, uint16_t not_nh)
{
	struct prefix p;

	if (e->block && (not_src != e->not_src || not_nh != e->not_nh))
		block_close(e);
	e->not_src = not_src;
	e->not_nh = not_nh;
	ptab_prefix(&e->group->rib->tab[e->group->family], node, &p);
	if (e->open && e->set != set)
		pack_close(e);
	if (e->block) {
		if (!e->open)
			pack_open(e, set);
		e->pack.path_id = e->path_id;
		if (bgp_pack_add(&e->pack, &p) == 0)
			return 0;
		block_close(e);
	}
	e->block = bgp_block_new(OUT_BLOCK_LEN);
	if (!e->block)
		return -ENOMEM;
	pack_open(e, set);
	e->pack.path_id = e->path_id;
	return bgp_pack_add(&e->pack, &p) == 0 ? 0 : -ENOMEM;
}

void
emit_end(struct emit *e)
{
	block_close(e);
}
