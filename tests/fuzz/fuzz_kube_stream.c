/*
 * tests/fuzz/fuzz_kube_stream.c: any bytes as a list or a watch, whole and in pieces: the verdict and
 * what is cut out must be the same; and a list that is JSON must give just its items.  The first byte
 * says which it is, the second how long a piece is.
 */
#include "tests/fuzz/must.h"

#include "kube/stream.h"

#include "lib/buf.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
	struct buf text;
	size_t objects, lists;
};

static int
on_object(void *arg, const char *type, const char *json, size_t len)
{
	struct heard *h = arg;

	must(len > 1 && json[0] == '{' && json[len - 1] == '}' && json[len] == '\0');
	h->objects++;
	buf_printf(&h->text, "%s|", type);
	buf_add(&h->text, json, len);
	return 0;
}

static void
on_list(void *arg, const char *version, const char *more, const char *api, const char *kind)
{
	struct heard *h = arg;

	h->lists++;
	buf_printf(&h->text, "list|%s|%s|%s|%s", version, more, api, kind);
}

static const struct kube_stream_ops ops = { on_object, on_list };

static int
run(struct heard *h, enum kube_stream_kind kind, const char *bytes, size_t len, size_t piece)
{
	struct kube_stream *s = kube_stream_new(kind, &ops, h);
	int err = 0;

	must(s != NULL);
	for (size_t at = 0; at < len && !err; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		char *copy = malloc(n);

		must(copy != NULL);
		memcpy(copy, bytes + at, n);
		err = kube_stream_feed(s, copy, n);
		free(copy);
	}
	if (!err)
		err = kube_stream_finish(s);
	must(err == 0 || err == -EBADMSG || err == -EMSGSIZE);
	must((err != 0) == (*kube_stream_error(s) != '\0'));
	kube_stream_free(s);
	return err;
}

static bool
all_objects(const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!json_is_object(json_array_get(list, i)))
			return false;
	return true;
}

/* A list as a server sends it, by jansson's word. */
static bool
is_list(const json_t *root)
{
	const json_t *items = json_object_get(root, "items"), *kind = json_object_get(root, "kind");

	return json_is_array(items) && all_objects(items) && !kind &&
	    json_is_object(json_object_get(root, "metadata"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum kube_stream_kind kind;
	struct heard whole = { 0 }, cut = { 0 };
	const char *bytes;
	json_t *root;
	int err;

	if (size < 2)
		return 0;
	kind = data[0] % 2 ? KUBE_STREAM_LIST : KUBE_STREAM_WATCH;
	bytes = (const char *)data + 2;
	size -= 2;
	buf_init(&whole.text, 1u << 26);
	buf_init(&cut.text, 1u << 26);
	err = run(&whole, kind, bytes, size, size ? size : 1);
	must(run(&cut, kind, bytes, size, data[1] % 16 + 1u) == err);
	must(strcmp(buf_text(&whole.text), buf_text(&cut.text)) == 0);
	must(whole.lists == (kind == KUBE_STREAM_LIST && !err) || err);
	root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, NULL);
	/* Escapes in a key of ours, and depth, are what a server does not send. */
	if (kind == KUBE_STREAM_LIST && is_list(root) && !memchr(bytes, '\\', size) && size < 100) {
		must(err == 0);
		must(whole.objects == json_array_size(json_object_get(root, "items")));
	}
	json_decref(root);
	buf_fini(&whole.text);
	buf_fini(&cut.text);
	return 0;
}
