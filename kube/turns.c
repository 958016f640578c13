/*
 * kube/turns.c: who may decode next; see turns.h.
 */
#include "kube/turns.h"

#define SLICE_US 2000u /* the store tells of it in the same turn, which takes about as long */

static void
append(struct kube_turns *t, struct kube_turn *one)
{
	if (one->queued)
		return;
	one->queued = true;
	one->next = NULL;
	*t->end = one;
	t->end = &one->next;
}

static void
run(void *arg)
{
	struct kube_turns *t = arg;
	uint64_t began = loop_now_us(t->loop), took = 0;

	while (t->first && took < SLICE_US) {
		struct kube_turn *one = t->first;

		t->first = one->next;
		if (!t->first)
			t->end = &t->first;
		one->queued = false;
		if (one->run(one->arg, began + SLICE_US))
			append(t, one);
		took = loop_now_us(t->loop) - began;
	}
	if (took > t->longest_us)
		t->longest_us = took;
	if (t->first)
		work_post(&t->work);
}

void
kube_turns_init(struct kube_turns *t, struct loop *loop)
{
	*t = (struct kube_turns){ .loop = loop };
	t->end = &t->first;
	work_init(&t->work, loop, run, t);
}

void
kube_turns_fini(struct kube_turns *t)
{
	work_cancel(&t->work);
}

void
kube_turn_ask(struct kube_turns *t, struct kube_turn *one)
{
	append(t, one);
	work_post(&t->work);
}

void
kube_turn_give_up(struct kube_turns *t, struct kube_turn *one)
{
	struct kube_turn **at = &t->first;

	if (!one->queued)
		return;
	while (*at != one)
		at = &(*at)->next;
	*at = one->next;
	if (t->end == &one->next)
		t->end = at;
	one->queued = false;
}
