/*
 * l2/core.h: what the parts of the engine share: l2.c (what is wanted, the pass that makes it so),
 * item.c (one address on one device), probe.c (what is asked about), seen.c (what people are shown).
 * Private to them.
 */
#ifndef HERALD_L2_CORE_H
#define HERALD_L2_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "l2/announce.h"
#include "l2/answer.h"
#include "l2/device.h"
#include "l2/l2.h"
#include "lib/log.h"
#include "lib/loop.h"

struct item {
	struct announce_job job; /* the first member: item.c goes from it to the item */
	struct l2 *l2;
	struct addr addr;
	char device[16];
	struct l2_schedule schedule;
	struct loop_timer timer; /* when it is announced next */
	struct loop_timer claim; /* when @claimed counts, unless the address goes before */
	struct device *dev;	 /* its device, of @dev_at */
	uint64_t dev_at;
	unsigned ifindex; /* stands in the map; 0: does not */
	uint32_t ups;	  /* of its device, when it was announced from the beginning */
	uint16_t left;	  /* announcements of its schedule */
	bool due;	  /* it is queued for its schedule; else for RFC 5227's defence */
	bool listens;	  /* to its group; asked at least */
	int err;	  /* why it could not be put into the map */
	int listen_err;	  /* nor listen to its group */
	uint64_t since;
	time_t announced, alarmed;
	uint64_t began_ns;   /* CLOCK_BOOTTIME */
	uint64_t claimed_ms; /* the last conflict; 0: none */
	struct l2_event claimed;
	uint8_t foreign[6];
};

struct l2 {
	struct loop *loop;
	struct l2_ops ops;
	void *arg;
	struct answer answer;
	struct loop_fd *ring;
	struct devices *devices;
	struct announcer *announcer;
	struct item **items; /* by address and device */
	size_t nr;
	struct prober *prober;
	uint64_t until_ns; /* 0: no end */
	struct loop_timer beat;
	struct loop_work more; /* what one turn could not do */
	bool settled;	       /* all is as it shall be, for the devices of @settled_at */
	uint64_t settled_at;
	size_t verified;	     /* items, since the beginning */
	size_t told;		     /* lines of the log, of what began and ended in one go */
	uint64_t nr_begun, nr_ended; /* answers, ever */
	struct log_limit limit;
	bool was_set;	      /* l2_set() was called */
	bool term_set;	      /* l2_term() was */
	bool term_told;	      /* the map has ->until_ns */
	bool swept;	      /* what an earlier process left and nobody wants is out */
	bool failed;	      /* to load; ->answer.why is logged */
	char why[ANSWER_WHY]; /* of the last device that could not be stood on */
};

/* ---- l2.c ---- */
/* How many pairs, or why these can be neither answered nor probed for: -EINVAL, -E2BIG. */
long l2_check(const struct l2_address *, size_t nr);
bool l2_load(struct l2 *);     /* false: the program and its maps are not there */
bool l2_may_tell(struct l2 *); /* in the log, of one more that began or ended */
/* Brings the program onto every device that is used, so far as it is not there. */
void l2_stand(struct l2 *);

/* ---- adopt.c ---- */
/* The maps were loaded: what an earlier process was allowed, and is over, is taken out. */
int adopt_term(struct l2 *);
int adopt_tell_term(struct l2 *); /* of ours; when it is not told yet, and somebody said one */
void adopt_sweep(struct l2 *);	  /* what is there and not wanted */

/* ---- probe.c ---- */
struct prober *prober_new(struct l2 *);
void prober_free(struct prober *); /* NULL is fine */
void prober_stop(struct prober *); /* decides what is open: it is not known */
void prober_hear(struct prober *, const struct l2_event *);
bool prober_is_busy(const struct prober *);
void prober_mark(const struct prober *); /* the devices that it uses */

/* ---- item.c ---- */
struct item *item_new(struct l2 *, const struct addr *, const char *device); /* NULL: no memory */
void item_free(struct item *);
/* Order of addresses, then devices. */
int item_order(
    const struct addr *a, const char *device_a, const struct addr *b, const char *device_b);
struct item *item_at(const struct l2 *, const struct addr *, unsigned ifindex);
/* Is it wanted there, whether it stands in the map already or not? */
bool item_wants(const struct l2 *, const struct addr *, unsigned ifindex);
/* Is the solicited-node group of it listened to because it is answered? */
bool item_listens(const struct l2 *, const struct addr *, unsigned ifindex);
/* Where it should stand; NULL: nowhere, for now. */
struct device *item_device(struct item *);
/* Into the map, and once more if it is not there although it should be. */
void item_write(struct item *, const struct device *);
/* Not answered any more, and nothing more is said. */
void item_end(struct item *);
/* To its solicited-node group, where it has one. */
void item_listen(struct item *, const struct device *);
void item_schedule(struct item *, const struct l2_schedule *);
void item_announce(struct item *, const struct device *); /* from the beginning */
/*
 * Another one speaks for the address.  When an address changes hands the old holder stops before the
 * new one begins, but nodes that did not hear of each other may both hold it until they do, and then a
 * defence of who gives way would turn everybody to it.  So a claim counts when the address is still
 * ours a little later; l2_claimed() is then called.
 */
void item_claimed(struct item *, const struct l2_event *);
void l2_claimed(struct l2 *, struct item *);
/*
 * RFC 5227 2.4 (c): an address that is not given up is defended, but not again and again when the
 * other one does not give way.
 */
void item_defend(struct item *);
size_t item_frames(
    void *l2, struct announce_job *, struct announce_frame *, unsigned *ifindex); /* announce_ops */
uint64_t l2_boot_ns(void); /* CLOCK_BOOTTIME, as the program counts */

#endif
