/*
 * l2/seen.c: what the engine shows.
 */
#include "l2/core.h"

#include <string.h>

void
l2_info(const struct l2 *l2, struct l2_info *info)
{
	*info = (struct l2_info){ .loaded = answer_is_loaded(&l2->answer),
		.adopted = l2->answer.adopted,
		.error = l2->failed	 ? l2->answer.why
		    : l2->why[0] != '\0' ? l2->why
					 : announcer_error(l2->announcer),
		.addresses = l2->nr,
		.announced = announcer_sent(l2->announcer),
		.begun = l2->nr_begun,
		.ended = l2->nr_ended,
		.waiting = announcer_waiting(l2->announcer) };
	for (size_t i = 0; i < l2->nr; i++)
		info->answering += l2->items[i]->ifindex != 0;
}

uint64_t
l2_counter(const struct l2 *l2, unsigned i)
{
	return answer_counter(&l2->answer, i);
}

static const struct {
	const char *name, *sentence;
} counts[] = {
#define COUNT_ROW(symbol, name, sentence) { name, sentence },
	L2_COUNT_LIST(COUNT_ROW)
#undef COUNT_ROW
};

const char *
l2_counter_name(unsigned i)
{
	return i < L2_NR_COUNTS ? counts[i].name : NULL;
}

const char *
l2_counter_sentence(unsigned i)
{
	return i < L2_NR_COUNTS ? counts[i].sentence : NULL;
}

static const char *
item_why(const struct item *it, const struct device *dev)
{
	const struct l2 *l2 = it->l2;

	if (l2->failed)
		return l2->answer.why;
	if (!dev)
		return "There is no such device.";
	if (dev->why[0])
		return dev->why;
	if (it->err)
		return "The kernel did not take it.";
	if (it->listen_err)
		return "The device does not take its solicited-node group: IPv6 may be off on it.";
	if (!dev->attached)
		return l2->why[0] ? l2->why : "The program is not on the device yet.";
	if (!dev->l.running)
		return "The device is down.";
	return "";
}

void
l2_each(struct l2 *l2, bool (*each)(void *, const struct l2_seen *), void *arg)
{
	for (size_t i = 0; i < l2->nr; i++) {
		const struct item *it = l2->items[i];
		const struct device *dev = device_named(l2->devices, it->device);
		struct l2_seen seen = { .addr = it->addr,
			.device = it->device,
			.why = item_why(it, dev),
			.since = (time_t)it->since,
			.announced = it->announced,
			.alarmed = it->alarmed };
		struct l2_key key = answer_key(&it->addr, it->ifindex);
		struct l2_entry e;

		memcpy(seen.foreign, it->foreign, sizeof(seen.foreign));
		if (it->ifindex && answer_get(&l2->answer, &key, &e)) {
			seen.answering = !seen.why[0];
			seen.answered = e.answered;
			memcpy(seen.claims, e.claims, sizeof(seen.claims));
		}
		if (!each(arg, &seen))
			return;
	}
}

bool
l2_devices_each(struct l2 *l2, bool (*each)(void *, const struct l2_seen_device *), void *arg)
{
	struct device *const *all;
	size_t nr;

	if (!devices_known(l2->devices))
		return false;
	all = devices_all(l2->devices, &nr);
	for (size_t i = 0; i < nr; i++) {
		const struct device *dev = all[i];
		struct l2_seen_device seen = { .name = dev->l.name,
			.ifindex = dev->l.ifindex,
			.usable = !dev->why[0],
			.running = dev->l.up && dev->l.running,
			.why = dev->why,
			.prefixes = dev->prefixes,
			.nr_prefixes = dev->nr_prefixes };

		memcpy(seen.mac, dev->l.mac, sizeof(seen.mac));
		if (!each(arg, &seen))
			break;
	}
	return true;
}
