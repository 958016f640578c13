/*
 * tests/unit/l2/run.h: see run.c.
 */
#ifndef HERALD_TESTS_UNIT_L2_RUN_H
#define HERALD_TESTS_UNIT_L2_RUN_H

#include "tests/unit/l2/bed.h"

#include "l2/answer.h"

extern struct answer a;
extern struct l2_event events[64]; /* what was told since run_setup() */
extern size_t nr_events;

void run_setup(void); /* "va" is known, without the router flag; nothing is answered */
void run_teardown(void);
void own(const char *addr, unsigned ifindex); /* is answered from now on */
struct l2_entry entry(const char *addr);      /* what is kept of it, on "va" */
void device(uint8_t flags);

struct ran {
	uint32_t verdict;
	struct frame out;
	uint64_t up[L2_NR_COUNTS];
};
struct ran run(const struct frame *);
/* As run(), with what the kernel says of the frame besides. */
struct __sk_buff;
struct ran run_as(const struct frame *, struct __sk_buff *);
/* @what was counted, once, and nothing else; L2_NR_COUNTS: nothing. */
void counted(const struct ran *, unsigned what);
void is_frame(const struct ran *, const struct frame *want);
/* Let through, as it came. */
void passes(const struct frame *, unsigned what);
void drops(const struct frame *, unsigned what);
/* @also: counted besides; L2_NR_COUNTS: nothing. */
void answers(const struct frame *, const struct frame *want, unsigned what, unsigned also);
/* The last of @nr things that were told. */
void told(size_t nr, enum l2_claim, const char *addr, const uint8_t *mac);

#endif
