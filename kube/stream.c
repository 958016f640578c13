/*
 * kube/stream.c: cuts lists and watches into objects; see stream.h.  Stands between the bytes of
 * an answer (http.h) and the decoder of single objects (resource/json.c).
 *
 * No parser: it knows strings, brackets and the members of the outermost object, which is enough
 * to find where an object begins and ends.  What is inside is the decoder's to judge.
 */
#include "kube/stream.h"

#include "lib/buf.h"
#include "lib/mem.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MAX_OBJECT (8u << 20)
#define MAX_SMALL (64u << 10) /* a list's metadata, a type, a kind */
#define MAX_DEPTH 128u
#define KEEP_CAP (256u << 10) /* what a large object needed is given back */

/* What the outermost level waits for. */
enum state {
	AT_START,  /* '{' */
	AT_MEMBER, /* '"' of a key, or '}' when there is none yet */
	AT_KEY,	   /* in a key */
	AT_COLON,
	AT_VALUE, /* its first byte */
	IN_VALUE,
	AT_COMMA, /* ',' or '}' */
	AT_ITEM,  /* the first byte of an item, or ']' when there is none yet */
	IN_ITEM,
	AT_ITEM_COMMA, /* ',' or ']' */
	AT_END	       /* behind a list */
};

/* Members of the outermost object that matter. */
enum member { M_OTHER, M_ITEMS, M_METADATA, M_API_VERSION, M_KIND, M_TYPE, M_OBJECT };

struct kube_stream {
	enum kube_stream_kind kind;
	const struct kube_stream_ops *ops;
	void *arg;

	enum state state;
	bool some; /* a member or an item was there: a comma must come before the next */
	enum member member;
	unsigned seen; /* members, as bits */

	/* Within a value. */
	unsigned depth;
	uint8_t open[MAX_DEPTH]; /* '{' or '[' */
	bool in_string, escaped;

	struct buf key, text; /* text: of the value at hand, when it is kept */
	struct buf *into;     /* NULL: it is passed over */
	struct buf metadata, api_version, kind_text, type;

	uint64_t at; /* bytes before those that are fed now */
	int err;
	char error[160];
};

struct kube_stream *
kube_stream_new(enum kube_stream_kind kind, const struct kube_stream_ops *ops, void *arg)
{
	struct kube_stream *s = mem_calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->kind = kind;
	s->ops = ops;
	s->arg = arg;
	buf_init(&s->key, MAX_SMALL);
	buf_init(&s->text, MAX_OBJECT);
	buf_init(&s->metadata, MAX_SMALL);
	buf_init(&s->api_version, MAX_SMALL);
	buf_init(&s->kind_text, MAX_SMALL);
	buf_init(&s->type, MAX_SMALL);
	return s;
}

void
kube_stream_free(struct kube_stream *s)
{
	if (!s)
		return;
	buf_fini(&s->key);
	buf_fini(&s->text);
	buf_fini(&s->metadata);
	buf_fini(&s->api_version);
	buf_fini(&s->kind_text);
	buf_fini(&s->type);
	mem_free(s);
}

const char *
kube_stream_error(const struct kube_stream *s)
{
	return s->error;
}

static int
fail(struct kube_stream *s, int err, size_t i, const char *what)
{
	s->err = err;
	snprintf(
	    s->error, sizeof(s->error), "byte %llu: %s", (unsigned long long)(s->at + i), what);
	return err;
}

/* ---- members ---- */

static enum member
member_of(const struct kube_stream *s)
{
	static const struct {
		const char *name;
		enum member list, watch;
	} names[] = {
		{ "items", M_ITEMS, M_OTHER },
		{ "metadata", M_METADATA, M_OTHER },
		{ "apiVersion", M_API_VERSION, M_OTHER },
		{ "kind", M_KIND, M_OTHER },
		{ "type", M_OTHER, M_TYPE },
		{ "object", M_OTHER, M_OBJECT },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(buf_text(&s->key), names[i].name) == 0)
			return s->kind == KUBE_STREAM_LIST ? names[i].list : names[i].watch;
	return M_OTHER;
}

static struct buf *
room_for(struct kube_stream *s, enum member m)
{
	switch (m) {
	case M_METADATA:
		return &s->metadata;
	case M_API_VERSION:
		return &s->api_version;
	case M_KIND:
		return &s->kind_text;
	case M_TYPE:
		return &s->type;
	case M_OBJECT:
		return &s->text;
	default:
		return NULL;
	}
}

/* The text between the quotes of a kept string; "" when it is no plain one. */
static const char *
unquoted(struct buf *b)
{
	if (b->len < 2 || b->data[0] != '"' || memchr(b->data, '\\', b->len))
		return "";
	b->data[b->len - 1] = '\0';
	return b->data + 1;
}

/* ---- whole things ---- */

static void
text_done(struct kube_stream *s)
{
	mem_wipe(s->text.data, s->text.len); /* it may be a Secret */
	if (s->text.cap > KEEP_CAP)
		buf_fini(&s->text);
	else
		buf_reset(&s->text);
}

static int
emit(struct kube_stream *s, const char *type, size_t i)
{
	int err = s->ops->object(s->arg, type, buf_text(&s->text), s->text.len);

	if (err < 0)
		return fail(s, err, i, "the object was not taken");
	text_done(s);
	return 0;
}

static int
end_watch_line(struct kube_stream *s, size_t i)
{
	const char *type = unquoted(&s->type);
	int err;

	if (!*type || !s->text.len || s->text.data[0] != '{')
		return fail(s, -EBADMSG, i, "a watch line without type and object");
	err = emit(s, type, i);
	buf_reset(&s->type);
	s->seen = 0;
	s->state = AT_START;
	return err;
}

static const char *
string_of(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));

	return v ? v : "";
}

static int
end_list(struct kube_stream *s, size_t i)
{
	const char *kind = unquoted(&s->kind_text), *api = unquoted(&s->api_version);
	size_t len = strlen(kind);
	json_t *meta;

	/* A Status in place of a list would look like an empty one. */
	if (len ? len < 5 || strcmp(kind + len - 4, "List") != 0 : !(s->seen & 1u << M_ITEMS))
		return fail(s, -EBADMSG, i, "this is no list");
	meta = json_loadb(buf_text(&s->metadata), s->metadata.len, 0, NULL);
	if (!json_is_object(meta)) {
		json_decref(meta);
		return fail(s, -EBADMSG, i, "a list without metadata");
	}
	s->state = AT_END;
	if (s->ops->list)
		s->ops->list(s->arg, string_of(meta, "resourceVersion"),
		    string_of(meta, "continue"), api, kind);
	json_decref(meta);
	return 0;
}

static int
end_value(struct kube_stream *s, size_t i)
{
	if (s->state == IN_ITEM) {
		s->state = AT_ITEM_COMMA;
		return emit(s, "", i);
	}
	s->state = AT_COMMA;
	return 0;
}

/* ---- within a value ---- */

static int
keep(struct kube_stream *s, const char *bytes, size_t len, size_t i)
{
	if (!s->into || !len)
		return 0;
	if (len > s->into->max || s->into->len > s->into->max - len)
		return fail(s, -EMSGSIZE, i, "an object above 8 MiB");
	buf_add(s->into, bytes, len);
	return s->into->failed ? fail(s, -ENOMEM, i, "no memory") : 0;
}

static int
opening(struct kube_stream *s, char c, size_t i)
{
	if (s->depth == MAX_DEPTH)
		return fail(s, -EBADMSG, i, "nested too deep");
	s->open[s->depth++] = (uint8_t)c;
	return 0;
}

static int
closing(struct kube_stream *s, char c, size_t i)
{
	if (!s->depth || s->open[s->depth - 1] != (c == '}' ? '{' : '['))
		return fail(s, -EBADMSG, i, "a bracket that closes nothing");
	s->depth--;
	return 0;
}

/* In a string, from @i on: up to behind its end, or to the end of the bytes. */
static size_t
skip_string(struct kube_stream *s, const char *b, size_t len, size_t i)
{
	for (; i < len; i++) {
		if (s->escaped) {
			s->escaped = false;
		} else if (b[i] == '\\') {
			s->escaped = true;
		} else if (b[i] == '"') {
			s->in_string = false;
			return i + 1;
		} else if ((unsigned char)b[i] < ' ') {
			(void)fail(s, -EBADMSG, i, "a line that ends within a string");
			return i;
		}
	}
	return i;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One byte outside of strings; *end: the value is over, *mine: the byte belongs to it. */
static int
value_byte(struct kube_stream *s, char c, size_t i, bool *end, bool *mine)
{
	*mine = true;
	*end = false;
	switch (c) {
	case '"':
		s->in_string = true;
		return 0;
	case '{':
	case '[':
		return opening(s, c, i);
	case '}':
	case ']':
		if (!s->depth) {
			*mine = false; /* of what is around a bare word */
			*end = true;
			return 0;
		}
		*end = s->depth == 1;
		return closing(s, c, i);
	case '\n':
		if (s->kind == KUBE_STREAM_WATCH)
			return fail(s, -EBADMSG, i, "a line that ends within an object");
		break;
	default:
		if ((unsigned char)c < ' ' && !is_blank(c))
			return fail(s, -EBADMSG, i, "this is no JSON");
		break;
	}
	if (!s->depth && (c == ',' || is_blank(c))) {
		*mine = false;
		*end = true;
	}
	return 0;
}

/* A value from @i on; gives where it or the bytes end. */
static size_t
feed_value(struct kube_stream *s, const char *b, size_t len, size_t i)
{
	size_t first = i;
	bool end = false, mine = true;

	while (i < len && !end && !s->err) {
		if (s->in_string) {
			i = skip_string(s, b, len, i);
			end = !s->in_string && !s->depth;
			continue;
		}
		if (value_byte(s, b[i], i, &end, &mine) < 0)
			return i;
		i += mine;
	}
	if (!s->err && keep(s, b + first, i - first, i) == 0 && end)
		(void)end_value(s, i);
	return i;
}

/* ---- the outermost level ---- */

static int
begin_value(struct kube_stream *s, enum state state, struct buf *into)
{
	s->state = state;
	s->into = into;
	s->depth = 0;
	s->in_string = s->escaped = false;
	if (into)
		buf_reset(into);
	return 0;
}

static int
at_value(struct kube_stream *s, char c, size_t i)
{
	if (c == ',' || c == '}' || c == ']' || c == ':')
		return fail(s, -EBADMSG, i, "a member without a value");
	if (s->member == M_ITEMS && c == '[') {
		s->state = AT_ITEM;
		s->some = false;
		return 1;
	}
	if (s->member == M_ITEMS && c != 'n')
		return fail(s, -EBADMSG, i, "items is no list");
	return begin_value(s, IN_VALUE, room_for(s, s->member));
}

static int
at_item(struct kube_stream *s, char c, size_t i)
{
	if (c == ']' && !s->some) {
		s->state = AT_COMMA;
		return 1;
	}
	if (c != '{')
		return fail(s, -EBADMSG, i, "an item that is no object");
	s->some = true;
	return begin_value(s, IN_ITEM, &s->text);
}

static int
at_key_end(struct kube_stream *s, size_t i)
{
	s->member = member_of(s);
	s->state = AT_COLON;
	if (s->member != M_OTHER && s->seen & 1u << s->member)
		return fail(s, -EBADMSG, i, "a member that is there twice");
	s->seen |= 1u << s->member;
	return 1;
}

static int
expect(struct kube_stream *s, bool is_right, enum state next, size_t i)
{
	if (!is_right)
		return fail(s, -EBADMSG, i, "this is no JSON");
	s->state = next;
	return 1;
}

static int
end_object(struct kube_stream *s, size_t i)
{
	int err = s->kind == KUBE_STREAM_LIST ? end_list(s, i) : end_watch_line(s, i);

	return err < 0 ? err : 1;
}

/* One byte of the outermost level, not blank: 1 when it was used, 0 when a value begins with it, or
 * -errno. */
static int
outer_byte(struct kube_stream *s, char c, size_t i)
{
	switch (s->state) {
	case AT_START:
		s->some = false;
		return expect(s, c == '{', AT_MEMBER, i);
	case AT_MEMBER:
		if (c == '}' && !s->some)
			return end_object(s, i);
		s->some = true;
		buf_reset(&s->key);
		s->escaped = false;
		return expect(s, c == '"', AT_KEY, i);
	case AT_COLON:
		return expect(s, c == ':', AT_VALUE, i);
	case AT_VALUE:
		return at_value(s, c, i);
	case AT_COMMA:
		if (c == '}')
			return end_object(s, i);
		s->some = true;
		return expect(s, c == ',', AT_MEMBER, i);
	case AT_ITEM:
		return at_item(s, c, i);
	case AT_ITEM_COMMA:
		if (c == ']') {
			s->state = AT_COMMA;
			return 1;
		}
		return expect(s, c == ',', AT_ITEM, i);
	default:
		return fail(s, -EBADMSG, i, "something behind the end of the list");
	}
}

static size_t
feed_key(struct kube_stream *s, const char *b, size_t len, size_t i)
{
	size_t first = i;

	s->in_string = true;
	i = skip_string(s, b, len, i);
	if (s->err)
		return i;
	s->into = &s->key;
	if (keep(s, b + first, i - first - !s->in_string, i) == 0 && !s->in_string)
		(void)at_key_end(s, i);
	return i;
}

int
kube_stream_feed(struct kube_stream *s, const char *b, size_t len)
{
	size_t i = 0;

	while (i < len && !s->err) {
		if (s->state == IN_VALUE || s->state == IN_ITEM) {
			i = feed_value(s, b, len, i);
		} else if (s->state == AT_KEY) {
			i = feed_key(s, b, len, i);
		} else if (is_blank(b[i])) {
			if (b[i] == '\n' && s->kind == KUBE_STREAM_WATCH && s->state != AT_START)
				return fail(s, -EBADMSG, i, "a line that ends within an object");
			i++;
		} else {
			i += outer_byte(s, b[i], i) > 0;
		}
	}
	s->at += len;
	return s->err;
}

int
kube_stream_finish(struct kube_stream *s)
{
	if (s->err)
		return s->err;
	if (s->kind == KUBE_STREAM_WATCH && s->state != AT_START)
		return fail(s, -EBADMSG, 0, "the watch ended within a line");
	if (s->kind == KUBE_STREAM_LIST && s->state != AT_END)
		return fail(s, -EBADMSG, 0, "the list ended before its end");
	return 0;
}
