/*
 * tests/unit/datapath/bed.c: loads the programs with plain libbpf, fills maps
 * by hand, runs frames.
 */
#include "tests/unit/datapath/bed.h"
#include "datapath/objects.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <check.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- loading ---- */

static int __attribute__((format(printf, 2, 0)))
quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	return level == LIBBPF_WARN && getenv("BED_VERBOSE") ? vfprintf(stderr, format, ap) : 0;
}

/* Before any test runs, check has nobody to tell a failure to. */
static void __attribute__((format(printf, 2, 3))) must(bool ok, const char *format, ...)
{
	va_list ap;

	if (ok)
		return;
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

/* `ip` with these words; false: it could not. */
bool
bed_ip(const char *words)
{
	char copy[200], *argv[24] = { (char *)"ip" }, *save = NULL;
	int argc = 1, status = -1;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *w = strtok_r(copy, " ", &save); w && argc < 23; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	if (posix_spawnp(&pid, "ip", NULL, NULL, argv, environ) != 0)
		return false;
	return waitpid(pid, &status, 0) == pid && status == 0;
}

/* All have the MAC address to which the tests' frames go: what goes to another is left alone. */
static bool
make_devices(void)
{
	static const char *const words[] = { "link set lo up",
		"link add name up0 index 10 address 02:00:00:00:00:01 type veth peer name up1 "
		"index 11",
		"link add name pod0 index 12 address 02:00:00:00:00:01 type veth peer name pod1 "
		"index 13",
		"link add name oth0 index 14 address 02:00:00:00:00:01 type veth peer name oth1 "
		"index 15",
		"link set up0 up", "link set up1 up", "link set pod0 up", "link set pod1 up",
		"link set oth0 up", "link set oth1 up" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!bed_ip(words[i]))
			return false;
	return true;
}

static void
size_map(struct bpf_object *obj, const char *name, uint32_t entries)
{
	struct bpf_map *m = bpf_object__find_map_by_name(obj, name);

	must(m != NULL, "no map %s", name);
	must(bpf_map__set_max_entries(m, entries) == 0, "the size of %s", name);
}

/* One of the options that are set before loading. */
static void
set_option(struct bpf_object *obj, const char *name, uint32_t value)
{
	struct bpf_map *m = bpf_object__find_map_by_name(obj, ".rodata");
	const struct btf *btf = bpf_object__btf(obj);
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *section = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
	size_t size = 0;
	const void *have = m ? bpf_map__initial_value(m, &size) : NULL;
	uint8_t data[256];

	must(section && have && size <= sizeof(data), "the object has no options (%s)", name);
	memcpy(data, have, size);
	for (uint32_t i = 0; i < btf_vlen(section); i++) {
		const struct btf_var_secinfo *v = &btf_var_secinfos(section)[i];
		const struct btf_type *t = btf__type_by_id(btf, v->type);

		if (strcmp(btf__name_by_offset(btf, t->name_off), name) != 0)
			continue;
		must(v->size == sizeof(value) && v->offset + sizeof(value) <= size, "option %s",
		    name);
		memcpy(data + v->offset, &value, sizeof(value));
		must(bpf_map__set_initial_value(m, data, size) == 0, "option %s", name);
		return;
	}
	must(false, "no option %s", name);
}

static void *
map_memory(int fd, size_t size)
{
	void *p =
	    mmap(NULL, (size + 4095) & ~(size_t)4095, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	must(p != MAP_FAILED, "a map cannot be mapped: %s", strerror(errno));
	return p;
}

static void
find_maps(struct bed *b)
{
	static const char *const names[] = {
#define NAME(symbol, name) #name,
		DP_MAP_LIST(NAME)
#undef NAME
	};

	for (size_t i = 0; i < DP_NR_MAPS; i++) {
		b->fd[i] = bpf_object__find_map_fd_by_name(b->obj, names[i]);
		must(b->fd[i] >= 0, "no map %s", names[i]);
	}
	b->conf = map_memory(b->fd[DP_MAP_CONF], sizeof(*b->conf));
	b->filter = map_memory(b->fd[DP_MAP_FILTER], LB_FILTER_SIZE);
	b->fe = map_memory(b->fd[DP_MAP_FE_ROWS], sizeof(*b->fe) * BED_ROWS);
	b->be = map_memory(b->fd[DP_MAP_BE_ROWS], sizeof(*b->be) * BED_ROWS);
	b->tables = map_memory(b->fd[DP_MAP_TABLES], sizeof(*b->tables) * BED_WORDS);
	b->flows4 = map_memory(b->fd[DP_MAP_FLOWS4], sizeof(*b->flows4) * b->blocks);
	b->flows6 = map_memory(b->fd[DP_MAP_FLOWS6], sizeof(*b->flows6) * b->blocks);
}

static void
find_programs(struct bed *b)
{
	static const char *const names[] = { "herald_xdp", "herald_net", "herald_pod",
		"herald_out" };
	static const char *const slow[] = { "herald_slow4", "herald_slow6" };
	struct bpf_program *p;

	for (size_t i = 0; i < BED_NR_PROGS; i++) {
		p = bpf_object__find_program_by_name(b->obj, names[i]);
		must(p != NULL, "no program %s", names[i]);
		b->prog[i] = bpf_program__fd(p);
	}
	for (uint32_t i = 0; i < LB_NR_SLOW; i++) {
		int fd;

		p = bpf_object__find_program_by_name(b->obj, slow[i]);
		must(p != NULL, "no program %s", slow[i]);
		fd = bpf_program__fd(p);
		must(bpf_map_update_elem(b->fd[DP_MAP_SLOW], &i, &fd, BPF_ANY) == 0, "slot of %s",
		    slow[i]);
	}
}

bool
bed_lay(struct bed *b, char *why, size_t size)
{
	int err;

	*b = (struct bed){ .blocks = BED_BLOCKS };
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
		snprintf(why, size,
		    "needs the right to load BPF programs and to make a network namespace");
		return false;
	}
	if (!make_devices()) {
		snprintf(why, size, "iproute2 cannot make veth devices");
		return false;
	}
	libbpf_set_print(quiet);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	b->obj = bpf_object__open_mem(object_lb, object_lb_len, NULL);
	must(b->obj != NULL, "the object cannot be read: %s", strerror(errno));
	size_map(b->obj, "fe_rows", BED_ROWS);
	size_map(b->obj, "be_rows", BED_ROWS);
	size_map(b->obj, "fe_counts", BED_ROWS);
	size_map(b->obj, "be_counts", BED_ROWS);
	size_map(b->obj, "tables", BED_WORDS);
	size_map(b->obj, "flows4", b->blocks);
	size_map(b->obj, "flows6", b->blocks);
	size_map(b->obj, "hops", BED_HOPS);
	set_option(b->obj, "flow4_mask", b->blocks - 1);
	set_option(b->obj, "flow6_mask", b->blocks - 1);
	set_option(b->obj, "hop_mask", BED_HOPS - 1);
	err = bpf_object__load(b->obj);
	if (err == -EPERM) {
		snprintf(why, size, "may not load BPF programs");
		return false;
	}
	must(err == 0, "the programs do not load: %s (BED_VERBOSE=1 says more)", strerror(-err));
	find_maps(b);
	find_programs(b);
	return true;
}

void
bed_clear(struct bed *b)
{
	munmap(b->conf, 4096);
	munmap(b->filter, LB_FILTER_SIZE);
	munmap(b->fe, sizeof(*b->fe) * BED_ROWS);
	munmap(b->be, sizeof(*b->be) * BED_ROWS);
	munmap(b->tables, sizeof(*b->tables) * BED_WORDS);
	munmap(b->flows4, sizeof(*b->flows4) * b->blocks);
	munmap(b->flows6, sizeof(*b->flows6) * b->blocks);
	bpf_object__close(b->obj);
	*b = (struct bed){ 0 };
}

/* ---- filling ---- */

static void
empty_hash(int fd)
{
	uint8_t key[128];

	while (bpf_map_get_next_key(fd, NULL, key) == 0)
		if (bpf_map_delete_elem(fd, key) < 0)
			break;
}

static void
empty_events(struct bed *b)
{
	struct lb_event e;

	while (bed_event(b, &e))
		;
}

static void
empty_hops(struct bed *b)
{
	/* By generation, as the daemon does: nothing is so old that it could come
   * back. */
	static uint32_t generation = 1;

	b->conf->hop_generation = ++generation;
}

static void
zero_counts(const struct bed *b, enum dp_map map)
{
	static const struct lb_count none[256];

	for (uint32_t row = 0; row < BED_ROWS; row++)
		ck_assert_int_eq(bpf_map_update_elem(b->fd[map], &row, none, BPF_ANY), 0);
}

void
bed_reset(struct bed *b)
{
	static const enum dp_map hashes[] = { DP_MAP_FRONTENDS, DP_MAP_LINKS, DP_MAP_SRC_RANGES,
		DP_MAP_FRAGS, DP_MAP_AFFINITY, DP_MAP_SOCKS };
	struct lb_conf *c = b->conf;

	memset(c, 0, sizeof(*c));
	memset(b->filter, 0, LB_FILTER_SIZE);
	memset(b->fe, 0, sizeof(*b->fe) * BED_ROWS);
	memset(b->be, 0, sizeof(*b->be) * BED_ROWS);
	memset(b->tables, 0, sizeof(*b->tables) * BED_WORDS);
	memset(b->flows4, 0, sizeof(*b->flows4) * b->blocks);
	memset(b->flows6, 0, sizeof(*b->flows6) * b->blocks);
	b->nr_fe = b->nr_be = 1;
	b->nr_words = 1;
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		empty_hash(b->fd[hashes[i]]);
	zero_counts(b, DP_MAP_FE_COUNTS);
	zero_counts(b, DP_MAP_BE_COUNTS);
	empty_hops(b);
	empty_events(b);
	c->seed = 0x0123456789abcdefULL;
	c->snat4 = bed_addr("192.0.2.1");
	c->snat6 = bed_addr("2001:db8:1::1");
	c->snat_port_min = 61000;
	c->snat_port_nr = 1000;
	c->flags = LB_CONF_ECHO | LB_CONF_OBSERVE_NEW | LB_CONF_OBSERVE_DROP;
	c->abi = LB_ABI_VERSION;
	for (size_t i = 0; i < LB_NR_STATES; i++) {
		c->timeout_tcp[i] = i == LB_ST_OPEN ? 20000 : 100;
		c->timeout_udp[i] = 200;
	}
	bed_filter(b, "192.0.2.1", LB_IS_SNAT);
	bed_filter(b, "2001:db8:1::1", LB_IS_SNAT);
}

struct lb_addr
bed_addr(const char *text)
{
	struct lb_addr out = { { 0 } };
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	memcpy(out.w, a.b, sizeof(out.w));
	return out;
}

static uint8_t
family(const char *ip)
{
	return strchr(ip, ':') ? 6 : 4;
}

void
bed_filter(struct bed *b, const char *ip, uint8_t bits)
{
	struct lb_addr a = bed_addr(ip);

	b->filter[lb_filter_index(&a)] |= bits;
}

void
bed_table(struct bed *b, uint32_t fe, enum lb_scope scope, const uint32_t *rows, uint32_t nr)
{
	const uint32_t slots = nr ? 31 : 0;
	uint32_t *list = (uint32_t *)(void *)&b->tables[b->nr_words];
	uint64_t *words = &b->tables[b->nr_words];

	ck_assert_uint_le(b->nr_words + LB_TABLE_WORDS(slots, nr), BED_WORDS);
	for (uint32_t i = 0; i < nr; i++)
		list[i] = rows[i];
	for (uint32_t i = 0; i < slots; i++)
		words[lb_slot_word(i, nr)] |= (uint64_t)(i % nr) << ((i << LB_SLOT_LOG(nr)) & 63);
	b->fe[fe].table[scope] = LB_TABLE(b->nr_words, slots, nr);
	b->nr_words += LB_TABLE_WORDS(slots, nr);
}

static void
add_backend(struct bed *b, const struct bed_service *s, const struct bed_backend *w)
{
	struct lb_be_row *row = &b->be[b->nr_be++];

	ck_assert_uint_lt(b->nr_be, BED_ROWS);
	*row = (struct lb_be_row){ .addr = bed_addr(w->ip),
		.port = htons(w->port),
		.proto = s->proto,
		.family = family(w->ip),
		.flags = w->flags | LB_BE_LIVE };
	if (w->node)
		row->node = bed_addr(w->node);
	bed_filter(b, w->ip, LB_IS_BACKEND);
}

static void
add_key(struct bed *b, const struct bed_service *s, uint32_t row)
{
	const uint32_t none = ~0U;
	struct lb_fe_key k = { .addr = bed_addr(s->vip),
		.port = htons(s->port),
		.proto = s->proto,
		.family = family(s->vip) };
	int fd = b->fd[DP_MAP_FRONTENDS];

	ck_assert_int_eq(bpf_map_update_elem(fd, &k, &row, BPF_ANY), 0);
	k.port = 0;
	k.proto = 0;
	ck_assert_int_eq(bpf_map_update_elem(fd, &k, &none, BPF_ANY), 0);
	bed_filter(b, s->vip, LB_IS_VIP);
}

uint32_t
bed_service(struct bed *b, const struct bed_service *s, uint32_t *be)
{
	uint32_t rows[LB_NR_SCOPES][8], nr[LB_NR_SCOPES] = { 0 }, fe = b->nr_fe++;
	uint32_t types =
	    LB_FE_CLUSTER_IP | LB_FE_NODE_PORT | LB_FE_EXTERNAL_IP | LB_FE_LOAD_BALANCER;
	struct lb_fe_row *row = &b->fe[fe];

	ck_assert_uint_lt(fe, BED_ROWS);
	if (be)
		*be = b->nr_be;
	for (size_t i = 0; i < 8 && s->backend[i].ip; i++) {
		const struct bed_backend *w = &s->backend[i];

		if (!w->only_internal)
			rows[LB_EXTERNAL][nr[LB_EXTERNAL]++] = b->nr_be;
		if (!w->only_external)
			rows[LB_INTERNAL][nr[LB_INTERNAL]++] = b->nr_be;
		add_backend(b, s, w);
	}
	*row = (struct lb_fe_row){ .addr = bed_addr(s->vip),
		.port = htons(s->port),
		.proto = s->proto,
		.family = family(s->vip),
		.flags = s->flags | LB_FE_LIVE | (s->flags & types ? 0 : LB_FE_LOAD_BALANCER),
		.affinity_s = s->affinity_s,
		.service = s->service };
	bed_table(b, fe, LB_EXTERNAL, rows[LB_EXTERNAL], nr[LB_EXTERNAL]);
	bed_table(b, fe, LB_INTERNAL, rows[LB_INTERNAL], nr[LB_INTERNAL]);
	add_key(b, s, fe);
	return fe;
}

/* As bpf/forward.h finds its row. */
static uint32_t
hop_index(const struct lb_addr *a, bool v6)
{
	uint32_t h = a->w[0];

	if (v6)
		h ^= (a->w[1] * 0x85ebca6bU) ^ (a->w[2] * 0xc2b2ae35U) ^ (a->w[3] * 0x27d4eb2fU);
	h *= 0x9e3779b1U;
	return (h ^ h >> 15) & (BED_HOPS - 1);
}

void
bed_hop(struct bed *b, const char *ip, unsigned ifindex, uint8_t mac, uint16_t mtu, uint16_t flags)
{
	struct lb_hop hop = { .addr = bed_addr(ip),
		.generation = b->conf->hop_generation,
		.ifindex = ifindex,
		.dmac = { 2, 0, 0, 0, 0, mac },
		.smac = { 2, 0, 0, 0, 0, 1 },
		.mtu = mtu,
		.flags = flags };
	uint32_t i = hop_index(&hop.addr, family(ip) == 6);

	ck_assert_int_eq(bpf_map_update_elem(b->fd[DP_MAP_HOPS], &i, &hop, BPF_ANY), 0);
}

void
bed_range(struct bed *b, uint32_t set, const char *prefix)
{
	struct lb_range_key k = { .set = set };
	struct prefix p;
	uint32_t one = 1;

	ck_assert_int_eq(prefix_parse(prefix, &p, NULL), 0);
	memcpy(k.addr.w, p.addr.b, sizeof(k.addr.w));
	k.prefixlen = 32U + p.len;
	if (p.addr.family == ADDR_V6)
		k.set |= LB_RANGES_V6;
	ck_assert_int_eq(bpf_map_update_elem(b->fd[DP_MAP_SRC_RANGES], &k, &one, BPF_ANY), 0);
}

/* ---- running ---- */

static void
counters(const struct bed *b, uint64_t *sum)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t each[256];

	ck_assert(cpus > 0 && cpus <= 256);
	for (uint32_t i = 0; i < LB_NR_COUNTERS; i++) {
		sum[i] = 0;
		ck_assert_int_eq(bpf_map_lookup_elem(b->fd[DP_MAP_COUNTERS], &i, each), 0);
		for (int k = 0; k < cpus; k++)
			sum[i] += each[k];
	}
}

void
bed_run(struct bed *b, enum bed_prog prog, unsigned ifindex, const struct frame *in,
    struct bed_ran *ran)
{
	struct xdp_md md = { .data_end = (uint32_t)in->len, .ingress_ifindex = ifindex };
	struct __sk_buff skb = { .ifindex = ifindex };
	uint64_t before[LB_NR_COUNTERS];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in->b, .data_size_in = (uint32_t)in->len,
	    .data_out = ran->frame.b, .data_size_out = FRAME_MAX, .repeat = 1);
	int err;

	if (prog == BED_XDP) {
		run.ctx_in = &md;
		run.ctx_size_in = sizeof(md);
	} else {
		run.ctx_in = &skb;
		run.ctx_size_in = sizeof(skb);
	}
	counters(b, before);
	err = bpf_prog_test_run_opts(b->prog[prog], &run);
	ck_assert_msg(err == 0, "%zu bytes cannot be run: %s", in->len, strerror(-err));
	counters(b, ran->up);
	for (size_t i = 0; i < LB_NR_COUNTERS; i++)
		ran->up[i] -= before[i];
	ran->verdict = run.retval;
	ran->frame.len = run.data_size_out;
}

unsigned
bed_why(const struct bed_ran *ran)
{
	unsigned why = LB_NR_WHY;
	uint64_t sum = 0;

	for (unsigned i = 0; i < LB_WHY_ROOM; i++) {
		sum += ran->up[i];
		if (ran->up[i])
			why = i;
	}
	return sum == 1 ? why : LB_NR_WHY;
}

const char *
bed_why_name(unsigned why)
{
	static const char *const names[] = {
#define NAME(symbol, name, sentence) name,
		LB_WHY_LIST(NAME)
#undef NAME
	};

	return why < LB_NR_WHY ? names[why] : "none or several";
}

/* ---- looking ---- */

__u64 *
bed_flow_at(const struct bed *b, const char *client, uint16_t port, bool twin, uint16_t *snat)
{
	struct lb_addr a = bed_addr(client);
	bool v6 = family(client) == 6;

	for (uint32_t i = 0; i < b->blocks * LB_BLOCK_WAYS; i++) {
		struct lb_flow4 *f4 = &b->flows4[i / LB_BLOCK_WAYS].way[i % LB_BLOCK_WAYS];
		struct lb_flow6 *f6 = &b->flows6[i / LB_BLOCK_WAYS].way[i % LB_BLOCK_WAYS];
		__u64 key = v6 ? f6->key : f4->key, *value = v6 ? &f6->value : &f4->value;
		bool same = v6 ? memcmp(f6->client, &a, 16) == 0 : (uint32_t)key == a.w[0];

		if (!same || (uint16_t)(key >> 32) != htons(port) ||
		    LB_FLOW_STATE(*value) == LB_ST_FREE || LB_FLOW_TWIN(*value) != twin)
			continue;
		if (snat)
			*snat = ntohs((uint16_t)(key >> 48));
		return value;
	}
	return NULL;
}

uint64_t
bed_flow(const struct bed *b, const char *client, uint16_t port, bool twin, uint16_t *snat)
{
	__u64 *at = bed_flow_at(b, client, port, twin, snat);

	return at ? *at : 0;
}

size_t
bed_flows(const struct bed *b, bool v6)
{
	size_t n = 0;

	for (uint32_t i = 0; i < b->blocks * LB_BLOCK_WAYS; i++)
		n += (v6 ? b->flows6[i / LB_BLOCK_WAYS].way[i % LB_BLOCK_WAYS].value
			 : b->flows4[i / LB_BLOCK_WAYS].way[i % LB_BLOCK_WAYS].value) != 0;
	return n;
}

struct lb_count
bed_count(const struct bed *b, enum dp_map map, uint32_t row)
{
	int cpus = libbpf_num_possible_cpus();
	struct lb_count each[256], sum = { 0 };

	ck_assert(cpus > 0 && cpus <= 256);
	ck_assert_int_eq(bpf_map_lookup_elem(b->fd[map], &row, each), 0);
	for (int i = 0; i < cpus; i++) {
		sum.packets += each[i].packets;
		sum.bytes += each[i].bytes;
		sum.flows += each[i].flows;
	}
	return sum;
}

void
bed_link(struct bed *b, unsigned ifindex, uint32_t flags, uint32_t mtu)
{
	struct lb_link link = { .flags = flags, .mtu = mtu };

	ck_assert_int_eq(bpf_map_update_elem(b->fd[DP_MAP_LINKS], &ifindex, &link, BPF_ANY), 0);
}

static int
take_event(void *arg, void *data, size_t size)
{
	struct lb_event *e = arg;

	if (size != sizeof(*e))
		return -EINVAL;
	memcpy(e, data, sizeof(*e));
	return -ECANCELED; /* one at a time */
}

bool
bed_event(struct bed *b, struct lb_event *e)
{
	struct ring_buffer *ring = ring_buffer__new(b->fd[DP_MAP_EVENTS], take_event, e, NULL);
	int n;

	ck_assert_ptr_nonnull(ring);
	n = ring_buffer__consume(ring);
	ring_buffer__free(ring);
	ck_assert_int_ne(n, -EINVAL);
	return n == -ECANCELED;
}

uint32_t
bed_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (
	    uint32_t)(((uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec) >> LB_TICK_SHIFT);
}
