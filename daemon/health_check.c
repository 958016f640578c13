/*
 * daemon/health_check.c: see health_check.h.
 */
#include "daemon/health_check.h"

#include "daemon/datapath_wanted.h"
#include "daemon/httpd.h"
#include "daemon/service.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define AGAIN_MS 5000

struct health_check {
	UT_hash_handle hh;
	struct health_checks *all;
	char *key, *ns, *name;
	uint16_t port;
	size_t local;
	bool seen;   /* since health_check_begin() */
	bool failed; /* has been told */
	struct httpd *httpd;
	struct loop_timer again;
};

struct health_checks {
	struct loop *loop;
	bool (*healthy)(void *arg);
	void *arg;
	struct health_check *checks;
};

/* The answer of kube-proxy, field by field (KEP-3836 added the last). */
static void
answer(void *arg, const char *path, struct httpd_answer *a)
{
	const struct health_check *c = arg;
	const bool healthy = c->all->healthy(c->all->arg);
	json_t *body = json_pack("{s:{s:s, s:s}, s:I, s:b}", "service", "namespace", c->ns, "name",
	    c->name, "localEndpoints", (json_int_t)c->local, "serviceProxyHealthy", healthy);
	char *text = json_dumps(body, JSON_COMPACT);

	(void)path;
	a->status = c->local > 0 && healthy ? 200 : 503;
	buf_printf(&a->headers,
	    "Content-Type: application/json\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "X-Load-Balancing-Endpoint-Weight: %zu\r\n",
	    c->local);
	buf_puts(&a->body, text ? text : "{}");
	free(text);
	json_decref(body);
}

static void
try_listen(void *arg)
{
	struct health_check *c = arg;
	int err = 0;

	c->httpd = httpd_new(c->all->loop, NULL, c->port, answer, c, &err);
	if (c->httpd) {
		if (c->failed)
			log_info("health-check-listening", LOG_S("service", c->key),
			    LOG_U("port", c->port));
		c->failed = false;
		return;
	}
	if (!c->failed)
		log_error("health-check-port-taken", LOG_S("service", c->key),
		    LOG_U("port", c->port), LOG_ERR(err),
		    LOG_S("hint",
			"spec.healthCheckNodePort is in use on this node (kube-proxy?); "
			"it is tried again every 5 s"));
	c->failed = true;
	timer_set(&c->again, AGAIN_MS);
}

static void
check_free(struct health_check *c)
{
	HASH_DEL(c->all->checks, c);
	timer_stop(&c->again);
	httpd_free(c->httpd);
	free(c->key);
	free(c->ns);
	free(c->name);
	free(c);
}

static struct health_check *
check_new(struct health_checks *all, char *key, const char *ns, const char *name)
{
	struct health_check *c = xnew(struct health_check);

	c->all = all;
	c->key = key;
	c->ns = xstrdup(ns);
	c->name = xstrdup(name);
	timer_init(&c->again, all->loop, try_listen, c);
	HASH_ADD_KEYPTR(hh, all->checks, c->key, strlen(c->key), c);
	return c;
}

uint16_t
health_check_wanted(
    const struct store *store, const char *node, const struct res_service *svc, size_t *local)
{
	*local = 0;
	if (!svc || svc->type != RES_SVC_LOAD_BALANCER ||
	    svc->external_policy != RES_POLICY_LOCAL || svc->health_check_node_port == 0)
		return 0;
	*local = datapath_wanted_local(store, node, svc);
	return svc->health_check_node_port;
}

void
health_check_service(struct health_checks *all, const struct store *store, const char *node,
    const char *ns, const char *name)
{
	const struct res_service *svc = store_service(store, ns, name);
	size_t local;
	const uint16_t port = health_check_wanted(store, node, svc, &local);
	struct health_check *c;
	char *key;

	if (port == 0 && !all->checks)
		return;
	key = service_key(ns, name);
	HASH_FIND_STR(all->checks, key, c);
	if (port == 0) {
		if (c)
			check_free(c);
		free(key);
		return;
	}
	if (c)
		free(key);
	else
		c = check_new(all, key, ns, name);
	c->seen = true;
	c->local = local;
	if (c->port == port)
		return;
	timer_stop(&c->again);
	httpd_free(c->httpd);
	c->httpd = NULL;
	c->port = port;
	c->failed = false;
	try_listen(c);
}

void
health_check_begin(struct health_checks *all)
{
	for (struct health_check *c = all->checks; c; c = c->hh.next)
		c->seen = false;
}

void
health_check_end(struct health_checks *all)
{
	struct health_check *c, *next;

	HASH_ITER(hh, all->checks, c, next)
	{
		if (!c->seen)
			check_free(c);
	}
}

struct health_checks *
health_check_new(struct loop *loop, bool (*healthy)(void *arg), void *arg)
{
	struct health_checks *all = xnew(struct health_checks);

	*all = (struct health_checks){ .loop = loop, .healthy = healthy, .arg = arg };
	return all;
}

void
health_check_free(struct health_checks *all)
{
	struct health_check *c, *next;

	if (!all)
		return;
	HASH_ITER(hh, all->checks, c, next)
	{
		check_free(c);
	}
	free(all);
}
