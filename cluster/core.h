/*
 * cluster/core.h: what the files of this room share: members, addresses, and the one pass in which
 * everything that was found out in a turn of the loop is acted on.  No sockets: datagrams go out by
 * core_ops and come in by core_receive(); time and chance are the loop's, so that many nodes can live
 * on one fake loop.
 *
 *     life.c    verdicts, watchers, who lives, whether this node is cut off
 *     hello.c   datagrams out and in, first contact, hellos
 *     state.c   claims and notes of all members, kept in step
 *     claim.c   which addresses there are, and who claims them
 *     hold.c    what this node may hold: asking, giving, probing
 *     core.c    members, the pass, what the outside is told
 */
#ifndef HERALD_CLUSTER_CORE_H
#define HERALD_CLUSTER_CORE_H

#include <sys/queue.h>

#include "cluster/cluster.h"
#include "cluster/message.h"
#include "lib/loop.h"

#define VALID_MS 3000	 /* what a member said holds that long, or three of its periods */
#define START_MS 1500	 /* at most so long nothing is taken that others may hold */
#define NEVER_UP_MS 3000 /* a watch that does not come up says down then */
#define HANGS_MS 10000	 /* BFD is up, and nothing said for so long: its main loop hangs */
#define UNFIT_MS 2000	 /* what this node is not fit for is held that long for the chosen one */
#define HEIR_MS 1000	 /* who was given an address counts as its holder until it says so */
#define UNWATCH_MS 5000	 /* a watch that nobody needs ends then */
#define CLAIMS_MAX 65536 /* addresses that a member may claim */
#define STATE_MAX (CLAIMS_MAX * MESSAGE_ADDR_MAX)

struct core;
struct entry;
struct blob;

/* An address that another member says it holds. */
struct claim {
	LIST_ENTRY(claim) of_member;
	LIST_ENTRY(claim) of_entry;
	struct entry *entry;
	struct member *member;
	uint32_t mark; /* of the whole that it was last seen in */
};
LIST_HEAD(claim_list, claim);

/* A state that comes in in parts. */
struct incoming {
	uint64_t life;
	uint32_t version, base;
	size_t total, got;
	uint8_t *bytes;
	uint8_t *have; /* a byte for each part */
	uint64_t last_ms;
};

/* What is known of a member's claims or notes, and what is done to know more. */
struct known {
	uint64_t life; /* 0: nothing known */
	uint32_t version;
	uint64_t want_ms;  /* when to ask for it; 0: is known, or nothing is */
	uint64_t asked_ms; /* when it was last */
	unsigned tries;
	struct incoming in;
};

struct member {
	char *name;
	uint64_t hash;
	struct addr addr;
	bool self, kept;

	/* The two ends' words for each other. */
	uint64_t life_id; /* of the process that was last heard; 0: none */
	uint64_t contact; /* of one that does not know ours yet */
	uint32_t tx_seq, rx_seq;
	uint64_t rx_seen;  /* a bit for each of the 64 before rx_seq */
	uint64_t reply_ms; /* when a hello was last sent out of turn */

	/* What it says, directly or by another. */
	struct message_facts said;
	uint64_t heard_ms; /* directly; 0: never */
	uint64_t said_ms;  /* or by another; 0: never */
	uint64_t known_ms; /* since when this life is known */
	uint32_t period_ms;
	struct member *teller; /* who relayed last */
	struct message_watch watches[MESSAGE_VERDICTS_MAX];
	size_t nr_watches;

	enum cluster_life life;
	uint64_t since_ms, lost_ms;
	enum cluster_lease lease;
	bool gone;

	/* This node's watch of it. */
	bool watching, needed, up, was_up;
	uint64_t watch_ms, needed_ms;

	struct member *watchers[CLUSTER_WATCHERS];
	size_t nr_watchers, nr_say_lost;

	struct known known[MESSAGE_NR_STATES];
	struct claim_list claims;
	size_t nr_claims;
	uint32_t mark;
	uint32_t floor; /* claims older than this version are void: it gave since */
	struct blob *notes;

	uint64_t sent, received, refused;
};

/* An address that somebody wants or claims. */
struct entry {
	TAILQ_ENTRY(entry) all;
	struct entry *chain; /* in the table */
	struct addr addr;
	struct claim_list claims;

	bool wanted, fit, held, adopted;
	struct member *owner; /* who is chosen; NULL: nobody */
	uint32_t want_mark;

	enum cluster_step step;
	LIST_ENTRY(entry) busy; /* has something due */
	bool is_busy;
	uint64_t due_ms;
	uint64_t step_ms;      /* since when in this step */
	uint64_t unfit_ms;     /* since when not fit, while held; 0: is */
	struct member *asked;  /* ASKING */
	uint32_t ticket;       /* the first of this ASKING */
	bool probing;	       /* an answer is to come */
	unsigned busy_answers; /* probes that found it in use, in a row */
	struct member *heir;   /* whom it was last given to */
	uint64_t heir_ms;      /* and until when that counts */
	bool told;	       /* is among the claims that others know */
	bool probe_void;       /* the answer that is to come is of no use any more */
	bool is_touched;       /* held is not what told is, or was not for a moment */
	LIST_ENTRY(entry) touched;
};
TAILQ_HEAD(entry_all, entry);
LIST_HEAD(entry_busy, entry);

struct table {
	struct entry **slots;
	size_t nr_slots, nr;
	struct entry_all all; /* in the order of coming */
};

/* Bytes that several hold. */
struct blob {
	unsigned refs;
	size_t len;
	uint8_t bytes[];
};

/* What was given and is to be told to whom asked, once it is not answered for any more. */
struct gift {
	struct member *to;
	uint32_t ticket;
	struct addr addr;
};

TAILQ_HEAD(outgoing_list, outgoing);

/* One change of what this node claims. */
struct change {
	uint32_t version; /* of the claims that have it */
	uint8_t op;
	uint64_t heir;
	struct addr addr;
};
#define CHANGES_MAX 4096

struct core_ops {
	/* To where a member is. */
	void (*send)(void *arg, const struct addr *to, const void *, size_t);
	struct cluster_ops up;
};

struct core {
	struct loop *loop;
	struct core_ops ops;
	void *arg; /* of ops.up */
	void *send_arg;

	struct member *self;
	struct member **members; /* by name */
	struct member **ring;	 /* by hash */
	uint64_t *places;	 /* the same, hashes alone */
	struct member **able;	 /* those that may watch, by hash; and their hashes */
	uint64_t *able_places;
	size_t nr_members;
	bool silent; /* nobody to talk to, or this node is not among them */

	struct loop_work pass;
	struct loop_timer life_timer, hello_timer, period_timer, state_timer, out_timer, busy_timer;
	uint64_t heir_ms; /* when the last heir stops to count */
	struct loop_timer leave_timer, heir_timer;

	/* to be done in the pass */
	bool review, settle_all, changed, hello, sweep;
	struct entry_busy touched;

	bool api, cut_off, alone, was_watched, started;
	uint64_t start_ms; /* of this process, or of its return from being cut off */
	bool draining, leaving, want_since_leave, is_set;
	uint64_t leave_ms;
	uint64_t life_id; /* of this process */
	void (*left)(void *arg);
	void *left_arg;

	size_t round_at, round_left; /* the hello on its way to all */
	bool round_wide;	     /* also to those that are not heard */
	unsigned repeats;
	uint64_t burst_ms; /* when the last began */
	unsigned gap_ms;   /* between two */
	struct blob *push; /* what is sent along: our claims since push_base */
	uint32_t push_base, push_version;

	struct table table;
	struct entry_busy busy;
	size_t nr_held;
	uint32_t want_mark, ticket;
	uint64_t wanted_ms; /* when it was told last what shall be */
	bool has_want;
	struct gift *gifts;
	size_t nr_gifts, cap_gifts;
	struct addr *probes;
	size_t nr_probes, cap_probes;

	uint32_t version[MESSAGE_NR_STATES]; /* of this node's own */
	struct change *changes;		     /* the last ones, a ring */
	size_t first_change, nr_changes;
	struct outgoing_list outgoing;
	size_t incoming_bytes;
};

static inline uint64_t
core_now(const struct core *c)
{
	return loop_now_ms(c->loop);
}

static inline bool
member_lives(const struct member *m)
{
	return m->life == CLUSTER_ALIVE || m->life == CLUSTER_STOPPING;
}

#endif
