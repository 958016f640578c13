/*
 * bfd/machine.c: one session's state machine and timers (RFC 5880 6.8).
 */
#include "bfd/machine.h"

#include "lib/hash.h"

#include <string.h>

/* What a received state makes of ours (RFC 5880 6.2, 6.8.6).  A cell that keeps the state keeps the
 * diagnostic. */
/* clang-format off */
static const struct step {
	enum bfd_state next;
	enum packet_diag diag;
} steps[4][4] = { /* [ours][theirs] */
	[BFD_ADMIN_DOWN] = {
		[BFD_ADMIN_DOWN] = { BFD_ADMIN_DOWN, 0 },
		[BFD_DOWN]       = { BFD_ADMIN_DOWN, 0 },
		[BFD_INIT]       = { BFD_ADMIN_DOWN, 0 },
		[BFD_UP]         = { BFD_ADMIN_DOWN, 0 },
	},
	[BFD_DOWN] = {
		[BFD_ADMIN_DOWN] = { BFD_DOWN, 0 },
		[BFD_DOWN]       = { BFD_INIT, DIAG_NONE },
		[BFD_INIT]       = { BFD_UP,   DIAG_NONE },
		[BFD_UP]         = { BFD_DOWN, 0 },
	},
	[BFD_INIT] = {
		[BFD_ADMIN_DOWN] = { BFD_DOWN, DIAG_NEIGHBOUR_DOWN },
		[BFD_DOWN]       = { BFD_INIT, 0 },
		[BFD_INIT]       = { BFD_UP,   DIAG_NONE },
		[BFD_UP]         = { BFD_UP,   DIAG_NONE },
	},
	[BFD_UP] = {
		[BFD_ADMIN_DOWN] = { BFD_DOWN, DIAG_NEIGHBOUR_DOWN },
		[BFD_DOWN]       = { BFD_DOWN, DIAG_NEIGHBOUR_DOWN },
		[BFD_INIT]       = { BFD_UP,   0 },
		[BFD_UP]         = { BFD_UP,   0 },
	},
};
/* clang-format on */

static uint32_t
max32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* Evenly in [0, n). */
static uint32_t
chance(struct machine *s, uint32_t n)
{
	s->chance += 0x9e3779b97f4a7c15u;
	return (uint32_t)((hash_mix(s->chance) >> 32) * n >> 32);
}

/* RFC 5880 6.8.7: 75 to 100 % of the interval; 75 to 90 % when one lost packet counts. */
static uint64_t
jittered(struct machine *s)
{
	uint64_t whole = s->tx_us, least = whole * 75 / 100;
	uint64_t most = s->conf.multiplier == 1 ? whole * 90 / 100 : whole;

	return least + chance(s, (uint32_t)(most - least) + 1);
}

/* Intervals as both ends have them now.  RFC 5880 6.8.2 to 6.8.4. */
static void
retime(struct machine *s)
{
	uint32_t tx = max32(s->held_tx, s->remote_min_rx);

	if (tx != s->tx_us) {
		s->tx_us = tx;
		s->tx_at = s->tx_last ? s->tx_last + jittered(s) : s->tx_at;
	}
	s->detect_us = 0;
	if (s->rx_last)
		s->detect_us = (uint64_t)s->remote_multiplier * max32(s->held_rx, s->remote_min_tx);
}

/* What we tell, after the state or the configuration changed.  RFC 5880 6.8.3: a slower transmission
 * and a shorter detection wait until the other end has heard of it. */
static void
retell(struct machine *s)
{
	uint32_t tx = s->state == BFD_UP ? s->conf.tx_us : max32(s->conf.tx_us, MACHINE_SLOW_US);
	uint32_t rx = s->conf.rx_us;
	bool news = tx != s->desired_tx || rx != s->required_rx;

	s->desired_tx = tx;
	s->required_rx = rx;
	if (s->state != BFD_UP) {
		s->held_tx = tx;
		s->held_rx = rx;
		s->poll = POLL_OFF;
	} else if (news) {
		if (tx < s->held_tx)
			s->held_tx = tx;
		if (rx > s->held_rx)
			s->held_rx = rx;
		s->poll = s->poll == POLL_OFF ? POLL_ON : POLL_AGAIN;
		s->owes_news = true;
	}
	retime(s);
}

static void
enter(struct machine *s, enum bfd_state state, enum packet_diag diag, uint64_t now)
{
	if (state == s->state)
		return;
	if (state == BFD_UP)
		s->ups++;
	if (s->state == BFD_UP)
		s->downs++;
	s->state = state;
	s->diag = (uint8_t)diag;
	s->since = now;
	s->owes_news = true; /* RFC 5880 6.8.7: what differs may be said at once */
	retell(s);
}

void
machine_init(
    struct machine *s, const struct machine_conf *conf, uint32_t id, uint64_t seed, uint64_t now)
{
	memset(s, 0, sizeof(*s));
	s->conf = *conf;
	s->state = s->remote_state = BFD_DOWN;
	s->id = id;
	s->remote_min_rx = 1; /* RFC 5880 6.8.1 */
	s->chance = seed;
	s->since = now;
	s->tx_at = now;
	retell(s);
}

void
machine_set(struct machine *s, const struct machine_conf *conf, uint64_t now)
{
	(void)now;
	s->conf = *conf;
	retell(s);
}

/* RFC 5880 6.5: the other end has heard what we told. */
static void
poll_ends(struct machine *s)
{
	if (s->poll == POLL_AGAIN) {
		s->poll = POLL_ON;
		return;
	}
	s->poll = POLL_OFF;
	s->held_tx = s->desired_tx;
	s->held_rx = s->required_rx;
}

/* The latter part of RFC 5880 6.8.6, from "Set bfd.RemoteDiscr" on. */
void
machine_receive(struct machine *s, const struct packet *p, uint64_t now)
{
	const struct step *step = &steps[s->state][p->state];

	s->remote_id = p->my;
	s->remote_state = p->state;
	s->remote_diag = p->diag;
	s->remote_demand = p->demand;
	s->remote_independent = p->independent;
	s->remote_multiplier = p->multiplier;
	s->remote_min_tx = p->min_tx;
	s->remote_min_rx = p->min_rx;
	s->rx_last = now;
	if (p->final && s->poll != POLL_OFF)
		poll_ends(s);
	retime(s);
	if (s->state == BFD_ADMIN_DOWN)
		return;
	enter(s, step->next, step->diag, now);
	if (p->poll)
		s->owes_final = true;
}

void
machine_stop(struct machine *s, uint64_t now)
{
	enter(s, BFD_ADMIN_DOWN, DIAG_ADMIN_DOWN, now);
}

void
machine_tick(struct machine *s, uint64_t now)
{
	if (!s->detect_us || now < s->rx_last + s->detect_us)
		return;
	/* RFC 5880 6.8.4; and 6.8.1: then the other end's discriminator is not known any more. */
	s->rx_last = 0;
	s->remote_id = 0;
	s->remote_min_rx = 1;
	s->remote_demand = false;
	if (s->state == BFD_INIT || s->state == BFD_UP)
		enter(s, BFD_DOWN, DIAG_EXPIRED, now);
	retime(s);
}

/* RFC 5880 6.8.7: when nothing must be sent but answers to a poll. */
static bool
is_silent(const struct machine *s)
{
	if (s->conf.passive && s->remote_id == 0)
		return true;
	if (s->remote_min_rx == 0)
		return true;
	return s->remote_demand && s->state == BFD_UP && s->remote_state == BFD_UP &&
	    s->poll == POLL_OFF;
}

bool
machine_take(struct machine *s, struct packet *p, uint64_t now)
{
	bool due = !is_silent(s) && (s->owes_news || now >= s->tx_at);

	if (!s->owes_final && !due)
		return false;
	*p = (struct packet){
		.diag = s->diag,
		.state = s->state,
		.final = s->owes_final,
		/* RFC 5880 6.5: never both */
		.poll = s->poll != POLL_OFF && !s->owes_final,
		.multiplier = s->conf.multiplier,
		.my = s->id,
		.your = s->remote_id,
		.min_tx = s->desired_tx,
		.min_rx = s->required_rx,
	};
	s->tx_last = now;
	/* What answers a poll comes beside the others, which keep their time. */
	if (!s->owes_final || now >= s->tx_at)
		s->tx_at = now + jittered(s);
	/* A poll that was owed still is: it begins with the next packet. */
	s->owes_news = s->owes_news && s->owes_final && s->poll != POLL_OFF;
	s->owes_final = false;
	return true;
}

uint64_t
machine_next(const struct machine *s)
{
	uint64_t next = MACHINE_NEVER;

	if (s->owes_final)
		return 0;
	if (!is_silent(s))
		next = s->owes_news ? 0 : s->tx_at;
	if (s->detect_us && s->rx_last + s->detect_us < next)
		next = s->rx_last + s->detect_us;
	return next;
}
