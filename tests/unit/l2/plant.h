/*
 * tests/unit/l2/plant.h: see plant.c.
 */
#ifndef HERALD_TESTS_UNIT_L2_PLANT_H
#define HERALD_TESTS_UNIT_L2_PLANT_H

#include "tests/unit/l2/bed.h"

#include "l2/l2.h"
#include "lib/loop.h"

extern struct loop *loop;
extern struct l2 *l2;

void plant_setup(void);
void plant_setup_fake(void); /* real frames, but a clock that stands until loop_advance() */
void plant_teardown(void);
void plant_start(const struct l2_ops *); /* an engine at the pin path; its devices are known then */
uint64_t now_us(void);
uint64_t now_ms(void);
void turn_for(uint64_t ms);
/* Is a question for it that comes in by "va" answered by that? */
bool is_answered(const char *vip);

#define UNTIL(cond)                                                                                \
	do {                                                                                       \
		uint64_t until_end = now_ms() + 30000;                                             \
		while (!(cond) && now_ms() < until_end)                                            \
			loop_turn(loop, 1);                                                        \
		ck_assert(cond);                                                                   \
	} while (0)

#endif
