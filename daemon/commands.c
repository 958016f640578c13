/*
 * daemon/commands.c: what the control socket answers: a table of commands, most of them showing one
 * engine.  Shapes as in doc/control-protocol.md.
 */
#include "daemon/app.h"

#include "config.h"
#include "daemon/bfd_apply.h"
#include "daemon/drain.h"
#include "daemon/ipam_apply.h"
#include "daemon/dump.h"
#include "daemon/explain.h"
#include "daemon/monitor.h"
#include "daemon/plan.h"
#include "daemon/show.h"
#include "daemon/show_lb.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int
usage_error(char **error, const char *text)
{
	*error = xstrdup(text);
	return -EINVAL;
}

/* ---- bgp ---- */

/* A peer that is not there is answered with those that are. */
static int
peer_result(struct app *app, const char *what, const char *peer, int err, char **error)
{
	json_t *peers, *p;
	struct buf names;
	size_t i;

	if (err != -ENOENT) {
		if (err < 0)
			*error = xasprintf("%s %s: %s", what, peer, strerror(-err));
		return err;
	}
	buf_init(&names, 65536);
	peers = bgp_show_peers(app->bgp);
	json_array_foreach(json_object_get(peers, "peers"), i, p) buf_printf(
	    &names, "%s%s", i ? ", " : "", json_string_value(json_object_get(p, "name")));
	json_decref(peers);
	*error = xasprintf("%s: no peer is called \"%s\"; there %s: %s", what, peer,
	    i == 1 ? "is" : "are", i ? buf_text(&names) : "none");
	buf_fini(&names);
	return err;
}

/* Is there a peer of this name or address? */
static bool
peer_is_known(const struct app *app, const char *peer)
{
	json_t *peers = bgp_show_peers(app->bgp), *p;
	bool found = false;
	size_t i;

	json_array_foreach(json_object_get(peers, "peers"), i, p)
	{
		const char *name = json_string_value(json_object_get(p, "name"));
		const char *addr = json_string_value(json_object_get(p, "peerAddress"));

		found |= (name && strcmp(name, peer) == 0) || (addr && strcmp(addr, peer) == 0);
	}
	json_decref(peers);
	return found;
}

/* BFD's word on a peer that it watches goes to the peer. */
static void
peers_add_bfd(struct app *app, json_t *peers)
{
	json_t *bfd = show_bfd(app), *p, *s;
	size_t i, j;

	json_array_foreach(peers, i, p)
	{
		json_array_foreach(json_object_get(bfd, "sessions"), j, s)
		{
			if (json_equal(json_object_get(s, "peerAddress"),
				json_object_get(p, "peerAddress")))
				json_object_set(p, "bfd", s);
		}
	}
	json_decref(bfd);
}

static bool
peer_is_called(const json_t *p, const char *name)
{
	const char *is = json_string_value(json_object_get(p, "name"));
	const char *addr = json_string_value(json_object_get(p, "peerAddress"));
	const char *range = json_string_value(json_object_get(p, "range"));

	return (is && strcmp(is, name) == 0) || (addr && strcmp(addr, name) == 0) ||
	    (range && strcmp(range, name) == 0);
}

static int
cmd_bgp_peers(void *arg, const struct control_req *req, json_t **data, char **error)
{
	struct bgp_range_stats range;
	const char *name = NULL;
	struct app *app = arg;
	bool verbose = false;
	json_t *list, *p;

	for (size_t i = 0; i < req->argc; i++) {
		if (strcmp(req->argv[i], "-v") == 0)
			verbose = true;
		else if (!name && req->argv[i][0] != '-')
			name = req->argv[i];
		else
			return usage_error(error, "usage: bgp peers [-v] [PEER]");
	}
	if (name && !peer_is_known(app, name) && !bgp_range_find(app->bgp, name, &range))
		return peer_result(app, "bgp peers", name, -ENOENT, error);
	*data = bgp_show_peers(app->bgp);
	list = json_object_get(*data, "peers");
	for (size_t i = json_array_size(list); name && i-- > 0;) {
		p = json_array_get(list, i);
		if (!peer_is_called(p, name))
			json_array_remove(list, i);
	}
	peers_add_bfd(app, list);
	/* Who asks for one wants to know all of it. */
	json_object_set_new(*data, "verbose", json_boolean(verbose || name));
	return 0;
}

/* What may stand behind `bgp routes`, in any order; false: a word that is not understood. */
static bool
parse_routes_word(const char *word, bool *want_peer, bool *want_table, struct bgp_show_filter *f,
    struct prefix *prefix)
{
	static const struct {
		const char *word;
		enum bgp_show_table table;
	} tables[] = { { "available", BGP_SHOW_AVAILABLE }, { "received", BGP_SHOW_RECEIVED },
		{ "advertised", BGP_SHOW_ADVERTISED } };

	if (*want_peer) {
		f->peer = word;
		*want_peer = false;
		return true;
	}
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (strcmp(word, tables[i].word) == 0) {
			f->table = tables[i].table;
			*want_table = true;
			return true;
		}
	if (strcmp(word, "ipv4") == 0)
		f->family = BGP_IPV4_UNICAST;
	else if (strcmp(word, "ipv6") == 0)
		f->family = BGP_IPV6_UNICAST;
	else if (strcmp(word, "--peer") == 0)
		*want_peer = true;
	else if (strcmp(word, "unicast") == 0)
		return true;
	else if (prefix_parse(word, prefix, NULL) == 0) {
		f->prefix = prefix;
		f->longest = !strchr(word, '/');
	} else
		return false;
	return true;
}

static int
cmd_bgp_routes(void *arg, const struct control_req *req, json_t **data, char **error)
{
	struct bgp_show_filter filter = { .table = BGP_SHOW_AVAILABLE, .family = -1 };
	struct app *app = arg;
	struct prefix prefix;
	bool want_peer = false, want_table = false;

	for (size_t i = 0; i < req->argc; i++)
		if (!parse_routes_word(req->argv[i], &want_peer, &want_table, &filter, &prefix)) {
			*error =
			    xasprintf("bgp routes: \"%s\" is neither available, received or "
				      "advertised, nor a family (ipv4, ipv6), --peer NAME or a "
				      "prefix",
				req->argv[i]);
			return -EINVAL;
		}
	if (want_peer)
		return usage_error(
		    error, "bgp routes: --peer wants a name or an address behind it");
	if (filter.peer && !peer_is_known(app, filter.peer))
		return peer_result(app, "bgp routes", filter.peer, -ENOENT, error);
	/* Who asks for one prefix wants to know all that there is of it. */
	filter.all = filter.prefix && !want_table;
	*data = bgp_show_routes(app->bgp, &filter);
	return 0;
}

static int
cmd_bgp_policies(void *arg, const struct control_req *req, json_t **data, char **error)
{
	struct app *app = arg;

	(void)req;
	(void)error;
	*data = bgp_show_policies(app->bgp);
	return 0;
}

static int
cmd_bgp_bmp(void *arg, const struct control_req *req, json_t **data, char **error)
{
	const struct app *app = arg;

	(void)req;
	(void)error;
	*data = bgp_show_monitors(app->bgp);
	return 0;
}

static int
cmd_bgp_clear(void *arg, const struct control_req *req, json_t **data, char **error)
{
	enum bgp_clear how = BGP_CLEAR_HARD;
	struct app *app = arg;

	int err;

	(void)data;
	if (req->argc != 1 && req->argc != 3)
		return usage_error(error, "usage: bgp clear PEER [soft in|soft out]");
	if (req->argc == 3) {
		if (strcmp(req->argv[1], "soft") != 0)
			return usage_error(error, "usage: bgp clear PEER [soft in|soft out]");
		if (strcmp(req->argv[2], "in") == 0)
			how = BGP_CLEAR_SOFT_IN;
		else if (strcmp(req->argv[2], "out") == 0)
			how = BGP_CLEAR_SOFT_OUT;
		else
			return usage_error(error, "usage: bgp clear PEER [soft in|soft out]");
	}
	err = bgp_peer_clear(app->bgp, req->argv[0], how);
	if (err == -ENOTCONN) {
		*error =
		    xasprintf("bgp clear %s soft: the session is not established; heraldctl bgp "
			      "peers %s says why",
			req->argv[0], req->argv[0]);
		return err;
	}
	return peer_result(app, "bgp clear", req->argv[0], err, error);
}

static int
cmd_bgp_shutdown(void *arg, const struct control_req *req, json_t **data, char **error)
{
	struct app *app = arg;
	struct buf message;
	int err;

	(void)data;
	if (req->argc < 1)
		return usage_error(error, "usage: bgp shutdown PEER [MESSAGE]");
	buf_init(&message, 4096);
	for (size_t i = 1; i < req->argc; i++)
		buf_printf(&message, "%s%s", i > 1 ? " " : "", req->argv[i]);
	err = bgp_peer_shutdown(app->bgp, req->argv[0], req->argc > 1 ? buf_text(&message) : NULL);
	buf_fini(&message);
	return peer_result(app, "bgp shutdown", req->argv[0], err, error);
}

static int
cmd_bgp_enable(void *arg, const struct control_req *req, json_t **data, char **error)
{
	struct app *app = arg;

	(void)data;
	if (req->argc != 1)
		return usage_error(error, "usage: bgp enable PEER");
	return peer_result(
	    app, "bgp enable", req->argv[0], bgp_peer_enable(app->bgp, req->argv[0]), error);
}

/* ---- the load balancer ---- */

#define FLOWS_USUAL 1000
#define FLOWS_MAX 100000000

static int
lb_result(const struct app *app, const char *what, int err, char **error)
{
	if (err == -ENODEV)
		*error = xasprintf("%s: nothing is loaded: %s", what,
		    store_config(app->store)->datapath.mode == RES_DP_NONE
			? "datapath.mode is none, somebody else forwards"
			: "see the datapath in heraldctl status");
	else if (err < 0 && !*error)
		*error = xasprintf("%s: %s", what, strerror(-err));
	return err;
}

static int
cmd_lb_list(void *arg, const struct control_req *req, json_t **data, char **error)
{
	enum show_lb_view view = SHOW_LB_SERVICES;

	if (req->argc > 1)
		return usage_error(error, "usage: lb list [--backends|--source-ranges]");
	if (req->argc == 1 && strcmp(req->argv[0], "--backends") == 0)
		view = SHOW_LB_BACKENDS;
	else if (req->argc == 1 && strcmp(req->argv[0], "--source-ranges") == 0)
		view = SHOW_LB_SOURCE_RANGES;
	else if (req->argc == 1)
		return usage_error(error, "usage: lb list [--backends|--source-ranges]");
	(void)data;
	return lb_result(arg, "lb list", show_lb_list(arg, view, req->text), error);
}

static int
cmd_lb_conntrack(void *arg, const struct control_req *req, json_t **data, char **error)
{
	uint64_t limit = FLOWS_USUAL;

	if (req->argc != 0 && (req->argc != 2 || strcmp(req->argv[0], "--limit") != 0))
		return usage_error(error, "usage: lb conntrack [--limit N]");
	if (req->argc == 2 && (text_u64(req->argv[1], FLOWS_MAX, &limit) < 0 || limit == 0))
		return usage_error(
		    error, "lb conntrack: --limit must be a number from 1 to 100000000");
	return lb_result(arg, "lb conntrack", show_lb_conntrack(arg, (size_t)limit, data), error);
}

/* "172.16.1.1:80/TCP", as lb list shows it. */
static int
parse_frontend(const char *word, struct addr *ip, uint16_t *port, uint8_t *proto)
{
	static const struct {
		const char *name;
		uint8_t proto;
	} protocols[] = { { "TCP", IPPROTO_TCP }, { "UDP", IPPROTO_UDP },
		{ "SCTP", IPPROTO_SCTP } };
	const char *slash = strchr(word, '/');
	char *where;
	int err;

	if (!slash)
		return -EINVAL;
	where = xstrndup(word, (size_t)(slash - word));
	err = addr_parse_port(where, ip, port);
	free(where);
	for (size_t i = 0; err == 0 && i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (strcasecmp(slash + 1, protocols[i].name) == 0) {
			*proto = protocols[i].proto;
			return 0;
		}
	return -EINVAL;
}

static int
cmd_lb_maglev(void *arg, const struct control_req *req, json_t **data, char **error)
{
	const char *word = req->argc ? req->argv[0] : NULL;
	uint8_t proto = 0;
	uint16_t port = 0;
	struct addr ip;
	int err;

	if (req->argc > 1 || (word && parse_frontend(word, &ip, &port, &proto) < 0))
		return usage_error(error,
		    "usage: lb maglev [ADDRESS:PORT/PROTOCOL], such as 172.16.1.1:80/TCP or "
		    "[2001:db8::1]:53/UDP");
	err = show_lb_maglev(arg, word ? &ip : NULL, port, proto, data);
	if (err == -ENOENT)
		*error = xasprintf("lb maglev: there is no frontend %s; lb list shows them", word);
	return lb_result(arg, "lb maglev", err, error);
}

static int
cmd_lb_counters(void *arg, const struct control_req *req, json_t **data, char **error)
{
	(void)req;
	return lb_result(arg, "lb counters", show_lb_counters(arg, data), error);
}

static int
cmd_services(void *arg, const struct control_req *req, json_t **data, char **error)
{
	const bool stats = req->argc == 1 && strcmp(req->argv[0], "--stats") == 0;

	if (req->argc > 0 && !stats)
		return usage_error(error, "usage: service list [--stats]");
	(void)data;
	show_services(arg, stats, req->text);
	return 0;
}

/* ---- the rest ---- */

static int
cmd_reload(void *arg, const struct control_req *req, json_t **data, char **error)
{
	struct app *app = arg;
	size_t changed = 0;
	char *text;
	int err = app_reload(app, &changed, error);

	(void)req;
	if (err < 0)
		return err;
	text = changed
	    ? xasprintf("reloaded, %zu object%s changed", changed, changed == 1 ? "" : "s")
	    : xstrdup("reloaded, nothing changed");
	*data = json_pack("{s:s}", "message", text);
	free(text);
	return 0;
}

static int
cmd_config_show(void *arg, const struct control_req *req, json_t **data, char **error)
{
	struct app *app = arg;
	json_t *list = json_array();
	struct res_object *o;

	(void)req;
	(void)error;
	if (store_nr(app->store, RES_HERALD_CONFIG) == 0) /* all defaults, and worth seeing */
		json_array_append_new(list, res_show(&store_config(app->store)->obj));
	for (int k = 0; k < RES_NR_KINDS; k++)
		store_for_each(app->store, (enum res_kind)k, o)
		    json_array_append_new(list, res_show(o));
	*data = json_pack("{s:o}", "documents", list);
	return 0;
}

static int
cmd_shutdown(void *arg, const struct control_req *req, json_t **data, char **error)
{
	struct app *app = arg;

	(void)req;
	(void)error;
	log_info("stopping", LOG_S("by", "heraldctl shutdown"));
	app_stop(app, false);
	*data = json_pack("{s:s}", "message", "everything is withdrawn; herald ends");
	return 0;
}

static int
cmd_ipam_release(void *arg, const struct control_req *req, json_t **data, char **error)
{
	char *text;
	int nr;

	if (req->argc != 1 || !strchr(req->argv[0], '/'))
		return usage_error(error, "usage: ipam release NAMESPACE/NAME");
	nr = ipam_apply_release(arg, req->argv[0], error);
	if (nr < 0)
		return nr;
	text = xasprintf("%s gave back %d address%s", req->argv[0], nr, nr == 1 ? "" : "es");
	*data = json_pack("{s:s, s:i}", "message", text, "released", nr);
	free(text);
	return 0;
}

static int
cmd_l2(void *arg, const struct control_req *req, json_t **data, char **error)
{
	struct addr about;

	if (req->argc > 1 || (req->argc == 1 && addr_parse(req->argv[0], &about) < 0))
		return usage_error(error, "usage: l2 [ADDRESS]");
	*data = show_l2(arg, req->argc ? &about : NULL);
	return 0;
}

#define DRAIN_WAIT_MAX_S 3600

static int
cmd_drain(void *arg, const struct control_req *req, json_t **data, char **error)
{
	static const char usage[] = "usage: drain [--wait SECONDS]: 0 to 3600";
	struct app *app = arg;
	uint64_t wait = store_config(app->store)->drain.wait_s;

	if (req->argc == 2 && strcmp(req->argv[0], "--wait") == 0) {
		if (text_u64(req->argv[1], DRAIN_WAIT_MAX_S, &wait) < 0)
			return usage_error(error, usage);
	} else if (req->argc != 0) {
		return usage_error(error, usage);
	}
	drain_begin(app, (unsigned)wait);
	*data = json_pack("{s:b, s:s}", "drained", app->drain == APP_WITHDRAWN, "message",
	    "other nodes take what comes for Services from outside; this one takes nothing new");
	return 0;
}

static int
cmd_undrain(void *arg, const struct control_req *req, json_t **data, char **error)
{
	const struct app *app = arg;
	char *text;

	(void)req;
	(void)error;
	drain_end(arg);
	text = app->drained_by
	    ? xasprintf("still drained: %s %s", drain_text_first(app->drained_by)->why,
		  drain_text_first(app->drained_by)->advice)
	    : xstrdup("this node takes part again");
	*data = json_pack("{s:b, s:s}", "drained", app->drained_by != 0, "message", text);
	free(text);
	return 0;
}

#define SHOW(name)                                                                                 \
	static int cmd_##name(                                                                     \
	    void *arg, const struct control_req *req, json_t **data, char **error)                 \
	{                                                                                          \
		(void)req;                                                                         \
		(void)error;                                                                       \
		*data = show_##name(arg);                                                          \
		return 0;                                                                          \
	}
SHOW(status)
SHOW(pools)
SHOW(ipam)
SHOW(routes)
SHOW(bfd)
#undef SHOW

/* clang-format off */
const struct control_cmd app_commands[] = {
	{ { "status" },                 cmd_status, NULL },
	{ { "bgp", "peers" },           cmd_bgp_peers, NULL },
	{ { "bgp", "routes" },          cmd_bgp_routes, NULL },
	{ { "bgp", "route-policies" },  cmd_bgp_policies, NULL },
	{ { "bgp", "bmp" },             cmd_bgp_bmp, NULL },
	{ { "bgp", "dump" },            NULL, dump_begin },
	{ { "bgp", "clear" },           cmd_bgp_clear, NULL },
	{ { "bgp", "shutdown" },        cmd_bgp_shutdown, NULL },
	{ { "bgp", "enable" },          cmd_bgp_enable, NULL },
	{ { "bfd", "sessions" },        cmd_bfd, NULL },
	{ { "ippools" },                cmd_pools, NULL },
	{ { "ipam", "release" },        cmd_ipam_release, NULL },
	{ { "ipam" },                   cmd_ipam, NULL },
	{ { "l2" },                     cmd_l2, NULL },
	{ { "drain" },                  cmd_drain, NULL },
	{ { "undrain" },                cmd_undrain, NULL },
	{ { "service", "list" },        cmd_services, NULL },
	{ { "lb", "list" },             cmd_lb_list, NULL },
	{ { "lb", "conntrack" },        cmd_lb_conntrack, NULL },
	{ { "lb", "maglev" },           cmd_lb_maglev, NULL },
	{ { "lb", "counters" },         cmd_lb_counters, NULL },
	{ { "monitor" },                NULL, monitor_begin },
	{ { "observe" },                NULL, observe_begin },
	{ { "routes" },                 cmd_routes, NULL },
	{ { "explain" },                explain_command, NULL },
	{ { "log" },                    log_command, NULL },
	{ { "plan" },                   plan_command, NULL },
	{ { "reload" },                 cmd_reload, NULL },
	{ { "config", "show" },         cmd_config_show, NULL },
	{ { "shutdown" },               cmd_shutdown, NULL },
	{ { NULL },                     NULL, NULL },
};
/* clang-format on */

/* What control.readGroup may ask: nothing here changes anything, and no secret is in any answer. */
const char *const app_reading[][3] = {
	{ "status" },
	{ "bgp", "peers" },
	{ "bgp", "routes" },
	{ "bgp", "route-policies" },
	{ "bgp", "bmp" },
	{ "bfd", "sessions" },
	{ "ippools" },
	{ "ipam" },
	{ "l2" },
	{ "service", "list" },
	{ "lb", "list" },
	{ "lb", "conntrack" },
	{ "lb", "maglev" },
	{ "lb", "counters" },
	{ "observe" },
	{ "monitor" },
	{ "routes" },
	{ "explain" },
	{ "plan" },
	{ "config", "show" },
	{ NULL },
};
