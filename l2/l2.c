/*
 * l2/l2.c: the engine.  An item is an address on a device (item.c).  From what is wanted (l2_set) and which
 * devices there are (device.c) follows which items stand in the map of the answering program
 * (answer.c) and when they are announced (announce.c).
 *
 * In this order, always: what is lost is not answered any more; then what is new is answered; then
 * programs stand on devices, groups are listened to, and announcements go out.  The same pass runs
 * for a change of either side, when something failed before, and every ten seconds; when nothing is
 * amiss, for what is new alone.
 */
#include "l2/core.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define BEAT_MS 10000
#define ITEMS_MAX 65536 /* as many as the map holds */
#define SLICE_US 4000	/* of one turn of the loop, for what is new */
#define FRESH_MAX 512	/* so many new ones are not worth a slice */
#define VERIFY 1024
#define TOLD_MAX 32

/* ---- the pass ---- */

bool
l2_load(struct l2 *l2)
{
	int err;

	if (answer_is_loaded(&l2->answer))
		return true;
	/* Who wants nothing and left nothing need not have the right to. */
	if (l2->nr == 0 && !prober_is_busy(l2->prober) && !answer_is_pinned(&l2->answer))
		return false;
	err = answer_load(&l2->answer);
	if (err == 0)
		err = adopt_term(l2);
	if (err == 0)
		err = adopt_tell_term(l2);
	if (err < 0) {
		if (!l2->failed)
			log_error("l2-not-loaded", LOG_S("why", l2->answer.why), LOG_ERR(-err));
		l2->failed = true;
		return false;
	}
	l2->failed = false;
	log_info("l2-loaded", LOG_S("pin", l2->answer.pin), LOG_B("adopted", l2->answer.adopted));
	return true;
}

static void
on_ring(void *arg, int fd, unsigned what)
{
	struct l2 *l2 = arg;

	(void)fd;
	(void)what;
	answer_hear(&l2->answer);
}

static void on_record(void *arg, const struct l2_event *);
static void l2_told(struct l2 *);

static void
listen_to_ring(struct l2 *l2)
{
	int err;

	if (l2->ring)
		return;
	err = l2->answer.ring ? 0 : answer_listen(&l2->answer, on_record, l2);
	if (err == 0)
		l2->ring =
		    loop_fd_new(l2->loop, answer_listen_fd(&l2->answer), LOOP_READ, on_ring, l2);
	if (!l2->ring && log_allow(&l2->limit, loop_now_ms(l2->loop), 2, NULL))
		log_warn("l2-alarms-not-heard", LOG_ERR(-err));
}

static void
devices_mark(struct l2 *l2)
{
	struct device *const *all;
	size_t nr;

	all = devices_all(l2->devices, &nr);
	for (size_t i = 0; i < nr; i++)
		all[i]->used = false;
	for (size_t i = 0; i < l2->nr; i++) {
		struct device *dev = item_device(l2->items[i]);

		if (dev)
			dev->used = true;
	}
	prober_mark(l2->prober);
}

/* What the program must know of a device, before it has an address on it. */
static void
devices_write(struct l2 *l2)
{
	struct device *const *all;
	size_t nr;

	all = devices_all(l2->devices, &nr);
	for (size_t i = 0; i < nr; i++) {
		struct device *dev = all[i];
		struct l2_device row;

		if (!dev->used)
			continue;
		row = device_row(dev);
		if (dev->has_row && memcmp(&row, &dev->row, sizeof(row)) == 0)
			continue;
		dev->row = row;
		dev->has_row = answer_device_set(&l2->answer, dev->l.ifindex, &row) == 0;
	}
}

static void
devices_stand(struct l2 *l2)
{
	struct device *const *all;
	size_t nr;

	l2->why[0] = '\0';
	all = devices_all(l2->devices, &nr);
	for (size_t i = 0; i < nr; i++) {
		struct device *dev = all[i];

		if (dev->used) {
			bool was = dev->attached;

			dev->attached =
			    answer_attach(&l2->answer, dev->l.ifindex, dev->l.name) == 0;
			if (dev->attached && dev->has_row)
				continue;
			l2->settled = false;
			if (dev->attached)
				continue;
			memcpy(l2->why, l2->answer.why, sizeof(l2->why));
			if (was || log_allow(&l2->limit, loop_now_ms(l2->loop), 2, NULL))
				log_error("l2-device-refused", LOG_S("why", l2->why));
		} else if (dev->attached) {
			answer_detach(&l2->answer, dev->l.ifindex);
			answer_device_del(&l2->answer, dev->l.ifindex);
			dev->attached = dev->has_row = false;
		}
	}
}

void
l2_stand(struct l2 *l2)
{
	if (!devices_known(l2->devices) || !l2_load(l2))
		return;
	listen_to_ring(l2);
	devices_mark(l2);
	devices_write(l2);
	devices_stand(l2);
}

/* Those whose device went, or is another one by now, end; the devices of the others are in use. */
static void
items_settle(struct l2 *l2)
{
	for (size_t i = 0; i < l2->nr; i++) {
		struct item *it = l2->items[i];
		const struct device *dev = item_device(it);

		if (it->ifindex && (!dev || dev->l.ifindex != it->ifindex)) {
			item_end(it);
			it->ups = 0;
		}
	}
}

/* False: the rest in the next turn of the loop. */
static bool
items_write(struct l2 *l2)
{
	uint64_t begin = loop_now_us(l2->loop);
	unsigned n = 0;

	for (size_t i = 0; i < l2->nr; i++) {
		struct item *it = l2->items[i];
		const struct device *dev = item_device(it);

		if (!dev || (it->ifindex && !it->err))
			continue;
		if (++n % 64 == 0 && loop_now_us(l2->loop) - begin > SLICE_US)
			return false;
		item_write(it, dev);
		l2->settled &= it->err == 0;
	}
	return true;
}

static void
item_tell(struct item *it, const struct device *dev)
{
	item_listen(it, dev);
	if (dev->attached && dev->ups != it->ups && dev->l.running)
		item_announce(it, dev);
}

static void
pass(struct l2 *l2)
{
	if (!timer_is_running(&l2->beat))
		timer_set(&l2->beat, BEAT_MS);
	if (!l2->was_set || !devices_known(l2->devices) || !l2_load(l2))
		return;
	/* It may have been loaded before anything was wanted. */
	l2->settled = adopt_tell_term(l2) == 0;
	l2->settled_at = devices_generation(l2->devices);
	listen_to_ring(l2);
	items_settle(l2);
	devices_mark(l2);
	if (!l2->swept)
		adopt_sweep(l2);
	devices_write(l2);
	if (!items_write(l2)) {
		l2->settled = false;
		work_post(&l2->more);
	}
	devices_stand(l2);
	for (size_t i = 0; i < l2->nr; i++) {
		struct item *it = l2->items[i];
		const struct device *dev = it->ifindex ? item_device(it) : NULL;

		if (dev)
			item_tell(it, dev);
	}
	l2_told(l2);
}

/* Nothing but these is to be done.  False: there is more. */
static bool
pass_fresh(struct l2 *l2, struct item *const *fresh, size_t nr)
{
	if (!l2->settled || l2->settled_at != devices_generation(l2->devices) || l2->nr == 0 ||
	    nr > FRESH_MAX)
		return false;
	for (size_t i = 0; i < nr; i++) {
		const struct device *dev = item_device(fresh[i]);

		if (dev && (!dev->used || !dev->attached || !dev->has_row))
			return false;
	}
	for (size_t i = 0; i < nr; i++) {
		const struct device *dev = item_device(fresh[i]);

		if (dev)
			item_write(fresh[i], dev);
	}
	for (size_t i = 0; i < nr; i++) {
		const struct device *dev = fresh[i]->ifindex ? item_device(fresh[i]) : NULL;

		l2->settled &= fresh[i]->err == 0;
		if (dev)
			item_tell(fresh[i], dev);
	}
	l2_told(l2);
	return true;
}

/* Is what should be in the map still there?  Some at each beat: nobody takes it out but by hand. */
static void
items_verify(struct l2 *l2)
{
	for (size_t n = 0; n < l2->nr && n < VERIFY; n++) {
		struct item *it = l2->items[l2->verified++ % l2->nr];
		const struct device *dev = it->ifindex ? item_device(it) : NULL;

		if (dev)
			item_write(it, dev);
	}
}

static void
beat_due(void *arg)
{
	struct l2 *l2 = arg;

	pass(l2);
	items_verify(l2);
	l2_told(l2);
}

static void
more_due(void *arg)
{
	pass(arg);
}

static void
on_devices(void *arg)
{
	struct l2 *l2 = arg;

	pass(l2);
	if (l2->ops.devices)
		l2->ops.devices(l2->arg);
}

/* What begins and ends is logged, each; of very many in one go the first ones. */
bool
l2_may_tell(struct l2 *l2)
{
	return l2->told++ < TOLD_MAX;
}

static void
l2_told(struct l2 *l2)
{
	if (l2->told > TOLD_MAX)
		log_info("l2-answers-changed", LOG_U("more", l2->told - TOLD_MAX),
		    LOG_U("addresses", l2->nr));
	l2->told = 0;
}

/* ---- others ---- */

void
l2_claimed(struct l2 *l2, struct item *it)
{
	const struct l2_event *e = &it->claimed;
	struct l2_alarm alarm = { .addr = it->addr, .device = it->device, .claim = e->claim };
	char mac[18];

	it->alarmed = loop_wall(l2->loop);
	memcpy(it->foreign, e->mac, sizeof(it->foreign));
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", e->mac[0], e->mac[1], e->mac[2],
	    e->mac[3], e->mac[4], e->mac[5]);
	if (log_allow(&l2->limit, loop_now_ms(l2->loop), 30, NULL))
		log_warn(e->claim == L2_CLAIMS ? "l2-address-claimed" : "l2-address-probed",
		    LOG_S("address", addr_str(&it->addr)), LOG_S("device", it->device),
		    LOG_S("mac", mac));
	if (e->claim == L2_CLAIMS)
		item_defend(it);
	memcpy(alarm.mac, e->mac, sizeof(alarm.mac));
	if (l2->ops.alarm)
		l2->ops.alarm(l2->arg, &alarm);
}

static void
on_record(void *arg, const struct l2_event *e)
{
	struct l2 *l2 = arg;
	struct addr a = answer_addr(&e->key);
	struct item *it = item_at(l2, &a, e->key.ifindex);

	if (e->watched) {
		prober_hear(l2->prober, e);
		return;
	}
	/* Not ours any more, or heard by one device of what we said by another. */
	if (it && e->claim < L2_NR_CLAIMS && !devices_have_mac(l2->devices, e->mac))
		item_claimed(it, e);
}

/* ---- what is wanted ---- */

struct want {
	const struct l2_address *a;
	const char *device;
};

long
l2_check(const struct l2_address *a, size_t nr)
{
	size_t all = 0;

	for (size_t i = 0; i < nr; i++) {
		if (!addr_is_unicast(&a[i].addr))
			return -EINVAL;
		for (size_t d = 0; d < a[i].nr_devices; d++) {
			if (strlen(a[i].devices[d]) >= sizeof(((struct item *)0)->device))
				return -EINVAL;
		}
		all += a[i].nr_devices;
		if (all > ITEMS_MAX)
			return -E2BIG;
	}
	return (long)all;
}

static int
want_cmp(const void *a, const void *b)
{
	const struct want *x = a, *y = b;

	return item_order(&x->a->addr, x->device, &y->a->addr, y->device);
}

/* Pairs of address and device, in order, each once.  How many, or -errno. */
static long
wants_gather(const struct l2_address *a, size_t nr, struct want **out)
{
	long pairs = l2_check(a, nr);
	size_t all = (size_t)pairs, used = 0;
	bool in_order = true;
	struct want *w;

	if (pairs < 0)
		return pairs;
	*out = w = mem_calloc(all + 1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	all = 0;
	for (size_t i = 0; i < nr; i++) {
		for (size_t d = 0; d < a[i].nr_devices; d++) {
			w[all] = (struct want){ &a[i], a[i].devices[d] };
			in_order &= all == 0 || want_cmp(&w[all - 1], &w[all]) < 0;
			all++;
		}
	}
	if (in_order)
		return (long)all;
	qsort(w, all, sizeof(*w), want_cmp);
	for (size_t i = 0; i < all; i++) {
		if (used == 0 || want_cmp(&w[used - 1], &w[i]) != 0)
			w[used++] = w[i];
	}
	return (long)used;
}

/* The list that shall be, and which of it is new. */
struct plan {
	struct item **items, **fresh;
	size_t nr, nr_fresh;
};

static void
plan_free(struct plan *p)
{
	for (size_t i = 0; i < p->nr_fresh; i++)
		item_free(p->fresh[i]);
	mem_free((void *)p->items);
	mem_free((void *)p->fresh);
}

/* Where the item of @w is, or would stand, from @k on: both lists are in order. */
static int
item_beside(const struct l2 *l2, const struct want *w, size_t *k)
{
	int cmp = -1;

	for (; *k < l2->nr; ++*k) {
		cmp =
		    item_order(&l2->items[*k]->addr, l2->items[*k]->device, &w->a->addr, w->device);
		if (cmp >= 0)
			break;
	}
	return cmp;
}

/* All or nothing. */
static int
plan_make(struct l2 *l2, const struct want *w, size_t nr, struct plan *p)
{
	size_t cap = 0, k = 0;

	*p = (struct plan){ .items = (struct item **)mem_calloc(nr + 1, sizeof(struct item *)) };
	if (!p->items)
		return -ENOMEM;
	for (p->nr = 0; p->nr < nr; p->nr++) {
		struct item *it;

		if (item_beside(l2, &w[p->nr], &k) == 0) {
			p->items[p->nr] = l2->items[k++];
			continue;
		}
		it = NULL;
		if (mem_grow((void **)&p->fresh, &cap, p->nr_fresh, sizeof(struct item *), 0) == 0)
			it = item_new(l2, &w[p->nr].a->addr, w[p->nr].device);
		if (!it) {
			plan_free(p);
			return -ENOMEM;
		}
		p->items[p->nr] = p->fresh[p->nr_fresh++] = it;
	}
	return 0;
}

/* What the new list has not ends, before anything else. */
static void
plan_take(struct l2 *l2, struct plan *p)
{
	struct item **old = l2->items;
	size_t nr_old = l2->nr;

	for (size_t i = 0, k = 0; i < nr_old && nr_old + p->nr_fresh != p->nr; i++) {
		while (k < p->nr && p->items[k] != old[i] &&
		    item_order(
			&p->items[k]->addr, p->items[k]->device, &old[i]->addr, old[i]->device) < 0)
			k++;
		if (k < p->nr && p->items[k] == old[i])
			continue;
		item_end(old[i]);
		item_free(old[i]);
	}
	l2->items = p->items;
	l2->nr = p->nr;
	mem_free((void *)old);
}

int
l2_set(struct l2 *l2, const struct l2_address *addresses, size_t nr)
{
	struct want *wants = NULL;
	long used = wants_gather(addresses, nr, &wants);
	struct plan p;

	if (used < 0)
		return (int)used;
	if (plan_make(l2, wants, (size_t)used, &p) < 0) {
		mem_free(wants);
		return -ENOMEM;
	}
	plan_take(l2, &p);
	for (size_t i = 0; i < l2->nr; i++)
		item_schedule(l2->items[i], &wants[i].a->schedule);
	mem_free(wants);
	/* At the first call there is more to do, whatever is new. */
	if (!l2->was_set || !pass_fresh(l2, p.fresh, p.nr_fresh)) {
		l2->was_set = true;
		pass(l2);
	}
	mem_free((void *)p.fresh);
	return 0;
}

/* ---- life ---- */

struct l2 *
l2_new(struct loop *loop, const char *pin_path, const struct l2_ops *ops, void *arg, int *err)
{
	const struct announce_ops announce = { .frames = item_frames };
	struct l2 *l2 = xnew(struct l2);

	l2->loop = loop;
	l2->ops = *ops;
	l2->arg = arg;
	timer_init(&l2->beat, loop, beat_due, l2);
	work_init(&l2->more, loop, more_due, l2);
	l2->announcer = announcer_new(loop, &announce, l2);
	l2->prober = prober_new(l2);
	*err = answer_init(&l2->answer, pin_path);
	if (*err == 0)
		l2->devices = devices_new(loop, on_devices, l2, err);
	if (!l2->devices) {
		l2_free(l2);
		return NULL;
	}
	return l2;
}

static void
forget(struct l2 *l2)
{
	for (size_t i = 0; i < l2->nr; i++)
		item_free(l2->items[i]);
	mem_free((void *)l2->items);
	l2->items = NULL;
	l2->nr = 0;
}

void
l2_free(struct l2 *l2)
{
	if (!l2)
		return;
	timer_stop(&l2->beat);
	work_cancel(&l2->more);
	prober_free(l2->prober);
	forget(l2);
	loop_fd_free(l2->ring);
	answer_close(&l2->answer);
	devices_free(l2->devices);
	announcer_free(l2->announcer);
	free(l2);
}

void
l2_remove(struct l2 *l2)
{
	struct device *const *all;
	size_t nr;
	int err;

	prober_stop(l2->prober);
	for (size_t i = 0; i < l2->nr; i++)
		item_end(l2->items[i]);
	forget(l2);
	l2->was_set = l2->swept = l2->settled = false;
	loop_fd_free(l2->ring);
	l2->ring = NULL;
	all = devices_all(l2->devices, &nr);
	for (size_t i = 0; i < nr; i++)
		all[i]->attached = all[i]->has_row = false;
	err = answer_remove(&l2->answer);
	if (err < 0)
		log_error("l2-remove-failed", LOG_S("pin", l2->answer.pin), LOG_ERR(-err));
}

int
l2_remove_pinned(const char *pin_path)
{
	struct answer a;
	int err = answer_init(&a, pin_path);

	return err < 0 ? err : answer_remove(&a);
}
