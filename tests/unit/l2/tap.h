/*
 * tests/unit/l2/tap.h: see tap.c.
 */
#ifndef HERALD_TESTS_UNIT_L2_TAP_H
#define HERALD_TESTS_UNIT_L2_TAP_H

#include "tests/unit/l2/bed.h"

void tap_open(void);
void tap_close(void);
void tap_send(const struct frame *);
/* The next frame that came in; false: none is there. */
bool tap_get(struct frame *);
/* How many frames like this came in; all others are forgotten. */
unsigned tap_count(const struct frame *like);

#endif
