/*
 * datapath/services_parts.h: what the files of the writer call each other. services.h
 * has the types and ends with this.
 */
#ifndef HERALD_DATAPATH_SERVICES_PARTS_H
#define HERALD_DATAPATH_SERVICES_PARTS_H

#include "datapath/services.h"

static inline struct lb_fe_key
sv_key(const struct addr *a, uint16_t port, uint8_t proto)
{
	return (struct lb_fe_key){ .addr = lb_addr_of(a),
		.port = __builtin_bswap16(port),
		.proto = proto,
		.family = lb_family(a) };
}
static inline struct addr
sv_addr(const struct lb_addr *a, uint8_t family)
{
	struct addr out = { .family = family == 4 ? ADDR_V4 : ADDR_V6 };

	__builtin_memcpy(out.b, a->w, sizeof(out.b));
	return out;
}
/* For a program that may read meanwhile: all that was written before is seen before. */
#define SV_STORE(where, value) __atomic_store_n((where), (value), __ATOMIC_RELEASE)

/* ---- services_want.c ---- */
/* A deep copy; NULL: no memory. */
struct sv_want *sv_want_copy(struct sv_service *, const struct dp_frontend *, size_t nr);
bool sv_want_is(const struct sv_want *, const struct dp_frontend *, size_t nr);
void sv_want_free(struct sv_want *); /* holds nothing any more */
/* Rows and tables for its lists, written.  -ENOMEM: nothing is held. */
int sv_want_hold(struct dp_services *, struct sv_want *) __attribute__((warn_unused_result));
void sv_want_release(struct dp_services *, struct sv_want *);
/* The frontends' keys; -ENOMEM: as before. */
int sv_want_keys(struct dp_services *, struct sv_want *) __attribute__((warn_unused_result));
void sv_want_put(struct dp_services *, struct sv_want *); /* its keys, once nothing is shown */
void sv_want_link(struct dp_services *, struct sv_want *);
void sv_want_unlink(struct dp_services *, struct sv_want *);

/* ---- services_rows.c ---- */
int sv_be_ref(struct dp_services *, const struct dp_backend *, uint8_t proto, uint32_t *row)
    __attribute__((warn_unused_result)); /* -ENOSPC, -ENOMEM */
void sv_be_unref(struct dp_services *, uint32_t row, bool taken);
void sv_be_unpin(struct dp_services *, uint32_t row);
void sv_be_kill(struct dp_services *, uint32_t row);
/* Into the mirror as it is in the map.  -EEXIST: another row has its key; -ENOMEM. */
int sv_be_adopt(struct dp_services *, uint32_t row, bool live) __attribute__((warn_unused_result));
struct sv_fe *sv_fe_find(const struct dp_services *, const struct lb_fe_key *);
struct sv_fe *sv_fe_get(struct dp_services *, const struct lb_fe_key *); /* NULL: no memory */
void sv_fe_tidy(struct dp_services *, struct sv_fe *); /* it goes when nobody needs it */
struct sv_vip *sv_vip_get(struct dp_services *, const struct lb_fe_key *); /* NULL: no memory */
void sv_vip_put(struct dp_services *, struct sv_vip *);
uint32_t sv_key_hash(const struct lb_fe_key *);
struct sv_be *sv_be_find(const struct dp_services *, const struct lb_fe_key *);

/* ---- services_block.c ---- */
/* The table of the list in the scope, made or found; *out NULL: no backend takes flows.  One more
 * reference.  -ENOSPC, -ENOMEM. */
int sv_block_get(struct dp_services *, const struct sv_list *, unsigned scope,
    struct sv_block **out) __attribute__((warn_unused_result));
/* Of a word of an earlier process; -EBADMSG: it is not one. */
int sv_block_adopt(struct dp_services *, uint64_t word, struct sv_block **out)
    __attribute__((warn_unused_result));
void sv_block_ref(struct sv_block *);
void sv_block_unref(struct dp_services *, struct sv_block *);	   /* NULL is fine */
void sv_block_free(struct dp_services *, struct sv_block *);	   /* at once */
uint64_t sv_block_repair(struct dp_services *, struct sv_block *); /* words put right */
void sv_old_set(struct dp_services *, struct sv_fe *, unsigned scope);
void sv_old_drop(struct dp_services *, struct sv_fe *, unsigned scope);
void sv_blocks_tick(void *services);

/* ---- services_show.c ---- */
void sv_show(struct dp_services *, struct sv_fe *); /* as the first claim wants it, or not at all */
void sv_hide(struct dp_services *, struct sv_fe *);
void sv_flush(struct dp_services *);
void sv_vip_settle(struct dp_services *, struct sv_vip *); /* its wildcard, by its counts */
void sv_filter_add(struct dp_services *, const struct lb_addr *, enum lb_filter_bit);
void sv_filter_del(struct dp_services *, const struct lb_addr *, enum lb_filter_bit);
void sv_cluster_write(struct dp_services *, const struct prefix *old, size_t nr_old);
struct lb_range_key sv_range_key(uint32_t set, const struct prefix *);
bool sv_cluster_have(const struct prefix *sorted, size_t nr, const struct prefix *);
bool sv_ranges_have(const struct prefix *, size_t nr, const struct prefix *);
void sv_starve(struct dp_services *, uint64_t *what, uint64_t amount);
int sv_hash_del(struct dp_services *, const struct lb_fe_key *);
void sv_counts_clear(struct dp_services *, enum dp_map, uint32_t row);

/* ---- services_adopt.c ---- */
int sv_adopt(struct dp_services *) __attribute__((warn_unused_result));
void sv_leftovers(struct dp_services *); /* what was adopted and nobody wants goes */

/* ---- services_audit.c: each returns words put right ---- */
uint64_t sv_audit_maps(struct dp_services *);
uint64_t sv_audit_filter(struct dp_services *);
uint64_t sv_audit_ranges(struct dp_services *);

/* ---- services_read.c ---- */
/* All keys of `frontends` with their values, for mem_free().  Returns how many, or -errno. */
long sv_hash_read(const struct dp_services *, struct lb_fe_key **keys, __u32 **values);
/* All keys of `src_ranges`, likewise. */
long sv_ranges_read(const struct dp_services *, struct lb_range_key **keys);
/* Clients' last backends, of rows that are dying, are forgotten. */
void sv_affinity_purge(const struct dp_services *);
/* @nr rows from @from on of a map of counters, summed over the CPUs. */
int sv_counts_read(
    const struct dp_services *, enum dp_map, uint32_t from, uint32_t nr, struct lb_count *out);

#endif
