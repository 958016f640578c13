/*
 * daemon/pods_ask.c: what herald-ipam asks: a line of JSON is checked, brought before the engine, and
 * answered with addresses or with a CNI error: a code of the specification and words for people.
 */
#include "daemon/app.h"
#include "daemon/pods.h"
#include "daemon/pods_serve.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* CNI specification, "Error". */
enum {
	CNI_UNKNOWN_CONTAINER = 3,
	CNI_BAD_ENVIRONMENT = 4,
	CNI_IO = 5,
	CNI_BAD_CONFIG = 7,
	CNI_TRY_LATER = 11,
	CNI_NOT_AVAILABLE = 50,
	/* from 100 on they are the plugin's own */
	CNI_OUT_OF_ADDRESSES = 100,
	CNI_ADDRESS_TAKEN = 101,
	CNI_ADDRESS_OUTSIDE = 102,
	CNI_NO_POOL = 103,
};

#define WISH_MS 60000 /* a pod whose addresses were missing asks again within */
#define NOTES_MAX 64

/* ---- answers ---- */

static void __attribute__((format(printf, 4, 5)))
refuse(struct pods_client *c, int code, const char *msg, const char *fmt, ...)
{
	va_list ap;
	char *details;

	va_start(ap, fmt);
	if (vasprintf(&details, fmt, ap) < 0)
		details = xstrdup("");
	va_end(ap);
	pods_answer(c,
	    json_pack(
		"{s:b, s:i, s:s, s:s}", "ok", 0, "code", code, "msg", msg, "details", details));
	free(details);
}

static json_t *
ips_json(const struct podipam_lease *l)
{
	json_t *list = json_array();
	char addr[ADDR_STRLEN], gateway[ADDR_STRLEN];

	for (unsigned i = 0; i < l->nr; i++) {
		const struct podipam_given *g = &l->v[i];

		json_array_append_new(list,
		    json_pack("{s:o, s:s, s:s}", "address",
			json_sprintf("%s/%u", addr_format(&g->addr, addr, sizeof(addr)), g->len),
			"gateway", addr_format(&g->gateway, gateway, sizeof(gateway)), "pool",
			g->pool));
	}
	return list;
}

static void
answer_lease(struct pods_client *c, const struct podipam_lease *l)
{
	pods_answer(c, json_pack("{s:b, s:o}", "ok", 1, "ips", ips_json(l)));
}

/* ---- reading requests ---- */

/* A string of the request; "" when absent.  NULL: it is something else. */
static const char *
text_at(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return !v ? "" : json_string_value(v);
}

/* false: refused already. */
static bool
read_owner(struct pods_client *c, const json_t *req, struct podipam_owner *o)
{
	*o = (struct podipam_owner){ text_at(req, "containerId"), text_at(req, "ifname"),
		text_at(req, "network"), text_at(req, "netns"), text_at(req, "namespace"),
		text_at(req, "pod") };
	if (o->container && *o->container && o->ifname && *o->ifname && o->network && o->netns &&
	    o->pod_ns && o->pod_name)
		return true;
	refuse(c, CNI_BAD_ENVIRONMENT, "invalid request",
	    "containerId and ifname must be there, and all that names the pod be strings");
	return false;
}

static int
pair_cmp(const void *a, const void *b)
{
	return strcmp(((const struct res_pair *)a)->key, ((const struct res_pair *)b)->key);
}

/* Annotations of the pod, as the runtime told them; strings are the request's. */
static struct res_pairs
read_notes(const json_t *req, struct arena *a)
{
	json_t *notes = json_object_get(req, "annotations"), *value;
	struct res_pair *list = arena_new_n(a, struct res_pair, NOTES_MAX);
	const char *key;
	size_t nr = 0;

	json_object_foreach(notes, key, value)
	{
		if (nr < NOTES_MAX && json_is_string(value))
			list[nr++] = (struct res_pair){ key, json_string_value(value) };
	}
	qsort(list, nr, sizeof(*list), pair_cmp);
	return (struct res_pairs){ list, nr };
}

/* Addresses that the runtime asks for; false: refused already. */
static bool
read_wanted(struct pods_client *c, const json_t *req, struct podipam_want *want)
{
	const json_t *ips = json_object_get(req, "ips"), *one;
	struct addr addr;
	size_t i;

	json_array_foreach(ips, i, one)
	{
		if (!json_is_string(one) || addr_parse(json_string_value(one), &addr) < 0 ||
		    addr_is_set(&want->address[addr.family])) {
			refuse(c, CNI_BAD_CONFIG, "invalid requested address",
			    "ips must be addresses, at most one of each family");
			return false;
		}
		want->address[addr.family] = addr;
	}
	return true;
}

/* ---- ADD ---- */

/* Has this node any range of the family? */
static bool
has_family(const struct pods *p, enum addr_family family)
{
	const struct pod_node *n = p->plan ? pod_plan_node(p->plan, p->app->node) : NULL;

	for (size_t i = 0; n && i < n->nr; i++)
		if (n->v[i].prefix.addr.family == family && !n->v[i].fresh)
			return true;
	return false;
}

static bool
choose_pools(struct pods *p, struct pods_client *c, const json_t *req,
    const struct podipam_owner *o, struct arena *a, struct podipam_want *want)
{
	const struct pod_ask ask = { .ns = o->pod_ns,
		.name = o->pod_name,
		.network_pool = text_at(req, "pool") ? text_at(req, "pool") : "",
		.annotations = read_notes(req, a) };
	const char *error = "";

	if (store_config(p->app->store)->ipam.mode == RES_IPAM_MULTI_POOL) {
		if (pod_pool_choose(p->app->store, &ask, a, want, &error) == 0)
			return true;
		refuse(c, CNI_NO_POOL, "no pool for this pod", "%s", error);
		return false;
	}
	for (int f = ADDR_V4; f <= ADDR_V6; f++)
		if (has_family(p, (enum addr_family)f))
			want->pool[f] = "";
	return true;
}

static void
wish(struct pods *p, const struct podipam_want *want)
{
	const uint64_t until = loop_now_ms(p->app->loop) + WISH_MS;

	for (int f = ADDR_V4; f <= ADDR_V6; f++) {
		struct pods_wish *w = p->wishes;

		if (!want->pool[f])
			continue;
		while (w && strcmp(w->pool, want->pool[f]) != 0)
			w = w->next;
		if (!w) {
			w = xnew(struct pods_wish);
			w->pool = xstrdup(want->pool[f]);
			w->next = p->wishes;
			p->wishes = w;
		}
		w->pending = 1;
		w->until_ms = until;
	}
	pods_tell(p);
}

static void
refuse_verdict(struct pods_client *c, enum podipam_verdict v, const char *node)
{
	switch (v) {
	case PODIPAM_NO_RANGE:
		refuse(c, CNI_TRY_LATER, "no range of addresses yet",
		    "node %s has no range for this pod yet; see `heraldctl ipam` there", node);
		break;
	case PODIPAM_FULL:
		refuse(c, CNI_OUT_OF_ADDRESSES, "out of addresses",
		    "every address of node %s for this pod is taken", node);
		break;
	case PODIPAM_TAKEN:
		refuse(c, CNI_ADDRESS_TAKEN, "the requested address is taken",
		    "another attachment on node %s has it", node);
		break;
	case PODIPAM_OUTSIDE:
		refuse(c, CNI_ADDRESS_OUTSIDE, "the requested address cannot be given",
		    "it is in no range of node %s, or kept back there", node);
		break;
	case PODIPAM_DISK:
		refuse(c, CNI_IO, "the allocation could not be written to disk",
		    "see the log of herald on node %s, and the disk of its stateDir", node);
		break;
	case PODIPAM_BAD:
		refuse(c, CNI_BAD_ENVIRONMENT, "invalid request",
		    "a name is too long, or not printable UTF-8");
		break;
	default:
		refuse(c, CNI_TRY_LATER, podipam_verdict_name(v), "on node %s", node);
		break;
	}
}

static void
added(void *arg, enum podipam_verdict v, const struct podipam_lease *l)
{
	if (v == PODIPAM_OK)
		answer_lease(arg, l);
	else if (v == PODIPAM_DISK)
		refuse_verdict(arg, v, "this one");
	else
		refuse(arg, CNI_TRY_LATER, "the attachment was deleted meanwhile", "ask again");
}

static void
ask_add(struct pods *p, struct pods_client *c, const json_t *req)
{
	struct podipam_want want = { 0 };
	struct arena a = { 0 };
	struct podipam_owner o;
	enum podipam_verdict v;

	if (!read_owner(c, req, &o) || !read_wanted(c, req, &want))
		return;
	/* who has addresses keeps them, whatever would be chosen today */
	if (podipam_find(p->engine, o.container, o.ifname) ||
	    choose_pools(p, c, req, &o, &a, &want)) {
		v = podipam_add(p->engine, &o, &want, added, c);
		if (v == PODIPAM_NO_RANGE || v == PODIPAM_FULL)
			wish(p, &want);
		if (v != PODIPAM_OK) {
			log_warn("pod-not-addressed", LOG_S("namespace", o.pod_ns),
			    LOG_S("pod", o.pod_name), LOG_S("container", o.container),
			    LOG_S("reason", podipam_verdict_name(v)));
			refuse_verdict(c, v, p->app->node);
		}
	}
	arena_fini(&a);
}

/* ---- the others ---- */

static void
ask_del(struct pods *p, struct pods_client *c, const json_t *req)
{
	struct podipam_owner o;

	if (!read_owner(c, req, &o))
		return;
	(void)podipam_del(p->engine, o.container, o.ifname);
	pods_answer(c, json_pack("{s:b}", "ok", 1));
}

static void
ask_check(struct pods *p, struct pods_client *c, const json_t *req)
{
	const struct podipam_lease *l;
	struct podipam_owner o;

	if (!read_owner(c, req, &o))
		return;
	l = podipam_find(p->engine, o.container, o.ifname);
	if (l)
		answer_lease(c, l);
	else
		refuse(c, CNI_UNKNOWN_CONTAINER, "no address is given to this container",
		    "container %s, interface %s", o.container, o.ifname);
}

static void
ask_gc(struct pods *p, struct pods_client *c, const json_t *req)
{
	const json_t *list = json_object_get(req, "valid"), *one;
	const char *network = text_at(req, "network");
	struct podipam_valid *valid;
	size_t i, nr = 0;

	if (!json_is_array(list) || !network || !*network ||
	    json_array_size(list) > PODIPAM_LEASES_MAX) {
		refuse(c, CNI_BAD_CONFIG, "invalid request",
		    "network and the list of valid attachments must be given");
		return;
	}
	valid = xnew_n(struct podipam_valid, json_array_size(list) + 1);
	json_array_foreach(list, i, one)
	{
		valid[nr].container = json_string_value(json_object_get(one, "containerID"));
		valid[nr].ifname = json_string_value(json_object_get(one, "ifname"));
		if (!valid[nr].container || !valid[nr].ifname)
			break;
		nr++;
	}
	if (nr < json_array_size(list)) { /* what is not understood must not cost an address */
		refuse(c, CNI_BAD_CONFIG, "invalid attachment",
		    "number %zu of the valid attachments has no containerID or ifname", nr);
	} else {
		nr = podipam_gc(p->engine, network, valid, nr);
		if (nr > 0)
			log_info("pods-collected", LOG_S("network", network), LOG_U("count", nr));
		pods_answer(c, json_pack("{s:b, s:I}", "ok", 1, "released", (json_int_t)nr));
	}
	free(valid);
}

static void
ask_status(struct pods *p, struct pods_client *c, const json_t *req)
{
	(void)req;
	if (has_family(p, ADDR_V4) || has_family(p, ADDR_V6))
		pods_answer(c, json_pack("{s:b}", "ok", 1));
	else
		refuse(c, CNI_NOT_AVAILABLE, "no range of addresses yet",
		    "node %s has no range for pods yet", p->app->node);
}

/* clang-format off */
static const struct {
	const char *name;
	void (*fn)(struct pods *, struct pods_client *, const json_t *);
} commands[] = {
	{ "add", ask_add },
	{ "del", ask_del },
	{ "check", ask_check },
	{ "gc", ask_gc },
	{ "status", ask_status },
};
/* clang-format on */

void
pods_asked(void *arg, struct pods_client *c, json_t *request)
{
	struct pods *p = arg;
	const char *command = json_string_value(json_object_get(request, "command"));

	if (!command) {
		refuse(c, CNI_BAD_CONFIG, "invalid request", "it must be an object with a command");
		return;
	}
	if (!pods_open(p)) {
		refuse(c, CNI_TRY_LATER, "herald cannot keep addresses now",
		    "see its log on node %s for pods-off", p->app->node);
		return;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, command) == 0) {
			commands[i].fn(p, c, request);
			return;
		}
	refuse(c, CNI_BAD_CONFIG, "unknown command", "is herald-ipam newer than herald?");
}

void
pods_client_left(void *arg, struct pods_client *c)
{
	const struct pods *p = arg;

	if (p->engine)
		podipam_forget(p->engine, c);
}
