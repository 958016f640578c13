/*
 * tools/herald-ipam/cni.c: see cni.h.
 */
#include "tools/herald-ipam/cni.h"

#include "lib/addr.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NOTES "io.kubernetes.cri.pod-annotations" /* a capability of containerd and CRI-O */
#define SOCKET_MAX 107

static const char *const versions[] = { "0.3.1", "0.4.0", "1.0.0", "1.1.0" };
#define NR_VERSIONS (sizeof(versions) / sizeof(versions[0]))

/* What each command has to be given, and since when it is. */
static const struct {
	const char *name;
	bool container, netns, ifname;
	const char *since;
} commands[CNI_NR_COMMANDS] = {
	[CNI_ADD] = { "ADD", true, true, true, "0.3.1" },
	[CNI_DEL] = { "DEL", true, false, true, "0.3.1" },
	[CNI_CHECK] = { "CHECK", true, true, true, "0.4.0" },
	[CNI_VERSION] = { "VERSION", false, false, false, "0.3.1" },
	[CNI_STATUS] = { "STATUS", false, false, false, "1.1.0" },
	[CNI_GC] = { "GC", false, false, false, "1.1.0" },
};

void
cni_fault_set(struct cni_fault *f, int code, const char *msg, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	*f = (struct cni_fault){ .code = code };
	snprintf(f->msg, sizeof(f->msg), "%s", msg);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): va_start() stands above */
	vsnprintf(f->details, sizeof(f->details), fmt, ap);
	va_end(ap);
}

static bool
is_set(const char *text)
{
	return text && *text;
}

/* ---- the environment ---- */

static int
read_command(struct cni_call *call, const struct cni_env *env, struct cni_fault *f)
{
	for (int i = 0; i < CNI_NR_COMMANDS; i++)
		if (is_set(env->command) && strcmp(env->command, commands[i].name) == 0) {
			call->command = (enum cni_command)i;
			return 0;
		}
	cni_fault_set(f, CNI_BAD_ENVIRONMENT, "invalid CNI_COMMAND",
	    "'%.64s': must be ADD, DEL, CHECK, VERSION, STATUS or GC",
	    env->command ? env->command : "");
	return -1;
}

static int
check_env(const struct cni_call *call, const struct cni_env *env, struct cni_fault *f)
{
	const char *missing = NULL;

	if (commands[call->command].container && !is_set(env->container))
		missing = "CNI_CONTAINERID";
	else if (commands[call->command].netns && !is_set(env->netns))
		missing = "CNI_NETNS";
	else if (commands[call->command].ifname && !is_set(env->ifname))
		missing = "CNI_IFNAME";
	if (!missing)
		return 0;
	cni_fault_set(f, CNI_BAD_ENVIRONMENT, "missing environment variable",
	    "%s must be set for %s", missing, commands[call->command].name);
	return -1;
}

/* The value of @key in "A=b;C=d", into the request as @as. */
static void
put_arg(json_t *req, const char *args, const char *key, const char *as)
{
	const size_t len = strlen(key);
	size_t one;

	for (; args && *args; args += one + (args[one] == ';')) {
		one = strcspn(args, ";");
		if (one > len && args[len] == '=' && strncmp(args, key, len) == 0)
			json_object_set_new(req, as, json_stringn(args + len + 1, one - len - 1));
	}
}

/* ---- the configuration ---- */

static int
read_conf(struct cni_call *call, const char *text, size_t len, struct cni_fault *f)
{
	json_error_t bad;

	call->conf = json_loadb(text, len, 0, &bad);
	if (json_is_object(call->conf))
		return 0;
	cni_fault_set(f, CNI_CANNOT_DECODE, "the network configuration cannot be read",
	    "standard input, line %d: %s", call->conf ? 1 : bad.line,
	    call->conf ? "must be a JSON object" : bad.text);
	return -1;
}

static int
version_at(const char *v)
{
	for (size_t i = 0; i < NR_VERSIONS; i++)
		if (strcmp(versions[i], v) == 0)
			return (int)i;
	return -1;
}

static int
check_version(struct cni_call *call, struct cni_fault *f)
{
	const json_t *v = json_object_get(call->conf, "cniVersion");
	/* who says nothing means 0.1.0 */
	const char *said = v ? json_string_value(v) : "0.1.0";
	const int at = said ? version_at(said) : -1;

	if (at < 0) {
		cni_fault_set(f, CNI_BAD_VERSION, "incompatible CNI version",
		    "cniVersion '%.32s': must be one of 0.3.1, 0.4.0, 1.0.0, 1.1.0",
		    said ? said : "(no string)");
		return -1;
	}
	call->version = versions[at];
	if (at >= version_at(commands[call->command].since))
		return 0;
	cni_fault_set(f, CNI_BAD_VERSION, "the command is not of this CNI version",
	    "%s came with %s, cniVersion is %s", commands[call->command].name,
	    commands[call->command].since, versions[at]);
	return -1;
}

static json_t *
ipam_of(const struct cni_call *call)
{
	return json_object_get(call->conf, "ipam");
}

static int
bad_conf(struct cni_fault *f, const char *field, const char *right)
{
	cni_fault_set(f, CNI_BAD_CONFIG, "invalid network configuration", "%s: %s", field, right);
	return -1;
}

/* A field that is a string when it is there. */
static int
text_of(const json_t *o, const char *key, const char *field, const char **out, struct cni_fault *f)
{
	const json_t *v = json_object_get(o, key);

	*out = json_string_value(v);
	return v && !*out ? bad_conf(f, field, "must be a string") : 0;
}

static int
check_routes(const json_t *routes, struct cni_fault *f)
{
	const json_t *one;
	const char *dst;
	struct prefix p;
	size_t i;

	if (routes && !json_is_array(routes))
		return bad_conf(f, "ipam.routes", "must be a list");
	json_array_foreach(routes, i, one)
	{
		dst = json_string_value(json_object_get(one, "dst"));
		if (!dst || !strchr(dst, '/') || prefix_parse(dst, &p, NULL) < 0)
			return bad_conf(f, "ipam.routes", "each must have a prefix as dst");
	}
	return 0;
}

static int
check_conf(struct cni_call *call, struct cni_fault *f)
{
	const json_t *ipam = ipam_of(call);
	const char *resolv;

	if (!is_set(json_string_value(json_object_get(call->conf, "name"))))
		return bad_conf(f, "name", "must be a string, and not empty");
	if (!json_is_object(ipam))
		return bad_conf(f, "ipam", "must be an object");
	if (text_of(ipam, "socket", "ipam.socket", &call->socket, f) < 0 ||
	    text_of(ipam, "resolvConf", "ipam.resolvConf", &resolv, f) < 0)
		return -1;
	if (!call->socket)
		call->socket = CNI_SOCKET;
	if (*call->socket != '/' || strlen(call->socket) > SOCKET_MAX)
		return bad_conf(f, "ipam.socket", "must be an absolute path of at most 107 bytes");
	return check_routes(json_object_get(ipam, "routes"), f);
}

/* ---- the request ---- */

static void
add_ip(json_t *list, const char *text)
{
	char bare[ADDR_STRLEN];

	snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(text, "/"), text);
	json_array_append_new(list, json_string(bare));
}

/* Addresses that are asked for: CNI_ARGS IP=, args.cni.ips, runtimeConfig.ips; as host-local knows them. */
static json_t *
wanted_ips(const struct cni_call *call, json_t *req)
{
	json_t *list = json_array();
	const json_t *lists[] = {
		json_object_get(json_object_get(json_object_get(call->conf, "args"), "cni"), "ips"),
		json_object_get(json_object_get(call->conf, "runtimeConfig"), "ips"),
	};
	const char *arg = json_string_value(json_object_get(req, "ip"));
	const json_t *one;
	size_t i;

	for (size_t k = 0; k < 2; k++)
		json_array_foreach(lists[k], i, one)
		{
			if (json_is_string(one))
				add_ip(list, json_string_value(one));
		}
	if (arg && json_array_size(list) == 0)
		add_ip(list, arg);
	json_object_del(req, "ip");
	return list;
}

static void
add_choice(struct cni_call *call, json_t *req)
{
	json_t *notes = json_object_get(json_object_get(call->conf, "runtimeConfig"), NOTES);
	json_t *ips = wanted_ips(call, req);
	json_t *pool = json_object_get(ipam_of(call), "pool");
	const char *key;
	json_t *value, *mine;

	if (json_array_size(ips) > 0)
		json_object_set(req, "ips", ips);
	json_decref(ips);
	if (pool)
		json_object_set(req, "pool", pool);
	mine = json_object();
	json_object_foreach(notes, key, value)
	{
		if (strncmp(key, "ipam.", 5) == 0) /* of the many that pods have */
			json_object_set(mine, key, value);
	}
	if (json_object_size(mine) > 0)
		json_object_set(req, "annotations", mine);
	json_decref(mine);
}

static int
make_gc(struct cni_call *call, json_t *req, struct cni_fault *f)
{
	json_t *list = json_object_get(call->conf, "cni.dev/valid-attachments");

	if (!json_is_array(list))
		return bad_conf(f, "cni.dev/valid-attachments", "must be a list for GC");
	json_object_set(req, "valid", list);
	return 0;
}

/* An environment need not be UTF-8; what is not is no name of anything. */
static void
put(json_t *o, const char *key, const char *text)
{
	json_t *v = text ? json_string(text) : NULL;

	if (v)
		json_object_set_new(o, key, v);
}

static int
make_request(struct cni_call *call, const struct cni_env *env, struct cni_fault *f)
{
	static const char *const words[] = { [CNI_ADD] = "add",
		[CNI_DEL] = "del",
		[CNI_CHECK] = "check",
		[CNI_VERSION] = "",
		[CNI_STATUS] = "status",
		[CNI_GC] = "gc" };
	json_t *req = json_object();

	call->request = req;
	put(req, "command", words[call->command]);
	put(req, "network", json_string_value(json_object_get(call->conf, "name")));
	if (call->command == CNI_GC)
		return make_gc(call, req, f);
	if (!commands[call->command].container)
		return 0;
	put(req, "containerId", env->container);
	put(req, "ifname", env->ifname);
	put(req, "netns", env->netns);
	put_arg(req, env->args, "K8S_POD_NAMESPACE", "namespace");
	put_arg(req, env->args, "K8S_POD_NAME", "pod");
	if (call->command == CNI_ADD) {
		put_arg(req, env->args, "IP", "ip");
		add_choice(call, req);
	}
	return 0;
}

int
cni_read(struct cni_call *call, const struct cni_env *env, const char *text, size_t len,
    struct cni_fault *f)
{
	*call = (struct cni_call){ .version = versions[NR_VERSIONS - 1] };
	if (read_command(call, env, f) < 0)
		return -1;
	if (call->command == CNI_VERSION) {
		/* What it is asked by is said back; VERSION may come with nothing at all. */
		call->conf = json_loadb(text, len, 0, NULL);
		return 0;
	}
	if (check_env(call, env, f) < 0 || read_conf(call, text, len, f) < 0 ||
	    check_version(call, f) < 0 || check_conf(call, f) < 0)
		return -1;
	return make_request(call, env, f);
}

void
cni_call_fini(struct cni_call *call)
{
	json_decref(call->conf);
	json_decref(call->request);
}

const char *
cni_resolv_path(const struct cni_call *call)
{
	const char *path = json_string_value(json_object_get(ipam_of(call), "resolvConf"));

	return call->command == CNI_ADD && is_set(path) ? path : NULL;
}
