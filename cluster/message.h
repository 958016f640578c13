/*
 * cluster/message.h: the datagrams between nodes, as bytes.  Pure: decoding fills structs and changes
 * nothing; what the words are worth is decided by others.
 *
 *     header   magic 2, version 1, zero 1, from 8, to 8, life 8, to-life 8, sequence 4
 *     records  type 1, zero 1, length 2, body; any number of them
 *     seal     32 bytes of HMAC-SHA256 over all before it, when there is a key (seal.h)
 *
 * A life is the time at which a process began, in nanoseconds: a later one is higher.  to-life is the
 * life of the receiver that the sender knows, 0 when it knows none: what was said to an earlier life,
 * or by one, is not taken for the present.  Records of unknown types are skipped; lengths that lie, and bytes
 * that are left over, refuse the datagram.
 */
#ifndef HERALD_CLUSTER_MESSAGE_H
#define HERALD_CLUSTER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/wire.h"

#define MESSAGE_MAX 1232 /* fits into any path of IPv6 */
#define MESSAGE_SEAL 32
#define MESSAGE_ROOM (MESSAGE_MAX - MESSAGE_SEAL) /* for header and records */
#define MESSAGE_HEAD 40
#define MESSAGE_VERDICTS_MAX 24 /* that a hello carries: 26 bytes each */
#define MESSAGE_PART 1024	/* bytes of every part of a state but the last */

struct message_head {
	uint64_t from, to; /* ring_hash() of the names */
	uint64_t life, to_life;
	uint32_t seq; /* to this receiver, in this life; from 1 on */
};

enum message_type {
	MESSAGE_HELLO = 1,
	MESSAGE_PART_OF = 2,
	MESSAGE_WANT = 3,
	MESSAGE_ASK = 4,
	MESSAGE_GIVE = 5
};

/* What a member says of itself. */
enum {
	MESSAGE_STOPPING = 1, /* is drained, or about to end */
	MESSAGE_SETTLED = 2,
	MESSAGE_WATCHABLE = 4, /* has been seen by BFD in this life */
	MESSAGE_GONE = 8       /* ends now */
};

enum message_state { MESSAGE_CLAIMS, MESSAGE_NOTES, MESSAGE_NR_STATES };

struct message_facts {
	uint64_t life;
	uint8_t flags;
	uint32_t version[MESSAGE_NR_STATES]; /* 0: nothing was ever said */
};

enum message_verdict { MESSAGE_UNDECIDED, MESSAGE_UP, MESSAGE_DOWN };

/* What a member sees of one that it watches, and the last that it heard from that. */
struct message_watch {
	uint64_t whom;
	uint8_t verdict;  /* enum message_verdict */
	bool needed;	  /* wants to be watched in return */
	uint8_t heard_ds; /* tenths of a second ago; 255: longer, or never */
	struct message_facts facts;
};

struct message_hello {
	struct message_facts facts; /* of the sender; life is the header's */
	uint32_t period_ms;	    /* another one comes within that */
	size_t nr_watches;
	struct message_watch watches[MESSAGE_VERDICTS_MAX];
};

/* A part of somebody's state.  With base 0 the whole, else what changed since that version. */
struct message_part {
	uint64_t whose, life;
	uint8_t state; /* enum message_state */
	uint32_t version, base;
	uint32_t total; /* bytes of all parts */
	uint16_t part;
	const uint8_t *bytes;
	size_t len;
};
size_t message_nr_parts(size_t total); /* at least one */

struct message_want {
	uint64_t whose, life;
	uint8_t state;
	uint32_t have; /* version, 0: none */
};

/* ASK: give me these; GIVE: I have let go of these.  The ticket is the asker's and comes back. */
struct message_addrs {
	uint32_t ticket;
	uint32_t version;     /* GIVE: of the giver's claims, without these */
	struct wire_rd addrs; /* message_addr() reads them */
};

/* ---- reading ---- */
/* -EPROTO: not ours, or another version; -EBADMSG: broken. */
int message_head_read(struct wire_rd *, struct message_head *) __attribute__((warn_unused_result));
/* The next record; false at the end, and when it is broken (message_ok() tells). */
bool message_next(struct wire_rd *, uint8_t *type, struct wire_rd *body);
/* Is every record whole, and of the right form?  Before anything of a datagram is acted on. */
bool message_ok(struct wire_rd records);
int message_hello_read(struct wire_rd, struct message_hello *) __attribute__((warn_unused_result));
int message_part_read(struct wire_rd, struct message_part *) __attribute__((warn_unused_result));
int message_want_read(struct wire_rd, struct message_want *) __attribute__((warn_unused_result));
int message_addrs_read(struct wire_rd, struct message_addrs *) __attribute__((warn_unused_result));
/* The next address of a list, with what is said of it (0 to 15); false at the end or when broken. */
bool message_addr(struct wire_rd *, uint8_t *op, struct addr *);

/* ---- writing ---- */
void message_head_write(struct wire_wr *, const struct message_head *);
void message_hello_write(struct wire_wr *, const struct message_hello *);
void message_part_write(struct wire_wr *, const struct message_part *);
void message_want_write(struct wire_wr *, const struct message_want *);
/* As many of @nr addresses as fit; says how many. */
size_t message_addrs_write(struct wire_wr *, enum message_type, uint32_t ticket, uint32_t version,
    const struct addr *, size_t nr);
#define MESSAGE_ADDR_MAX 17
size_t message_addr_write(uint8_t *to, uint8_t op, const struct addr *); /* bytes written */

#endif
