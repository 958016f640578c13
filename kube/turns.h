/*
 * kube/turns.h: who may decode next: all that has bytes to work off shares a few milliseconds of each
 * turn of the loop, so that many watches hold it no longer than one.
 */
#ifndef HERALD_KUBE_TURNS_H
#define HERALD_KUBE_TURNS_H

#include "lib/loop.h"

struct kube_turn {
	struct kube_turn *next;
	bool queued;
	bool (*run)(void *arg, uint64_t until_us); /* true: there is more to do */
	void *arg;
};

struct kube_turns {
	struct loop *loop;
	struct loop_work work;
	struct kube_turn *first, **end;
	uint64_t longest_us; /* that one turn took */
};

void kube_turns_init(struct kube_turns *, struct loop *);
void kube_turns_fini(struct kube_turns *);
/* Run @t at the end of this turn of the loop, or of the next. */
void kube_turn_ask(struct kube_turns *, struct kube_turn *t);
void kube_turn_give_up(struct kube_turns *, struct kube_turn *t);

#endif
