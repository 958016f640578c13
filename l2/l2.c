/*
 * l2/l2.c: the engine.  An item is an address on a device (item.c).  From what is wanted (l2_set) and which
 * devices there are (device.c) follows which items stand in the map of the answering program
 * (answer.c) and when they are announced (announce.c).
 *
 * In this order, always: what is lost is not answered any more; then what is new is answered; then
 * programs stand on devices, groups are listened to, and announcements go out.  The same pass runs
 * for a change of either side, when something failed before, and every ten seconds.
 */
#include "l2/core.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define BEAT_MS 10000
#define ITEMS_MAX 65536 /* as many as the map holds */

/* ---- the pass ---- */

static void
drop_entry(void *arg, const struct l2_key *key)
{
	struct l2 *l2 = arg;
	struct addr a = answer_addr(key);

	(void)answer_del(&l2->answer, key);
	if (a.family == ADDR_V6)
		(void)device_listen(l2->devices, key->ifindex, &a, false, NULL, NULL);
}

/*
 * What an earlier process was allowed goes on until it is over, or somebody says for how long.  Once
 * it is over its addresses may be others' by now: no term of ours brings them back.
 */
static int
adopt_term(struct l2 *l2)
{
	int err = 0;

	if (l2->answer.adopted && !answer_is_in_time(&l2->answer, l2_boot_ns())) {
		log_info("l2-answers-over", LOG_S("pin", l2->answer.pin));
		err = answer_each(&l2->answer, drop_entry, l2);
	}
	l2->term_told = false;
	return err;
}

static int
tell_term(struct l2 *l2)
{
	int err = 0;

	if (!l2->term_told && (l2->term_set || l2->was_set))
		err = answer_until(&l2->answer, l2->until_ns);
	l2->term_told = err == 0;
	return err;
}

static bool
load(struct l2 *l2)
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
		err = tell_term(l2);
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

/* ---- what an earlier process left ---- */

static void
sweep_entry(void *arg, const struct l2_key *key)
{
	struct l2 *l2 = arg;
	struct addr a = answer_addr(key);

	if (item_at(l2, &a, key->ifindex))
		return;
	log_info("l2-answer-ended", LOG_S("address", addr_str(&a)), LOG_U("ifindex", key->ifindex),
	    LOG_S("why", "an earlier process answered for it"));
	drop_entry(l2, key);
}

static void
sweep_device(void *arg, struct answer *answer, unsigned ifindex)
{
	struct l2 *l2 = arg;
	struct device *const *all;
	size_t nr;

	all = devices_all(l2->devices, &nr);
	for (size_t i = 0; i < nr; i++) {
		if (all[i]->l.ifindex == ifindex && all[i]->used)
			return;
	}
	answer_detach(answer, ifindex);
	answer_device_del(answer, ifindex);
}

static void
sweep(struct l2 *l2)
{
	int err = answer_each(&l2->answer, sweep_entry, l2);

	if (err < 0) {
		log_error("l2-not-swept", LOG_ERR(-err));
		return;
	}
	answer_attached_each(&l2->answer, sweep_device, l2);
	l2->swept = true;
}

void
l2_stand(struct l2 *l2)
{
	if (!devices_known(l2->devices) || !load(l2))
		return;
	listen_to_ring(l2);
	devices_mark(l2);
	devices_write(l2);
	devices_stand(l2);
}

static void
pass(struct l2 *l2)
{
	timer_set(&l2->beat, BEAT_MS);
	if (!l2->was_set || !devices_known(l2->devices) || !load(l2))
		return;
	/* It may have been loaded before anything was wanted. */
	(void)tell_term(l2);
	listen_to_ring(l2);
	for (size_t i = 0; i < l2->nr; i++) {
		struct item *it = l2->items[i];
		const struct device *dev = item_device(it);

		if (it->ifindex && (!dev || dev->l.ifindex != it->ifindex)) {
			item_end(it);
			it->ups = 0;
		}
	}
	devices_mark(l2);
	devices_write(l2);
	for (size_t i = 0; i < l2->nr; i++) {
		const struct device *dev = item_device(l2->items[i]);

		if (dev)
			item_write(l2->items[i], dev);
	}
	if (!l2->swept)
		sweep(l2);
	devices_stand(l2);
	for (size_t i = 0; i < l2->nr; i++) {
		struct item *it = l2->items[i];
		const struct device *dev = it->ifindex ? item_device(it) : NULL;

		if (!dev)
			continue;
		item_listen(it, dev);
		if (dev->attached && dev->ups != it->ups && dev->l.running)
			item_announce(it, dev);
	}
}

static void
beat_due(void *arg)
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
	struct want *w;

	if (pairs < 0)
		return pairs;
	*out = w = mem_calloc(all + 1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	all = 0;
	for (size_t i = 0; i < nr; i++) {
		for (size_t d = 0; d < a[i].nr_devices; d++)
			w[all++] = (struct want){ &a[i], a[i].devices[d] };
	}
	qsort(w, all, sizeof(*w), want_cmp);
	for (size_t i = 0; i < all; i++) {
		if (used == 0 || want_cmp(&w[used - 1], &w[i]) != 0)
			w[used++] = w[i];
	}
	return (long)used;
}

/* The new list: items that are there already, and new ones.  All or nothing. */
static struct item **
items_make(struct l2 *l2, const struct want *w, size_t nr)
{
	struct item **items = (struct item **)mem_calloc(nr + 1, sizeof(struct item *));

	if (!items)
		return NULL;
	for (size_t i = 0; i < nr; i++) {
		items[i] = item_find(l2, &w[i].a->addr, w[i].device);
		if (items[i])
			continue;
		items[i] = item_new(l2, &w[i].a->addr, w[i].device);
		if (items[i])
			continue;
		while (i-- > 0) {
			if (!item_find(l2, &w[i].a->addr, w[i].device))
				item_free(items[i]);
		}
		mem_free((void *)items);
		return NULL;
	}
	return items;
}

int
l2_set(struct l2 *l2, const struct l2_address *addresses, size_t nr)
{
	struct want *wants = NULL;
	long used = wants_gather(addresses, nr, &wants);
	struct item **items, **old = l2->items;
	size_t nr_old = l2->nr, k = 0;

	if (used < 0)
		return (int)used;
	items = items_make(l2, wants, (size_t)used);
	if (!items) {
		mem_free(wants);
		return -ENOMEM;
	}
	/* Both lists are in order: what the new one has not ends. */
	for (size_t i = 0; i < nr_old; i++) {
		while (k < (size_t)used &&
		    item_order(&items[k]->addr, items[k]->device, &old[i]->addr, old[i]->device) <
			0)
			k++;
		if (k < (size_t)used && items[k] == old[i])
			continue;
		item_end(old[i]);
		item_free(old[i]);
	}
	l2->items = items;
	l2->nr = (size_t)used;
	l2->was_set = true;
	for (size_t i = 0; i < l2->nr; i++)
		item_schedule(items[i], &wants[i].a->schedule);
	mem_free((void *)old);
	mem_free(wants);
	pass(l2);
	return 0;
}

void
l2_term(struct l2 *l2, uint64_t ms)
{
	int err;

	l2->until_ns = ms ? l2_boot_ns() + ms * 1000000 : 0;
	l2->term_set = true;
	l2->term_told = false;
	if (!answer_is_loaded(&l2->answer))
		return;
	err = tell_term(l2);
	if (err < 0 && log_allow(&l2->limit, loop_now_ms(l2->loop), 2, NULL))
		log_error("l2-term-not-set", LOG_ERR(-err));
}

struct adopted {
	unsigned *stands; /* the devices that the program is on */
	size_t nr_stands, cap;
	struct addr *all;
	size_t nr_all, cap_all;
};

static void
adopted_device(void *arg, struct answer *a, unsigned ifindex)
{
	struct adopted *d = arg;

	(void)a;
	if (mem_grow((void **)&d->stands, &d->cap, d->nr_stands, sizeof(*d->stands), 0) < 0)
		return;
	d->stands[d->nr_stands++] = ifindex;
}

static void
adopted_entry(void *arg, const struct l2_key *key)
{
	struct adopted *d = arg;

	for (size_t i = 0; i < d->nr_stands; i++) {
		if (d->stands[i] != key->ifindex)
			continue;
		if (mem_grow((void **)&d->all, &d->cap_all, d->nr_all, sizeof(*d->all), 0) < 0)
			return;
		d->all[d->nr_all++] = answer_addr(key);
		return;
	}
}

static int
addr_order(const void *a, const void *b)
{
	return addr_cmp(a, b);
}

size_t
l2_adopted(struct l2 *l2, struct addr *out, size_t max)
{
	struct adopted d = { 0 };
	size_t nr = 0;

	if (l2->was_set || !answer_is_pinned(&l2->answer) || !load(l2) || !l2->answer.adopted ||
	    !answer_is_in_time(&l2->answer, l2_boot_ns()))
		return 0;
	answer_attached_each(&l2->answer, adopted_device, &d);
	(void)answer_each(&l2->answer, adopted_entry, &d);
	if (d.nr_all > 0)
		qsort(d.all, d.nr_all, sizeof(*d.all), addr_order);
	for (size_t i = 0; i < d.nr_all; i++) {
		if (i > 0 && addr_eq(&d.all[i], &d.all[i - 1]))
			continue;
		if (nr < max)
			out[nr] = d.all[i];
		nr++;
	}
	mem_free(d.stands);
	mem_free(d.all);
	return nr;
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
	l2->was_set = l2->swept = false;
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
