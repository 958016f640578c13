/*
 * cluster/parts.h: what the files behind core.h call of each other.
 */
#ifndef HERALD_CLUSTER_PARTS_H
#define HERALD_CLUSTER_PARTS_H

#include "cluster/core.h"

/* ---- core.c ---- */
struct core *core_new(struct loop *, const struct core_ops *, void *send_arg, void *arg);
void core_free(struct core *);
int core_set(struct core *, const struct cluster_conf *) __attribute__((warn_unused_result));
struct member *core_member(const struct core *, const char *name); /* NULL: none */
struct member *core_member_of(const struct core *, uint64_t hash); /* likewise */
void core_post(struct core *);					   /* the pass, soon */
struct cluster_seen core_seen(const struct core *, const struct member *, const char **names);
int core_note(struct core *, const void *, size_t) __attribute__((warn_unused_result));
uint64_t core_settled_ms(const struct core *);
void core_api(struct core *, bool answers);
void core_drain(struct core *, bool drained);
void core_leave(struct core *, unsigned timeout_ms, void (*done)(void *arg), void *arg);

/* ---- life.c ---- */
void life_init(struct core *);
void life_start(struct core *); /* look at all lives again, and now and then from here on */
void life_review(struct core *);
void life_watched(struct core *, struct member *, bool up);
void life_new(struct core *, struct member *, uint64_t life); /* another process than before */
uint64_t life_valid_ms(const struct member *);
bool life_is_heard(const struct core *, const struct member *); /* directly, lately */
enum message_verdict life_verdict(const struct core *, const struct member *);

/* ---- hello.c ---- */
void hello_init(struct core *);
void hello_start(struct core *); /* members changed: all are told, and then in each period */
void hello_pass(struct core *);
void hello_reply(struct core *, struct member *);
void hello_farewell(struct core *); /* to all that live, now */
/* A datagram with a header; records are added and it is sent. */
struct wire_wr hello_begin(struct core *, struct member *, uint8_t *room);
void hello_send(struct core *, struct member *, const struct wire_wr *);
/* Whether it was taken. */
bool core_receive(struct core *, const struct addr *from, const void *, size_t);

/* One from there was not as it must be. */
void core_refused(struct core *, const struct addr *from);

/* ---- state.c ---- */
void state_init(struct core *);
void state_fini(struct core *, struct member *);
/* Something new may be known of what a member has. */
void state_check(struct core *, struct member *);
bool state_is_current(const struct member *, enum message_state);
void state_part(struct core *, struct member *from, const struct message_part *);
void state_wanted(struct core *, struct member *from, const struct message_want *);
void state_pass(struct core *);				    /* sends what waits */
void state_forget_to(struct core *, const struct member *); /* NULL: everybody */
struct message_part state_head(const struct core *, const struct blob *, uint32_t base,
    uint32_t version); /* of this node's claims */
void state_put_part(struct wire_wr *, struct message_part, const struct blob *, size_t part);

struct blob *blob_new(const void *, size_t len); /* NULL: no memory; @bytes may be NULL */
struct blob *blob_ref(struct blob *);
void blob_unref(struct blob *); /* NULL is fine */

/* ---- claim.c ---- */
enum claim_op { CLAIM_ADD, CLAIM_REMOVE, CLAIM_GIVEN };
void entries_init(struct table *);
void entries_fini(struct table *); /* no claims must be left */
struct entry *entry_find(const struct core *, const struct addr *);
struct entry *entry_get(struct core *, const struct addr *); /* NULL: no memory */
void entry_sweep(struct core *);			     /* those that nobody needs any more */
void claim_remove(struct core *, struct claim *);
void claim_drop_all(struct core *, struct member *);
struct claim *claim_of(const struct entry *, const struct member *);
/* The whole of @m's claims, or what changed: acted on entry by entry. */
int claim_apply(struct core *, struct member *m, const void *, size_t len, bool whole)
    __attribute__((warn_unused_result));
/* The living member that holds it, this node too with @self; of several the one that wins. */
struct member *entry_holder(const struct core *, const struct entry *, bool self);
/* What was touched becomes a new version of this node's claims. */
void claim_commit(struct core *);
/* This node's claims, or what changed since @base; NULL: cannot be said any more, or no memory. */
struct blob *claim_blob(const struct core *, uint32_t base);
struct blob *claim_blob_of(const struct member *);

/* ---- hold.c ---- */
void hold_init(struct core *);
void hold_settle(struct core *, struct entry *);
void hold_settle_all(struct core *);
int hold_adopt(struct core *, const struct addr *, size_t nr) __attribute__((warn_unused_result));
int hold_want(struct core *, const struct cluster_want *, size_t nr)
    __attribute__((warn_unused_result));
void hold_probed(struct core *, const struct addr *, bool known, bool in_use);
void hold_asked(struct core *, struct member *from, const struct message_addrs *);
void hold_given(struct core *, struct member *from, const struct message_addrs *);
void hold_pass_give(struct core *);
void hold_pass_seek(struct core *);
void hold_forget(struct core *, const struct member *);
/* It was given to that member, which counts as its holder until it says so itself, or for a second. */
void hold_inherit(struct core *, struct entry *, struct member *heir);
void hold_forget_entry(struct core *, struct entry *);
bool hold_may_take(const struct core *);

#endif
