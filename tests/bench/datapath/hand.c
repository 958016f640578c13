/*
 * tests/bench/datapath/hand.c: Herald's BPF programs without Herald: loads them, fills their maps by
 * hand, as small as it can be, and pins the programs.  For what the programs cost by themselves, and
 * to tell a fault of theirs from one of the daemon.
 *
 *     hand --object lb.bpf.o --pin DIR --target 10.90.1.2:0 [--far] [--services 1000]
 *          [--flows 2097152] [--only herald_xdp]
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datapath/lb_abi.h"
#include "tests/bench/datapath/kit.h"

#define HOPS 65536
enum { BACKENDS = 10, LIVE = 5, SLOTS = 1321, TCP = 6, UDP = 17 };

struct hand {
	const char *object, *pin, *only;
	uint32_t services, flows;
	struct endpoint target;
	bool far;
	struct bpf_object *bpf;
	/* Mapped. */
	struct lb_conf *conf;
	uint8_t *filter;
	struct lb_fe_row *fe;
	struct lb_be_row *be;
	uint64_t *tables;
};

static uint32_t
words_each(void)
{
	return LB_TABLE_WORDS(SLOTS, BACKENDS);
}

/* ---- loading ---- */

/* A constant of the programs, by its name in their BTF. */
static void
set_option(struct bpf_object *o, const char *name, uint32_t value)
{
	struct bpf_map *rodata = bpf_object__find_map_by_name(o, ".rodata");
	const struct btf *btf = bpf_object__btf(o);
	const struct btf_type *section, *var;
	const struct btf_var_secinfo *at;
	size_t size;
	int id;

	if (!rodata)
		bpf_object__for_each_map(
		    rodata, o) if (strstr(bpf_map__name(rodata), ".rodata")) break;
	id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -1;
	if (!rodata || id < 0)
		fail("no constants in the object");
	section = btf__type_by_id(btf, (uint32_t)id);
	at = btf_var_secinfos(section);
	for (int i = 0; i < btf_vlen(section); i++) {
		var = btf__type_by_id(btf, at[i].type);
		if (strcmp(btf__name_by_offset(btf, var->name_off), name) == 0) {
			memcpy((char *)bpf_map__initial_value(rodata, &size) + at[i].offset, &value,
			    sizeof(value));
			return;
		}
	}
	fail("no constant %s in the object", name);
}

static void
size_map(struct bpf_object *o, const char *name, uint32_t entries)
{
	struct bpf_map *m = bpf_object__find_map_by_name(o, name);

	if (!m || bpf_map__set_max_entries(m, entries) < 0)
		fail("map %s", name);
}

static void *
mapped(struct bpf_object *o, const char *name)
{
	struct bpf_map *m = bpf_object__find_map_by_name(o, name);
	size_t size = (size_t)bpf_map__max_entries(m) * ((bpf_map__value_size(m) + 7) & ~7U);
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(m), 0);

	if (p == MAP_FAILED)
		fail("map %s cannot be mapped", name);
	return p;
}

static void
load(struct hand *h)
{
	uint32_t blocks = h->flows / LB_BLOCK_WAYS, n = h->services;
	struct bpf_object *o = object_of(h->object);

	if (h->only)
		only_programs(o, h->only, NULL);
	size_map(o, "fe_rows", n);
	size_map(o, "fe_counts", n);
	size_map(o, "frontends", 2 * n + 16);
	size_map(o, "be_rows", n * BACKENDS);
	size_map(o, "be_counts", n * BACKENDS);
	size_map(o, "tables", n * words_each());
	size_map(o, "flows4", blocks);
	size_map(o, "flows6", blocks / 4);
	size_map(o, "hops", HOPS);
	set_option(o, "flow4_mask", blocks - 1);
	set_option(o, "flow6_mask", blocks / 4 - 1);
	set_option(o, "hop_mask", HOPS - 1);
	if (bpf_object__load(o) < 0)
		fail("%s: the kernel does not take it (BENCH_DEBUG=1 tells why)", h->object);
	h->bpf = o;
	h->conf = mapped(o, "conf");
	h->filter = mapped(o, "filter");
	h->fe = mapped(o, "fe_rows");
	h->be = mapped(o, "be_rows");
	h->tables = mapped(o, "tables");
}

static void
pin_all(const struct hand *h)
{
	static const char *const slow[LB_NR_SLOW] = { "herald_slow4", "herald_slow6" };
	int jump = bpf_object__find_map_fd_by_name(h->bpf, "slow"), fd;
	struct bpf_program *p;
	struct bpf_map *m;
	char path[256];

	for (uint32_t i = 0; i < LB_NR_SLOW; i++) {
		p = bpf_object__find_program_by_name(h->bpf, slow[i]);
		fd = p ? bpf_program__fd(p) : -1;
		if (fd >= 0 && bpf_map_update_elem(jump, &i, &fd, 0) < 0)
			fail("%s is not taken", slow[i]);
	}
	(void)mkdir(h->pin, 0700);
	snprintf(path, sizeof(path), "%s/progs", h->pin);
	(void)mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/maps", h->pin);
	(void)mkdir(path, 0700);
	bpf_object__for_each_program(p, h->bpf)
	{
		if (bpf_program__fd(p) < 0)
			continue;
		/* As the daemon names them: xdp, not herald_xdp. */
		snprintf(path, sizeof(path), "%s/progs/%s", h->pin,
		    bpf_program__name(p) + strlen("herald_"));
		if (bpf_program__pin(p, path) < 0)
			fail("%s cannot be pinned", path);
	}
	bpf_object__for_each_map(m, h->bpf)
	{
		if (bpf_map__is_internal(m))
			continue;
		snprintf(path, sizeof(path), "%s/maps/%s", h->pin, bpf_map__name(m));
		if (bpf_map__pin(m, path) < 0)
			fail("%s cannot be pinned", path);
	}
}

/* ---- filling ---- */

static struct lb_addr
addr_of(const char *text)
{
	struct lb_addr a = { { 0 } };

	if (inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, a.w) != 1)
		fail("%s: not an address", text);
	return a;
}

static struct lb_addr
addr4(uint32_t host_order)
{
	return (struct lb_addr){ { htonl(host_order) } };
}

static void
fill_conf(struct hand *h)
{
	static const char *const links[] = { "n0", "l0", "u0" };
	int fd = bpf_object__find_map_fd_by_name(h->bpf, "links");
	struct lb_conf *c = h->conf;
	struct lb_link link;
	uint32_t index;

	c->seed = 0x123456789abcdef1ULL;
	c->snat4 = addr_of("10.90.2.1");
	c->snat6 = addr_of("fd90:2::1");
	c->snat_port_min = 32768;
	c->snat_port_nr = 32000;
	c->hop_generation = 1;
	c->flags = LB_CONF_ECHO;
	for (int i = LB_ST_NEW; i < LB_NR_STATES; i++) {
		c->timeout_tcp[i] = 60;
		c->timeout_udp[i] = 60;
	}
	c->timeout_tcp[LB_ST_OPEN] = 20000;
	c->abi = LB_ABI_VERSION;
	h->filter[lb_filter_index(&c->snat4)] |= LB_IS_SNAT;
	h->filter[lb_filter_index(&c->snat6)] |= LB_IS_SNAT;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		index = ifindex_of(links[i]);
		link = (struct lb_link){ LB_LINK_XDP | LB_LINK_PLAIN, 1500 };
		if (strcmp(links[i], "l0") == 0)
			link.flags |= LB_LINK_PEER;
		if (bpf_map_update_elem(fd, &index, &link, 0) < 0)
			fail("links");
	}
}

/* Where the rows of a frontend begin; @n is its number. */
static void
fill_table(struct hand *h, uint32_t n)
{
	uint32_t ids[BACKENDS], slots[SLOTS], off = n * words_each();
	uint64_t *list = h->tables + off;

	for (uint32_t j = 0; j < BACKENDS; j++) {
		ids[j] = n * BACKENDS + j;
		list[j / 2] |= (uint64_t)ids[j] << j % 2 * 32;
	}
	maglev_u32(slots, SLOTS, ids, BACKENDS);
	for (uint32_t k = 0; k < SLOTS; k++)
		list[lb_slot_word(k, BACKENDS)] |= (uint64_t)(slots[k] - ids[0])
		    << ((k << LB_SLOT_LOG(BACKENDS)) & 63);
	for (int s = 0; s < LB_NR_SCOPES; s++)
		h->fe[n].table[s] = LB_TABLE(off, SLOTS, BACKENDS);
}

static void
fill_frontend(struct hand *h, uint32_t n, const struct lb_addr *vip, uint16_t port, uint8_t proto,
    uint8_t family)
{
	struct lb_fe_key key = { *vip, htons(port), proto, family };
	int fd = bpf_object__find_map_fd_by_name(h->bpf, "frontends");

	h->fe[n].addr = *vip;
	h->fe[n].port = key.port;
	h->fe[n].proto = proto;
	h->fe[n].family = family;
	h->fe[n].service = n + 1;
	h->fe[n].flags = LB_FE_LIVE | LB_FE_LOAD_BALANCER;
	fill_table(h, n);
	h->filter[lb_filter_index(vip)] |= LB_IS_VIP;
	if (bpf_map_update_elem(fd, &key, &n, 0) < 0)
		fail("frontends");
}

static void
fill_backend(struct hand *h, uint32_t row, struct lb_addr addr, uint16_t port, uint8_t proto,
    uint8_t family, bool local)
{
	h->be[row] = (struct lb_be_row){ .addr = addr,
		.port = htons(port),
		.proto = proto,
		.family = family,
		.flags = LB_BE_LIVE | (local ? LB_BE_LOCAL : 0) };
	h->filter[lb_filter_index(&addr)] |= LB_IS_BACKEND;
}

static void
fill(struct hand *h)
{
	static const struct {
		uint16_t port;
		uint8_t proto;
	} live[LIVE] = { { 80, TCP }, { 5201, TCP }, { 9000, UDP }, { 9000, TCP }, { 80, TCP } };
	struct lb_addr vip = addr_of("10.127.0.1"), vip6 = addr_of("fd7f::1"), target = { { 0 } };
	struct lb_addr target6 = addr_of("fd90:1::2"), idle;
	uint32_t first = h->services - LIVE, i, j;
	bool v6;

	memcpy(target.w, h->target.addr, 4);
	for (i = 0; i < first; i++) {
		idle = addr4(0x0a600000 + i);
		for (j = i * BACKENDS; j < (i + 1) * BACKENDS; j++)
			fill_backend(h, j, addr4(0x0ac80000 + j), 8080, TCP, 4, false);
		fill_frontend(h, i, &idle, 80, TCP, 4);
	}
	for (; i < h->services; i++) {
		v6 = i + 1 == h->services;
		for (j = i * BACKENDS; j < (i + 1) * BACKENDS; j++)
			fill_backend(h, j, v6 ? target6 : target, live[i - first].port,
			    live[i - first].proto, v6 ? 6 : 4, !h->far);
		fill_frontend(h, i, v6 ? &vip6 : &vip, live[i - first].port, live[i - first].proto,
		    v6 ? 6 : 4);
	}
}

int
main(int argc, char **argv)
{
	struct hand h = { .services = 1000, .flows = 2097152 };
	const struct option_row rows[] = { { "object", OPT_TEXT, &h.object },
		{ "pin", OPT_TEXT, &h.pin }, { "services", OPT_NUMBER, &h.services },
		{ "flows", OPT_NUMBER, &h.flows }, { "target", OPT_ENDPOINT, &h.target },
		{ "far", OPT_SWITCH, &h.far }, { "only", OPT_TEXT, &h.only }, { 0 } };
	double t0, t1;

	options(argc, argv, rows);
	if (!h.object || !h.pin || !h.target.family || h.services < LIVE)
		fail("needs --object, --pin, --target and at least %d services", LIVE);
	t0 = now();
	load(&h);
	t1 = now();
	fill_conf(&h);
	fill(&h);
	printf("{\"load_s\": %.3f, \"fill_s\": %.3f}\n", t1 - t0, now() - t1);
	pin_all(&h);
	return 0;
}
