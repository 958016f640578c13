/*
 * kube/access_kubeconfig.c: a kubeconfig -> where the server is and who we are; see access_parts.h.
 * Faults name file, line, column and field, and never show a value that may be a secret.
 */
#include "kube/access_parts.h"

#include "kube/words.h"

#include "lib/mem.h"
#include "resource/resource.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 256u /* args and env of an exec plugin */

struct reader {
	struct kube_access *a;
	const char *file, *context;
	char *dir;	/* of the file, with its slash; "" */
	char **error;	/* the first fault; NULL as long as there is none */
	char where[96]; /* "users[herald].user" */
};

/* The first one is told; later ones mostly follow from it. */
static void __attribute__((format(printf, 4, 5)))
fault(struct reader *r, const struct node *at, const char *field, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (*r->error)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	*r->error = xasprintf("%s:%u:%u: %s%s%s: %s", r->file, at ? at->line : 1,
	    at ? at->column : 1, r->where, *r->where && *field ? "." : "", field, text);
}

/* The text of a field, borrowed; NULL: absent, null or empty. */
static const char *
text_of(struct reader *r, const struct node *map, const char *key)
{
	const struct node *n = tree_get(map, key);

	if (!n || n->type == NODE_NULL)
		return NULL;
	if (n->type != NODE_SCALAR) {
		fault(r, n, key, "must be a string, not %s", tree_type_name(n));
		return NULL;
	}
	if (strlen(n->text) != n->nr) {
		fault(r, n, key, "a zero byte is in it");
		return NULL;
	}
	return n->nr ? n->text : NULL;
}

static char *
copy_of(struct reader *r, const struct node *map, const char *key)
{
	const char *text = text_of(r, map, key);

	return text ? xstrdup(text) : NULL;
}

static bool
bool_of(struct reader *r, const struct node *map, const char *key)
{
	const char *text = text_of(r, map, key);

	if (!text || strcmp(text, "false") == 0)
		return false;
	if (strcmp(text, "true") != 0)
		fault(r, tree_get(map, key), key, "must be true or false");
	return true;
}

/* A relative path is relative to the kubeconfig's folder. */
static char *
path_of(const struct reader *r, const char *path)
{
	return *path == '/' ? xstrdup(path) : xasprintf("%s%s", r->dir, path);
}

/* "certificate-authority": PEM from its -data; else from its file, which is @file then, and NULL is
 * returned.  Neither: also after a fault. */
static char *
pem_of(struct reader *r, const struct node *map, const char *key, const char *label,
    struct kept_file *file)
{
	char data_key[48], *text = NULL;
	const char *data, *why = NULL, *name;
	size_t len;

	snprintf(data_key, sizeof(data_key), "%s-data", key);
	data = text_of(r, map, data_key);
	name = text_of(r, map, key);
	if (data) {
		text = mem_calloc(strlen(data) + 1, 1);
		if (!text)
			why = strerror(ENOMEM);
		else if (base64_decode(data, strlen(data), (uint8_t *)text, &len) < 0)
			why = "must be base64";
		else
			text[len] = '\0';
		if (!why)
			why = strlen(text) == len ? access_check_pem(text, label) : "must be PEM";
		if (why)
			fault(r, tree_get(map, data_key), data_key, "%s", why);
	} else if (name) {
		file->path = path_of(r, name);
		file->label = label;
		if (kept_file_refresh(file, r->a->loop, true, &why) < 0)
			fault(r, tree_get(map, key), key, "%s: %s", file->path, why);
	}
	if (why) {
		secret_free(text);
		return NULL;
	}
	return text;
}

/* The @part of the entry of @list that is called @name; NULL after a fault. */
static const struct node *
find_named(struct reader *r, const struct node *root, const char *list, const char *part,
    const char *name, const struct node *asked)
{
	const struct node *all = tree_get(root, list), *found = NULL;

	for (size_t i = 0; all && all->type == NODE_LIST && i < all->nr && !found; i++) {
		const char *is = tree_text(all->items[i], "name");

		if (is && strcmp(is, name) == 0)
			found = tree_get(all->items[i], part);
	}
	if (!found || found->type != NODE_MAP) {
		fault(r, asked, "", "%s: there is no %s of that name", name, part);
		return NULL;
	}
	snprintf(r->where, sizeof(r->where), "%s[%.40s].%s", list, name, part);
	return found;
}

static void
read_cluster(struct reader *r, const struct node *map)
{
	struct kube_access *a = r->a;
	const struct node *at = tree_get(map, "server");
	const char *why;

	a->server = copy_of(r, map, "server");
	a->tls_name = copy_of(r, map, "tls-server-name");
	a->proxy = copy_of(r, map, "proxy-url");
	a->insecure = bool_of(r, map, "insecure-skip-tls-verify");
	a->ca = pem_of(r, map, "certificate-authority", "CERTIFICATE", &a->ca_file);
	if (!a->server) {
		fault(r, at ? at : map, "server", "must be the URL of the API server");
		return;
	}
	why = access_check_server(a->server);
	if (why)
		fault(r, at, "server", "%s", why);
	if (a->insecure && kube_access_ca(a))
		fault(r, map, "insecure-skip-tls-verify",
		    "must not be true beside certificate-authority: which of the two is meant?");
}

/* ---- users ---- */

/* A list of strings, or of {name, value} as "name=value"; NULL-terminated, NULL: none. */
static char **
list_of(struct reader *r, const struct node *map, const char *key, bool pairs)
{
	const struct node *list = tree_get(map, key);
	char **v;

	if (!list || list->type == NODE_NULL)
		return NULL;
	if (list->type != NODE_LIST || list->nr > LIST_MAX) {
		fault(r, list, key, "must be a list of at most %u", LIST_MAX);
		return NULL;
	}
	v = xnew_n(char *, list->nr + 1);
	for (size_t i = 0; i < list->nr; i++) {
		const struct node *n = list->items[i];
		const char *name = tree_text(n, "name"), *value = tree_text(n, "value");

		v[i] = xstrdup("");
		if (!pairs && n->type == NODE_SCALAR) {
			free(v[i]);
			v[i] = xstrdup(n->text);
		} else if (pairs && name && *name && !strchr(name, '=')) {
			free(v[i]);
			v[i] = xasprintf("%s=%s", name, value ? value : "");
		} else {
			fault(r, n, key, pairs ? "must have name and value" : "must be strings");
		}
	}
	return v;
}

static void
read_exec(struct reader *r, const struct node *map)
{
	struct exec_conf *x = &r->a->exec;
	const char *command = text_of(r, map, "command");
	const char *mode = text_of(r, map, "interactiveMode");
	size_t len = strlen(r->where);

	snprintf(r->where + len, sizeof(r->where) - len, ".exec");
	x->api_version = copy_of(r, map, "apiVersion");
	x->hint = copy_of(r, map, "installHint");
	x->args = list_of(r, map, "args", false);
	x->env = list_of(r, map, "env", true);
	x->wants_cluster = bool_of(r, map, "provideClusterInfo");
	if (!command)
		fault(r, map, "command", "missing: must be the program to run");
	else
		x->command = strchr(command, '/') ? path_of(r, command) : xstrdup(command);
	if (!x->api_version ||
	    (strcmp(x->api_version, "client.authentication.k8s.io/v1") != 0 &&
		strcmp(x->api_version, "client.authentication.k8s.io/v1beta1") != 0))
		fault(r, map, "apiVersion",
		    "must be client.authentication.k8s.io/v1 or "
		    "client.authentication.k8s.io/v1beta1");
	if (mode && strcmp(mode, "Always") == 0)
		fault(r, tree_get(map, "interactiveMode"), "interactiveMode",
		    "Always: there is no terminal here; must be Never or IfAvailable");
	r->where[len] = '\0';
}

/* What we cannot do must not be left out in silence: it says who we are. */
static const struct {
	const char *key, *why;
} cannot[] = {
	{ "auth-provider", "was replaced by exec: must be an exec plugin" },
	{ "as", "acting as somebody else is not supported: must be credentials of its own" },
	{ "as-uid", "acting as somebody else is not supported: must be credentials of its own" },
	{ "as-groups", "acting as somebody else is not supported: must be credentials of its own" },
	{ "as-user-extra",
	    "acting as somebody else is not supported: must be credentials of its own" },
};

static void
read_token(struct reader *r, const struct node *map)
{
	struct kube_access *a = r->a;
	const char *path = text_of(r, map, "tokenFile"), *why = NULL;

	if (path) {
		a->token_file.path = path_of(r, path);
		if (kept_file_refresh(&a->token_file, a->loop, true, &why) < 0)
			fault(r, tree_get(map, "tokenFile"), "tokenFile", "%s: %s",
			    a->token_file.path, why);
		return;
	}
	a->token = copy_of(r, map, "token");
	if (a->token && !access_is_token(a->token))
		fault(r, tree_get(map, "token"), "token", "blanks or control characters are in it");
}

static void
read_user(struct reader *r, const struct node *map)
{
	struct kube_access *a = r->a;
	const struct node *exec = tree_get(map, "exec"), *other;

	for (size_t i = 0; i < sizeof(cannot) / sizeof(cannot[0]); i++) {
		other = tree_get(map, cannot[i].key);
		if (other && other->type != NODE_NULL)
			fault(r, other, cannot[i].key, "%s", cannot[i].why);
	}
	a->cert = pem_of(r, map, "client-certificate", "CERTIFICATE", &a->cert_file);
	a->key = pem_of(r, map, "client-key", "PRIVATE KEY", &a->key_file);
	if (!*r->error && !kube_access_client_cert(a) != !kube_access_client_key(a))
		fault(r, map, kube_access_client_cert(a) ? "client-key" : "client-certificate",
		    "missing: must be given beside the other one");
	read_token(r, map);
	a->username = copy_of(r, map, "username");
	a->password = copy_of(r, map, "password");
	if (a->username && (a->token || a->token_file.path))
		fault(r, tree_get(map, "username"), "username",
		    "must not be given beside a token: which of the two is meant?");
	if (exec && exec->type == NODE_MAP)
		read_exec(r, exec);
	else if (exec && exec->type != NODE_NULL)
		fault(r, exec, "exec", "must be a map, not %s", tree_type_name(exec));
}

/* ---- the whole ---- */

static void
read_root(struct reader *r, const struct node *root)
{
	const struct node *at = tree_get(root, "current-context"), *context, *part;
	const char *name = r->context, *cluster, *user;

	if (root->type != NODE_MAP) {
		fault(r, root, "", "must be a kubeconfig: a map with clusters, users and contexts");
		return;
	}
	if (!name)
		name = text_of(r, root, "current-context");
	if (!name) {
		fault(r, at ? at : root, "current-context",
		    "missing: must name one of the contexts, or a context must be asked for");
		return;
	}
	snprintf(r->where, sizeof(r->where), "%s", r->context ? "context" : "current-context");
	context = find_named(r, root, "contexts", "context", name, at);
	cluster = text_of(r, context, "cluster");
	user = text_of(r, context, "user");
	r->a->ns = context ? copy_of(r, context, "namespace") : NULL;
	if (!cluster)
		fault(r, context, "cluster", "missing: must name one of the clusters");
	if (*r->error)
		return;
	part = find_named(r, root, "clusters", "cluster", cluster, tree_get(context, "cluster"));
	if (part)
		read_cluster(r, part);
	if (!user || *r->error)
		return;
	part = find_named(r, root, "users", "user", user, tree_get(context, "user"));
	if (part)
		read_user(r, part);
}

static int
take_document(void *arg, const struct node *root, unsigned number)
{
	if (number == 1)
		read_root(arg, root);
	return 0;
}

/* Words about the syntax, but for those that show what stands there: it may be a password that
 * begins with a sign of YAML's own. */
static void
tell_syntax(struct reader *r, const struct res_fault *f)
{
	bool shows = *f->text == '*' || strncmp(f->text, "tag ", 4) == 0;

	if (!*r->error)
		*r->error = xasprintf("%s:%u:%u: %s", r->file, f->line, f->column,
		    shows ? "a text that begins with * or ! must stand in quotes" : f->text);
}

int
access_read_kubeconfig(struct kube_access *a, const char *path, const char *context, char **error)
{
	const char *slash = strrchr(path, '/'), *why = NULL;
	struct res_faults faults = { 0 };
	struct reader r = { .a = a, .file = path, .context = context, .error = error };
	struct tree_reader reader = {
		.file = path, .faults = &faults, .document = take_document, .arg = &r
	};
	char *text = NULL;
	int err = access_read_file(path, ACCESS_FILE_MAX, &text, &why);

	*error = NULL;
	if (err < 0) {
		*error = xasprintf("%s: %s", path, why);
		return err;
	}
	r.dir = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup("");
	err = yaml_read(&reader, text, strlen(text));
	if (err < 0 && !*error)
		*error = xasprintf("%s: %s", path, strerror(-err));
	if (faults.nr > 0)
		tell_syntax(&r, &faults.v[0]);
	if (!*error && !a->server)
		*error = xasprintf("%s: it is empty", path);
	res_faults_fini(&faults);
	secret_free(text);
	free(r.dir);
	return *error ? -EINVAL : 0;
}
