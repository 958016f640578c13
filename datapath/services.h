/*
 * datapath/services.h: what the files of the writer share: the mirror of what the maps hold, and of
 * who wants it.  Private to services*.c and readback.c.
 *
 *   services_want.c   copies of what a Service wants; the rows and tables that they hold
 *   services_rows.c   rows of backends and frontends: free, live, dying
 *   services_block.c  tables in the array of words: shared, kept a while, given back
 *   services_show.c   a frontend as programs see it: its row, key, source ranges, filter bits
 *   services_adopt.c  the maps of an earlier process -> the mirror
 *   services_need.c   how large the maps must be for all of it
 *   services_audit.c  the maps against the mirror
 *   services.c        the calls, which join these
 *
 * A change is prepared first (all that may fail: copies, rows, tables; packets see none of it), then
 * shown (stores and system calls), then what was there before is released.
 */
#ifndef HERALD_DATAPATH_SERVICES_H
#define HERALD_DATAPATH_SERVICES_H

#include "datapath/core.h"
#include "datapath/space.h"

#include "lib/loop.h"

#include <sys/queue.h>

#define SV_NONE UINT32_MAX	/* no row */
#define SV_WILDCARD UINT32_MAX	/* the value of an address's own key */
#define SV_PREV_MS 60000	/* so long the table before the last change is of use */
#define SV_REST_MS 1000		/* so long a program may hold a word that it read */
#define SV_WORDS_MAX (1U << 28) /* of all tables */
#define SV_SLICE_NS 3000000	/* of writing all, before others have their turn */
#define SV_QUEUE 512		/* keys written by one system call */

/* ---- a hash table of things that begin with their hash ---- */
struct sv_index {
	void **slot;
	uint32_t mask, nr;
};
typedef bool sv_eq(const void *thing, const void *key);
int sv_index_reserve(struct sv_index *, uint32_t more) __attribute__((warn_unused_result));
void sv_index_add(struct sv_index *, void *thing); /* room was reserved */
void sv_index_del(struct sv_index *, const void *thing);
void *sv_index_find(const struct sv_index *, uint32_t hash, sv_eq *eq, const void *key);
void sv_index_fini(struct sv_index *);

/* ---- rows ---- */
enum sv_row_state {
	SV_FREE,
	SV_LIVE,
	SV_DYING, /* flows may name it */
	SV_ROUND, /* the sweep is at it */
	SV_SWEPT, /* no flow names it, but an old table does */
};
struct sv_row {
	TAILQ_ENTRY(sv_row) link; /* free, dying, round or swept */
	uint8_t state;
	bool counted; /* its counters may not be zero */
};
TAILQ_HEAD(sv_row_list, sv_row);
struct sv_rows {
	struct sv_row *at;
	uint32_t max, fresh; /* rows from `fresh` on were never used */
	uint32_t live;
	uint32_t held; /* neither live nor free */
	struct sv_row_list free, dying, round, swept;
};
struct dp_services;
int sv_rows_init(struct sv_rows *, uint32_t max) __attribute__((warn_unused_result));
void sv_rows_fini(struct sv_rows *);
uint32_t sv_rows_take(struct sv_rows *); /* SV_NONE: there is none */
void sv_rows_kill(struct sv_rows *, uint32_t row);
void sv_rows_revive(struct sv_rows *, uint32_t row);
void sv_rows_free(struct sv_rows *, uint32_t row);

/* ---- backends ---- */
struct sv_be {
	uint32_t hash;
	uint32_t refs;	/* lists of Services that have it, wanted or not */
	uint32_t taken; /* of those, where it takes new flows */
	uint32_t pins;	/* tables that list it, old ones too */
	struct lb_fe_key key;
	uint64_t order;		 /* maglev_key() */
	struct lb_be_row image;	 /* of the row */
	LIST_ENTRY(sv_be) local; /* when it is live, on this node, and not of the host */
	bool is_local;
};
LIST_HEAD(sv_be_list, sv_be);

/* ---- tables ---- */
struct sv_member {
	uint32_t row, weight;
};
struct sv_block {
	uint32_t hash;
	uint32_t refs; /* of rows and Services; 0: resting */
	uint64_t word; /* LB_TABLE() */
	struct extent *space;
	uint64_t sum;		    /* of its words in the map */
	uint64_t due;		    /* resting: until then */
	TAILQ_ENTRY(sv_block) link; /* in blocks, or resting */
	bool adopted;		    /* its weights are not known */
	bool pinned;		    /* its rows count it */
	uint32_t nr;
	struct sv_member member[];
};
TAILQ_HEAD(sv_block_list, sv_block);

/* ---- frontends ---- */
struct sv_vip { /* an address */
	uint32_t hash;
	struct lb_fe_key key; /* port 0, proto 0 */
	uint32_t refs;	      /* frontends */
	uint32_t wild, nodes; /* shown ones that want the wildcard; that forbid it */
	bool written, seen;
	TAILQ_ENTRY(sv_vip) link;
};
TAILQ_HEAD(sv_vip_list, sv_vip);
struct sv_old { /* a word in prev, until it is of no use */
	TAILQ_ENTRY(sv_old) link;
	uint64_t due; /* 0: none */
	struct sv_fe *fe;
};
TAILQ_HEAD(sv_old_list, sv_old);
struct sv_fe {
	uint32_t hash;
	uint32_t refs; /* wanted frontends */
	uint32_t row;  /* SV_NONE: none */
	struct lb_fe_key key;
	struct lb_fe_row image;
	struct sv_block *table[LB_NR_SCOPES], *prev[LB_NR_SCOPES];
	struct sv_old old[LB_NR_SCOPES];
	struct sv_vip *vip;
	struct sv_wfe *claims; /* by the Service's name; the first has it */
	struct sv_wfe *shown;  /* whose content the row and the ranges are; NULL: nobody's */
	uint32_t seen;	       /* of the audit's round */
	uint32_t ranges_seen;  /* likewise */
	bool live;	       /* its row is */
	bool hashed;	       /* its key is written, or queued */
	bool visible;	       /* its filter bit is counted */
	bool told;	       /* of its conflict */
	TAILQ_ENTRY(sv_fe) link;
};
TAILQ_HEAD(sv_fe_list, sv_fe);

/* ---- what is wanted ---- */
struct sv_list { /* backends, shared by frontends of a Service that have the same */
	struct dp_backend *b;
	uint32_t nr;
	uint8_t proto;
	bool held;   /* rows and blocks are */
	bool hungry; /* there was no room for all */
	uint32_t *rows;
	struct sv_block *block[LB_NR_SCOPES];
};
struct sv_wfe {
	struct dp_frontend f;
	struct sv_list *list;
	struct sv_service *service;
	struct sv_fe *fe;
	struct sv_wfe *next; /* claims of the same key */
	bool linked;	     /* no: the Service names the key twice */
};
struct sv_want {
	uint32_t nr, nr_lists;
	struct sv_wfe *fe;
	struct sv_list *list;
};
struct sv_service {
	uint32_t hash;
	uint32_t number;
	bool seen;	/* in this sync */
	bool unwritten; /* its turn in the writing of all is to come */
	struct sv_want *want;
	TAILQ_ENTRY(sv_service) link;
	char name[];
};
TAILQ_HEAD(sv_service_list, sv_service);

struct sv_filter_count {
	uint32_t vip, backend;
};

struct dp_services {
	struct loop *loop;
	const struct dp_maps *m; /* NULL: none */
	void (*grow)(void *, const struct dp_sizes *);
	void (*on_local)(void *);
	void (*on_gone)(void *, const struct lb_be_row *, uint32_t);
	void *grow_arg, *local_arg, *gone_arg;
	void (*on_written)(void *, int err);
	void *written_arg;
	struct loop_work grow_work, flush_work, write_work;
	struct loop_timer timer; /* of old words and resting blocks */
	uint32_t table_size;
	struct prefix *cluster;
	size_t nr_cluster;

	struct sv_index names, fes, bes, vips, blocks;
	struct sv_service_list services;
	struct sv_service *to_write; /* the next one; NULL: that was the last */
	uint64_t slice_ns;	     /* SV_SLICE_NS; tests have others */
	struct sv_fe_list fe_list;
	struct sv_vip_list vip_list;
	struct sv_service **by_number; /* number - 1 */
	uint32_t nr_numbers, nr_services;
	size_t conflicts;
	uint64_t repaired;
	uint32_t audit_round;
	bool in_sync, synced, local_changed;
	bool leftovers; /* adopted rows may be there that nobody wants */
	bool affinity;	/* some frontend has or had it */
	bool writing;	/* not all is written since the maps were set */
	bool no_batch, grow_asked;
	/* what found no room since it was asked */
	uint64_t short_fe, short_be, short_words, short_clients;

	struct sv_rows fe_rows, be_rows;
	struct sv_fe **fe_at; /* by row */
	struct sv_be *be;     /* by row */
	struct sv_be_list locals;
	struct sv_filter_count *filter;
	struct space space;
	struct sv_block_list block_list, resting;
	struct sv_old_list olds;

	uint32_t nr_queue;
	struct lb_fe_key queue_key[SV_QUEUE];
	__u32 queue_value[SV_QUEUE];
	struct sv_fe *queue_fe[SV_QUEUE]; /* NULL: a wildcard */
	struct sv_vip *queue_vip[SV_QUEUE];

	struct sv_member *member; /* scratch of services_block.c, for nr_scratch backends */
	struct maglev_backend *maglev;
	uint64_t *work;
	size_t nr_scratch;
	uint64_t *words; /* scratch of a whole table */
	size_t nr_words;
	uint16_t *slots; /* and of its slots, before they are packed */
	size_t nr_slots;
};

#include "datapath/services_parts.h"

#endif
