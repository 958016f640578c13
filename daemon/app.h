/*
 * daemon/app.h: the whole daemon: one store, the engines, and what is carried between them.
 * Decisions are in *_wanted.c; here stands in which order they are made and who is told.
 */
#ifndef HERALD_DAEMON_APP_H
#define HERALD_DAEMON_APP_H

#include "bgpd/bgpd.h"
#include "daemon/arena.h"
#include "daemon/bgp_wanted.h"
#include "daemon/control.h"
#include "daemon/health_check.h"
#include "datapath/datapath.h"
#include "fib/fib.h"
#include "ipam/ipam.h"
#include "l2/l2.h"
#include "lib/loop.h"
#include "resource/resource.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aggregate;
struct bfd;
struct bfd_peer;
struct discover;
struct frontend_id;
struct kube_side;
struct l2_side;
struct learned;
struct metrics;
struct monitor;
struct observer;
struct plan_process;
struct pods;

/* How far this node is out of the way: peers are told so, then Services are withdrawn. */
enum app_drain { APP_NOT_DRAINED, APP_DRAINING, APP_WITHDRAWN };

struct app {
	/* ---- as started ---- */
	const char *const *paths;
	size_t nr_paths;
	const char *node_option; /* -n, or NULL */
	bool verbose;

	/* ---- running ---- */
	char *node; /* our name */
	char *state_dir, *socket_path, *pin_path;
	uint64_t started_ms;
	struct loop *loop;
	struct store *store;
	struct files *files;
	struct metallb *metallb; /* MetalLB's documents, translated */
	struct ipam *ipam;
	struct ipam_apply *addresses; /* daemon/ipam_apply.c */
	struct bgp *bgp;
	struct discover *discover;  /* where BGP peers are */
	struct bfd *bfd;	    /* NULL: nobody needed it yet; app_bfd() */
	struct bfd_peer *bfd_peers; /* that are watched */
	struct fib *fib;	    /* NULL: netlink could not be opened */
	struct tunnel *tunnel;	    /* NULL likewise */
	struct pods *pods;	    /* addresses of pods; pods.h */
	struct datapath *datapath;  /* NULL: mode none, or not yet */
	struct dp_helper *helper;   /* ends sockets of pods; NULL: no_helper says why */
	const char *no_helper;
	struct l2 *l2;		 /* NULL: netlink could not be opened */
	struct l2_side *l2_side; /* what is wanted of it, and the nodes among themselves */
	struct health_checks *health;
	struct metrics *metrics;
	struct observer *observers; /* those who run `heraldctl observe` */
	struct monitor *monitor;    /* those who run `heraldctl monitor`; NULL: nobody */
	struct control *control;
	struct bgp_plan *plan;
	struct plan_process *planning; /* those who work out a plan */
	struct learned *learned;       /* what bgpd wants in the kernel, while that is asked for */
	char **learned_from;	       /* instances by number */
	uint16_t nr_learned_from;
	bool install_learned;	      /* as now in force */
	struct aggregate *aggregates; /* announced as a whole; daemon/discard.c */
	bool adopted_done;
	struct loop_timer adoption; /* looks whether adopted routes may go */
	struct loop_work carry;	    /* the first datapath_apply_all(), behind the first messages */
	struct loop_timer save;	    /* stateDir is behind */
	struct loop_timer stop_timer;
	struct loop_timer alive; /* systemd's watchdog */
	uint64_t nr_changes;	 /* objects that changed, since the start */
	uint64_t generation; /* grows whenever what is told of Services may be other than it was */
	uint64_t nr_good;    /* readings of the files that were taken on */
	struct frontend_id *frontends;
	uint32_t next_frontend_id;
	struct kube_side *kube; /* NULL: files are the only source */
	char **yielding; /* Services whose address another one still has, as far as is known here */
	size_t nr_yielding;
	enum app_drain drain;
	struct loop_timer drain_timer; /* until its Services are withdrawn */
	unsigned drained_by;	       /* enum drain_cause bits */
	unsigned drain_wait_s;	       /* that peers are, or were, given */
	bool drain_asks_first; /* at the start: peers may have routes of an earlier process */
	bool giving;	       /* this node gives addresses to the Services of the API */
	bool unsaved;	       /* allocations changed since allocations.json was written */
	bool running;	       /* app_init() is through */
	bool sweeping; /* every Service will be announced: no need to do it one by one before */
	bool stopping;
	bool rehearsing; /* a process that works out a plan: nothing may leave it */
	bool carrying;	 /* the datapath follows the store */
	bool no_helper_told;
	bool left_behind; /* mode none: what an earlier process pinned is gone */
	bool removing;	  /* `heraldctl shutdown`: leave nothing in the kernel */
	int exit_status;
};

/* Bring everything up; returns 0, or the exit status with the reason logged.  app_fini() in both
 * cases. */
int app_init(struct app *);
void app_fini(struct app *);

/* End the process: gracefully (SIGTERM), or withdrawing everything (`heraldctl shutdown`). */
void app_stop(struct app *, bool graceful);

/* The last part that had something to hand over is through with it. */
void app_stopped(struct app *);

/* Read the files again.  0, or -EINVAL with *error (the caller's) listing every fault.  *changed:
 * how many objects did. */
int app_reload(struct app *, size_t *changed, char **error);

/* What is wrong with the files as read last, a line each; for free(). */
char *app_faults_text(const struct app *);

/* The LoadBalancer addresses of a Service: those that ipam holds for it, else what its status says.
 * In @arena. */
size_t app_service_addrs(
    struct app *, const struct res_service *, struct arena *, const struct addr **out);

/* What @owner has changed: into the log of stateDir at once, all of it saved soon, when the disk may
 * be waited for. */
void app_owner_changed(struct app *, const char *owner);

/* daemon/reconcile.c: make all engines follow the store; the second touches one Service only. */
void reconcile_all(struct app *);
void reconcile_changes(void *app, const struct store_change *, size_t nr);
void reconcile_ipam_changed(void *app, const char *owner, unsigned what);
void reconcile_leader(struct app *); /* another node gives addresses now, or this one */
void reconcile_links(void *app);     /* what discover says of links is another thing now */
void reconcile_drain(struct app *);  /* it is drained otherwise than before */
void reconcile_fini(struct app *);

/* daemon/discard.c: what is announced as a whole is unreachable where nothing else is there.  The first is
 * bgp_ops.aggregate. */
void discard_aggregate(void *app, const struct prefix *, unsigned was, unsigned now);
void discard_resync(struct app *); /* after the configuration changed; app->fib is there */
void discard_fini(struct app *);

/* daemon/fib_wanted.c: routes to other nodes, and what was learned. */
void fib_wanted_nodes(struct app *);
void fib_wanted_learned(
    void *app, const char *instance, const struct prefix *, unsigned nr, const struct bgp_hop *);
void fib_wanted_resync(struct app *); /* after installLearned, table or PodCIDRs changed */
void fib_wanted_fini(struct app *);

/* daemon/datapath_apply.c: the load balancer and the health checks.  The first work is done once the
 * loop runs, so that sessions do not wait for it. */
void datapath_apply_init(struct app *);
void datapath_apply_start(struct app *); /* once more, when it had to wait */
void datapath_apply_fini(struct app *);
void datapath_apply_all(struct app *); /* after Nodes, peers or the HeraldConfig changed */
void datapath_apply_service(struct app *, const char *ns, const char *name);

/* daemon/sockets_helper.c: the process that ends sockets of pods.  The first before privileges are given
 * up; the second after the HeraldConfig changed. */
void sockets_helper_init(struct app *);
void sockets_helper_follow(struct app *);

/* daemon/l2_apply.c: layer 2 announcements; soon after Services, endpoints, Nodes, policies, addresses or
 * our devices changed. */
void l2_apply_init(struct app *);
void l2_apply_fini(struct app *);
void l2_apply_soon(struct app *);
void l2_apply_changes(struct app *, const struct store_change *, size_t nr);
/* The process ends: give addresses to other nodes; app_stopped() follows.  False: there is nothing to give. */
bool l2_apply_leave(struct app *);
/* This node takes no addresses and gives those that it has; or takes part again. */
void l2_apply_drain(struct app *, bool drained);
bool l2_apply_is_drained(const struct app *);
/* BGP sessions came up or went down: other nodes shall know. */
void l2_apply_sessions(struct app *);

/* daemon/observe.c: `observe`; the second ends all of them, before the datapath goes. */
int observe_begin(void *app, const struct control_req *, struct control_stream *, char **error);
void observe_end(struct app *);
unsigned observe_nr(const struct app *); /* how many listen */

/* daemon/show_log.c: `log`. */
int log_command(void *app, const struct control_req *, json_t **data, char **error);

/* daemon/commands.c: what the control socket answers. */
extern const struct control_cmd app_commands[];
extern const char *const app_reading[][3]; /* those that change nothing */

#endif
