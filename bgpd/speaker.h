/*
 * bgpd/speaker.h: the inside of struct bgp: instances, and what all of their peers share.
 * Only bgp.c, listen.c, peer.c, session.c and show.c look in here.
 */
#ifndef HERALD_BGPD_SPEAKER_H
#define HERALD_BGPD_SPEAKER_H

#include "bgpd/adj.h"
#include "bgpd/bgpd.h"
#include "bgpd/farewell.h"
#include "bgpd/links.h"
#include "lib/log.h"
#include "lib/loop.h"

struct bgp_tap;
struct bmp;
struct listener;
struct peer;
struct range;
struct rehearsal;

struct instance {
	struct instance *next;
	struct bgp *bgp;
	char *name;
	uint32_t local_as, router_id;
	uint16_t local_port;
	uint32_t number; /* counts instances since the start; the first is 0 */
	struct rib *rib;
	struct peer *peers;
	struct range *ranges; /* from where others may become peers */
	bool wanted;	      /* while a configuration is applied */
};

#define BGP_READ_LEN (64u * 1024) /* at once; the buffer has room for an unfinished message too */

struct bgp {
	struct loop *loop;
	struct bgp_ops ops;
	bool restarted, ready, stopped;
	char *host_name;
	struct instance *instances;
	uint32_t nr_made; /* instances, ever */

	struct listener *listeners;
	struct bgp_listen *listen;
	size_t nr_listen;
	struct loop_timer listen_retry;
	uint64_t nr_refused; /* connections from nobody that is configured */
	struct log_limit noise;

	struct bgp_tap *taps;	     /* who listens in; NULL mostly */
	struct bmp *bmp;	     /* NULL: nobody is to be told */
	struct rehearsal *rehearsal; /* NULL: this is in earnest */
	struct farewell_list farewells;
	struct links links;
	uint8_t *input; /* lent to the session that reads */
};

/* The peer whose connection from @remote to our @port this would be; NULL: nobody's. */
struct peer *bgp_peer_at(
    const struct bgp *, const struct addr *remote, unsigned ifindex, uint16_t port);

#endif
