/*
 * l2/l2.h: layer 2 announcements.  An engine: which addresses this node answers for on which devices
 * goes in; a BPF program answers ARP requests and neighbour solicitations for them, also while this
 * process is away, and what is new is announced.
 *
 * RFC 826, RFC 5227 (probes answered, conflicts told and defended once), RFC 5944 4.6 (both forms of
 * gratuitous ARP), RFC 4861 7 (neighbour discovery), RFC 4862 5.4 (duplicate address detection).
 * Left out: SEND (RFC 3971).
 *
 * Program, maps and links are pinned under <pin_path>/l2.  l2_new() takes over what it finds there:
 * it goes on answering until l2_set() says what is wanted, and then the difference is made.
 *
 * Who answers for an address is not decided here, but for that there is l2/elect.h.
 */
#ifndef HERALD_L2_L2_H
#define HERALD_L2_L2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "l2/elect.h"
#include "l2/l2_abi.h" /* claims and counters, as they are shown */
#include "lib/addr.h"

struct l2;
struct loop;

/* How an address is announced once it is ours, and again when its link comes up. */
struct l2_schedule {
	uint16_t count;	      /* so often; 0: 3, as much as RFC 4861 7.2.6 allows */
	uint32_t interval_ms; /* between two; 0: 1000 */
	uint32_t refresh_ms;  /* and ever after; 0: never */
};

struct l2_address {
	struct addr addr;
	const char *const *devices; /* names; one that is not there yet is waited for */
	size_t nr_devices;
	struct l2_schedule schedule;
};

/* Somebody else has, or looks for, an address of ours. */
struct l2_alarm {
	struct addr addr;
	const char *device;
	uint8_t mac[6];
	enum l2_claim claim;
};

struct l2_ops {
	/* At most once a second for each address, device and claim. */
	void (*alarm)(void *arg, const struct l2_alarm *);
	/* Devices came, went or changed: l2_devices_each() says another thing than before. */
	void (*devices)(void *arg);
};

/* NULL: *err.  @ops is copied; each may be NULL.  What fails later (no right to load, no bpffs) is
 * told by l2_info() and logged, and tried again. */
struct l2 *l2_new(
    struct loop *, const char *pin_path, const struct l2_ops *ops, void *arg, int *err);
/* Leaves everything in the kernel. */
void l2_free(struct l2 *); /* NULL is fine */
/* Stops answering and takes everything out, now. */
void l2_remove(struct l2 *);
/* The same of what an earlier process left at @pin_path; 0 also when nothing is there. */
int l2_remove_pinned(const char *pin_path);

/*
 * All that this node answers for; copied.  What is not wanted any more is not answered from this call
 * on, and nothing more is said of it; what is new is answered at once (very many within a few turns
 * of the loop), or as soon as its device is there, and then announced.  The same again costs a
 * comparison, most of all when it is in order.  -EINVAL: not a unicast address, or a name that no
 * device can have; -E2BIG: more than 65536 pairs; -ENOMEM; nothing changed then.
 */
int l2_set(struct l2 *, const struct l2_address *, size_t nr) __attribute__((warn_unused_result));

/*
 * For how long, from now, this node may answer: when @ms have gone by without another call the
 * program itself stops, though this process hang or be gone.  0, as it is without a call: no end.
 * Call it before l2_adopted() and l2_set(): until then the term of an earlier process goes on, and what
 * that let run out before is taken out, not given more time.
 */
void l2_term(struct l2 *, uint64_t ms);
/* Before that: what an earlier process left here has an end. */
bool l2_had_term(const struct l2 *);

/*
 * Is an address in use on its devices?  Three ARP probes (RFC 5227 2.1.1) or solicitations of
 * duplicate address detection (RFC 4862 5.4.2), 40 ms apart, and who answers, claims it or probes for
 * it too is told at once; nobody: after L2_PROBE_MS, for a thousand at a time after some 50 ms more.
 * The schedules are not looked at.  @done is called once for each address, never from here: !known
 * when none of its devices is there and carries, or it would not take the questions.  Of an address
 * that this node answers for itself it says whether somebody else does too.  Our own MAC addresses
 * are nobody.  @done may call anything here but l2_free().  Copied; -EINVAL and -E2BIG as l2_set(),
 * -ENOMEM; nothing is probed then.
 */
#define L2_PROBE_MS 150
struct l2_probed {
	struct addr addr;
	bool known, in_use;
	const char *device; /* where it is in use */
	uint8_t mac[6];	    /* and by whom */
};
int l2_probe(struct l2 *, const struct l2_address *, size_t nr,
    void (*done)(void *arg, const struct l2_probed *), void *arg)
    __attribute__((warn_unused_result));
/* No call back to @arg any more. */
void l2_probe_cancel(struct l2 *, void *arg);

/*
 * The addresses that an earlier process answered for and that are still answered: in the map, on a
 * device with the program, the term not over.  Until l2_set().  How many there are, though no more
 * than @max are written; each once, in order.
 */
size_t l2_adopted(struct l2 *, struct addr *out, size_t max);

/* ---- answers ---- */
struct l2_info {
	bool loaded;
	bool adopted;	       /* took over an earlier process's answers */
	const char *error;     /* "": none; else what failed, on what, and what to do */
	size_t addresses;      /* pairs of address and device that are wanted */
	size_t answering;      /* and answered */
	uint64_t announced;    /* frames, ever */
	uint64_t begun, ended; /* answers, ever; those that were adopted did not begin */
	size_t waiting;	       /* announcements that are due and not sent yet */
};
void l2_info(const struct l2 *, struct l2_info *);

/* Sums over the CPUs; index is enum l2_count.  Static names; NULL past the end. */
uint64_t l2_counter(const struct l2 *, unsigned i);
const char *l2_counter_name(unsigned i);
const char *l2_counter_sentence(unsigned i);

struct l2_seen {
	struct addr addr;
	const char *device;
	bool answering;
	const char *why;   /* "" when it is; else a sentence */
	time_t since;	   /* answering without a break, also of an earlier process */
	time_t announced;  /* last; 0: never */
	uint64_t answered; /* requests and solicitations, since then */
	uint64_t claims[L2_NR_CLAIMS];
	time_t alarmed;	    /* when another host was last seen to claim it; 0: never */
	uint8_t foreign[6]; /* and whose MAC address it was */
};
/* In the order of address and device; borrowed for the call.  @each returns false to stop. */
void l2_each(struct l2 *, bool (*each)(void *, const struct l2_seen *), void *arg);

struct l2_seen_device {
	const char *name;
	unsigned ifindex;
	uint8_t mac[6];
	bool usable;		       /* can be answered on */
	bool running;		       /* up, and carries */
	const char *why;	       /* "" when usable; else a sentence */
	const struct prefix *prefixes; /* on the link, by the node's own addresses */
	size_t nr_prefixes;
};
/* In the order of names; false: not known yet, nothing was told. */
bool l2_devices_each(struct l2 *, bool (*each)(void *, const struct l2_seen_device *), void *arg);

#endif
