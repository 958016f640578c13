/*
 * tests/unit/bgpd/ribkit.h: a small world around a RIB: a fake clock, peers that keep a table of
 * what they were sent (decoded from the very bytes), and what was learned.  For the tests of the
 * table, the policies and the export groups.
 */
#ifndef HERALD_TESTS_RIBKIT_H
#define HERALD_TESTS_RIBKIT_H

#include <uthash.h>

#include "bgpd/rib.h"

#define KIT_PEERS 6
#define KIT_TEXT 256
#define KIT_PREFIX (PREFIX_STRLEN + 12)

/* A prefix and what is known of it. */
struct kit_entry {
	char prefix[KIT_PREFIX];
	char text[KIT_TEXT];
	bool unseen; /* since a refresh began */
	UT_hash_handle hh;
};

struct kit_peer {
	struct kit *kit;
	struct adj *adj;
	unsigned index;
	struct adj_session s; /* as given to adj_up() */
	bool up;
	size_t room;		 /* what adj_ops.room says */
	struct kit_entry *table; /* what it was told, and not told otherwise */
	/* What it was sent: prefixes announced and withdrawn, those that were no news. */
	unsigned announced, withdrawn, redundant, messages;
	unsigned eor[BGP_NR_FAMILIES];	   /* sent to it */
	unsigned eor_got[BGP_NR_FAMILIES]; /* that it sent, as reported */
	unsigned borr, eorr, unrefreshed;  /* RFC 7313; what did not come in between goes */
	bool withdrew_last;		   /* order: a withdrawal came after an announcement */
	size_t largest;
	const void *last_block;
};

struct kit {
	struct loop *loop;
	struct rib *rib;
	struct kit_peer peers[KIT_PEERS];
	struct kit_entry *learned;
	unsigned nr_learned;	       /* calls */
	char aggregate[PREFIX_STRLEN]; /* that bgp_ops.aggregate told of last */
	unsigned aggregate_was, aggregate_now, nr_aggregates;
};

/* A route that a peer announces; paths and communities end at the first 0. */
struct kit_route {
	const char *next_hop; /* NULL: the peer's own address */
	uint32_t path[8];
	uint32_t communities[6];
	uint32_t med, local_pref; /* 0: none */
	uint8_t origin;
	uint32_t originator; /* 0: none */
	uint32_t cluster;    /* 0: none */
	uint32_t otc;	     /* 0: none */
	struct bgp_span unknown;
	uint32_t path_id; /* with sessions that have add_rx */
	uint64_t ext;	  /* an extended community; 0: none */
};

/* Our AS is 65000, router-id 9.9.9.9, address 10.0.0.100 and fd00::100; peer i is 10.0.0.<i+1>, of
 * AS 65001 + i unless it is made internal, with router-id 1.1.1.<i+1>. */
#define KIT_AS 65000u
struct kit *kit_new(void);
void kit_free(struct kit *);
void kit_run(struct kit *); /* let all deferred work happen */

/* Settings of a peer: accept everything, export the audience "all", unless changed before. */
struct kit_conf {
	struct bgp_peer_conf conf;
	struct bgp_rule import[4], export[4];
	struct bgp_prefix_match prefixes[4];
};
void kit_conf_init(struct kit_conf *, unsigned peer);
void kit_conf(struct kit *, unsigned peer, struct kit_conf *);

struct adj_session kit_session(unsigned peer, bool ibgp);
void kit_up(struct kit *, unsigned peer, bool ibgp);
/* Up with the session that peers[].s says. */
void kit_up_as(struct kit *, unsigned peer);
void kit_down(struct kit *, unsigned peer, unsigned keep); /* the peer forgets its table */
/* kit_conf_init(), kit_conf() and kit_up(). */
void kit_add(struct kit *, unsigned peer, bool ibgp);
/* Likewise, told what was learned by this one rule (NULL: told all of it), and run. */
void kit_relay(struct kit *, unsigned peer, bool ibgp, const struct bgp_rule *rule);

/* Returns what adj_update() does; the fault in *f when given. */
int kit_announce(
    struct kit *, unsigned peer, const char *prefix, const struct kit_route *, struct bgp_fault *f);
int kit_withdraw(struct kit *, unsigned peer, const char *prefix);
int kit_withdraw_id(struct kit *, unsigned peer, const char *prefix, uint32_t path_id);
int kit_eor(struct kit *, unsigned peer, enum bgp_family);
/* As kit_announce() and kit_withdraw(), which must succeed, and run. */
void kit_hear(struct kit *, unsigned peer, const char *prefix, struct kit_route);
void kit_lose(struct kit *, unsigned peer, const char *prefix);

/* An announcement for audience "all"; change it before use. */
struct bgp_announce kit_own(const char *prefix);
/* These and no others are ours from now on; run. */
void kit_own_set(struct kit *, const struct bgp_announce *, size_t nr);

/* With add_tx, "172.20.1.0/24#5" is a path of the prefix.
 * "igp|65001 65002|10.0.0.1|med 5|lp 100|1:2" of what the peer was told, "" for nothing. */
const char *kit_told(struct kit *, unsigned peer, const char *prefix);
/* "10.0.0.1*3 10.0.0.2" of what was learned: weights, but 1. */
const char *kit_learned(struct kit *, const char *prefix);
void kit_text(const struct bgp_attrs *, char *text);
unsigned kit_table_size(const struct kit_peer *);
void kit_counters_clear(struct kit *);

#endif
