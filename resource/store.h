/*
 * resource/store.h: the one store of all objects, whatever their source, and its change feed.
 *
 * Sources put and delete; what changed is coalesced and told to the subscribers in one deferred
 * pass of the loop, however large the burst.  An object that is put again with equal content (see
 * res_equal()) changes nothing and wakes nobody.  A key may come from several sources: the one
 * that was added first has it, the next stands in when it goes; a derived source is the last.
 */
#ifndef HERALD_RESOURCE_STORE_H
#define HERALD_RESOURCE_STORE_H

#include "resource/kinds.h"

struct loop;
struct store;

#define STORE_MAX_SOURCES 6 /* files, three of an API server and its cache, MetalLB's translated */

struct store *store_new(struct loop *);
/* Drops all objects; subscribers are not told. */
void store_free(struct store *); /* NULL is fine */

/* ---- sources ---- */

/* A new source, not in sync; @name is copied.  Returns its number, or -ENOSPC. */
int store_source_add(struct store *, const char *name) __attribute__((warn_unused_result));
/* Likewise one that makes its objects of others' (metallb.h): it has a key only where no other source
 * does.  There is one at most. */
int store_source_add_derived(struct store *, const char *name) __attribute__((warn_unused_result));
/* Has the source delivered its first whole set?  Subscribers are called on a change. */
void store_source_synced(struct store *, int source, bool synced);
unsigned store_nr_sources(const struct store *);
const char *store_source_name(const struct store *, int source);
bool store_source_is_synced(const struct store *, int source);
/* Are all sources (at least one)? */
bool store_is_synced(const struct store *);
bool store_source_is_derived(const struct store *, int source);

/* Put an object; the store takes a reference of its own.  -ENOMEM: nothing changed. */
int store_put(struct store *, int source, struct res_object *) __attribute__((warn_unused_result));
/* Forget what @source said of this key; nothing happens when it said nothing. */
void store_delete(struct store *, int source, enum res_kind, const char *ns, const char *name);
/*
 * @objs are all that @source has: puts what is new or different, deletes what is gone.  Of two
 * objects with one key the later counts.  -ENOMEM: the old set may be half replaced; call again.
 */
int store_replace_source(struct store *, int source, struct res_object *const *objs, size_t nr)
    __attribute__((warn_unused_result));

/* ---- reading; what is returned is borrowed until the next turn of the loop ---- */

/* NULL: there is none.  @ns is "" for kinds without namespace. */
struct res_object *store_get(const struct store *, enum res_kind, const char *ns, const char *name);
/* In order of (namespace, name): the first after @after, or the first of all with NULL. */
struct res_object *store_next(const struct store *, enum res_kind, const struct res_object *after);
size_t store_nr(const struct store *, enum res_kind);

#define store_for_each(s, kind, o)                                                                 \
	for ((o) = store_next((s), (kind), NULL); (o); (o) = store_next((s), (kind), (o)))

/* The EndpointSlices of a Service, by name; nr 0: none.  *v is borrowed until the next put or
 * delete. */
size_t store_slices(const struct store *, const char *ns, const char *service,
    struct res_endpoint_slice *const **v);

/* The HeraldConfig, or one with all defaults when there is none; never NULL. */
const struct res_herald_config *store_config(const struct store *);

/* ---- typed shortcuts; NULL: there is none ---- */
const struct res_service *store_service(const struct store *, const char *ns, const char *name);
const struct res_node *store_node(const struct store *, const char *name);
const struct res_bgp_peer_config *store_peer_config(const struct store *, const char *name);
/* A Secret of this name: in @ns when given, else the first by namespace. */
const struct res_secret *store_secret(const struct store *, const char *ns, const char *name);

/* ---- change feed ---- */

/* One key that changed since the last pass.  Not both NULL; valid during the callback. */
struct store_change {
	enum res_kind kind;
	const char *ns, *name;
	struct res_object *old; /* the very one that the last pass told as new; NULL: new */
	struct res_object *new; /* NULL: deleted */
};

/*
 * @changes in the order in which the keys first changed, each key once.  Also called with nr 0
 * when some source came into or fell out of sync.  Callbacks may put and delete: that is told in
 * the next pass.
 */
typedef void store_changes_cb(void *arg, const struct store_change *changes, size_t nr);

/* Subscribe for the store's life; called in order of subscription. */
void store_subscribe(struct store *, store_changes_cb *, void *arg);
/* Run the pass now if something is waiting (start-up, tests). */
void store_flush(struct store *);

#endif
