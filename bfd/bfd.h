/*
 * bfd/bfd.h: Bidirectional Forwarding Detection.  An engine: which hosts are watched goes in; whether
 * the way to them works comes out, within a few tens of milliseconds.
 *
 * RFC 5880 (asynchronous mode, poll sequences, jitter, keyed SHA1 authentication), RFC 5881 (single hop: UDP port 3784, TTL
 * 255), RFC 5883 (multihop: 4784), RFC 5882 (several clients share a session).  Left out: demand
 * mode, MD5, the echo function.
 *
 * Sessions live in a thread of their own, so that what else the process does cannot make one look
 * dead.  The functions here are called by the main loop's thread alone, and call back in it; they
 * and the thread share a queue each way and nothing else.
 */
#ifndef HERALD_BFD_BFD_H
#define HERALD_BFD_BFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

struct bfd;
struct bfd_watch;
struct loop;

/* RFC 5880 4.1; the values are those of the wire. */
enum bfd_state { BFD_ADMIN_DOWN, BFD_DOWN, BFD_INIT, BFD_UP };
const char *bfd_state_name(enum bfd_state); /* "admin-down", "down", "init", "up" */
const char *bfd_diag_name(uint8_t diag);    /* RFC 5880 4.1, as words with hyphens */

#define BFD_KEY_MAX 20 /* RFC 5880 4.4 */

struct bfd_conf {
	struct addr peer;
	struct addr local;  /* unset: what the route says */
	const char *device; /* ""; needed for a link-local peer */
	bool multihop;
	uint8_t min_ttl;    /* of what is accepted; single hop: 255 always; 0: 254 */
	uint32_t tx_us;	    /* how often to send at most; 0: 300 ms */
	uint32_t rx_us;	    /* how often to hear at most; 0: 300 ms */
	uint8_t multiplier; /* packets missed; 0: 3 */
	bool passive;	    /* says nothing before the other end does (RFC 5880 6.1) */
	uint8_t key[BFD_KEY_MAX];
	uint8_t key_len; /* 0: no authentication */
	uint8_t key_id;
};

struct bfd_ops {
	/* The session came up (BFD_UP) or is not up any more (BFD_DOWN).  @why: what this end, or the
	 * other, says of it.  Watches may be made and freed in it. */
	void (*changed)(void *arg, enum bfd_state, const char *why);
};

/* NULL: *err (no thread, no memory).  A port that cannot be had is told by bfd_error() and tried
 * again. */
struct bfd *bfd_new(struct loop *, int *err);
/* Ends all sessions as administratively down, so that no peer takes it for a loss, and the thread.
 * NULL is fine.  All watches must be freed before. */
void bfd_free(struct bfd *);
const char *bfd_error(const struct bfd *); /* "": none; else what failed, and what to do */

/*
 * Watch a host.  Watches of the same peer, local address, device and hops share one session, with the
 * shortest intervals and the largest multiplier that any asks for; their keys must be alike.  Begins
 * as down; @ops->changed is called for every change after that, never from here.  NULL: *err (-EINVAL
 * what cannot be watched, -EEXIST another key, -ENOSPC too many sessions, -ENOMEM).
 */
struct bfd_watch *bfd_watch_new(
    struct bfd *, const struct bfd_conf *, const struct bfd_ops *, void *arg, int *err);
/* Another interval or multiplier, by a poll sequence, without a break (RFC 5880 6.8.3). */
int bfd_watch_set(struct bfd_watch *, const struct bfd_conf *) __attribute__((warn_unused_result));
/* No call back any more.  The session ends with its last watch, as administratively down. */
void bfd_watch_free(struct bfd_watch *);
enum bfd_state bfd_watch_state(const struct bfd_watch *);
/* The other end's last state was AdminDown: it stopped by itself, RFC 5882 4.2. */
bool bfd_watch_is_admin(const struct bfd_watch *);
/* The other end's BFD does not share the fate of its control plane (RFC 5880 4.1, C; RFC 5882 4.3.2). */
bool bfd_watch_is_independent(const struct bfd_watch *);

struct bfd_seen {
	struct addr peer, local;
	const char *device;
	bool multihop;
	enum bfd_state state, remote;
	uint8_t diag, remote_diag;
	uint8_t multiplier, remote_multiplier;
	uint32_t discriminator, remote_discriminator;
	uint32_t tx_us, rx_us; /* as they hold now, both ends considered */
	uint32_t detect_us;    /* 0: not up yet */
	uint64_t since_ms;     /* in this state */
	uint64_t sent, received, dropped;
	uint32_t ups, downs;
	unsigned watches;
	bool authenticated;
	int error; /* why nothing can be sent now (-errno); 0 */
};
/* As the thread told last, at most a second ago (states: as known now).  In the order of peers;
 * borrowed for the call. */
void bfd_each(struct bfd *, bool (*each)(void *, const struct bfd_seen *), void *arg);

/* Packets that were not taken, by the rule that they broke.  Static names; NULL past the end. */
uint64_t bfd_drops(const struct bfd *, unsigned i);
const char *bfd_drop_name(unsigned i);
const char *bfd_drop_sentence(unsigned i);

#endif
