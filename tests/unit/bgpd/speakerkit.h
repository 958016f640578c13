/*
 * tests/unit/bgpd/speakerkit.h: speakers under test on loopback addresses and a fake clock, and
 * peers that do exactly what the test says, byte by byte.
 */
#ifndef HERALD_TESTS_SPEAKERKIT_H
#define HERALD_TESTS_SPEAKERKIT_H

#include <check.h>
#include <jansson.h>

#include "bgpd/bgpd.h"
#include "lib/loop.h"

struct addr kit_addr(const char *);
/* A port that is free on this machine's loopback addresses, another one at each call. */
uint16_t kit_port(void);

/* A speaker with one instance "i" and up to four peers. */
struct kit {
	struct loop *loop;
	bool own_loop;
	struct bgp *bgp;
	struct bgp_conf conf;
	struct bgp_instance_conf instance;
	struct bgp_peer_conf peers[4];
	struct bgp_listen listen;
	unsigned changed; /* calls of bgp_ops.peer_changed */
	unsigned learned;
};

/* Listens at @addr:@port, AS @as, router ID = its address.  @loop NULL: a fake one of its own. */
void kit_init(struct kit *, struct loop *, const char *addr, uint16_t port, uint32_t as);
/* One more peer: eBGP, IPv4, everything else default; to be changed before kit_apply(). */
struct bgp_peer_conf *kit_peer(
    struct kit *, const char *name, const char *addr, uint16_t port, uint32_t as);
void kit_apply(struct kit *);
/* The process is replaced by a new one, as after an upgrade: same configuration, nothing learned. */
void kit_restart(struct kit *);
void kit_fini(struct kit *);
void kit_originate(struct kit *, const char *prefix);

/* What `bgp peers` shows of the n-th peer. */
const char *kit_state(const struct kit *, unsigned peer);
const char *kit_error(const struct kit *, unsigned peer);
int64_t kit_number(const struct kit *, unsigned peer, const char *key);
int64_t kit_family_number(const struct kit *, unsigned peer, const char *key);
/* Turn the loop, without the clock moving, until the state is this one. */
void kit_until(struct kit *, unsigned peer, const char *state);

/* ---- a peer by hand ---- */
struct raw {
	struct kit *kit;
	int fd, listener;
	uint8_t in[1 << 17];
	size_t nr_in;
	bool closed, reset;
	bool lax; /* sending may fail */
};

struct raw_open {
	uint32_t as, id;
	uint16_t hold;
	bool no_caps; /* as of 1995 */
	unsigned families;
	bool gr, gr_restarting, gr_n, gr_no_forwarding;
	uint16_t gr_time;
	bool ext_msg;
	bool enhanced; /* RFC 7313 */
	bool llgr, llgr_no_forwarding;
	uint32_t llgr_time; /* of all families */
	uint8_t role[2];    /* RFC 9234, plus one; 0: none */
};

void raw_listen(struct raw *, struct kit *, const char *addr, uint16_t port);
void raw_accept(struct raw *); /* turns the loop until the speaker's connection is there */
bool raw_try_accept(struct raw *);
void raw_connect(struct raw *, struct kit *, const char *from, const char *to, uint16_t port);
void raw_send(struct raw *, const void *, size_t);
void raw_send_open(struct raw *, const struct raw_open *);
void raw_send_type(struct raw *, uint8_t type, const void *body, size_t len);
void raw_keepalive(struct raw *);
void raw_notify(struct raw *, uint8_t code, uint8_t subcode, const void *data, size_t len);
void raw_announce(struct raw *, const char *prefix, uint32_t as);
void raw_eor(struct raw *);
/* ROUTE-REFRESH of IPv4 unicast. */
void raw_refresh(struct raw *, uint8_t subtype);
/* Wait for the next message of @type; others before it are dropped.  Its body; *len. */
const uint8_t *raw_expect(struct raw *, uint8_t type, size_t *len);
/* A NOTIFICATION with this code and subcode, and after it the end of the connection. */
void raw_expect_note(struct raw *, uint8_t code, uint8_t subcode);
void raw_expect_close(struct raw *);
/* Nothing but KEEPALIVEs comes, and no end. */
void raw_expect_quiet(struct raw *);
unsigned raw_count(struct raw *, uint8_t type); /* messages of the type that wait; drops all */
/* OPEN and KEEPALIVE both ways; Established on both sides. */
void raw_establish(struct raw *, const struct raw_open *);
void raw_poll(struct raw *);  /* one turn, and what has come is in .in */
void raw_close(struct raw *); /* FIN */
void raw_abort(struct raw *); /* RST */
void raw_fini(struct raw *);

/* ---- one speaker, 127.0.0.1 of AS 65001, and its peer "p" by hand, 127.0.0.2 of AS 65002 ---- */
struct duet {
	struct kit k;
	struct raw r;
	uint16_t port;
};

/* What the peer sends when nothing else is of interest. */
extern const struct raw_open duet_open;

/* Nothing runs yet: the peer's settings, to be changed. */
struct bgp_peer_conf *duet_begin(struct duet *);
void duet_dialled(struct duet *); /* apply, and take the speaker's connection */
void duet_end(struct duet *);

#endif
