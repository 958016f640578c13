/*
 * daemon/app.c: brings the parts up in order, keeps them, and takes them down.  See app.h.
 */
#include "daemon/app.h"

#include "daemon/bfd_apply.h"
#include "daemon/discover.h"
#include "daemon/drain.h"
#include "daemon/ipam_apply.h"
#include "daemon/kube_apply.h"
#include "daemon/metrics.h"
#include "daemon/monitor.h"
#include "daemon/notify.h"
#include "daemon/plan.h"
#include "daemon/pods.h"
#include "daemon/privileges.h"
#include "daemon/service.h"
#include "daemon/show.h"
#include "daemon/state.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_CONFIG 1
#define EXIT_START 3
#define ADOPTION_MS 120000 /* for peers' End-of-RIBs; the longest common restart time */
#define ADOPTION_LOOK_MS 5000
#define GOODBYE_MS 200 /* for the last bytes on sockets */
#define SAVE_SOON_MS 500
#define SAVE_AGAIN_MS 5000
#define FAULTS_MAX (1u << 20)

/* ---- faults of the configuration ---- */

char *
app_faults_text(const struct app *app)
{
	const struct res_faults *faults = files_faults(app->files);
	struct buf b;
	char *line;

	buf_init(&b, FAULTS_MAX);
	for (size_t i = 0; i < faults->nr; i++) {
		line = res_fault_format(&faults->v[i]);
		buf_printf(&b, "%s%s", i ? "\n" : "", line ? line : "out of memory");
		free(line);
	}
	if (faults->suppressed)
		buf_printf(&b, "\nand %zu more", faults->suppressed);
	line = buf_steal(&b);
	return line ? line : xstrdup("more faults than can be shown");
}

static void
files_read(void *arg, bool ok)
{
	struct app *app = arg;
	const struct res_faults *faults;
	char *line;

	app->nr_good += ok;
	if (ok)
		monitor_say(app, "reload", "applied", "the configuration was read and taken on");
	if (ok || !app->files) /* the first reading is told by app_init() */
		return;
	faults = files_faults(app->files);
	line =
	    xasprintf("the configuration has %zu fault%s, the one before stays; heraldctl status "
		      "lists them",
		faults->nr + faults->suppressed, faults->nr + faults->suppressed == 1 ? "" : "s");
	monitor_say(app, "reload", "refused", line);
	free(line);
	for (size_t i = 0; i < faults->nr; i++) {
		line = res_fault_format(&faults->v[i]);
		log_error("configuration-fault", LOG_S("fault", line ? line : "out of memory"));
		free(line);
	}
	log_error("configuration-refused", LOG_U("faults", faults->nr + faults->suppressed),
	    LOG_U("refused_total", files_nr_refused(app->files)));
}

int
app_reload(struct app *app, size_t *changed, char **error)
{
	const uint64_t before = app->nr_changes;
	int err = files_reload(app->files);

	if (err < 0) {
		*error = err == -EINVAL ? app_faults_text(app) : xstrdup(strerror(-err));
		return err;
	}
	store_flush(app->store);
	*changed = (size_t)(app->nr_changes - before);
	log_info("configuration-reloaded", LOG_U("changed", *changed));
	return 0;
}

/* ---- HeraldConfig ---- */

static void
setup_log(const struct app *app, const struct res_herald_config *config)
{
	static const enum log_level levels[] = { [RES_LOG_ERROR] = LOG_LVL_ERROR,
		[RES_LOG_WARN] = LOG_LVL_WARN,
		[RES_LOG_INFO] = LOG_LVL_INFO,
		[RES_LOG_DEBUG] = LOG_LVL_DEBUG };

	log_setup(app->verbose ? LOG_LVL_DEBUG : levels[config->log_level],
	    config->log_format == RES_LOG_JSON ? LOG_FMT_JSON : LOG_FMT_LOGFMT);
}

static char *
choose_node(const struct app *app, const struct res_herald_config *config)
{
	char host[256] = "";

	if (*config->node_name)
		return xstrdup(config->node_name);
	if (app->node_option)
		return xstrdup(app->node_option);
	if (gethostname(host, sizeof(host) - 1) < 0 || !*host)
		return NULL;
	return xstrdup(host);
}

/* What can only be chosen at the start is named when it changes. */
static void
config_changed(struct app *app, const struct store_change *c)
{
	const struct res_herald_config *config = store_config(app->store);
	char *node = choose_node(app, config);

	(void)c;
	setup_log(app, config);
	metrics_conf(app->metrics);
	kube_apply_config(app);
	sockets_helper_follow(app);
	if (strcmp(config->state_dir, app->state_dir) != 0)
		log_warn("restart-needed", LOG_S("field", "spec.stateDir"));
	if (strcmp(config->control_socket, app->socket_path) != 0)
		log_warn("restart-needed", LOG_S("field", "spec.control.socket"));
	if (app->pin_path && strcmp(config->datapath.pin_path, app->pin_path) != 0)
		log_warn("restart-needed", LOG_S("field", "spec.datapath.pinPath"));
	if (node && strcmp(node, app->node) != 0)
		log_warn("restart-needed", LOG_S("field", "spec.nodeName"));
	free(node);
}

static void
store_changed(void *arg, const struct store_change *changes, size_t nr)
{
	struct app *app = arg;

	for (size_t i = 0; i < nr; i++)
		if (changes[i].kind == RES_HERALD_CONFIG && app->running && !app->rehearsing)
			config_changed(app, &changes[i]);
	reconcile_changes(app, changes, nr);
}

/* ---- routes that were there before us ---- */

static void
drop_adopted(struct app *app)
{
	if (app->adopted_done)
		return;
	app->adopted_done = true;
	timer_stop(&app->adoption);
	if (app->fib)
		fib_adopted_done(app->fib);
	if (app->tunnel)
		tunnel_adopted_done(app->tunnel);
}

static void
look_at_adopted(void *arg)
{
	struct app *app = arg;

	/* While a source is silent nobody knows what is not wanted any more. */
	if (store_is_synced(app->store) &&
	    (bgp_learned_complete(app->bgp) ||
		loop_now_ms(app->loop) - app->started_ms >= ADOPTION_MS))
		drop_adopted(app);
	else
		timer_set(&app->adoption, ADOPTION_LOOK_MS);
}

static void
learned(void *arg, const char *instance, const struct prefix *p, unsigned nr,
    const struct bgp_hop *hops)
{
	struct app *app = arg;

	if (app->monitor)
		monitor_learned(app, instance, p, nr, hops);
	fib_wanted_learned(app, instance, p, nr, hops);
}

static void
peer_changed(void *arg, const char *instance, const char *peer, enum bgp_state state)
{
	struct app *app = arg;

	app->generation++;
	l2_apply_sessions(app);
	monitor_peer(app, instance, peer);
	kube_apply_peer(app, peer, state);
	if (state == BGP_ESTABLISHED && app->plan) /* its link may be another one than before */
		bfd_apply_peers(app);
	if (!app->adopted_done && app->bgp && store_is_synced(app->store) &&
	    bgp_learned_complete(app->bgp))
		drop_adopted(app);
}

/* ---- stateDir ---- */

/* Of Services of the API the API itself keeps the addresses. */
static bool
is_kept_elsewhere(const struct app *app, const char *owner)
{
	const char *slash = strchr(owner, '/');
	const struct res_service *svc;
	char *ns;

	if (!app->kube || !slash)
		return false;
	ns = xstrndup(owner, (size_t)(slash - owner));
	svc = store_service(app->store, ns, slash + 1);
	free(ns);
	return !svc || service_is_remote(svc);
}

struct saving {
	const struct app *app;
	json_t *list;
};

static bool
add_allocation(void *arg, const struct ipam_alloc *a)
{
	const struct saving *saving = arg;
	char text[ADDR_STRLEN];

	if (is_kept_elsewhere(saving->app, a->owner))
		return true;
	json_array_append_new(saving->list,
	    json_pack("{s:s, s:s, s:s}", "owner", a->owner, "address",
		addr_format(&a->addr, text, sizeof(text)), "pool", a->pool));
	return true;
}

static int
save_allocations(struct app *app)
{
	struct saving saving = { .app = app };
	int err;

	if (!app->unsaved || !ipam_is_started(app->ipam))
		return 0;
	saving.list = json_array();
	ipam_each(app->ipam, add_allocation, &saving);
	err = state_save_allocations(app->state_dir, saving.list);
	json_decref(saving.list);
	app->unsaved = err < 0;
	return err;
}

static void
save_state(void *arg)
{
	struct app *app = arg;
	int err = save_allocations(app);

	if (err == 0)
		return;
	log_error("state-not-saved", LOG_S("stateDir", app->state_dir), LOG_ERR(err));
	if (!app->stopping)
		timer_set(&app->save, SAVE_AGAIN_MS);
}

void
app_owner_changed(struct app *app, const char *owner)
{
	struct ipam_claim_info info;
	char text[ADDR_STRLEN];
	struct ipam_alloc a;
	json_t *list;
	int err;

	if (is_kept_elsewhere(app, owner))
		return;
	list = json_array();
	if (ipam_claim_get(app->ipam, owner, &info) < 0)
		info.nr_wanted = 0;
	for (size_t i = 0; i < info.nr_wanted; i++)
		if (ipam_claim_want(app->ipam, owner, i, &a) == 0 && addr_is_set(&a.addr))
			json_array_append_new(list,
			    json_pack("{s:s, s:s}", "address",
				addr_format(&a.addr, text, sizeof(text)), "pool", a.pool));
	err = state_log_allocation(app->state_dir, owner, list);
	json_decref(list);
	if (err < 0)
		log_error("allocation-not-logged", LOG_S("owner", owner), LOG_ERR(err));
	app->unsaved = true;
	if (!timer_is_running(&app->save))
		timer_set(&app->save, SAVE_SOON_MS);
}

/* ---- life ---- */

static bool
is_of_files(const struct app *app, const char *owner)
{
	const char *slash = strchr(owner, '/');
	char *ns = slash ? xstrndup(owner, (size_t)(slash - owner)) : NULL;
	const bool found = ns && store_service(app->store, ns, slash + 1);

	free(ns);
	return found;
}

static void
restore_allocation(void *arg, const char *owner, const struct addr *addr, const char *pool)
{
	struct app *app = arg;

	/* Of a time when files were the only source, or of one that is gone: the API knows better. */
	if (store_config(app->store)->kubernetes.present && !is_of_files(app, owner))
		return;
	if (ipam_restore(app->ipam, owner, addr, pool) < 0)
		log_warn("allocation-not-restored", LOG_S("owner", owner),
		    LOG_S("address", addr_str(addr)));
}

/* Without stateDir a restart could renumber: that is no state to run in. */
static int
init_state(struct app *app, bool *restarted)
{
	char *error = NULL;
	int err = state_prepare(app->state_dir);

	if (err == 0)
		err = access(app->state_dir, W_OK | X_OK) < 0 ? -errno : 0;
	if (err < 0) {
		log_error("state-dir-unusable", LOG_S("stateDir", app->state_dir), LOG_ERR(err),
		    LOG_S("hint", "create it, or set spec.stateDir of the HeraldConfig"));
		return EXIT_START;
	}
	err = state_load_allocations(app->state_dir, restore_allocation, app, &error);
	if (err < 0)
		log_error("allocations-not-read", LOG_S("message", error));
	free(error);
	*restarted = state_was_running(app->state_dir);
	return 0;
}

static int
init_store(struct app *app)
{
	char *text;

	app->store = store_new(app->loop);
	app->metallb = metallb_new(app->loop, app->store); /* before those who read what it says */
	store_subscribe(app->store, store_changed, app);
	app->files = files_new(app->loop, app->store, app->paths, app->nr_paths, files_read, app);
	if (!app->files) {
		log_error("files-not-read", LOG_ERR(errno));
		return EXIT_START;
	}
	if (files_ok(app->files))
		return 0;
	/* The same lines as `herald -t`, not log lines: a person is looking. */
	text = app_faults_text(app);
	fprintf(stderr, "%s\n", text);
	free(text);
	return EXIT_CONFIG;
}

/* The server may be away; what it is to be reached with may not be wrong. */
static int
init_kube(struct app *app, bool restarted)
{
	char *error = NULL;

	if (kube_apply_init(app, restarted, &error) == 0)
		return 0;
	log_error("kubernetes-unusable", LOG_S("message", error ? error : "no reason"));
	free(error);
	return EXIT_START;
}

static int
init_engines(struct app *app, bool restarted)
{
	const struct bgp_ops ops = { .learned = learned,
		.aggregate = discard_aggregate,
		.peer_changed = peer_changed,
		.arg = app };
	const struct fib_conf fib_conf = { .table = store_config(app->store)->routing_table };
	int err = 0;

	app->bgp = bgp_new(app->loop, &ops, restarted);
	if (!app->bgp) {
		log_error("bgp-not-started", LOG_ERR(ENOMEM));
		return EXIT_START;
	}
	app->discover = discover_new(app->loop, reconcile_links, app);
	reconcile_all(app);
	bgp_greet(app->bgp); /* peers think while what comes below is set up */
	app->fib = fib_new(app->loop, &fib_conf, &err);
	if (!app->fib)
		log_error("kernel-routes-off", LOG_ERR(err));
	app->tunnel = tunnel_new(app->loop, &err);
	if (!app->tunnel)
		log_error("tunnel-off", LOG_ERR(err));
	fib_wanted_resync(app);
	datapath_apply_init(app);
	l2_apply_init(app);
	return 0;
}

static void
on_signal(void *arg, int signo)
{
	struct app *app = arg;
	char *error = NULL;
	size_t changed;

	if (signo == SIGHUP) {
		notify_systemd("RELOADING=1");
		(void)app_reload(app, &changed, &error); /* faults are logged by files_read() */
		free(error);
		notify_systemd("READY=1");
		return;
	}
	log_info("stopping", LOG_S("signal", strsignal(signo)));
	app_stop(app, true);
}

/* Sessions, clients and maps are descriptors each; the usual soft limit of 1024 is for programs that call
 * select(2), which none of ours do. */
static void
raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("files-not-raised", LOG_ERR(errno));
}

static int
init_signals(struct app *app)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (loop_signal(app->loop, signals[i], on_signal, app) < 0) {
			log_error("signals-failed", LOG_ERR(errno));
			return EXIT_START;
		}
	return 0;
}

/* The group's number; -ENOENT: there is none of that name. */
static int
group_number(const char *name, const char *field, gid_t *out, char **error)
{
	const struct group *g;

	*out = CONTROL_NO_GROUP;
	if (!*name)
		return 0;
	g = getgrnam(name);
	if (!g) {
		*error = xasprintf("control.%s: there is no group \"%s\" on this node; addgroup "
				   "--system %s makes it",
		    field, name, name);
		return -ENOENT;
	}
	*out = g->gr_gid;
	return 0;
}

static int
control_give(struct app *app, char **error)
{
	const struct res_herald_config *config = store_config(app->store);
	struct control_access access = { .reading = app_reading };
	int err = group_number(config->control_group, "group", &access.group, error);

	if (err == 0)
		err = group_number(config->control_read_group, "readGroup", &access.readers, error);
	return err < 0 ? err : control_set_access(app->control, &access, error);
}

static int
init_control(struct app *app)
{
	char *error = NULL;
	int err =
	    control_new(&app->control, app->loop, app->socket_path, app_commands, app, &error);

	if (err == 0)
		err = control_give(app, &error);
	if (err == 0)
		return 0;
	log_error("control-failed", LOG_S("message", error));
	free(error);
	return EXIT_START;
}

/* The socket has its owner; from here on there are threads, and words from the network. */
static int
init_privileges(struct app *app, const struct res_herald_config *config)
{
	char *error = NULL;

	/* The last moment for it.  What is wrong is told by those who miss it. */
	if (config->datapath.mode == RES_DP_BPF)
		(void)dp_mount(config->datapath.pin_path);
	sockets_helper_init(app);
	if (privileges_drop(&error) == 0)
		return 0;
	log_error("privileges-not-dropped", LOG_S("message", error));
	free(error);
	return EXIT_START;
}

static void
stop_now(void *arg)
{
	loop_stop(((struct app *)arg)->loop);
}

/* systemd starts a new one when the loop does not come round. */
static void
alive(void *arg)
{
	struct app *app = arg;

	notify_systemd("WATCHDOG=1");
	timer_set(&app->alive, notify_watchdog_ms());
}

int
app_init(struct app *app)
{
	const struct res_herald_config *config;
	bool restarted = false;
	int status;

	raise_files();
	app->loop = loop_new();
	if (!app->loop) {
		log_error("loop-failed", LOG_ERR(errno));
		return EXIT_START;
	}
	app->started_ms = loop_now_ms(app->loop);
	app->ipam = ipam_new(reconcile_ipam_changed, app);
	timer_init(&app->save, app->loop, save_state, app);
	timer_init(&app->adoption, app->loop, look_at_adopted, app);
	drain_init(app);
	timer_init(&app->stop_timer, app->loop, stop_now, app);
	timer_init(&app->alive, app->loop, alive, app);
	status = init_store(app);
	if (status)
		return status;
	config = store_config(app->store);
	setup_log(app, config);
	app->node = choose_node(app, config);
	app->state_dir = xstrdup(config->state_dir);
	app->socket_path = xstrdup(config->control_socket);
	if (!app->node) {
		log_error("no-node-name", LOG_S("hint", "give -n NODE or spec.nodeName"));
		return EXIT_START;
	}
	status = init_state(app, &restarted);
	if (!status) {
		drain_load(app);
		ipam_apply_init(app);
	}
	if (!status)
		status = init_kube(app, restarted);
	/* Before the sessions: a second herald on this node must not disturb the first. */
	if (!status)
		status = init_control(app);
	if (!status)
		status = init_privileges(app, config);
	if (!status)
		pods_init(app);
	if (!status)
		status = init_signals(app);
	store_flush(app->store); /* what was just read is no news: everything is looked at anyway */
	if (!status)
		status = init_engines(app, restarted);
	if (status)
		return status;
	pods_start(app);
	timer_set(&app->adoption, ADOPTION_LOOK_MS);
	app->metrics = metrics_new(app);
	app->running = true;
	log_info("started", LOG_S("node", app->node), LOG_B("restarted", restarted));
	if (state_mark_running(app->state_dir) < 0)
		log_warn("running-not-marked", LOG_S("stateDir", app->state_dir));
	notify_systemd("READY=1");
	if (notify_watchdog_ms())
		alive(app);
	return 0;
}

void
app_stop(struct app *app, bool graceful)
{
	if (app->stopping)
		return;
	app->stopping = true;
	notify_systemd("STOPPING=1");
	timer_stop(&app->save);
	save_state(app);
	kube_apply_stop(app);
	app->removing = !graceful; /* when the withdrawals are out */
	if (!graceful) {
		state_mark_gone(app->state_dir);
		if (app->fib)
			fib_flush(app->fib);
		if (app->tunnel)
			tunnel_flush(app->tunnel);
	}
	bgp_stop(app->bgp, graceful, graceful ? NULL : "shutdown by the operator");
	if (!l2_apply_leave(app))
		app_stopped(app);
}

void
app_stopped(struct app *app)
{
	timer_set(&app->stop_timer, GOODBYE_MS);
}

void
app_fini(struct app *app)
{
	timer_stop(&app->save);
	timer_stop(&app->adoption);
	timer_stop(&app->stop_timer);
	plan_process_fini(app);
	metrics_free(app->metrics);
	drain_fini(app);
	control_free(app->control);
	pods_fini(app);	    /* while the API may still be asked about */
	l2_apply_fini(app); /* it asks the API too */
	kube_apply_fini(app);
	bfd_apply_fini(app);
	datapath_apply_fini(app);
	dp_helper_free(app->helper);
	show_fini(app);
	bgp_free(app->bgp);
	discover_free(app->discover);
	app->bgp = NULL;
	bgp_plan_free(app->plan);
	app->plan = NULL;
	fib_free(app->fib);
	tunnel_free(app->tunnel);
	fib_wanted_fini(app);
	files_free(app->files);
	metallb_free(app->metallb);
	store_free(app->store);
	ipam_apply_fini(app);
	ipam_free(app->ipam);
	reconcile_fini(app);
	loop_free(app->loop);
	free(app->node);
	free(app->state_dir);
	free(app->socket_path);
}
