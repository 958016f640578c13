/*
 * ipam/spec.c: a claim's words: what the caller wants, copied and put in order.
 */
#include "ipam/claim.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
pool_ptr_cmp(const void *x, const void *y)
{
	return strcmp((*(struct pool *const *)x)->name, (*(struct pool *const *)y)->name);
}

static int
copy_pools(
    struct ipam *ipam, const char *const *names, size_t nr, struct pool ***out, size_t *nr_out)
{
	struct pool **v;

	if (nr == 0)
		return 0;
	v = *out = mem_calloc(nr, sizeof(struct pool *));
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		v[i] = pool_ref_name(&ipam->pools, names[i], strlen(names[i]));
		if (!v[i])
			return -ENOMEM;
		++*nr_out;
	}
	return 0;
}

static int
spec_pools(struct ipam *ipam, const struct ipam_claim *from, struct claim_spec *s)
{
	size_t nr = 0;
	int err;

	err = copy_pools(ipam, from->each, from->nr_each, &s->each, &s->nr_each);
	s->any_pool = from->any_pool;
	if (err < 0 || s->any_pool || from->nr_pools == 0)
		return err;
	err = copy_pools(ipam, from->pools, from->nr_pools, &s->pools, &s->nr_pools);
	if (err < 0)
		return err;
	qsort(s->pools, s->nr_pools, sizeof(struct pool *), pool_ptr_cmp);
	for (size_t i = 0; i < s->nr_pools; i++) {
		if (nr > 0 && s->pools[nr - 1] == s->pools[i])
			pool_unref(&ipam->pools, s->pools[i]);
		else
			s->pools[nr++] = s->pools[i];
	}
	s->nr_pools = nr;
	return 0;
}

static bool
has_want(const struct claim_spec *s, const struct want *w)
{
	for (size_t i = 0; i < s->nr_wants; i++)
		if (s->wants[i].family == w->family && s->wants[i].key == w->key &&
		    s->wants[i].pool == w->pool)
			return true;
	return false;
}

/* One more, but for repetitions. */
static int
add_want(struct claim_spec *s, struct want w)
{
	if (w.family != ADDR_V4 && w.family != ADDR_V6)
		return -EINVAL;
	w.reason = REASON_SOURCES_NOT_SYNCED;
	w.detail = REASON_NONE;
	if (!has_want(s, &w))
		s->wants[s->nr_wants++] = w;
	else if (!w.fixed && !w.pool)
		return -EINVAL;
	return 0;
}

static int
spec_wants(const struct ipam_claim *from, struct claim_spec *s)
{
	const size_t nr_each = s->nr_each ? s->nr_each : 1;
	size_t nr = from->nr_requested ? from->nr_requested : from->nr_families * nr_each;
	int err = 0;

	if (nr == 0)
		return 0;
	s->wants = mem_calloc(nr, sizeof(*s->wants));
	if (!s->wants)
		return -ENOMEM;
	for (size_t i = 0; i < from->nr_requested && err == 0; i++)
		err = add_want(s,
		    (struct want){ .fixed = true,
			.family = (enum addr_family)from->requested[i].family,
			.key = taken_key(&from->requested[i]) });
	if (from->nr_requested)
		return err;
	for (size_t j = 0; j < nr_each; j++)
		for (size_t i = 0; i < from->nr_families && err == 0; i++)
			err = add_want(s,
			    (struct want){ .family = from->families[i],
				.pool = s->nr_each ? s->each[j] : NULL });
	return err;
}

bool
spec_same(const struct claim_spec *a, const struct claim_spec *b)
{
	if (a->created != b->created || a->mirrored != b->mirrored || a->any_pool != b->any_pool ||
	    a->nr_pools != b->nr_pools || a->nr_wants != b->nr_wants ||
	    !share_same(&a->share, &b->share))
		return false;
	for (size_t i = 0; i < a->nr_pools; i++)
		if (a->pools[i] != b->pools[i])
			return false;
	for (size_t i = 0; i < a->nr_wants; i++)
		if (a->wants[i].family != b->wants[i].family ||
		    a->wants[i].fixed != b->wants[i].fixed || a->wants[i].key != b->wants[i].key ||
		    a->wants[i].pool != b->wants[i].pool)
			return false;
	return true;
}

void
spec_free(struct ipam *ipam, struct claim_spec *s)
{
	for (size_t i = 0; i < s->nr_pools; i++)
		pool_unref(&ipam->pools, s->pools[i]);
	for (size_t i = 0; i < s->nr_each; i++)
		pool_unref(&ipam->pools, s->each[i]);
	mem_free(s->pools);
	mem_free(s->each);
	mem_free(s->wants);
	share_fini(&ipam->groups, &s->share);
	*s = (struct claim_spec){ 0 };
}

int
spec_make(struct ipam *ipam, const struct ipam_claim *from, struct claim_spec *s)
{
	int err;

	*s = (struct claim_spec){ .created = from->created, .mirrored = from->mirrored };
	err = spec_pools(ipam, from, s);
	if (err == 0)
		err = spec_wants(from, s);
	if (err == 0)
		err = share_make(&ipam->groups, &from->sharing, &s->share);
	if (err < 0)
		spec_free(ipam, s);
	return err;
}
