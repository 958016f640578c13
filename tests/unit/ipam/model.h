/*
 * tests/unit/ipam/model.h: a naive allocator to judge the real one by: a few addresses of each family
 * as arrays, and everything looked at for everything; no trees, no queues, no counters.
 */
#ifndef HERALD_TESTS_IPAM_MODEL_H
#define HERALD_TESTS_IPAM_MODEL_H

#include "ipam/ipam.h"

enum {
	SPAN = 48,
	FIRST = 240,
	OWNERS = 20,
	NAMESPACES = 3,
	POOLS = 5,
	BLOCKS = 2,
	WANTS = 4,
	KEYS = 2,
	PORTS = 6
};

struct mblock {
	int family, lo, hi, free_lo, free_hi;
	bool cidr;
};

struct mpool {
	bool present, disabled, allow_first_last, avoid_buggy, conflict;
	bool renumber; /* as last known, like reuse */
	int reuse;
	int created, nr, rank;
	struct mblock b[BLOCKS];
};

struct mwant {
	int family, at; /* at < 0: any */
	int pool;	/* of this one; < 0: of any */
	int held;	/* address or -1 */
	enum reason why, detail;
};

struct mhold {
	int family, at, pool; /* pool < 0: not known */
	bool check, let_go, fresh;
};

struct mowner {
	bool present, any_pool;
	bool may[POOLS];
	int created, nr_wants, nr_holds;
	struct mwant want[WANTS];
	struct mhold hold[WANTS];
	int key; /* < 0: none */
	unsigned ports, friends;
	bool local;
	int selector;	  /* 0: none */
	unsigned changed; /* told by the allocator */
	char before[600]; /* what was true when it last told */
};

struct maddr {
	int holders[OWNERS], nr; /* in the order of joining */
	int cool, strange;	 /* until when; 0: not */
	int last;		 /* who may have it while it cools down; < 0: nobody */
};

struct model {
	struct mpool pools[POOLS];
	struct mowner owners[OWNERS];
	struct maddr addr[3][SPAN];
	int now;
};

extern struct model m;

void model_reset(void);
bool model_pool_has(const struct mpool *, int family, int at);
bool model_pool_gives(const struct mpool *, int family, int at);
void model_conflicts(void);
/* Claim or spec gone or another: compare those on its addresses anew. */
void model_check_holds(struct mowner *);
void model_stranger(int family, int at, int ms);
void model_used(int family, int at);
void model_clock(int now);
int model_release(struct mowner *);
/* What a new process does not know of. */
void model_forget(void);
void model_settle(void);
enum reason model_note(const struct mowner *, const struct mhold *);
/* What one knows of an owner, as text. */
void model_show(int owner, char *text, size_t size);
/* Nothing is held that nobody may hold: whatever the rules of giving are. */
void model_lawful(void);

struct addr model_addr(int family, int at);
extern const char *const model_pool_names[POOLS];

#endif
