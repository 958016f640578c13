/*
 * datapath/services_read.c: whole maps read from the kernel: keys of frontends, source ranges,
 * counters.  Called by who adopts, audits and answers.  In batches where the kernel has them.
 */
#include "datapath/services.h"

#include "lib/mem.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#define CHUNK 4096

/* Room for @more behind @nr. */
static int
room(struct lb_fe_key **keys, __u32 **values, size_t *cap, size_t nr, size_t more)
{
	size_t want = nr + more + nr / 2;
	void *p;

	if (nr + more <= *cap)
		return 0;
	p = mem_realloc(*keys, want, sizeof(**keys));
	if (!p)
		return -ENOMEM;
	*keys = p;
	p = mem_realloc(*values, want, sizeof(**values));
	if (!p)
		return -ENOMEM;
	*values = p;
	*cap = want;
	return 0;
}

/* -ENOTSUP: the kernel has no batches for it. */
static long
read_batches(int fd, struct lb_fe_key **keys, __u32 **values)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 chunk = CHUNK, batch = 0, *from = NULL;
	size_t nr = 0, cap = 0;
	int err = 0;

	while (!err) {
		__u32 count = chunk;

		if (room(keys, values, &cap, nr, chunk) < 0)
			return -ENOMEM;
		err =
		    bpf_map_lookup_batch(fd, from, &batch, *keys + nr, *values + nr, &count, &opts);
		if (err == -ENOSPC && chunk < 1U << 20) { /* a bucket holds more than that */
			chunk *= 2;
			err = 0;
			continue;
		}
		if (err && err != -ENOENT)
			return from ? err : -ENOTSUP;
		nr += count;
		from = &batch;
	}
	return (long)nr;
}

static long
read_singly(int fd, struct lb_fe_key **keys, __u32 **values)
{
	struct lb_fe_key key, *from = NULL;
	size_t nr = 0, cap = 0;

	while (bpf_map_get_next_key(fd, from, &key) == 0) {
		if (room(keys, values, &cap, nr, 1) < 0)
			return -ENOMEM;
		(*keys)[nr] = key;
		if (bpf_map_lookup_elem(fd, &key, &(*values)[nr]) == 0)
			nr++;
		from = &key;
	}
	return (long)nr;
}

long
sv_hash_read(const struct dp_services *s, struct lb_fe_key **keys, __u32 **values)
{
	int fd = s->m->fd[DP_MAP_FRONTENDS];
	long nr = s->no_batch ? -ENOTSUP : -EAGAIN;

	*keys = NULL;
	*values = NULL;
	if (!s->no_batch)
		nr = read_batches(fd, keys, values);
	if (nr == -ENOTSUP) {
		mem_free(*keys);
		mem_free(*values);
		*keys = NULL;
		*values = NULL;
		nr = read_singly(fd, keys, values);
	}
	if (nr < 0) {
		mem_free(*keys);
		mem_free(*values);
		*keys = NULL;
		*values = NULL;
	}
	return nr;
}

long
sv_ranges_read(const struct dp_services *s, struct lb_range_key **keys)
{
	struct lb_range_key key, *from = NULL;
	size_t nr = 0, cap = 0;

	*keys = NULL;
	while (bpf_map_get_next_key(s->m->fd[DP_MAP_SRC_RANGES], from, &key) == 0) {
		if (mem_grow((void **)keys, &cap, nr, sizeof(key), 0) < 0) {
			mem_free(*keys);
			*keys = NULL;
			return -ENOMEM;
		}
		(*keys)[nr++] = key;
		from = &key;
	}
	return (long)nr;
}

static void
add_cpus(struct lb_count *out, const struct lb_count *cpu, unsigned cpus)
{
	*out = (struct lb_count){ 0 };
	for (unsigned i = 0; i < cpus; i++) {
		out->packets += cpu[i].packets;
		out->bytes += cpu[i].bytes;
		out->flows += cpu[i].flows;
	}
}

int
sv_counts_read(
    const struct dp_services *s, enum dp_map map, uint32_t from, uint32_t nr, struct lb_count *out)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	int fd = s->m->fd[map], n = libbpf_num_possible_cpus();
	unsigned cpus = n > 0 ? (unsigned)n : 1;
	struct lb_count *buf;
	/* A batch begins behind the row that it is given. */
	uint32_t *rows, done = 0, batch = from - 1, row;
	int err = 0;

	buf = mem_calloc((size_t)CHUNK * cpus, sizeof(*buf));
	rows = mem_calloc(CHUNK, sizeof(*rows));
	if (!buf || !rows)
		err = -ENOMEM;
	/* Arrays of each CPU have batches since 5.13. */
	while (!err && !s->no_batch && fd >= 0 && done < nr) {
		__u32 count = nr - done < CHUNK ? nr - done : CHUNK;

		err = bpf_map_lookup_batch(
		    fd, from + done ? &batch : NULL, &batch, rows, buf, &count, &opts);
		if (err && err != -ENOENT)
			break;
		for (uint32_t i = 0; i < count && done < nr; i++, done++)
			add_cpus(&out[done], &buf[i * cpus], cpus);
	}
	err = err == -ENOMEM ? err : 0;
	for (; !err && done < nr; done++) {
		row = from + done;
		if (fd < 0 || bpf_map_lookup_elem(fd, &row, buf) < 0)
			out[done] = (struct lb_count){ 0 };
		else
			add_cpus(&out[done], buf, cpus);
	}
	mem_free(buf);
	mem_free(rows);
	return err;
}

/* Clients would be sent to whoever has the number next. */
static void
affinity_drop(const struct dp_services *s, int fd, const struct lb_affinity_key *k,
    const struct lb_affinity *a)
{
	if (services_is_dying_fe(s, k->frontend) || services_is_dying_be(s, a->backend))
		bpf_map_delete_elem(fd, k);
}

void
sv_affinity_purge(const struct dp_services *s)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	int fd = s->m->fd[DP_MAP_AFFINITY], err = 0;
	struct lb_affinity_key *keys = mem_calloc(CHUNK, sizeof(*keys));
	struct lb_affinity *values = mem_calloc(CHUNK, sizeof(*values));
	__u32 batch = 0, *from = NULL;

	while (keys && values && fd >= 0 && !err) {
		__u32 count = CHUNK;

		err = bpf_map_lookup_batch(fd, from, &batch, keys, values, &count, &opts);
		if (err && err != -ENOENT)
			break;
		for (__u32 i = 0; i < count; i++)
			affinity_drop(s, fd, &keys[i], &values[i]);
		from = &batch;
	}
	mem_free(keys);
	mem_free(values);
}
