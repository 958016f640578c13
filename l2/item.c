/*
 * l2/item.c: an address on a device: in the map of the answering program, listening to its group,
 * announced by its schedule.  l2.c says when.
 */
#include "l2/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

#define COUNT 3			 /* RFC 4861 10: MAX_NEIGHBOR_ADVERTISEMENT */
#define INTERVAL_MS 1000	 /* RFC 4861 10: RETRANS_TIMER, the least between those */
#define DEFEND_INTERVAL_MS 10000 /* RFC 5227 1.1 */
/* The old holder stops before the new one begins; what it said last may still be on its way. */
#define BEGIN_NS 50000000u
/* In which nodes that have come to hold one address both, as after a cut link, agree on one: were the
 * defence of the other the last word, everybody would turn to who stops then. */
#define AGREE_MS 250

static struct item *
item_of(struct announce_job *job)
{
	return (struct item *)(void *)job;
}

uint64_t
l2_boot_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ---- announcing ---- */

static void
announce_due(void *arg)
{
	struct item *it = arg;

	it->due = true;
	announcer_add(it->l2->announcer, &it->job);
}

void
item_announce(struct item *it, const struct device *dev)
{
	it->due = true;
	it->ups = dev->ups;
	it->left = it->schedule.count ? it->schedule.count : COUNT;
	announcer_add(it->l2->announcer, &it->job);
}

static void
announce_next(struct item *it)
{
	uint32_t interval = it->schedule.interval_ms ? it->schedule.interval_ms : INTERVAL_MS;

	if (it->left > 0)
		it->left--;
	if (it->left > 0)
		timer_set(&it->timer, interval);
	else if (it->schedule.refresh_ms)
		timer_set_jitter(&it->timer, it->schedule.refresh_ms, 10);
}

size_t
item_frames(void *arg, struct announce_job *job, struct announce_frame *f, unsigned *ifindex)
{
	struct l2 *l2 = arg;
	struct item *it = item_of(job);
	struct device *dev = device_named(l2->devices, it->device);
	/* What is due is told in full, and that defends it as well. */
	bool defend = !it->due;

	if (it->due)
		announce_next(it);
	it->due = false;
	if (!dev || it->ifindex != dev->l.ifindex || !dev->l.running ||
	    (l2->until_ns && l2_boot_ns() >= l2->until_ns))
		return 0;
	*ifindex = it->ifindex;
	it->announced = loop_wall(l2->loop);
	if (it->addr.family == ADDR_V6) {
		announce_na(f, &it->addr, dev->l.mac, dev->row.flags & L2_DEVICE_ROUTER);
		return 1;
	}
	announce_arp(&f[0], &it->addr, dev->l.mac, false);
	/* RFC 5227 2.4 (c): one single announcement. */
	if (defend)
		return 1;
	announce_arp(&f[1], &it->addr, dev->l.mac, true);
	return 2;
}

void
item_schedule(struct item *it, const struct l2_schedule *s)
{
	bool refresh = it->schedule.refresh_ms != s->refresh_ms;

	it->schedule = *s;
	if (!refresh || it->left > 0 || !it->ifindex || it->job.prev)
		return;
	timer_stop(&it->timer);
	if (s->refresh_ms)
		timer_set_jitter(&it->timer, s->refresh_ms, 10);
}

static void
claim_counts(void *arg)
{
	struct item *it = arg;

	l2_claimed(it->l2, it);
}

void
item_claimed(struct item *it, const struct l2_event *e)
{
	struct l2_entry entry;

	if (timer_is_running(&it->claim))
		return;
	/* When it was heard, not when we came to read of it. */
	if (answer_get(&it->l2->answer, &e->key, &entry) &&
	    entry.told_ns[e->claim] < it->began_ns + BEGIN_NS)
		return;
	it->claimed = *e;
	timer_set(&it->claim, AGREE_MS);
}

void
item_defend(struct item *it)
{
	uint64_t now = loop_now_ms(it->l2->loop);
	bool recent = it->claimed_ms && now - it->claimed_ms < DEFEND_INTERVAL_MS;

	it->claimed_ms = now;
	if (recent)
		return;
	announcer_add(it->l2->announcer, &it->job);
}

/* ---- items ---- */

int
item_order(const struct addr *a, const char *device_a, const struct addr *b, const char *device_b)
{
	int cmp = addr_cmp(a, b);

	return cmp ? cmp : strcmp(device_a, device_b);
}

/* The first that is not before it. */
static size_t
items_from(const struct l2 *l2, const struct addr *a, const char *device)
{
	size_t low = 0, high = l2->nr;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct item *it = l2->items[mid];

		if (item_order(&it->addr, it->device, a, device) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct item *
item_at(const struct l2 *l2, const struct addr *a, unsigned ifindex)
{
	for (size_t i = items_from(l2, a, ""); i < l2->nr && addr_eq(&l2->items[i]->addr, a); i++) {
		if (l2->items[i]->ifindex == ifindex)
			return l2->items[i];
	}
	return NULL;
}

bool
item_wants(const struct l2 *l2, const struct addr *a, unsigned ifindex)
{
	for (size_t i = items_from(l2, a, ""); i < l2->nr && addr_eq(&l2->items[i]->addr, a); i++) {
		const struct device *dev = item_device(l2->items[i]);

		if (dev && dev->l.ifindex == ifindex)
			return true;
	}
	return false;
}

bool
item_listens(const struct l2 *l2, const struct addr *a, unsigned ifindex)
{
	const struct item *it = item_at(l2, a, ifindex);

	return it && it->listens;
}

struct device *
item_device(struct item *it)
{
	uint64_t now = devices_generation(it->l2->devices);

	if (it->dev_at != now) {
		it->dev = device_named(it->l2->devices, it->device);
		it->dev_at = now;
	}
	return it->dev && !it->dev->why[0] ? it->dev : NULL;
}

struct item *
item_new(struct l2 *l2, const struct addr *a, const char *device)
{
	struct item *it = mem_calloc(1, sizeof(*it));

	if (!it)
		return NULL;
	it->l2 = l2;
	it->addr = *a;
	snprintf(it->device, sizeof(it->device), "%s", device);
	timer_init(&it->timer, l2->loop, announce_due, it);
	timer_init(&it->claim, l2->loop, claim_counts, it);
	return it;
}

void
item_free(struct item *it)
{
	timer_stop(&it->timer);
	timer_stop(&it->claim);
	announcer_drop(it->l2->announcer, &it->job);
	mem_free(it);
}

void
item_end(struct item *it)
{
	struct l2 *l2 = it->l2;
	struct l2_key key = answer_key(&it->addr, it->ifindex);
	int err;

	timer_stop(&it->timer);
	timer_stop(&it->claim);
	announcer_drop(l2->announcer, &it->job);
	if (!it->ifindex)
		return;
	err = answer_del(&l2->answer, &key);
	l2->nr_ended += err == 0;
	if (err < 0)
		log_error("l2-answer-not-ended", LOG_S("address", addr_str(&it->addr)),
		    LOG_S("device", it->device), LOG_ERR(-err));
	else if (l2_may_tell(l2))
		log_info("l2-answer-ended", LOG_S("address", addr_str(&it->addr)),
		    LOG_S("device", it->device));
	if (it->listens)
		(void)device_listen(l2->devices, it->ifindex, &it->addr, false, NULL, NULL);
	it->listens = false;
	it->ifindex = 0;
	it->since = 0;
}

/* Said once, and again when the reason is another. */
static void
item_fail(struct item *it, int *last, int err, const char *what)
{
	if (*last != err)
		log_warn("l2-address-failed", LOG_S("address", addr_str(&it->addr)),
		    LOG_S("device", it->device), LOG_S("what", what), LOG_ERR(-err));
	*last = err;
}

static void
on_joined(void *arg, unsigned ifindex, const struct addr *a, int err)
{
	struct item *it = item_at(arg, a, ifindex);

	if (!it)
		return;
	if (err < 0) {
		it->listens = false;
		item_fail(it, &it->listen_err, err, "listen to its solicited-node group");
	} else {
		it->listen_err = 0;
	}
}

void
item_listen(struct item *it, const struct device *dev)
{
	struct l2 *l2 = it->l2;

	/* The kernel forgets it with a link that goes down. */
	if (it->addr.family != ADDR_V6 || (it->listens && it->ups == dev->ups))
		return;
	it->listens = device_listen(l2->devices, it->ifindex, &it->addr, true, on_joined, l2) == 0;
}

void
item_write(struct item *it, const struct device *dev)
{
	struct l2_key key = answer_key(&it->addr, dev->l.ifindex);
	uint64_t since = it->since ? it->since : (uint64_t)loop_wall(it->l2->loop);
	bool fresh = !it->ifindex;
	int err = answer_add(&it->l2->answer, &key, &since);

	if (err < 0) {
		item_fail(it, &it->err, err, "answer for it");
		return;
	}
	it->err = 0;
	it->ifindex = dev->l.ifindex;
	it->since = since;
	if (!fresh)
		return;
	it->began_ns = l2_boot_ns();
	it->l2->nr_begun++;
	if (l2_may_tell(it->l2))
		log_info("l2-answering", LOG_S("address", addr_str(&it->addr)),
		    LOG_S("device", it->device));
}
