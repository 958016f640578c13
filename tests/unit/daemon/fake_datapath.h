/*
 * tests/unit/daemon/fake_datapath.h: an engine without a kernel, in place of datapath/ in all tests of
 * the daemon: it keeps what it is told, and shows what a test puts into it.
 */
#ifndef HERALD_TESTS_DAEMON_FAKE_DATAPATH_H
#define HERALD_TESTS_DAEMON_FAKE_DATAPATH_H

#include "datapath/datapath.h"

struct fake_datapath {
	/* ---- what was called ---- */
	char calls[4096]; /* "new conf begin set:default/web:2 end del:default/web remove free " */
	struct addr snat4;
	size_t nr_cluster, nr_peers;
	char pin_path[64];
	uint32_t flows4;

	/* ---- what is shown ---- */
	int fail_new;
	bool not_loaded;
	struct dp_info info;
	const struct dp_seen_frontend *seen;
	size_t nr_seen;
	const struct dp_seen_flow *flows;
	size_t nr_flows;
	const uint32_t *slots;
	long nr_slots;

	/* ---- the one watch ---- */
	void (*watch)(void *arg, const struct lb_event *, const char *service);
	void *watch_arg;
	char watch_service[64];
	struct addr watch_addr;
};

/* The one that there is; zero it before each test. */
extern struct fake_datapath fake_datapath;

#endif
