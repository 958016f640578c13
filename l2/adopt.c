/*
 * l2/adopt.c: what an earlier process of this node left in the kernel and what becomes of it, and until
 * when what is there may be answered.  Stands between l2.c and the maps.
 */
#include "l2/core.h"

#include <stdlib.h>

#include "lib/mem.h"

/* ---- the term ---- */

static void
entry_drop(void *arg, const struct l2_key *key)
{
	struct l2 *l2 = arg;
	struct addr a = answer_addr(key);

	(void)answer_del(&l2->answer, key);
	if (a.family == ADDR_V6)
		(void)device_listen(l2->devices, key->ifindex, &a, false, NULL, NULL);
}

/*
 * What it was allowed goes on until it is over, or until somebody says for how long.  Once it is over
 * its addresses may be others' by now: no term of ours brings them back.
 */
int
adopt_term(struct l2 *l2)
{
	l2->term_told = false;
	if (!l2->answer.adopted || answer_is_in_time(&l2->answer, l2_boot_ns()))
		return 0;
	log_info("l2-answers-over", LOG_S("pin", l2->answer.pin));
	return answer_each(&l2->answer, entry_drop, l2);
}

int
adopt_tell_term(struct l2 *l2)
{
	int err;

	if (l2->term_told || (!l2->term_set && !l2->was_set))
		return 0;
	err = answer_until(&l2->answer, l2->until_ns);
	l2->term_told = err == 0;
	if (err < 0 && log_allow(&l2->limit, loop_now_ms(l2->loop), 2, NULL))
		log_error("l2-term-not-set", LOG_ERR(-err));
	return err;
}

void
l2_term(struct l2 *l2, uint64_t ms)
{
	l2->until_ns = ms ? l2_boot_ns() + ms * 1000000 : 0;
	l2->term_set = true;
	l2->term_told = false;
	if (answer_is_loaded(&l2->answer))
		(void)adopt_tell_term(l2);
}

bool
l2_had_term(const struct l2 *l2)
{
	return answer_is_loaded(&l2->answer) && l2->answer.adopted &&
	    !answer_is_in_time(&l2->answer, UINT64_MAX);
}

/* ---- what nobody wants ---- */

static void
sweep_entry(void *arg, const struct l2_key *key)
{
	struct l2 *l2 = arg;
	struct addr a = answer_addr(key);

	if (item_wants(l2, &a, key->ifindex))
		return;
	l2->nr_ended++;
	if (l2_may_tell(l2))
		log_info("l2-answer-ended", LOG_S("address", addr_str(&a)),
		    LOG_U("ifindex", key->ifindex),
		    LOG_S("why", "an earlier process answered for it"));
	entry_drop(l2, key);
}

static void
sweep_device(void *arg, struct answer *answer, unsigned ifindex)
{
	struct l2 *l2 = arg;
	struct device *const *all;
	size_t nr;

	all = devices_all(l2->devices, &nr);
	for (size_t i = 0; i < nr; i++) {
		if (all[i]->l.ifindex == ifindex && all[i]->used)
			return;
	}
	answer_detach(answer, ifindex);
	answer_device_del(answer, ifindex);
}

void
adopt_sweep(struct l2 *l2)
{
	int err = answer_each(&l2->answer, sweep_entry, l2);

	if (err < 0) {
		log_error("l2-not-swept", LOG_ERR(-err));
		return;
	}
	answer_attached_each(&l2->answer, sweep_device, l2);
	l2->swept = true;
}

/* ---- what is still answered ---- */

struct adopted {
	unsigned *stands; /* the devices that the program is on */
	size_t nr_stands, cap;
	struct addr *all;
	size_t nr_all, cap_all;
};

static void
adopted_device(void *arg, struct answer *a, unsigned ifindex)
{
	struct adopted *d = arg;

	(void)a;
	if (mem_grow((void **)&d->stands, &d->cap, d->nr_stands, sizeof(*d->stands), 0) < 0)
		return;
	d->stands[d->nr_stands++] = ifindex;
}

static void
adopted_entry(void *arg, const struct l2_key *key)
{
	struct adopted *d = arg;

	for (size_t i = 0; i < d->nr_stands; i++) {
		if (d->stands[i] != key->ifindex)
			continue;
		if (mem_grow((void **)&d->all, &d->cap_all, d->nr_all, sizeof(*d->all), 0) < 0)
			return;
		d->all[d->nr_all++] = answer_addr(key);
		return;
	}
}

static int
addr_order(const void *a, const void *b)
{
	return addr_cmp(a, b);
}

size_t
l2_adopted(struct l2 *l2, struct addr *out, size_t max)
{
	struct adopted d = { 0 };
	size_t nr = 0;

	if (l2->was_set || !answer_is_pinned(&l2->answer) || !l2_load(l2) || !l2->answer.adopted ||
	    !answer_is_in_time(&l2->answer, l2_boot_ns()))
		return 0;
	answer_attached_each(&l2->answer, adopted_device, &d);
	(void)answer_each(&l2->answer, adopted_entry, &d);
	if (d.nr_all > 0)
		qsort(d.all, d.nr_all, sizeof(*d.all), addr_order);
	for (size_t i = 0; i < d.nr_all; i++) {
		if (i > 0 && addr_eq(&d.all[i], &d.all[i - 1]))
			continue;
		if (nr < max)
			out[nr] = d.all[i];
		nr++;
	}
	mem_free(d.stands);
	mem_free(d.all);
	return nr;
}
