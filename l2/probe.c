/*
 * l2/probe.c: is an address in use?  Asks on the link (RFC 5227 2.1.1, RFC 4862 5.4) and listens to
 * the answering program, which tells of what it watches for.  Stands beside item.c: what is probed for
 * is answered only when it stands in the other map as well.
 *
 * A probe is an address of one call, a leg is that on one device.  One answer anywhere decides; who
 * hears none waits until L2_PROBE_MS after the first question, or as long after the last one if the
 * queue was long.  The verdict does not hang on the ring: what did not fit there stands in the map.
 */
#include "l2/core.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define QUESTIONS 3
#define INTERVAL_MS 40
#define LISTEN_MS (L2_PROBE_MS - (QUESTIONS - 1) * INTERVAL_MS) /* after the last question */
#define STUCK_MS 500	 /* without getting a question out, beside what the queue takes */
#define LINGER_MS 1000	 /* in which who found an address free may take it */
#define PROBES_MAX 65536 /* as many as the map holds */
#define TELL_SLICE 256	 /* in one turn of the loop */
#define BUCKETS_MIN 64

struct leg {
	struct announce_job job;  /* the first member */
	struct probe *probe;	  /* NULL: over, and only still in the solicited-node group */
	struct leg *sibling;	  /* of the same probe */
	struct leg *next, **prev; /* in its bucket */
	struct prober *prober;
	struct loop_timer timer;
	struct addr addr;
	char device[16];
	unsigned ifindex;
	uint32_t ups; /* of the device, at the beginning */
	unsigned sent;
	bool queued; /* the timer says that it does not get through */
	bool watched, joined;
};

struct probe {
	struct prober *prober;
	struct probe *next, **prev; /* of all, or of those that are decided */
	struct leg *legs;
	void (*done)(void *arg, const struct l2_probed *);
	void *arg;
	struct l2_probed verdict;
	char device[16];
};

struct prober {
	struct l2 *l2;
	struct announcer *announcer;
	struct probe *open, *decided, **decided_tail;
	struct leg **buckets; /* by address */
	size_t nr_buckets, nr_legs;
	struct loop_work tell;
};

/* ---- finding legs ---- */

static struct leg **
bucket_of(const struct prober *p, const struct addr *a)
{
	return &p->buckets[addr_hash(a) & (p->nr_buckets - 1)];
}

static void
leg_link(struct prober *p, struct leg *leg)
{
	struct leg **at = bucket_of(p, &leg->addr);

	leg->next = *at;
	leg->prev = at;
	if (leg->next)
		leg->next->prev = &leg->next;
	*at = leg;
	p->nr_legs++;
}

static void
leg_unlink(struct leg *leg)
{
	*leg->prev = leg->next;
	if (leg->next)
		leg->next->prev = leg->prev;
	leg->prober->nr_legs--;
}

static bool
is_same(const struct leg *a, const struct leg *b)
{
	return a->ifindex == b->ifindex && addr_eq(&a->addr, &b->addr);
}

/* Is another leg there for the same, as when two asked?  It still needs what both share. */
static bool
is_shared(const struct leg *leg)
{
	for (const struct leg *o = *bucket_of(leg->prober, &leg->addr); o; o = o->next) {
		if (o != leg && is_same(o, leg))
			return true;
	}
	return false;
}

/* Room for @nr more at two in a bucket; -ENOMEM. */
static int
buckets_grow(struct prober *p, size_t nr)
{
	size_t n = p->nr_buckets ? p->nr_buckets : BUCKETS_MIN, old = p->nr_buckets;
	struct leg **was = p->buckets, **buckets;

	while (n < (p->nr_legs + nr) / 2)
		n *= 2;
	if (n == old)
		return 0;
	buckets = (struct leg **)mem_calloc(n, sizeof(struct leg *));
	if (!buckets)
		return -ENOMEM;
	p->buckets = buckets;
	p->nr_buckets = n;
	p->nr_legs = 0;
	for (size_t i = 0; i < old; i++) {
		while (was[i]) {
			struct leg *leg = was[i];

			was[i] = leg->next;
			leg_link(p, leg);
		}
	}
	mem_free((void *)was);
	return 0;
}

/* ---- ends ---- */

static void
leg_free(struct leg *leg)
{
	if (leg->joined && !is_shared(leg) &&
	    !item_listens(leg->prober->l2, &leg->addr, leg->ifindex))
		(void)device_listen(
		    leg->prober->l2->devices, leg->ifindex, &leg->addr, false, NULL, NULL);
	timer_stop(&leg->timer);
	announcer_drop(leg->prober->announcer, &leg->job);
	leg_unlink(leg);
	mem_free(leg);
}

/* What the map says of it, which goes with the last one that watches: was anybody heard? */
static bool
leg_unwatch(struct leg *leg, struct l2_watch *w)
{
	struct l2 *l2 = leg->prober->l2;
	struct l2_key key = answer_key(&leg->addr, leg->ifindex);

	if (!leg->watched)
		return false;
	leg->watched = false;
	for (const struct leg *o = *bucket_of(leg->prober, &leg->addr); o; o = o->next) {
		if (o->watched && is_same(o, leg))
			return false;
	}
	/* Of several the last one; when that was a device of ours, another was told by the ring. */
	return answer_unwatch(&l2->answer, &key, w) &&
	    (w->lost || !devices_have_mac(l2->devices, w->mac));
}

/* Out of its probe.  The group is left a little later: who takes the address now stays in it. */
static void
leg_end(struct leg *leg)
{
	struct leg **at = &leg->probe->legs;
	struct l2_watch w;

	while (*at != leg)
		at = &(*at)->sibling;
	*at = leg->sibling;
	leg->probe = NULL;
	(void)leg_unwatch(leg, &w);
	announcer_drop(leg->prober->announcer, &leg->job);
	leg->queued = false;
	if (leg->joined)
		timer_set(&leg->timer, LINGER_MS);
	else
		leg_free(leg);
}

static void
probe_unlink(struct probe *pr)
{
	struct prober *p = pr->prober;

	*pr->prev = pr->next;
	if (pr->next)
		pr->next->prev = pr->prev;
	else if (p->decided_tail == &pr->next)
		p->decided_tail = pr->prev;
}

static void
probe_free(struct probe *pr)
{
	while (pr->legs)
		leg_end(pr->legs);
	probe_unlink(pr);
	mem_free(pr);
}

/* Told from the loop, and not from where it came to light. */
static void
probe_decide(struct probe *pr)
{
	struct prober *p = pr->prober;

	while (pr->legs)
		leg_end(pr->legs);
	probe_unlink(pr);
	pr->next = NULL;
	pr->prev = p->decided_tail;
	*p->decided_tail = pr;
	p->decided_tail = &pr->next;
	work_post(&p->tell);
}

static void
tell_due(void *arg)
{
	struct prober *p = arg;

	for (unsigned i = 0; p->decided && i < TELL_SLICE; i++) {
		struct probe pr = *p->decided;

		probe_free(p->decided);
		pr.verdict.device = pr.verdict.in_use ? pr.device : "";
		pr.done(pr.arg, &pr.verdict);
	}
	if (p->decided)
		work_post(&p->tell);
}

/* It has, or wants, the address. */
static void
leg_heard(struct leg *leg, const uint8_t mac[6])
{
	struct probe *pr = leg->probe;

	pr->verdict.known = pr->verdict.in_use = true;
	memcpy(pr->verdict.mac, mac, 6);
	snprintf(pr->device, sizeof(pr->device), "%s", leg->device);
	probe_decide(pr);
}

/* @known: nobody was heard there; else the device did not let us ask. */
static void
leg_silent(struct leg *leg, bool known)
{
	struct probe *pr = leg->probe;

	pr->verdict.known |= known;
	leg_end(leg);
	if (!pr->legs)
		probe_decide(pr);
}

void
prober_hear(struct prober *p, const struct l2_event *e)
{
	struct addr a = answer_addr(&e->key);
	struct leg *leg, *next;

	if (!p->buckets || devices_have_mac(p->l2->devices, e->mac))
		return;
	/* A probe has no two legs that are the same: none but @leg goes with it from this bucket,
	 * unless it is of another device, and those are looked for anew. */
	for (leg = *bucket_of(p, &a); leg; leg = next) {
		next = leg->next;
		if (!leg->probe || leg->ifindex != e->key.ifindex || !addr_eq(&leg->addr, &a))
			continue;
		leg_heard(leg, e->mac);
		next = *bucket_of(p, &a);
	}
}

/* ---- asking ---- */

/* The device as it was when it began. */
static const struct device *
leg_device(const struct leg *leg)
{
	const struct device *dev = device_named(leg->prober->l2->devices, leg->device);

	return dev && !dev->why[0] && dev->l.ifindex == leg->ifindex && dev->ups == leg->ups &&
		dev->l.up && dev->l.running && dev->attached
	    ? dev
	    : NULL;
}

static void
leg_ask(struct leg *leg)
{
	struct announcer *n = leg->prober->announcer;

	leg->queued = true;
	announcer_add(n, &leg->job);
	timer_set(&leg->timer, STUCK_MS + announcer_waiting(n) * 4 / ANNOUNCE_PER_MS);
}

static void
leg_verdict(struct leg *leg)
{
	struct l2_watch w;

	/* What it told until now. */
	answer_hear(&leg->prober->l2->answer);
	if (leg->probe && leg_unwatch(leg, &w))
		leg_heard(leg, w.mac);
	else if (leg->probe)
		leg_silent(leg, leg_device(leg) != NULL);
}

static void
leg_due(void *arg)
{
	struct leg *leg = arg;

	if (!leg->probe)
		leg_free(leg);
	else if (leg->queued)
		leg_silent(leg, false);
	else if (leg->sent < QUESTIONS)
		leg_ask(leg);
	else
		leg_verdict(leg);
}

/* Hears of it before it asks. */
static bool
leg_watch(struct leg *leg)
{
	struct l2 *l2 = leg->prober->l2;
	struct l2_key key = answer_key(&leg->addr, leg->ifindex);

	if (leg->watched)
		return true;
	leg->watched = answer_watch(&l2->answer, &key) == 0;
	/* RFC 4862 5.4.2.  Who has it answers to all nodes; the group is for who asks as we do. */
	if (leg->watched && leg->addr.family == ADDR_V6 &&
	    !item_listens(l2, &leg->addr, leg->ifindex))
		leg->joined =
		    device_listen(l2->devices, leg->ifindex, &leg->addr, true, NULL, NULL) == 0;
	return leg->watched;
}

static size_t
leg_frames(void *arg, struct announce_job *job, struct announce_frame *f, unsigned *ifindex)
{
	struct leg *leg = (struct leg *)(void *)job;
	const struct device *dev = leg_device(leg);

	(void)arg;
	if (!dev || !leg_watch(leg))
		return 0;
	*ifindex = leg->ifindex;
	if (leg->addr.family == ADDR_V6)
		announce_nd_probe(f, &leg->addr, dev->l.mac);
	else
		announce_arp_probe(f, &leg->addr, dev->l.mac);
	return 1;
}

static void
leg_sent(void *arg, struct announce_job *job, int err)
{
	struct leg *leg = (struct leg *)(void *)job;

	(void)arg;
	leg->queued = false;
	if (err < 0 || !leg->watched || !leg_device(leg)) {
		leg_silent(leg, false);
		return;
	}
	timer_set(&leg->timer, ++leg->sent < QUESTIONS ? INTERVAL_MS : LISTEN_MS);
}

/* ---- for l2.c ---- */

void
prober_mark(const struct prober *p)
{
	for (size_t i = 0; i < p->nr_buckets; i++) {
		for (const struct leg *leg = p->buckets[i]; leg; leg = leg->next) {
			struct device *dev = device_named(p->l2->devices, leg->device);

			if (leg->probe && dev && !dev->why[0])
				dev->used = true;
		}
	}
}

bool
prober_is_busy(const struct prober *p)
{
	return p->open != NULL;
}

struct prober *
prober_new(struct l2 *l2)
{
	const struct announce_ops ops = { .frames = leg_frames, .sent = leg_sent };
	struct prober *p = xnew(struct prober);

	p->l2 = l2;
	p->announcer = announcer_new(l2->loop, &ops, p);
	p->decided_tail = &p->decided;
	work_init(&p->tell, l2->loop, tell_due, p);
	return p;
}

/* Answers nobody any more. */
static void
prober_clear(struct prober *p)
{
	while (p->open)
		probe_free(p->open);
	while (p->decided)
		probe_free(p->decided);
	for (size_t i = 0; i < p->nr_buckets; i++) {
		while (p->buckets[i])
			leg_free(p->buckets[i]);
	}
}

void
prober_free(struct prober *p)
{
	if (!p)
		return;
	prober_clear(p);
	work_cancel(&p->tell);
	announcer_free(p->announcer);
	mem_free((void *)p->buckets);
	free(p);
}

/* What it stands on goes: nothing that is open will be known. */
void
prober_stop(struct prober *p)
{
	while (p->open) {
		p->open->verdict.known = false;
		probe_decide(p->open);
	}
	for (size_t i = 0; i < p->nr_buckets; i++) {
		while (p->buckets[i])
			leg_free(p->buckets[i]);
	}
}

/* ---- l2_probe() ---- */

/* A leg on each device that carries; those that are not there are not asked.  -ENOMEM. */
static int
probe_legs(struct probe *pr, const struct l2_address *a)
{
	struct prober *p = pr->prober;

	for (size_t i = 0; i < a->nr_devices; i++) {
		struct device *dev = device_named(p->l2->devices, a->devices[i]);
		struct leg *leg;
		bool twice = false;

		if (!dev || dev->why[0] || !dev->l.up || !dev->l.running)
			continue;
		for (leg = pr->legs; leg; leg = leg->sibling)
			twice |= leg->ifindex == dev->l.ifindex;
		if (twice)
			continue;
		leg = mem_calloc(1, sizeof(*leg));
		if (!leg)
			return -ENOMEM;
		leg->prober = p;
		leg->probe = pr;
		leg->addr = a->addr;
		leg->ifindex = dev->l.ifindex;
		leg->ups = dev->ups;
		snprintf(leg->device, sizeof(leg->device), "%s", dev->l.name);
		timer_init(&leg->timer, p->l2->loop, leg_due, leg);
		leg->sibling = pr->legs;
		pr->legs = leg;
		leg_link(p, leg);
	}
	return 0;
}

static int
probes_make(struct prober *p, const struct l2_address *a, size_t nr, struct probe **list,
    void (*done)(void *, const struct l2_probed *), void *arg)
{
	struct probe **at = list;

	for (size_t i = 0; i < nr; i++, at = &(*at)->next) {
		struct probe *pr = mem_calloc(1, sizeof(*pr));

		if (!pr)
			return -ENOMEM;
		pr->prober = p;
		pr->prev = at;
		pr->done = done;
		pr->arg = arg;
		pr->verdict.addr = a[i].addr;
		*at = pr;
		if (probe_legs(pr, &a[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void
probe_begin(struct probe *pr)
{
	if (!pr->legs)
		probe_decide(pr);
	else
		for (struct leg *leg = pr->legs; leg; leg = leg->sibling)
			leg_ask(leg);
}

int
l2_probe(struct l2 *l2, const struct l2_address *a, size_t nr,
    void (*done)(void *arg, const struct l2_probed *), void *arg)
{
	struct prober *p = l2->prober;
	struct probe *list = NULL, **last = &list;
	long pairs = l2_check(a, nr);
	int err;

	if (pairs < 0)
		return (int)pairs;
	if ((size_t)pairs + p->nr_legs > PROBES_MAX || nr > PROBES_MAX)
		return -E2BIG;
	err = buckets_grow(p, (size_t)pairs);
	if (err == 0)
		err = probes_make(p, a, nr, &list, done, arg);
	if (err < 0) {
		while (list)
			probe_free(list);
		return err;
	}
	/* In front of those that are open, whose order means nothing. */
	while (*last)
		last = &(*last)->next;
	*last = p->open;
	if (p->open)
		p->open->prev = last;
	p->open = list;
	if (list)
		list->prev = &p->open;
	l2_stand(l2);
	list = p->open;
	while (nr-- > 0) {
		struct probe *next = list->next;

		probe_begin(list);
		list = next;
	}
	return 0;
}

void
l2_probe_cancel(struct l2 *l2, void *arg)
{
	struct probe *lists[] = { l2->prober->open, l2->prober->decided };

	for (size_t i = 0; i < 2; i++) {
		for (struct probe *pr = lists[i], *next; pr; pr = next) {
			next = pr->next;
			if (pr->arg == arg)
				probe_free(pr);
		}
	}
}
