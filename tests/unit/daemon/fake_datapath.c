/*
 * tests/unit/daemon/fake_datapath.c: see fake_datapath.h.  Its functions stand in the way of those of
 * the archive, which is then not linked at all.
 */
#include "tests/unit/daemon/fake_datapath.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_datapath fake_datapath;

struct datapath {
	int unused;
};

struct dp_watch {
	int unused;
};

static struct fake_datapath *const fake = &fake_datapath;
static struct datapath the_one;
static struct dp_watch the_watch;

static void called(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void
called(const char *fmt, ...)
{
	const size_t len = strlen(fake->calls);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fake->calls + len, sizeof(fake->calls) - len, fmt, ap);
	va_end(ap);
}

static void
take_conf(const struct dp_conf *conf)
{
	fake->snat4 = conf->snat4;
	fake->nr_cluster = conf->nr_cluster;
	fake->nr_peers = conf->nr_peers;
	fake->flows4 = conf->flows4;
	snprintf(fake->pin_path, sizeof(fake->pin_path), "%s", conf->pin_path);
}

struct dp_helper *
dp_helper_start(struct loop *loop)
{
	(void)loop;
	return NULL;
}

void
dp_helper_stop(struct dp_helper *h, const char *why)
{
	(void)h;
	(void)why;
}

void
dp_helper_free(struct dp_helper *h)
{
	(void)h;
}

void
dp_helper_info(const struct dp_helper *h, struct dp_helper_info *info)
{
	(void)h;
	*info = (struct dp_helper_info){ .why = "there is none here" };
}

void
dp_helper_set(struct datapath *dp, struct dp_helper *h)
{
	(void)dp;
	(void)h;
}

int
dp_mount(const char *pin)
{
	(void)pin;
	return 0;
}

struct datapath *
dp_new(struct loop *loop, const struct dp_conf *conf, int *err)
{
	(void)loop;
	called("new ");
	take_conf(conf);
	*err = fake->fail_new;
	return *err ? NULL : &the_one;
}

void
dp_free(struct datapath *dp)
{
	if (dp)
		called("free ");
}

void
dp_remove(struct datapath *dp)
{
	(void)dp;
	called("remove ");
}

int
dp_remove_pinned(const char *pin_path)
{
	called("remove-pinned:%s ", pin_path);
	return 0;
}

int
dp_conf_set(struct datapath *dp, const struct dp_conf *conf)
{
	(void)dp;
	called("conf ");
	take_conf(conf);
	return 0;
}

int
dp_service_set(struct datapath *dp, const char *service, const struct dp_frontend *list, size_t nr)
{
	(void)dp;
	(void)list;
	called("set:%s:%zu ", service, nr);
	return 0;
}

void
dp_service_del(struct datapath *dp, const char *service)
{
	(void)dp;
	called("del:%s ", service);
}

void
dp_sync_begin(struct datapath *dp)
{
	(void)dp;
	called("begin ");
}

void
dp_sync_end(struct datapath *dp)
{
	(void)dp;
	called("end ");
}

void
dp_info(const struct datapath *dp, struct dp_info *info)
{
	(void)dp;
	*info = fake->info;
}

uint64_t
dp_counter(const struct datapath *dp, unsigned i)
{
	(void)dp;
	return i == LB_NO_BACKEND ? 3 : i == LB_FORWARDED ? 100 : 0;
}

const char *
dp_counter_name(unsigned i)
{
	switch (i) {
	case LB_FORWARDED:
		return "forwarded";
	case LB_NO_BACKEND:
		return "no-backend";
	case LB_X_SOCK_CONNECT:
		return "socket-connect";
	default:
		return NULL;
	}
}

const char *
dp_counter_sentence(unsigned i)
{
	return dp_counter_name(i) ? "A sentence." : NULL;
}

int
dp_frontends_each(
    struct datapath *dp, bool (*each)(void *, const struct dp_seen_frontend *), void *arg)
{
	(void)dp;
	if (fake->not_loaded)
		return -ENODEV;
	for (size_t i = 0; i < fake->nr_seen; i++)
		if (!each(arg, &fake->seen[i]))
			break;
	return 0;
}

long
dp_flows_each(
    struct datapath *dp, size_t max, bool (*each)(void *, const struct dp_seen_flow *), void *arg)
{
	(void)dp;
	if (fake->not_loaded)
		return -ENODEV;
	for (size_t i = 0; i < fake->nr_flows && i < max; i++)
		if (!each(arg, &fake->flows[i]))
			break;
	return (long)fake->nr_flows;
}

long
dp_slots(struct datapath *dp, const struct addr *ip, uint16_t port, uint8_t proto, unsigned scope,
    uint32_t **out)
{
	(void)dp;
	(void)ip;
	(void)port;
	(void)proto;
	if (scope != LB_EXTERNAL)
		return -ENOENT;
	*out = malloc((size_t)fake->nr_slots * sizeof(**out));
	memcpy(*out, fake->slots, (size_t)fake->nr_slots * sizeof(**out));
	return fake->nr_slots;
}

struct dp_watch *
dp_watch_new(struct datapath *dp, const char *service, const struct addr *addr,
    void (*cb)(void *arg, const struct lb_event *, const char *service), void *arg)
{
	(void)dp;
	if (fake->not_loaded)
		return NULL;
	called("watch ");
	fake->watch = cb;
	fake->watch_arg = arg;
	snprintf(fake->watch_service, sizeof(fake->watch_service), "%s", service ? service : "");
	fake->watch_addr = addr ? *addr : (struct addr){ 0 };
	return &the_watch;
}

void
dp_watch_free(struct dp_watch *w)
{
	if (!w)
		return;
	called("unwatch ");
	fake->watch = NULL;
}

int
dp_counts_each(struct datapath *dp, uint32_t *row, uint32_t max,
    void (*each)(void *, const struct dp_seen_count *), void *arg)
{
	(void)dp;
	(void)row;
	(void)max;
	(void)each;
	(void)arg;
	return 0;
}
