/*
 * datapath/datapath.c: joins the parts of the room.  Stands between the daemon and the loader, the
 * writer of services, the links and the sweep: which of them may do what when.
 *
 *   dp_new()   links ask the kernel ......... settled -----------------+
 *              the daemon tells Services .... synced ------------------+--> ready: devices,
 *                 so the sizes are known: loader's thread ... loaded --+    socketLB
 *
 * Programs that an earlier process left on devices carry packets all the time.  New ones are put on
 * devices only when all Services are in the maps, and what is left over is taken off only when it
 * is sure which devices are wanted.  Whatever fails is kept in words and tried again.
 */
#include "datapath/conf.h"
#include "datapath/core.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AUDIT_MS 60000
#define RETRY_MAX_MS 30000
/* Loading waits so long for the Services, whose number says how large the maps must be: to make them
 * larger later means to load again. */
#define LOAD_WAIT_MS 3000

/* The least room; the Services known when loading begins may need more, and the writer asks for
 * more when that is not enough. */
#define FE_ROWS 4096
#define BE_ROWS 16384
#define TABLE_WORDS 262144

struct device {		    /* one that links want */
	struct dp_device d; /* d.error is ours */
	bool veth;
};

struct datapath {
	struct loop *loop;
	struct dp_conf conf;
	struct dp_sizes sizes;
	struct dp_kernel *kernel;
	struct dp_services *services;
	struct dp_links *links;
	struct dp_sweep *sweep;
	struct dp_watches *watches;
	struct dp_sockets *sockets;
	struct device *devices;
	struct dp_device *shown; /* the same, for dp_info() */
	size_t nr_devices, cap_devices;
	struct loop_timer begin, retry, audit;
	unsigned nr_retries; /* in a row */
	char *error;	     /* of loading or growing; NULL: none */
	char *socket_lb_error;
	int nr_cpus;
	bool loaded;	 /* the maps are there */
	bool loading;	 /* or the thread runs */
	bool synced;	 /* all Services were told once */
	bool settled;	 /* and links know which devices are wanted since */
	bool left_over;	 /* what an earlier process left was looked through */
	bool exchanged;	 /* devices have programs for these maps */
	bool grow_again; /* asked while the thread ran */
	bool socket_lb;	 /* attached */
	bool socket_asked;
	bool removed;
};

/* Programs may go onto devices: what they would serve is in the maps. */
static bool
is_ready(const struct datapath *dp)
{
	return dp->loaded && dp->exchanged && dp->synced && !dp->removed;
}

/* Keep words for dp_info(); true when they are others than before. */
static bool
words_set(char **at, const char *words)
{
	bool same = words ? *at && strcmp(*at, words) == 0 : !*at;

	if (same)
		return false;
	free(*at);
	*at = words ? xstrdup(words) : NULL;
	return true;
}

static void
retry_later(struct datapath *dp)
{
	static const unsigned ms[] = { 1000, 2000, 5000, 10000 };
	const unsigned nr = sizeof(ms) / sizeof(ms[0]);

	if (!timer_is_running(&dp->retry) && !dp->removed)
		timer_set_jitter(
		    &dp->retry, dp->nr_retries < nr ? ms[dp->nr_retries] : RETRY_MAX_MS, 10);
}

/* ---- devices ---- */

static void
devices_show(struct datapath *dp)
{
	dp->shown = xrealloc(dp->shown, dp->nr_devices + 1, sizeof(*dp->shown));
	for (size_t i = 0; i < dp->nr_devices; i++) {
		dp->shown[i] = dp->devices[i].d;
		if (!dp->shown[i].error)
			dp->shown[i].error = "";
	}
}

static struct device *
device_find(const struct datapath *dp, unsigned ifindex)
{
	for (size_t i = 0; i < dp->nr_devices; i++) {
		if (dp->devices[i].d.ifindex == ifindex)
			return &dp->devices[i];
	}
	return NULL;
}

static const char *
how_name(enum dp_link_how how)
{
	static const char *const names[] = { [DP_LINK_NONE] = "none",
		[DP_LINK_XDP_NATIVE] = "xdp-native",
		[DP_LINK_XDP_GENERIC] = "xdp-generic",
		[DP_LINK_TC] = "tc" };

	return names[how];
}

static void
device_attach(struct datapath *dp, struct device *v)
{
	enum dp_link_how how = DP_LINK_NONE;
	const char *why = "";
	char *words = (char *)(uintptr_t)v->d.error;
	int err = dp_kernel_attach(
	    dp->kernel, v->d.ifindex, v->d.name, v->d.pods, dp->conf.attach, v->veth, &how, &why);
	bool news = how != v->d.how;

	v->d.how = how;
	if (err < 0 && !(why && *why))
		why = strerror(-err);
	/* Why it is not quite as it should be may be told with success, too. */
	news |= words_set(&words, why && *why ? why : NULL);
	v->d.error = words;
	if (news && err < 0)
		log_warn("device-not-attached", LOG_S("device", v->d.name), LOG_ERR(err),
		    LOG_S("reason", why));
	else if (news)
		log_info("device-attached", LOG_S("device", v->d.name),
		    LOG_S("side", v->d.pods ? "pods" : "network"), LOG_S("how", how_name(how)),
		    LOG_S("note", why ? why : ""));
	if (err < 0)
		retry_later(dp);
}

/* @again: also those that stand, as they may have to stand differently. */
static void
devices_attach(struct datapath *dp, bool again)
{
	if (!is_ready(dp))
		return;
	for (size_t i = 0; i < dp->nr_devices; i++) {
		if (again || dp->devices[i].d.how == DP_LINK_NONE)
			device_attach(dp, &dp->devices[i]);
	}
	devices_show(dp);
}

static void
on_device(void *arg, unsigned ifindex, const char *name, bool pods, bool veth, bool on)
{
	struct datapath *dp = arg;
	struct device *v = device_find(dp, ifindex);

	if (!on) {
		if (!v)
			return;
		free((void *)(uintptr_t)v->d.error);
		*v = dp->devices[--dp->nr_devices];
		devices_show(dp);
		if (is_ready(dp)) {
			dp_kernel_detach(dp->kernel, ifindex);
			log_info("device-left", LOG_S("device", name));
		}
		return;
	}
	if (!v) {
		if (mem_grow((void **)&dp->devices, &dp->cap_devices, dp->nr_devices,
			sizeof(*dp->devices), 0) < 0) {
			log_error("device-not-attached", LOG_S("device", name), LOG_ERR(-ENOMEM));
			return;
		}
		v = &dp->devices[dp->nr_devices++];
		*v = (struct device){ .d = { .ifindex = ifindex } };
	}
	v->veth = veth;
	v->d.pods = pods;
	snprintf(v->d.name, sizeof(v->d.name), "%s", name);
	if (is_ready(dp))
		device_attach(dp, v);
	devices_show(dp);
}

static void
leave_unwanted(void *arg, unsigned ifindex, bool pods)
{
	struct datapath *dp = arg;

	(void)pods;
	if (device_find(dp, ifindex))
		return; /* attaching put its side right */
	dp_kernel_detach(dp->kernel, ifindex);
	log_info("device-left", LOG_U("ifindex", ifindex),
	    LOG_S("reason", "an earlier process stood on it, and it is not wanted any more"));
}

static void
leave_left_over(struct datapath *dp)
{
	if (dp->left_over || !dp->settled || !is_ready(dp))
		return;
	dp->left_over = true;
	dp_kernel_attached_each(dp->kernel, leave_unwanted, dp);
}

static void
on_settled(void *arg)
{
	struct datapath *dp = arg;

	/* Before the Services are told nobody knows where local backends are. */
	dp->settled = dp->synced;
	leave_left_over(dp);
}

static void
tell_local(void *arg, const struct addr *a)
{
	links_local(arg, a);
}

static void
on_locals(void *arg, struct dp_links *k)
{
	const struct datapath *dp = arg;

	services_local_each(dp->services, tell_local, k);
}

/* ---- sockets ---- */

void
dp_helper_set(struct datapath *dp, struct dp_helper *helper)
{
	sockets_helper_set(dp->sockets, helper);
}

static void
socket_lb_set(struct datapath *dp)
{
	const char *why = "";
	int err;

	if (!is_ready(dp) || (dp->socket_asked && dp->socket_lb == dp->conf.socket_lb))
		return;
	/* Also off: an earlier process may have had it on. */
	err = dp_kernel_socket_lb(dp->kernel, dp->conf.cgroup, dp->conf.socket_lb, &why);
	dp->socket_asked = err == 0;
	dp->socket_lb = err == 0 && dp->conf.socket_lb;
	if (err < 0 && !(why && *why))
		why = strerror(-err);
	if (words_set(&dp->socket_lb_error, err < 0 ? why : NULL) && err < 0)
		log_warn("socket-lb-failed", LOG_S("cgroup", dp->conf.cgroup), LOG_ERR(err),
		    LOG_S("reason", why));
	if (err < 0)
		retry_later(dp);
	else if (dp->socket_lb)
		log_info("socket-lb-attached", LOG_S("cgroup", dp->conf.cgroup));
}

/* ---- loading ---- */

static void
ready_run(struct datapath *dp)
{
	devices_attach(dp, false);
	socket_lb_set(dp);
	leave_left_over(dp);
}

/* All parts look at other maps from here on; NULL: none. */
static int
maps_set(struct datapath *dp, const struct dp_maps *maps, bool adopted)
{
	int err;

	links_maps_set(dp->links, NULL);
	sweep_maps_set(dp->sweep, NULL);
	sockets_maps_set(dp->sockets, NULL);
	(void)watches_maps_set(dp->watches, NULL);
	err = services_maps_set(dp->services, maps, adopted);
	if (err < 0 || !maps)
		return err;
	links_maps_set(dp->links, maps);
	sweep_maps_set(dp->sweep, maps);
	sockets_maps_set(dp->sockets, maps);
	err = watches_maps_set(dp->watches, maps);
	if (err < 0)
		log_warn("ring-not-mapped", LOG_ERR(err));
	return 0;
}

/* Programs of an earlier process whose maps had another layout are exchanged only now. */
static void
exchange(struct datapath *dp)
{
	const char *why = "";
	int err;

	if (!dp->loaded || !dp->synced || dp->exchanged || services_is_writing(dp->services))
		return;
	err = dp_kernel_exchange(dp->kernel, &why);
	if (err == 0) {
		dp->exchanged = true;
		return;
	}
	if (words_set(&dp->error, why && *why ? why : strerror(-err)))
		log_error("datapath-exchange-failed", LOG_ERR(err), LOG_S("reason", dp->error));
	retry_later(dp);
}

static void
failed(struct datapath *dp, const char *event, int err, const char *why)
{
	if (words_set(&dp->error, why && *why ? why : strerror(-err)))
		log_error(event, LOG_ERR(err), LOG_S("reason", dp->error));
	retry_later(dp);
}

/* All Services are in the maps.  Where local backends are was asked before there were rows of them:
 * what an earlier process left on their devices stays until that is known. */
static void
written(struct datapath *dp)
{
	if (!dp->exchanged) {
		dp->settled = false;
		links_locals_changed(dp->links);
	}
	exchange(dp);
	ready_run(dp);
}

static void
on_written(void *arg, int err)
{
	struct datapath *dp = arg;

	if (err < 0) {
		failed(dp, "datapath-maps-not-read", err, "");
		dp->loaded = dp->exchanged; /* what carries packets already goes on */
		return;
	}
	written(dp);
}

static void
on_loaded(void *arg, int err, const char *why)
{
	struct datapath *dp = arg;
	bool first = !dp->loaded;

	dp->loading = false;
	if (err < 0) {
		/* Growing that failed leaves the old maps at work. */
		dp->grow_again |= !first;
		failed(dp, first ? "datapath-not-loaded" : "datapath-not-grown", err, why);
		return;
	}
	/* After growing, the new maps have what the old ones had. */
	err =
	    maps_set(dp, dp_kernel_maps(dp->kernel), first ? dp_kernel_adopted(dp->kernel) : true);
	if (err < 0) {
		failed(dp, "datapath-maps-not-read", err, "");
		if (first)
			return;
	}
	dp->loaded = true;
	dp->nr_retries = 0;
	words_set(&dp->error, NULL);
	log_info("datapath-ready", LOG_B("adopted", dp_kernel_adopted(dp->kernel)),
	    LOG_B("grown", !first), LOG_U("load_us", dp_kernel_load_us(dp->kernel)));
	if (!services_is_writing(dp->services))
		written(dp);
	if (dp->grow_again)
		retry_later(dp);
}

static uint32_t
larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static void
size_up(struct dp_sizes *s, const struct dp_sizes *want)
{
	s->fe_rows = larger(s->fe_rows, want->fe_rows);
	s->be_rows = larger(s->be_rows, want->be_rows);
	s->tables = larger(s->tables, want->tables);
	s->affinity = larger(s->affinity, want->affinity);
}

static void
load(struct datapath *dp)
{
	struct dp_sizes need;

	if (dp->loaded || dp->loading || dp->removed)
		return;
	timer_stop(&dp->begin);
	/* Without memory to count: the writer asks for what is missing then. */
	if (services_need(dp->services, &need) == 0)
		size_up(&dp->sizes, &need);
	dp_kernel_free(dp->kernel);
	dp->kernel = dp_kernel_new(dp->loop, &dp->conf, &dp->sizes, on_loaded, dp);
	dp->loading = dp->kernel != NULL;
	if (!dp->kernel)
		failed(dp, "datapath-not-loaded", -EAGAIN,
		    "the loader's thread cannot be started; is memory or the number of "
		    "processes short, or the pin path longer than 255 bytes?");
}

static void
grow(struct datapath *dp)
{
	int err;

	dp->grow_again = false;
	if (!dp->loaded)
		return; /* the sizes count at the next loading */
	err = dp->loading ? -EBUSY : dp_kernel_grow(dp->kernel, &dp->sizes, on_loaded, dp);
	if (err == 0) {
		dp->loading = true;
		return;
	}
	dp->grow_again = true;
	if (err != -EBUSY)
		failed(dp, "datapath-not-grown", err, "");
}

static void
on_grow(void *arg, const struct dp_sizes *want)
{
	struct datapath *dp = arg;
	struct dp_sizes *s = &dp->sizes;

	size_up(s, want);
	log_info("datapath-grows", LOG_U("frontends", s->fe_rows), LOG_U("backends", s->be_rows),
	    LOG_U("table_words", s->tables), LOG_U("clients", s->affinity));
	grow(dp);
}

static void
begin_due(void *arg)
{
	load(arg);
}

static void
retry_due(void *arg)
{
	struct datapath *dp = arg;

	dp->nr_retries++;
	if (!dp->loaded) {
		load(dp);
		return;
	}
	if (dp->grow_again)
		grow(dp);
	exchange(dp);
	ready_run(dp);
	if (!timer_is_running(&dp->retry))
		dp->nr_retries = 0; /* nothing is left to be tried */
}

static void
audit_due(void *arg)
{
	struct datapath *dp = arg;

	timer_set_jitter(&dp->audit, AUDIT_MS, 10);
	if (!dp->loaded || dp->removed)
		return;
	(void)services_audit(dp->services); /* it counts, and logs, what it puts right */
	/* Devices whose programs somebody took off are put on again. */
	devices_attach(dp, true);
}

/* ---- Services ---- */

static void
services_changed(struct datapath *dp)
{
	if (dp->loaded && services_has_dying(dp->services))
		sweep_now(dp->sweep);
	watches_services_changed(dp->watches);
}

static void
on_local(void *arg)
{
	struct datapath *dp = arg;

	links_locals_changed(dp->links);
}

static void
on_gone(void *arg, const struct lb_be_row *be, uint32_t row)
{
	struct datapath *dp = arg;

	sockets_end(dp->sockets, be, row);
}

int
dp_service_set(struct datapath *dp, const char *service, const struct dp_frontend *f, size_t nr)
{
	int err = services_set(dp->services, service, f, nr);

	services_changed(dp);
	return err;
}

void
dp_service_del(struct datapath *dp, const char *service)
{
	services_del(dp->services, service);
	services_changed(dp);
}

void
dp_sync_begin(struct datapath *dp)
{
	services_sync_begin(dp->services);
}

void
dp_sync_end(struct datapath *dp)
{
	bool first = !dp->synced;

	services_sync_end(dp->services);
	services_changed(dp);
	dp->synced = true;
	if (!first)
		return;
	load(dp);
	links_locals_changed(dp->links);
	exchange(dp);
	ready_run(dp);
}

/* ---- answers ---- */

void
dp_info(const struct datapath *dp, struct dp_info *out)
{
	const struct dp_maps *maps = dp->loaded ? dp_kernel_maps(dp->kernel) : NULL;

	*out = (struct dp_info){ .loaded = dp->loaded,
		.adopted = dp->loaded && dp_kernel_adopted(dp->kernel),
		.error = dp->error ? dp->error : "",
		.socket_lb = dp->socket_lb,
		.socket_lb_error = dp->socket_lb_error ? dp->socket_lb_error : "",
		.load_us = dp->loaded ? dp_kernel_load_us(dp->kernel) : 0,
		.devices = dp->shown,
		.nr_devices = dp->nr_devices };
	services_info(dp->services, out);
	if (!maps)
		return;
	out->flows4_max = (uint64_t)maps->nr[DP_MAP_FLOWS4] * LB_BLOCK_WAYS;
	out->flows6_max = (uint64_t)maps->nr[DP_MAP_FLOWS6] * LB_BLOCK_WAYS;
}

uint64_t
dp_counter(const struct datapath *dp, unsigned i)
{
	const struct dp_maps *maps = dp->loaded ? dp_kernel_maps(dp->kernel) : NULL;
	uint64_t *of_cpu, sum = 0;
	uint32_t key = i;

	if (!maps || dp->nr_cpus <= 0 || i >= LB_NR_COUNTERS || maps->fd[DP_MAP_COUNTERS] < 0)
		return 0;
	of_cpu = mem_calloc((size_t)dp->nr_cpus, sizeof(*of_cpu));
	if (of_cpu && bpf_map_lookup_elem(maps->fd[DP_MAP_COUNTERS], &key, of_cpu) == 0) {
		for (int cpu = 0; cpu < dp->nr_cpus; cpu++)
			sum += of_cpu[cpu];
	}
	mem_free(of_cpu);
	return sum;
}

int
dp_frontends_each(
    struct datapath *dp, bool (*each)(void *, const struct dp_seen_frontend *), void *arg)
{
	return dp->loaded ? services_frontends_each(dp->services, each, arg) : -ENODEV;
}

int
dp_counts_each(struct datapath *dp, uint32_t *row, uint32_t max,
    void (*each)(void *, const struct dp_seen_count *), void *arg)
{
	return dp->loaded ? services_counts_each(dp->services, row, max, each, arg) : -ENODEV;
}

long
dp_flows_each(
    struct datapath *dp, size_t max, bool (*each)(void *, const struct dp_seen_flow *), void *arg)
{
	return dp->loaded ? sweep_flows_each(dp->sweep, max, each, arg) : -ENODEV;
}

long
dp_slots(struct datapath *dp, const struct addr *ip, uint16_t port, uint8_t proto, unsigned scope,
    uint32_t **out)
{
	return dp->loaded ? services_slots(dp->services, ip, port, proto, scope, out) : -ENODEV;
}

struct dp_watch *
dp_watch_new(struct datapath *dp, const char *service, const struct addr *addr,
    void (*cb)(void *arg, const struct lb_event *, const char *service), void *arg)
{
	return dp->loaded ? watches_add(dp->watches, service, addr, cb, arg) : NULL;
}

void
dp_watch_free(struct dp_watch *w)
{
	watches_drop(w);
}

/* ---- life ---- */

int
dp_conf_set(struct datapath *dp, const struct dp_conf *conf)
{
	struct dp_conf old = dp->conf;
	bool attach = conf->attach != old.attach, sockets;

	if (strcmp(conf->pin_path, old.pin_path) != 0)
		log_warn("pin-path-kept", LOG_S("pin_path", old.pin_path),
		    LOG_S("reason", "another pin path counts from the next start on"));
	sockets = strcmp(conf->cgroup ? conf->cgroup : "", old.cgroup) != 0;
	dp_conf_copy(&dp->conf, conf);
	free((void *)(uintptr_t)dp->conf.pin_path);
	dp->conf.pin_path = xstrdup(old.pin_path);
	if (sockets && dp->socket_lb) {
		const char *why;

		(void)dp_kernel_socket_lb(dp->kernel, old.cgroup, false, &why);
		dp->socket_lb = dp->socket_asked = false;
	}
	dp_conf_fini(&old);
	services_conf(dp->services, &dp->conf);
	links_conf(dp->links, &dp->conf);
	if (attach)
		devices_attach(dp, true);
	socket_lb_set(dp);
	if (conf->flows4 > dp->sizes.flows4 || conf->flows6 > dp->sizes.flows6 ||
	    (conf->socket_lb && dp->sizes.socks < DP_CLIENTS)) {
		dp->sizes.flows4 = larger(dp->sizes.flows4, conf->flows4);
		dp->sizes.flows6 = larger(dp->sizes.flows6, conf->flows6);
		if (conf->socket_lb)
			dp->sizes.socks = DP_CLIENTS;
		grow(dp);
	}
	services_changed(dp);
	return 0;
}

struct datapath *
dp_new(struct loop *loop, const struct dp_conf *conf, int *err)
{
	const struct links_ops ops = {
		.device = on_device, .locals = on_locals, .settled = on_settled
	};
	struct datapath *dp = xnew(struct datapath);

	dp->loop = loop;
	dp_conf_copy(&dp->conf, conf);
	dp->sizes = (struct dp_sizes){ .fe_rows = FE_ROWS,
		.be_rows = BE_ROWS,
		.tables = TABLE_WORDS,
		.flows4 = conf->flows4,
		.flows6 = conf->flows6,
		.affinity = DP_CLIENTS_FEW,
		.socks = conf->socket_lb ? DP_CLIENTS : DP_CLIENTS_FEW };
	dp->nr_cpus = libbpf_num_possible_cpus();
	timer_init(&dp->begin, loop, begin_due, dp);
	timer_init(&dp->retry, loop, retry_due, dp);
	timer_init(&dp->audit, loop, audit_due, dp);
	devices_show(dp);
	dp->services = services_new(loop, on_grow, dp);
	services_on_written(dp->services, on_written, dp);
	dp->sweep = sweep_new(loop, dp->services);
	dp->watches = watches_new(loop, dp->services);
	dp->sockets = sockets_new(loop);
	dp->links = links_new(loop, &dp->conf, &ops, dp, err);
	if (!dp->links) {
		dp_free(dp);
		return NULL;
	}
	services_conf(dp->services, &dp->conf);
	services_on_local(dp->services, on_local, dp);
	services_on_gone(dp->services, on_gone, dp);
	timer_set(&dp->begin, LOAD_WAIT_MS);
	timer_set(&dp->audit, AUDIT_MS);
	*err = 0;
	return dp;
}

void
dp_free(struct datapath *dp)
{
	if (!dp)
		return;
	timer_stop(&dp->begin);
	timer_stop(&dp->retry);
	timer_stop(&dp->audit);
	/* Those that use maps first, the loader, whose maps they are, last. */
	watches_free(dp->watches);
	sweep_free(dp->sweep);
	sockets_free(dp->sockets);
	links_free(dp->links);
	services_free(dp->services);
	dp_kernel_free(dp->kernel);
	for (size_t i = 0; i < dp->nr_devices; i++)
		free((void *)(uintptr_t)dp->devices[i].d.error);
	mem_free(dp->devices);
	free(dp->shown);
	free(dp->error);
	free(dp->socket_lb_error);
	dp_conf_fini(&dp->conf);
	free(dp);
}

void
dp_remove(struct datapath *dp)
{
	int err = 0;

	timer_stop(&dp->begin);
	timer_stop(&dp->retry);
	timer_stop(&dp->audit);
	dp->removed = true;
	if (dp->loaded)
		(void)maps_set(dp, NULL, false);
	dp->loaded = dp->loading = dp->socket_lb = false;
	/* Freed with it: what the thread may still say is not heard. */
	if (dp->kernel)
		dp_kernel_remove(dp->kernel);
	else
		err = dp_remove_pinned(dp->conf.pin_path);
	dp_kernel_free(dp->kernel);
	dp->kernel = NULL;
	if (err < 0)
		log_error("datapath-remove-failed", LOG_S("pin", dp->conf.pin_path), LOG_ERR(err));
	for (size_t i = 0; i < dp->nr_devices; i++)
		dp->devices[i].d.how = DP_LINK_NONE;
	devices_show(dp);
}
