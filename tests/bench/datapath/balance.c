/*
 * tests/bench/datapath/balance.c: what Herald's Maglev tables are worth: how even, how many flows
 * that had no need to move when one backend goes.
 *
 *     balance [--backends 10] [--slots 0]      (0: the size that Herald chooses)
 *
 * A line of JSON, over twenty sets of addresses: the worst balance of all; moves on average over the
 * loss of one backend, twenty of each set.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "datapath/core.h"
#include "tests/bench/datapath/kit.h"

#define SIZE_MAX_SLOTS 131071
#define SETS 20
#define NOBODY 0xffffffffU

/* Which of @who has each slot, by its place in the whole set; @gone is left out. */
static void
table(uint32_t *out, uint32_t slots, const struct maglev_backend *who, uint32_t n, uint32_t gone)
{
	struct maglev_backend *some = space(n, sizeof(*some));
	uint64_t *work = space(n * 3, sizeof(*work));
	uint16_t *t = space(slots, sizeof(*t));
	uint32_t *place = space(n, sizeof(*place)), m = 0;

	for (uint32_t i = 0; i < n; i++)
		if (i != gone) {
			place[m] = i;
			some[m++] = who[i];
		}
	maglev_fill(t, slots, some, m, work);
	for (uint32_t k = 0; k < slots; k++)
		out[k] = place[t[k]];
	free(some);
	free(work);
	free(t);
	free(place);
}

struct verdict {
	double max_avg, needless; /* the latter in percent */
};

/* The backends of the @set-th cluster: their addresses are all that differs. */
static struct verdict
judge(uint32_t set, uint32_t slots, uint32_t n)
{
	uint32_t *before = space(slots, sizeof(*before)), *after = space(slots, sizeof(*after));
	uint32_t *count = space(n, sizeof(*count)), most = 0, tries = n < 20 ? n : 20, gone, moved,
		 own;
	struct maglev_backend *who = space(n, sizeof(*who));
	struct addr a = { .family = ADDR_V4 };
	struct verdict v = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		a.b[0] = 10;
		a.b[1] = (uint8_t)set;
		a.b[2] = (uint8_t)(i >> 8);
		a.b[3] = (uint8_t)i;
		who[i] = (struct maglev_backend){ maglev_key(&a, 8080, 6), 1 };
	}
	table(before, slots, who, n, NOBODY);
	for (uint32_t k = 0; k < slots; k++)
		most = ++count[before[k]] > most ? count[before[k]] : most;
	for (uint32_t r = 0; r < tries; r++) {
		gone = r * n / tries;
		table(after, slots, who, n, gone);
		moved = own = 0;
		for (uint32_t k = 0; k < slots; k++) {
			own += before[k] == gone;
			moved += before[k] != gone && before[k] != after[k];
		}
		v.needless += 100.0 * moved / (slots - own) / tries;
	}
	v.max_avg = (double)most * n / slots;
	free(before);
	free(after);
	free(count);
	free(who);
	return v;
}

int
main(int argc, char **argv)
{
	uint32_t n = 10, slots = 0;
	const struct option_row rows[] = { { "backends", OPT_NUMBER, &n },
		{ "slots", OPT_NUMBER, &slots }, { 0 } };
	double worst = 0, needless = 0;
	struct verdict v;

	options(argc, argv, rows);
	if (n < 2 || n > 4096)
		fail("2 to 4096 backends");
	slots = slots ? slots : maglev_size(n, SIZE_MAX_SLOTS);
	for (uint32_t set = 0; set < SETS; set++) {
		v = judge(set, slots, n);
		worst = v.max_avg > worst ? v.max_avg : worst;
		needless += v.needless / SETS;
	}
	printf("{\"slots\": %u, \"max_avg\": %.4f, \"needless_percent\": %.3f}\n", slots, worst,
	    needless);
	return 0;
}
