/*
 * l2/answer.c: what is in the maps of the answering program.  Stands between l2.c, which knows
 * addresses and devices, and the kernel.
 */
#include "l2/answer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

struct l2_key
answer_key(const struct addr *a, unsigned ifindex)
{
	struct l2_key key = { .ifindex = ifindex, .family = a->family == ADDR_V4 ? 4 : 6 };

	memcpy(key.addr, a->b, sizeof(key.addr));
	return key;
}

struct addr
answer_addr(const struct l2_key *key)
{
	struct addr a = { .family = key->family == 4 ? ADDR_V4 : ADDR_V6 };

	memcpy(a.b, key->addr, sizeof(a.b));
	return a;
}

int
answer_add(struct answer *a, const struct l2_key *key, uint64_t *since)
{
	struct l2_entry e = { .since = *since };

	if (bpf_map_update_elem(a->map[ANSWER_ADDRS], key, &e, BPF_NOEXIST) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (answer_get(a, key, &e))
		*since = e.since;
	return 0;
}

int
answer_del(struct answer *a, const struct l2_key *key)
{
	return bpf_map_delete_elem(a->map[ANSWER_ADDRS], key) < 0 && errno != ENOENT ? -errno : 0;
}

bool
answer_get(const struct answer *a, const struct l2_key *key, struct l2_entry *e)
{
	return bpf_map_lookup_elem(a->map[ANSWER_ADDRS], key, e) == 0;
}

/* The keys are read before the first is told: the map may change under our hands. */
int
answer_each(struct answer *a, void (*each)(void *arg, const struct l2_key *), void *arg)
{
	struct l2_key *keys = NULL, *at = NULL, next;
	size_t nr = 0, cap = 0;
	int err = 0;

	while (bpf_map_get_next_key(a->map[ANSWER_ADDRS], at, &next) == 0) {
		err = mem_grow((void **)&keys, &cap, nr, sizeof(*keys), 1 << 17);
		if (err < 0)
			break;
		keys[nr] = next;
		at = &keys[nr++];
	}
	for (size_t i = 0; err == 0 && i < nr; i++)
		each(arg, &keys[i]);
	mem_free(keys);
	return err;
}

int
answer_device_set(struct answer *a, unsigned ifindex, const struct l2_device *dev)
{
	return bpf_map_update_elem(a->map[ANSWER_DEVICES], &ifindex, dev, BPF_ANY) < 0 ? -errno : 0;
}

void
answer_device_del(struct answer *a, unsigned ifindex)
{
	(void)bpf_map_delete_elem(a->map[ANSWER_DEVICES], &ifindex);
}

int
answer_until(struct answer *a, uint64_t until_ns)
{
	struct l2_state state = { .abi = L2_ABI_VERSION, .until_ns = until_ns };
	uint32_t zero = 0;

	return bpf_map_update_elem(a->map[ANSWER_STATE], &zero, &state, BPF_ANY) < 0 ? -errno : 0;
}

bool
answer_is_in_time(const struct answer *a, uint64_t now_ns)
{
	struct l2_state state;
	uint32_t zero = 0;

	return bpf_map_lookup_elem(a->map[ANSWER_STATE], &zero, &state) == 0 &&
	    (state.until_ns == 0 || now_ns < state.until_ns);
}

int
answer_watch(struct answer *a, const struct l2_key *key)
{
	struct l2_watch w = { .heard = 0 };

	/* One that is there goes on: it is probed for twice. */
	return bpf_map_update_elem(a->map[ANSWER_WATCHED], key, &w, BPF_NOEXIST) < 0 &&
		errno != EEXIST
	    ? -errno
	    : 0;
}

bool
answer_unwatch(struct answer *a, const struct l2_key *key, struct l2_watch *w)
{
	if (bpf_map_lookup_elem(a->map[ANSWER_WATCHED], key, w) < 0)
		return false;
	(void)bpf_map_delete_elem(a->map[ANSWER_WATCHED], key);
	return w->heard > 0;
}

static int
on_record(void *arg, void *data, size_t size)
{
	struct answer *a = arg;

	/* What is pinned may have been written by another program. */
	if (size == sizeof(struct l2_event))
		a->heard(a->heard_arg, data);
	return 0;
}

int
answer_listen(struct answer *a, void (*heard)(void *arg, const struct l2_event *), void *arg)
{
	a->heard = heard;
	a->heard_arg = arg;
	a->ring = ring_buffer__new(a->map[ANSWER_EVENTS], on_record, a, NULL);
	return a->ring ? 0 : -errno;
}

int
answer_listen_fd(const struct answer *a)
{
	return ring_buffer__epoll_fd(a->ring);
}

void
answer_hear(struct answer *a)
{
	if (a->ring)
		(void)ring_buffer__consume(a->ring);
}

uint64_t
answer_counter(const struct answer *a, unsigned i)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *value, sum = 0;

	if (!answer_is_loaded(a) || i >= L2_NR_COUNTS || cpus < 1)
		return 0;
	value = xnew_n(uint64_t, (size_t)cpus);
	if (bpf_map_lookup_elem(a->map[ANSWER_COUNTERS], &i, value) == 0) {
		for (int c = 0; c < cpus; c++)
			sum += value[c];
	}
	free(value);
	return sum;
}
