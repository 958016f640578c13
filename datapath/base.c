/*
 * datapath/base.c: small things that all parts of the room need: the clock of the programs,
 * addresses as rows have them, names of counters.
 */
#include "datapath/core.h"

#include <string.h>
#include <time.h>

struct addr
lb_addr_to(const struct lb_addr *a, uint8_t family)
{
	struct addr out = { .family = family == 4 ? ADDR_V4 : ADDR_V6 };

	memcpy(out.b, a->w, addr_bits(out.family) / 8);
	return out;
}

uint32_t
lb_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (
	    uint32_t)(((uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec) >> LB_TICK_SHIFT);
}

struct counter_text {
	const char *name, *sentence;
};

/* clang-format off */
static const struct counter_text texts[LB_NR_COUNTERS] = {
#define TEXT(symbol, name, sentence) [LB_##symbol] = { name, sentence },
	LB_WHY_LIST(TEXT)
#undef TEXT
	[LB_X_EVICT_HALF_OPEN] = { "evicted-half-open", "Half-open flows pushed out by new ones." },
	[LB_X_EVICT_OPEN] = { "evicted-open", "Open flows that were idle, pushed out by new ones." },
	[LB_X_EVICT_CLOSED] = { "evicted-closed", "Closed flows pushed out before their time." },
	[LB_X_HOP_MISS] = { "next-hop-looked-up", "Next hops that the kernel was asked for." },
	[LB_X_SOCK_CONNECT] = { "socket-connected", "Sockets of this node sent to a backend." },
	[LB_X_SOCK_REFUSED] = { "socket-refused", "Sockets of this node refused for want of a backend." },
	[LB_X_AFFINITY] = { "affinity", "New flows that followed their client's last one." },
	[LB_X_PREVIOUS] = { "previous-table", "Flows under way sent by the table before the last change." },
};
/* clang-format on */

const char *
dp_counter_name(unsigned i)
{
	return i < LB_NR_COUNTERS ? texts[i].name : NULL;
}

const char *
dp_counter_sentence(unsigned i)
{
	return i < LB_NR_COUNTERS ? texts[i].sentence : NULL;
}
