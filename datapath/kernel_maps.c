/*
 * datapath/kernel_maps.c: the maps on their way into the process.  What an earlier one left is
 * carried on with when its layout is ours, and copied when only more room is wanted.
 */
#include "datapath/kernel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/mem.h"

/* What a larger map gets of the one that it replaces. */
enum fill {
	FILL_NONE,   /* caches, and what the daemon writes anew */
	FILL_ROWS,   /* row by row, at the same index; mapped memory */
	FILL_IMAGES, /* a hash table of blocks: see fill_mapped() */
	FILL_KEYS,   /* key by key */
	FILL_CPUS,   /* row by row, each with a value for every CPU */
};

/* In which field of struct dp_sizes the least number of entries stands. */
enum size {
	SIZE_AS_IS,
	SIZE_FE,
	SIZE_FE_TWICE,
	SIZE_BE,
	SIZE_TABLES,
	SIZE_FLOWS4,
	SIZE_FLOWS6,
	SIZE_AFFINITY,
	SIZE_SOCKS
};

/* clang-format off */
static const struct kind {
	const char *name;
	enum fill fill;
	enum size size;
	bool state;  /* these hold one state together: all of them are adopted, or nothing is */
	bool mapped;
} kinds[DP_NR_MAPS] = {
	[DP_MAP_CONF]       = { "conf",       FILL_NONE,   SIZE_AS_IS,    true,  true },
	[DP_MAP_FILTER]     = { "filter",     FILL_NONE,   SIZE_AS_IS,    true,  true },
	/* Beside each port the address itself may have a key. */
	[DP_MAP_FRONTENDS]  = { "frontends",  FILL_KEYS,   SIZE_FE_TWICE, true,  false },
	[DP_MAP_FE_ROWS]    = { "fe_rows",    FILL_ROWS,   SIZE_FE,       true,  true },
	[DP_MAP_TABLES]     = { "tables",     FILL_ROWS,   SIZE_TABLES,   true,  true },
	[DP_MAP_BE_ROWS]    = { "be_rows",    FILL_ROWS,   SIZE_BE,       true,  true },
	[DP_MAP_FLOWS4]     = { "flows4",     FILL_IMAGES, SIZE_FLOWS4,   true,  true },
	[DP_MAP_FLOWS6]     = { "flows6",     FILL_IMAGES, SIZE_FLOWS6,   true,  true },
	[DP_MAP_HOPS]       = { "hops",       FILL_NONE,   SIZE_AS_IS,    false, false },
	[DP_MAP_LINKS]      = { "links",      FILL_KEYS,   SIZE_AS_IS,    false, false },
	[DP_MAP_SRC_RANGES] = { "src_ranges", FILL_KEYS,   SIZE_AS_IS,    true,  false },
	[DP_MAP_FRAGS]      = { "frags",      FILL_NONE,   SIZE_AS_IS,    false, false },
	[DP_MAP_AFFINITY]   = { "affinity",   FILL_KEYS,   SIZE_AFFINITY, false, false },
	[DP_MAP_SOCKS]      = { "socks",      FILL_KEYS,   SIZE_SOCKS,    false, false },
	[DP_MAP_FE_COUNTS]  = { "fe_counts",  FILL_CPUS,   SIZE_FE,       false, false },
	[DP_MAP_BE_COUNTS]  = { "be_counts",  FILL_CPUS,   SIZE_BE,       false, false },
	[DP_MAP_COUNTERS]   = { "counters",   FILL_CPUS,   SIZE_AS_IS,    false, false },
	[DP_MAP_EVENTS]     = { "events",     FILL_NONE,   SIZE_AS_IS,    false, false },
	/* Never adopted: programs of one loading hand over to each other only. */
	[DP_MAP_SLOW]       = { "slow",       FILL_NONE,   SIZE_AS_IS,    false, false },
};
/* clang-format on */

const char *
kernel_map_name(enum dp_map m)
{
	return kinds[m].name;
}

uint32_t
kernel_blocks(uint32_t flows)
{
	uint32_t blocks = 1;

	while (blocks < (1U << 22) && (uint64_t)blocks * LB_BLOCK_WAYS < flows)
		blocks *= 2;
	return blocks;
}

/* @map NULL: any number will do where no size is asked. */
static uint32_t
wanted(enum dp_map m, const struct dp_sizes *s, const struct bpf_map *map)
{
	const uint32_t as_is = map ? bpf_map__max_entries(map) : 0;

	switch (kinds[m].size) {
	case SIZE_FE:
		return s->fe_rows;
	case SIZE_FE_TWICE:
		return s->fe_rows * 2;
	case SIZE_BE:
		return s->be_rows;
	case SIZE_TABLES:
		return s->tables;
	case SIZE_FLOWS4:
		return kernel_blocks(s->flows4);
	case SIZE_FLOWS6:
		return kernel_blocks(s->flows6);
	case SIZE_AFFINITY:
		return s->affinity ? s->affinity : as_is;
	case SIZE_SOCKS:
		return s->socks ? s->socks : as_is;
	case SIZE_AS_IS:
		break;
	}
	return as_is;
}

static int
info_of(int fd, struct bpf_map_info *info)
{
	uint32_t len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return fd < 0 || bpf_obj_get_info_by_fd(fd, info, &len) < 0 ? -1 : 0;
}

/* Could @fd stand for @map, its size aside? */
static bool
fits(int fd, const struct bpf_map *map)
{
	struct bpf_map_info info;

	return info_of(fd, &info) == 0 && info.type == bpf_map__type(map) &&
	    info.key_size == bpf_map__key_size(map) &&
	    info.value_size == bpf_map__value_size(map) &&
	    info.map_flags == bpf_map__map_flags(map);
}

static bool
is_flows(enum dp_map m)
{
	return m == DP_MAP_FLOWS4 || m == DP_MAP_FLOWS6;
}

/* A flow table of an earlier version, whose flows have other places? */
static bool
is_earlier(enum dp_map m, int fd)
{
	const uint32_t size = m == DP_MAP_FLOWS4 ? KERNEL_BUCKET4 : KERNEL_BUCKET6;
	struct bpf_map_info info;

	return is_flows(m) && info_of(fd, &info) == 0 && info.type == BPF_MAP_TYPE_ARRAY &&
	    info.value_size == size && info.map_flags == BPF_F_MMAPABLE;
}

static uint32_t
entries_of(int fd)
{
	struct bpf_map_info info;

	return info_of(fd, &info) < 0 ? 0 : info.max_entries;
}

/* All maps that make the state are there, and were written with our meaning. */
static bool
is_adoptable(struct bpf_object *obj, const int *from)
{
	struct lb_conf conf;
	uint32_t zero = 0;

	for (enum dp_map m = 0; m < DP_NR_MAPS; m++) {
		if (kinds[m].state && !is_earlier(m, from[m]) &&
		    !fits(from[m], bpf_object__find_map_by_name(obj, kinds[m].name)))
			return false;
	}
	return bpf_map_lookup_elem(from[DP_MAP_CONF], &zero, &conf) == 0 &&
	    conf.abi == LB_ABI_VERSION;
}

int
kernel_maps_prepare(struct bpf_object *obj, const struct kernel_ask *ask, bool *adopted, char *why)
{
	for (enum dp_map m = 0; m < DP_NR_MAPS; m++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, kinds[m].name);

		if (!map || bpf_map__set_max_entries(map, wanted(m, &ask->sizes, map)) < 0) {
			snprintf(why, KERNEL_WHY,
			    "the BPF object in this binary has no map \"%s\"; it was built wrongly",
			    kinds[m].name);
			return -ENOENT;
		}
	}
	*adopted = is_adoptable(obj, ask->from);
	for (enum dp_map m = 0; *adopted && m < DP_NR_MAPS; m++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, kinds[m].name);
		int err;

		if (m == DP_MAP_SLOW || !fits(ask->from[m], map) ||
		    entries_of(ask->from[m]) < bpf_map__max_entries(map))
			continue;
		err = bpf_map__reuse_fd(map, ask->from[m]);
		if (err < 0) {
			snprintf(why, KERNEL_WHY,
			    "cannot carry on with the pinned map %s/maps/%s: %s", ask->pin,
			    kinds[m].name, strerror(-err));
			return err;
		}
	}
	return 0;
}

/* ---- what a larger map gets ---- */

static size_t
mapped_len(uint32_t entries, uint32_t value_size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t len = (size_t)entries * ((value_size + 7) & ~7U);

	return (len + page - 1) / page * page;
}

static void *
map_memory(int fd, const struct bpf_map_info *info)
{
	void *at = mmap(NULL, mapped_len(info->max_entries, info->value_size),
	    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

/*
 * A flow stands in the block that the low bits of its hash name; with more bits it may be any of
 * those that agree in the low ones.  So the old table is copied into each of them: no hash needs
 * to be known, every flow is found again, and the copies that nobody looks for run into their
 * timeouts.  They fill as much of the new table as was filled of the old one.
 */
static int
fill_mapped(int from, int to, bool images)
{
	struct bpf_map_info old, new;
	char *src, *dst;
	size_t len;

	if (info_of(from, &old) < 0 || info_of(to, &new) < 0)
		return -errno;
	src = map_memory(from, &old);
	dst = map_memory(to, &new);
	len = (size_t)old.max_entries * ((old.value_size + 7) & ~7U);
	for (uint32_t i = 0; src && dst && i < (images ? new.max_entries / old.max_entries : 1);
	     i++)
		memcpy(dst + i * len, src, len);
	if (src)
		munmap(src, mapped_len(old.max_entries, old.value_size));
	if (dst)
		munmap(dst, mapped_len(new.max_entries, new.value_size));
	return src && dst ? 0 : -ENOMEM;
}

/* Flow by flow: from tables whose places the version before ours chose, and what came after the others. */
static int
fill_flows(
    const struct kernel_ask *ask, enum dp_map m, const struct dp_maps *maps, const uint16_t *since)
{
	const int from = ask->from[m], to = maps->fd[m], backends = ask->from[DP_MAP_BE_ROWS];
	const uint32_t ways = is_earlier(m, from) ? LB_WAYS : LB_BLOCK_WAYS;
	struct bpf_map_info old, new, be;
	char *src, *dst, *rows;

	if (info_of(from, &old) < 0 || info_of(to, &new) < 0 || info_of(backends, &be) < 0)
		return -errno;
	src = map_memory(from, &old);
	dst = map_memory(to, &new);
	rows = map_memory(backends, &be);
	if (src && dst && rows)
		(void)kernel_flows_move(&(struct flows_move){ .from = src,
		    .ways = (uint64_t)old.max_entries * ways,
		    .to = dst,
		    .blocks = new.max_entries,
		    .be = (const struct lb_be_row *)rows,
		    .nr_be = be.max_entries,
		    .seed = maps->conf->seed,
		    .v6 = m == DP_MAP_FLOWS6,
		    .now = (uint16_t)lb_now(),
		    .after = since != NULL,
		    .since = since ? *since : 0 });
	if (src)
		munmap(src, mapped_len(old.max_entries, old.value_size));
	if (dst)
		munmap(dst, mapped_len(new.max_entries, new.value_size));
	if (rows)
		munmap(rows, mapped_len(be.max_entries, be.value_size));
	return src && dst && rows ? 0 : -ENOMEM;
}

#define BATCH 4096

/* For tries, which know no batches before Linux 5.13. */
static int
fill_keys_singly(int from, int to, const struct bpf_map_info *info)
{
	uint64_t key[4], value[16];
	bool first = true;

	if (info->key_size > sizeof(key) || info->value_size > sizeof(value))
		return -EINVAL;
	/* More rounds than entries: somebody else changes it, and the walk began anew. */
	for (uint32_t i = 0; i <= info->max_entries; i++) {
		if (bpf_map_get_next_key(from, first ? NULL : key, key) < 0)
			return errno == ENOENT ? 0 : -errno;
		first = false;
		if (bpf_map_lookup_elem(from, key, value) == 0 &&
		    bpf_map_update_elem(to, key, value, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

static int
fill_keys(int from, int to)
{
	struct bpf_map_info info;
	uint64_t at[4] = { 0 }; /* where the kernel goes on; as large as the largest key */
	bool first = true, last = false;
	char *keys, *values;
	uint32_t nr;
	int err = 0;

	if (info_of(from, &info) < 0)
		return -errno;
	if (info.type == BPF_MAP_TYPE_LPM_TRIE)
		return fill_keys_singly(from, to, &info);
	if (info.key_size > sizeof(at))
		return -EINVAL;
	keys = mem_calloc(BATCH, info.key_size);
	values = mem_calloc(BATCH, info.value_size);
	while (keys && values && !last && err == 0) {
		nr = BATCH;
		if (bpf_map_lookup_batch(from, first ? NULL : at, at, keys, values, &nr, NULL) <
		    0) {
			last = true;
			if (errno != ENOENT)
				err = -errno;
		}
		first = false;
		if (err == 0 && nr > 0 && bpf_map_update_batch(to, keys, values, &nr, NULL) < 0)
			err = -errno;
	}
	if (!keys || !values)
		err = -ENOMEM;
	mem_free(keys);
	mem_free(values);
	return err;
}

static int
fill_cpus(int from, int to)
{
	struct bpf_map_info info;
	int cpus = libbpf_num_possible_cpus(), err = 0;
	uint64_t *value;
	size_t words;

	if (info_of(from, &info) < 0 || cpus < 1)
		return -EINVAL;
	words = (size_t)cpus * ((info.value_size + 7) / 8);
	value = mem_calloc(words, sizeof(*value));
	if (!value)
		return -ENOMEM;
	for (uint32_t i = 0; i < info.max_entries && err == 0; i++) {
		uint64_t any = 0;

		if (bpf_map_lookup_elem(from, &i, value) < 0)
			err = -errno;
		for (size_t w = 0; w < words; w++)
			any |= value[w];
		if (err == 0 && any && bpf_map_update_elem(to, &i, value, BPF_ANY) < 0)
			err = -errno;
	}
	mem_free(value);
	return err;
}

static int
fill(enum dp_map m, int from, int to)
{
	switch (kinds[m].fill) {
	case FILL_ROWS:
	case FILL_IMAGES:
		return fill_mapped(from, to, kinds[m].fill == FILL_IMAGES);
	case FILL_KEYS:
		return fill_keys(from, to);
	case FILL_CPUS:
		return fill_cpus(from, to);
	case FILL_NONE:
		break;
	}
	return 0;
}

/* ---- the configuration ---- */

static uint16_t
ticks(uint64_t seconds)
{
	return (uint16_t)((seconds * 1000000000 + (1U << LB_TICK_SHIFT) - 1) >> LB_TICK_SHIFT);
}

/* The seed stays with the flows; the rest is what this version thinks right. */
static int
fill_conf(struct lb_conf *c, bool adopted)
{
	/* clang-format off */
	static const uint16_t tcp_s[LB_NR_STATES] = { [LB_ST_NEW] = 60, [LB_ST_ANSWERED] = 60,
		/* As long as Cilium keeps them; an idle connection that is older has keepalives. */
		[LB_ST_OPEN] = 8000,
		/* as long as the backend's socket may be in TIME-WAIT, see bpf/select.h */
		[LB_ST_FIN_CLIENT] = 66, [LB_ST_FIN_BACKEND] = 66, [LB_ST_CLOSED] = 66 };
	static const uint16_t udp_s[LB_NR_STATES] = { [LB_ST_NEW] = 30, [LB_ST_ANSWERED] = 60,
		[LB_ST_OPEN] = 120, [LB_ST_FIN_CLIENT] = 60, [LB_ST_FIN_BACKEND] = 60,
		[LB_ST_CLOSED] = 10 };
	/* clang-format on */
	uint64_t seed;

	for (int s = 0; s < LB_NR_STATES; s++) {
		c->timeout_tcp[s] = ticks(tcp_s[s]);
		c->timeout_udp[s] = ticks(udp_s[s]);
	}
	c->flags |=
	    LB_CONF_ECHO; /* people ping the address of a service to see whether it is there */
	if (adopted)
		return 0;
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return -EIO;
	c->seed = seed;
	c->abi = LB_ABI_VERSION;
	return 0;
}

/* ---- into the process ---- */

static void **
memory_of(struct dp_maps *maps, enum dp_map m)
{
	switch (m) {
	case DP_MAP_CONF:
		return (void **)&maps->conf;
	case DP_MAP_FILTER:
		return (void **)&maps->filter;
	case DP_MAP_FE_ROWS:
		return (void **)&maps->fe;
	case DP_MAP_TABLES:
		return (void **)&maps->tables;
	case DP_MAP_BE_ROWS:
		return (void **)&maps->be;
	default: /* flows: resident as a whole from mmap on, so the sweep maps them in pieces */
		return NULL;
	}
}

static int
take_one(struct dp_maps *maps, enum dp_map m, int fd)
{
	struct bpf_map_info info;
	void **at = memory_of(maps, m);

	maps->fd[m] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (maps->fd[m] < 0 || info_of(maps->fd[m], &info) < 0)
		return -errno;
	maps->nr[m] = info.max_entries;
	if (!at)
		return 0;
	*at = map_memory(maps->fd[m], &info);
	return *at ? 0 : -ENOMEM;
}

static int
not_taken(enum dp_map m, int err, char *why)
{
	snprintf(why, KERNEL_WHY, "cannot take over the map \"%s\": %s%s", kinds[m].name,
	    strerror(-err), kernel_advice(err));
	return err;
}

int
kernel_maps_take(struct bpf_object *obj, const struct kernel_ask *ask, bool adopted,
    struct dp_maps *maps, char *why)
{
	int err;

	for (enum dp_map m = 0; m < DP_NR_MAPS; m++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, kinds[m].name);

		err = take_one(maps, m, bpf_map__fd(map));
		if (err == 0 && adopted && !is_flows(m) && fits(ask->from[m], map) &&
		    entries_of(ask->from[m]) < maps->nr[m])
			err = fill(m, ask->from[m], maps->fd[m]);
		if (err < 0)
			return not_taken(m, err, why);
	}
	err = fill_conf(maps->conf, adopted);
	if (err < 0)
		snprintf(why, KERNEL_WHY, "the kernel gave no random number for the flow tables");
	return err;
}

int
kernel_maps_take_flows(const struct kernel_ask *ask, struct dp_maps *maps, char *why)
{
	for (enum dp_map m = 0; m < DP_NR_MAPS; m++) {
		int err = 0;

		if (!is_flows(m))
			continue;
		if (is_earlier(m, ask->from[m]))
			err = fill_flows(ask, m, maps, NULL);
		else if (entries_of(ask->from[m]) < maps->nr[m])
			err = fill(m, ask->from[m], maps->fd[m]);
		if (err < 0)
			return not_taken(m, err, why);
	}
	return 0;
}

void
kernel_maps_follow_flows(const struct kernel_ask *ask, struct dp_maps *maps, uint16_t since)
{
	for (enum dp_map m = 0; m < DP_NR_MAPS; m++) {
		if (is_flows(m) && ask->from[m] >= 0 &&
		    kernel_map_id(ask->from[m]) != kernel_map_id(maps->fd[m]))
			(void)fill_flows(ask, m, maps, &since);
	}
}

bool
kernel_maps_suffice(const struct kernel_ask *ask)
{
	for (enum dp_map m = 0; m < DP_NR_MAPS; m++) {
		if (ask->from[m] < 0 || entries_of(ask->from[m]) < wanted(m, &ask->sizes, NULL))
			return false;
	}
	return true;
}

int
kernel_maps_keep(const struct kernel_ask *ask, struct dp_maps *maps, char *why)
{
	for (enum dp_map m = 0; m < DP_NR_MAPS; m++) {
		int err = take_one(maps, m, ask->from[m]);

		if (err < 0) {
			snprintf(why, KERNEL_WHY, "cannot carry on with the map \"%s\": %s",
			    kinds[m].name, strerror(-err));
			return err;
		}
	}
	return maps->conf->abi == LB_ABI_VERSION ? fill_conf(maps->conf, true) : -EINVAL;
}

void
kernel_maps_close(struct dp_maps *maps)
{
	struct bpf_map_info info;

	for (enum dp_map m = 0; m < DP_NR_MAPS; m++) {
		void **at = memory_of(maps, m);

		if (at && *at && info_of(maps->fd[m], &info) == 0)
			munmap(*at, mapped_len(info.max_entries, info.value_size));
		if (at)
			*at = NULL;
		if (maps->fd[m] >= 0)
			close(maps->fd[m]);
		maps->fd[m] = -1;
		maps->nr[m] = 0;
	}
}
