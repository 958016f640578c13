/*
 * tests/unit/datapath/mapkit.h: the maps that the writer of services writes, as the kernel makes
 * them, without programs.  For tests and benches; a process that may not make maps skips.
 */
#ifndef HERALD_TESTS_MAPKIT_H
#define HERALD_TESTS_MAPKIT_H

#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "datapath/maps.h"

struct mapkit {
	struct dp_maps m;
	size_t len[DP_NR_MAPS]; /* of what is mapped */
};

static inline int
mapkit_make(struct mapkit *k, enum dp_map at, enum bpf_map_type type, uint32_t key, uint32_t value,
    uint32_t nr, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);

	k->m.fd[at] = bpf_map_create(type, "mapkit", key, value, nr, &opts);
	k->m.nr[at] = nr;
	return k->m.fd[at] < 0 ? -1 : 0;
}

static inline void *
mapkit_array(struct mapkit *k, enum dp_map at, uint32_t value, uint32_t nr)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), len = (size_t)nr * ((value + 7) & ~7u);
	void *p;

	if (mapkit_make(k, at, BPF_MAP_TYPE_ARRAY, 4, value, nr, BPF_F_MMAPABLE) < 0)
		return NULL;
	k->len[at] = (len + page - 1) & ~(page - 1);
	p = mmap(NULL, k->len[at], PROT_READ | PROT_WRITE, MAP_SHARED, k->m.fd[at], 0);
	return p == MAP_FAILED ? NULL : p;
}

static inline void
mapkit_fini(struct mapkit *k)
{
	if (k->m.filter)
		munmap(k->m.filter, k->len[DP_MAP_FILTER]);
	if (k->m.fe)
		munmap(k->m.fe, k->len[DP_MAP_FE_ROWS]);
	if (k->m.tables)
		munmap(k->m.tables, k->len[DP_MAP_TABLES]);
	if (k->m.be)
		munmap(k->m.be, k->len[DP_MAP_BE_ROWS]);
	for (int i = 0; i < DP_NR_MAPS; i++) {
		if (k->m.fd[i] >= 0)
			close(k->m.fd[i]);
	}
	memset(k, 0, sizeof(*k));
	memset(k->m.fd, 0xff, sizeof(k->m.fd));
}

/* -1: errno says why; nothing is left then. */
static inline int
mapkit_init(struct mapkit *k, uint32_t fe, uint32_t be, uint32_t words)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_MEMLOCK, &all); /* for kernels before 5.11 */
	memset(k, 0, sizeof(*k));
	memset(k->m.fd, 0xff, sizeof(k->m.fd));
	k->m.filter = mapkit_array(k, DP_MAP_FILTER, LB_FILTER_SIZE, 1);
	k->m.fe = mapkit_array(k, DP_MAP_FE_ROWS, sizeof(struct lb_fe_row), fe);
	k->m.tables = mapkit_array(k, DP_MAP_TABLES, 8, words);
	k->m.be = mapkit_array(k, DP_MAP_BE_ROWS, sizeof(struct lb_be_row), be);
	if (k->m.filter && k->m.fe && k->m.tables && k->m.be &&
	    mapkit_make(k, DP_MAP_FRONTENDS, BPF_MAP_TYPE_HASH, sizeof(struct lb_fe_key), 4, 2 * fe,
		0) == 0 &&
	    mapkit_make(k, DP_MAP_SRC_RANGES, BPF_MAP_TYPE_LPM_TRIE, sizeof(struct lb_range_key), 4,
		65536, BPF_F_NO_PREALLOC) == 0 &&
	    mapkit_make(k, DP_MAP_AFFINITY, BPF_MAP_TYPE_LRU_HASH, sizeof(struct lb_affinity_key),
		sizeof(struct lb_affinity), 8192, 0) == 0 &&
	    mapkit_make(k, DP_MAP_FE_COUNTS, BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct lb_count),
		fe, 0) == 0 &&
	    mapkit_make(k, DP_MAP_BE_COUNTS, BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct lb_count),
		be, 0) == 0)
		return 0;
	mapkit_fini(k);
	return -1;
}

#endif
