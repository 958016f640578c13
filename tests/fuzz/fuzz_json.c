/*
 * tests/fuzz/fuzz_json.c: any bytes as an object of the API; the first says of which kind.  Whatever
 * comes out decoded must show, and what is shown must decode to the same object; and what is JSON is
 * jansson's to say.
 */
#include "tests/fuzz/must.h"

#include "resource/resource.h"

#include "lib/text.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	const char *api_version, *kind;
} kinds[] = {
	{ "v1", "Service" },
	{ "discovery.k8s.io/v1", "EndpointSlice" },
	{ "v1", "Node" },
	{ "v1", "Namespace" },
	{ "v1", "Secret" },
	{ "heraldlb.io/v1", "LoadBalancerIPPool" },
	{ "heraldlb.io/v1", "BGPPeerConfig" },
	{ "cilium.io/v2", "CiliumBGPClusterConfig" },
	{ "cilium.io/v2alpha1", "CiliumBGPAdvertisement" },
	{ "metallb.io/v1beta1", "IPAddressPool" },
	{ "metallb.io/v1beta2", "BGPPeer" },
};

static void
show_and_decode_again(const struct res_object *o)
{
	struct res_faults faults = { 0 };
	struct res_set again = { 0 };
	char *text = res_show_yaml(o);

	must(text != NULL);
	must(!*o->file);
	/* Values of Secrets are hidden, and do not come back. */
	if (o->kind != RES_SECRET) {
		must(res_decode_yaml("again", text, strlen(text), &again, &faults) == 0);
		must(again.nr == 1 && res_equal(o, again.v[0]));
	}
	free(text);
	res_set_fini(&again);
	res_faults_fini(&faults);
}

static void
check_faults(const struct res_faults *faults)
{
	for (size_t i = 0; i < faults->nr; i++) {
		char *line = res_fault_format(&faults->v[i]);

		must(!strchr(line, '\n') && text_utf8_check(line, strlen(line), NULL) == 0);
		free(line);
	}
}

static bool
string_fits(const json_t *meta, const char *key, size_t size)
{
	const json_t *v = json_object_get(meta, key);

	return !v || json_is_null(v) ||
	    (json_is_string(v) && json_string_length(v) < size &&
		strlen(json_string_value(v)) == json_string_length(v));
}

static bool
has_head(const json_t *root)
{
	const struct res_json_head *h = NULL;
	const json_t *meta = json_object_get(root, "metadata");

	return json_is_object(meta) && string_fits(meta, "namespace", sizeof(h->ns)) &&
	    string_fits(meta, "name", sizeof(h->name)) &&
	    string_fits(meta, "uid", sizeof(h->uid)) &&
	    string_fits(meta, "resourceVersion", sizeof(h->resource_version));
}

static unsigned
depth_of(const char *text, size_t len)
{
	unsigned depth = 0, most = 0;

	for (size_t i = 0; i < len; i++) {
		depth += text[i] == '[' || text[i] == '{';
		most = depth > most ? depth : most;
		depth -= depth && (text[i] == ']' || text[i] == '}');
	}
	return most;
}

/* -EBADMSG exactly when jansson takes it for no object with metadata.  It does not take numbers that
 * fit nowhere, nor NULs in keys, and of two keys with one name it takes the other. */
static void
check_syntax(const char *text, size_t len, int err)
{
	json_error_t why;
	enum json_error_code code;
	json_t *root;

	if (memchr(text, '\0', len)) /* which jansson overlooks behind a word */
		return;
	root = json_loadb(
	    text, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES, &why);
	code = root ? json_error_unknown : json_error_code(&why);
	if (err == -EBADMSG)
		must(!root || !has_head(root) || depth_of(text, len) > 60);
	else
		must(root || code == json_error_numeric_overflow ||
		    code == json_error_duplicate_key || code == json_error_null_byte_in_key);
	json_decref(root);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t kind = size ? data[0] % (sizeof(kinds) / sizeof(kinds[0])) : 0;
	const char *text = (const char *)data + (size > 0);
	struct res_faults faults = { 0 };
	struct res_json_head head = { 0 }, again;
	struct res_set set = { 0 };
	int err;

	size -= size > 0;
	err = res_decode_json(
	    kinds[kind].api_version, kinds[kind].kind, text, size, &set, &faults, &head);
	must(err == 0 || err == -EINVAL || err == -EBADMSG);
	must(err != -EINVAL || faults.nr > 0);
	must(err != -EBADMSG || (!faults.nr && !set.nr));
	check_syntax(text, size, err);
	check_faults(&faults);
	if (err != -EBADMSG) {
		must(res_json_head(text, size, &again) == 0);
		must(strcmp(head.name, again.name) == 0);
	}
	for (size_t i = 0; i < set.nr; i++)
		show_and_decode_again(set.v[i]);
	res_set_fini(&set);
	res_faults_fini(&faults);
	return 0;
}
