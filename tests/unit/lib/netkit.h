/*
 * tests/unit/lib/netkit.h: what the netlink tests share; see netkit.c.
 */
#ifndef HERALD_TESTS_UNIT_LIB_NETKIT_H
#define HERALD_TESTS_UNIT_LIB_NETKIT_H

#include "tests/unit/unit.h"

#include "lib/addr.h"
#include "lib/netlink.h"

#define OURS 179
#define MAX_SEEN 512

struct loop;
struct nl_msg;

/* All that one connection was told; what a dump tells twice stands here once. */
struct view {
	struct loop *loop;
	struct netlink *nl;
	struct nl_route route[MAX_SEEN];
	struct nl_hop hop[MAX_SEEN][8];
	enum nl_how how[MAX_SEEN];
	bool ours[MAX_SEEN];
	size_t nr;
	struct nl_link link[16];
	enum nl_how link_how[16];
	size_t nr_links;
	struct nl_ifaddr ifaddr[16];
	enum nl_how ifaddr_how[16];
	size_t nr_ifaddrs;
	struct nl_neigh neigh[64]; /* the last ones */
	enum nl_how neigh_how[64];
	size_t nr_neighs;
	bool dumping;
	int resyncs, dumps_done, dump_err;
	int answers, order_broken, last_err;
	char why[128];
};

/* Indices of the two links, both up and carrying. */
extern unsigned left, right;

/* Enter a user namespace as its root, and a network of its own; false: not permitted here. */
bool kit_namespace(void);
/* For each test: a fresh network with the links and their addresses; "left" has 192.0.2.1/24 and
 * 2001:db8:1::1/64, "right" 198.51.100.1/24 and 2001:db8:2::1/64. */
void setup(void);
void teardown(void);
/* As ip(8) would do it, and wait for it. */
void ground_do(struct nl_msg *m);
/* RTM_NEWNEIGH or RTM_DELNEIGH; @mac NULL: none. */
void neigh_put(int type, unsigned ifindex, const char *text, uint16_t state, const uint8_t *mac);
void ifaddr_put(int type, unsigned ifindex, const char *text, uint8_t len);

void on_resync(void *arg);
void on_dump(void *arg, int err);
void on_answer(void *arg, int err, const char *why);
void on_link(void *arg, enum nl_how how, const struct nl_link *l);
void on_ifaddr(void *arg, enum nl_how how, const struct nl_ifaddr *a);
void on_neigh(void *arg, enum nl_how how, const struct nl_neigh *n);
void on_route(void *arg, enum nl_how how, const struct nl_route *r, bool ours);

struct view *view_new(struct loop *loop, uint8_t protocol);
void view_free(struct view *v);
/* Let the loop run until all has surely come; forget all that came. */
void settle(struct loop *loop);
void forget(struct view *v);
/* Forget, and be told all anew. */
void dump(struct view *v, enum nl_what what);

struct prefix pfx(const char *text);
struct addr ip(const char *text);
struct nl_route by_one(const char *prefix, uint8_t protocol, const struct nl_hop *hop);

#endif
