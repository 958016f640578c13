/*
 * daemon/metrics_rest.c: numbers of the daemon itself: addresses, configuration, the API, the loop, the
 * process.  See metrics.h.
 */
#include "daemon/metrics_parts.h"

#include "config.h"
#include "daemon/app.h"
#include "daemon/drain.h"
#include "daemon/kube_apply.h"
#include "daemon/metrics.h"
#include "lib/log.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SERVICES_AT_ONCE 256

/* ---- the daemon ---- */

bool
metrics_daemon(struct scrape *s)
{
	metric_u64(&s->out, METRIC_BUILD_INFO, 1, METRIC_VALUES(PACKAGE_VERSION, s->app->node));
	metric_double(&s->out, METRIC_UPTIME,
	    (double)(loop_now_ms(s->app->loop) - s->app->started_ms) / 1e3, NULL);
	metric_u64(&s->out, METRIC_READY, ready_look(s->app, NULL), NULL);
	for (unsigned i = 0; i < DRAIN_NR_CAUSES; i++)
		metric_u64(&s->out, METRIC_DRAINED,
		    s->app->drained_by & 1u << i ? s->app->drain : 0,
		    METRIC_VALUES(drain_text(i)->name));
	return false;
}

/* ---- addresses ---- */

struct pool_pass {
	struct metric_out *out;
	enum metric metric;
};

static bool
put_pool(void *arg, const struct ipam_pool_info *p)
{
	const struct pool_pass *pass = arg;
	uint64_t n;

	switch (pass->metric) {
	case METRIC_POOL_TOTAL:
		n = p->total;
		break;
	case METRIC_POOL_USED:
		n = p->used;
		break;
	case METRIC_POOL_FREE:
		n = p->available;
		break;
	case METRIC_POOL_CONFLICT:
		n = p->conflicting;
		break;
	default:
		n = p->disabled;
		break;
	}
	metric_u64(pass->out, pass->metric, n, METRIC_VALUES(p->name));
	return true;
}

bool
metrics_pools(struct scrape *s)
{
	static const enum metric of_pool[] = { METRIC_POOL_TOTAL, METRIC_POOL_USED,
		METRIC_POOL_FREE, METRIC_POOL_CONFLICT, METRIC_POOL_DISABLED };

	for (size_t i = 0; i < sizeof(of_pool) / sizeof(of_pool[0]); i++) {
		struct pool_pass pass = { &s->out, of_pool[i] };

		ipam_pools_each(s->app->ipam, put_pool, &pass);
	}
	return false;
}

static void
count_service(struct scrape *s, const struct res_service *svc)
{
	struct service_sums *sums = &s->services;
	struct ipam_claim_info info;
	char owner[512];

	sums->by_type[svc->type]++;
	if (svc->type != RES_SVC_LOAD_BALANCER)
		return;
	snprintf(owner, sizeof(owner), "%s/%s", svc->obj.meta.ns, svc->obj.meta.name);
	if (ipam_claim_get(s->app->ipam, owner, &info) < 0) {
		sums->not_ours++;
	} else if (info.nr_held == info.nr_wanted) {
		sums->satisfied++;
	} else {
		sums->unsatisfied++;
		if (info.reason < REASON_NR)
			sums->by_reason[info.reason]++;
	}
}

static void
put_services(struct scrape *s)
{
	static const char *const types[] = { [RES_SVC_CLUSTER_IP] = "ClusterIP",
		[RES_SVC_NODE_PORT] = "NodePort",
		[RES_SVC_LOAD_BALANCER] = "LoadBalancer",
		[RES_SVC_EXTERNAL_NAME] = "ExternalName" };
	const struct service_sums *sums = &s->services;
	struct metric_out *o = &s->out;

	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
		metric_u64(o, METRIC_SERVICES, sums->by_type[t], METRIC_VALUES(types[t]));
	metric_u64(o, METRIC_SERVICES_LB, sums->satisfied, METRIC_VALUES("satisfied"));
	metric_u64(o, METRIC_SERVICES_LB, sums->unsatisfied, METRIC_VALUES("unsatisfied"));
	metric_u64(o, METRIC_SERVICES_LB, sums->not_ours, METRIC_VALUES("not-ours"));
	for (unsigned r = 0; r < REASON_NR; r++)
		if (sums->by_reason[r])
			metric_u64(o, METRIC_SERVICES_WAIT, sums->by_reason[r],
			    METRIC_VALUES(reason_name((enum reason)r)));
}

/* Some Services in each slice. */
bool
metrics_services(struct scrape *s)
{
	struct res_object *o = s->service, *next;

	for (unsigned i = 0; i < SERVICES_AT_ONCE; i++) {
		next = store_next(s->app->store, RES_SERVICE, o);
		if (!next) {
			put_services(s);
			return false;
		}
		count_service(s, (const struct res_service *)next);
		o = next;
	}
	res_ref(o); /* it may be gone by the next slice; its name says where to go on */
	res_unref(s->service);
	s->service = o;
	return true;
}

/* ---- configuration ---- */

static void
put_notices(struct scrape *s)
{
	uint64_t nr[REASON_NR] = { 0 };

	for (const struct notice *n = s->app->plan ? s->app->plan->notices : NULL; n; n = n->next)
		nr[n->reason]++;
	nr[REASON_NOT_SUPPORTED] += metallb_notices(s->app->metallb)->nr;
	nr[REASON_NODE_UNKNOWN] += !store_node(s->app->store, s->app->node);
	for (unsigned r = 0; r < REASON_NR; r++)
		if (nr[r])
			metric_u64(&s->out, METRIC_NOTICES, nr[r],
			    METRIC_VALUES(reason_name((enum reason)r)));
}

static void
put_sources(struct scrape *s)
{
	const struct store *store = s->app->store;

	for (unsigned i = 0; i < store_nr_sources(store); i++) {
		if (store_source_is_derived(store, (int)i) ||
		    strcmp(store_source_name(store, (int)i), "cache") == 0)
			continue;
		metric_u64(&s->out, METRIC_SOURCE_SYNCED, store_source_is_synced(store, (int)i),
		    METRIC_VALUES(store_source_name(store, (int)i)));
	}
	for (int k = 0; k < RES_NR_KINDS; k++)
		metric_u64(&s->out, METRIC_OBJECTS, store_nr(store, (enum res_kind)k),
		    METRIC_VALUES(res_kind_name((enum res_kind)k)));
}

bool
metrics_config(struct scrape *s)
{
	const struct app *app = s->app;
	const struct res_faults *faults = files_faults(app->files);

	metric_u64(&s->out, METRIC_CONFIG_OK, files_ok(app->files), NULL);
	metric_double(&s->out, METRIC_CONFIG_READ, (double)files_read_at(app->files), NULL);
	metric_u64(&s->out, METRIC_CONFIG_RELOADS, app->nr_good, METRIC_VALUES("ok"));
	metric_u64(
	    &s->out, METRIC_CONFIG_RELOADS, files_nr_refused(app->files), METRIC_VALUES("refused"));
	metric_u64(&s->out, METRIC_CONFIG_FAULTS, faults->nr + faults->suppressed, NULL);
	put_notices(s);
	put_sources(s);
	metric_u64(&s->out, METRIC_CHANGES, app->nr_changes, NULL);
	return false;
}

/* ---- the API ---- */

struct watch_pass {
	struct metric_out *out;
	enum metric metric;
};

static bool
put_watch(void *arg, const struct kube_watch_info *w)
{
	const struct watch_pass *pass = arg;
	uint64_t n;

	switch (pass->metric) {
	case METRIC_KUBE_WATCHING:
		n = w->watching;
		break;
	case METRIC_KUBE_OBJECTS:
		n = w->nr;
		break;
	case METRIC_KUBE_EVENTS:
		n = w->events;
		break;
	case METRIC_KUBE_LISTS:
		n = w->lists;
		break;
	default:
		n = w->faults;
		break;
	}
	metric_u64(pass->out, pass->metric, n, METRIC_VALUES(w->resource));
	return true;
}

static bool
put_calls(void *arg, const char *verb, int status, uint64_t nr)
{
	char code[16];

	snprintf(code, sizeof(code), "%d", status);
	metric_u64(arg, METRIC_KUBE_REQUESTS, nr, METRIC_VALUES(verb, code));
	return true;
}

bool
metrics_kube(struct scrape *s)
{
	static const enum metric of_watch[] = { METRIC_KUBE_WATCHING, METRIC_KUBE_OBJECTS,
		METRIC_KUBE_EVENTS, METRIC_KUBE_LISTS, METRIC_KUBE_FAULTS };
	struct kube *kube = kube_apply_source(s->app);
	struct kube_writer_info w = { 0 };
	struct metric_out *o = &s->out;

	if (!kube)
		return false;
	metric_u64(o, METRIC_KUBE_CONNECTED, kube_connected(kube), NULL);
	metric_u64(o, METRIC_KUBE_LEADER, kube_apply_leads(s->app), NULL);
	kube_http_counts_each(kube_http(kube), put_calls, o);
	for (size_t i = 0; i < sizeof(of_watch) / sizeof(of_watch[0]); i++) {
		struct watch_pass pass = { o, of_watch[i] };

		kube_each_watch(kube, put_watch, &pass);
	}
	kube_writer_info(kube_writer(kube), &w);
	metric_u64(o, METRIC_KUBE_WAITING, w.waiting, NULL);
	metric_u64(o, METRIC_KUBE_UNDER_WAY, w.under_way, NULL);
	metric_u64(o, METRIC_KUBE_WRITES, w.sent, METRIC_VALUES("sent"));
	metric_u64(o, METRIC_KUBE_WRITES, w.retried, METRIC_VALUES("retried"));
	metric_u64(o, METRIC_KUBE_WRITES, w.refused, METRIC_VALUES("refused"));
	metric_u64(o, METRIC_KUBE_WRITES, w.replaced, METRIC_VALUES("replaced"));
	return false;
}

/* ---- the loop and the process ---- */

bool
metrics_loop(struct scrape *s)
{
	const struct loop_stat *turns = loop_turns(s->app->loop),
			       *late = loop_lateness(s->app->loop);

	metric_histogram(&s->out, METRIC_LOOP_TURN, loop_stat_bounds_us, LOOP_NR_STAT_BOUNDS,
	    turns->buckets, turns->sum_us);
	metric_histogram(&s->out, METRIC_LOOP_LATE, loop_stat_bounds_us, LOOP_NR_STAT_BOUNDS,
	    late->buckets, late->sum_us);
	for (int l = LOG_LVL_ERROR; l <= LOG_LVL_DEBUG; l++)
		metric_u64(&s->out, METRIC_LOG_LINES, log_nr_lines((enum log_level)l),
		    METRIC_VALUES(log_level_name((enum log_level)l)));
	metric_u64(&s->out, METRIC_LOG_HELD, log_nr_repeated(), NULL);
	metric_double(&s->out, METRIC_SCRAPE_TIME, (double)s->metrics->longest_us / 1e6, NULL);
	return false;
}

static uint64_t
nr_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t nr = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr > 3 ? nr - 3 : 0; /* without ".", ".." and the folder's own */
}

/* proc(5), statm: sizes in pages, the whole first and then what is resident. */
static void
put_memory(struct metric_out *o)
{
	FILE *f = fopen("/proc/self/statm", "re");
	const long page = sysconf(_SC_PAGESIZE);
	uint64_t size = 0, resident = 0;
	const bool ok = f && fscanf(f, "%" SCNu64 " %" SCNu64, &size, &resident) == 2;

	if (f)
		fclose(f);
	if (!ok || page <= 0)
		return;
	metric_u64(o, METRIC_P_RSS, resident * (uint64_t)page, NULL);
	metric_u64(o, METRIC_P_VSS, size * (uint64_t)page, NULL);
}

bool
metrics_process(struct scrape *s)
{
	struct rlimit limit = { 0 };
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) == 0)
		metric_double(&s->out, METRIC_P_CPU,
		    (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
		    NULL);
	put_memory(&s->out);
	metric_u64(&s->out, METRIC_P_FDS, nr_open_fds(), NULL);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		metric_u64(&s->out, METRIC_P_MAX_FDS, limit.rlim_cur, NULL);
	metric_double(&s->out, METRIC_P_START, s->metrics->started, NULL);
	return false;
}

/* proc(5), stat: field 22 is when the process started, in ticks since the machine did. */
static double
age_of_process(void)
{
	FILE *f = fopen("/proc/self/stat", "re");
	const long ticks = sysconf(_SC_CLK_TCK);
	char text[1024] = "";
	struct timespec now;
	const char *at;
	unsigned field = 2;

	if (f) {
		text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
		fclose(f);
	}
	at = strrchr(text, ')'); /* the name may hold anything */
	while (at && field < 22) {
		at = strchr(at + 1, ' ');
		field++;
	}
	if (!at || ticks <= 0 || clock_gettime(CLOCK_BOOTTIME, &now) < 0)
		return 0;
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9 -
	    (double)strtoull(at + 1, NULL, 10) / (double)ticks;
}

void
metrics_rest_init(struct metrics *m)
{
	m->started = (double)loop_wall_us(m->app->loop) / 1e6 - age_of_process();
}
