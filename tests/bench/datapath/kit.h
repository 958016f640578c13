/*
 * tests/bench/datapath/kit.h: what the yardstick's tools share: options, time, CPUs, order.
 * Tools of a bench: whatever goes wrong ends them with words.
 */
#ifndef HERALD_BENCH_KIT_H
#define HERALD_BENCH_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_object;

/* An address with a port; IPv4 in the first four bytes. */
struct endpoint {
	int family, port;
	uint8_t addr[16];
};

/* --name value; @into is where, by kind.  The table ends with a NULL name. */
struct option_row {
	const char *name;
	enum { OPT_TEXT, OPT_NUMBER, OPT_SECONDS, OPT_ENDPOINT, OPT_SWITCH } kind;
	void *into; /* const char *, uint32_t, double, struct endpoint, bool */
};
void options(int argc, char **argv, const struct option_row *);

void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
double now(void); /* seconds, monotonic */
void pin_cpu(uint32_t cpu);
/* Sorts. */
double median(double *v, size_t n);
struct endpoint endpoint_of(const char *text); /* address:port, [address]:port */
void mac_of(const char *text, uint8_t mac[6]);
uint32_t ifindex_of(const char *name);	       /* NULL: 0 */
int pinned(const char *dir, const char *name); /* a descriptor; @name may be NULL */
/* Opens, does not load. */
struct bpf_object *object_of(const char *path);
void only_programs(struct bpf_object *, const char *a, const char *b);
/* A program array takes only programs of one kind: with frags or without, of one attach type.  Which
 * one is found by trying, before loading. */
#define FLAVOURS 4
void give_flavour(struct bpf_object *, bool tc, int flavour);
/* Flows that never came before begin anywhere: the run before may have left its own in the tables. */
void scatter(struct bpf_object *harness);
/* Bytes that the kernel accounts to a map. */
long memory_of(int fd);

/* Zeroed; never NULL. */
void *space(size_t n, size_t size);
/* Maglev (Eisenbud et al., NSDI 2016), section 3.4: @m slots, each one of @ids. */
void maglev_u32(uint32_t *table, uint32_t m, const uint32_t *ids, uint32_t n);

#endif
