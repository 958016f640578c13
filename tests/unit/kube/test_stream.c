/*
 * tests/unit/kube/test_stream.c: cutting lists and watches: both orders of a list's members, every
 * place at which bytes may be split, what is no list or no line.
 */
#include "kube/stream.h"

#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include "tests/unit/unit.h"

#include <errno.h>

struct heard {
	struct buf text; /* "TYPE|JSON;", and "list|VERSION|NEXT|API|KIND;" */
	int stop_at, err;
	int nr;
};

static int
on_object(void *arg, const char *type, const char *json, size_t len)
{
	struct heard *h = arg;

	ck_assert_uint_eq(strlen(json), len);
	if (++h->nr == h->stop_at)
		return h->err;
	buf_printf(&h->text, "%s|%s;", type, json);
	return 0;
}

static void
on_list(void *arg, const char *version, const char *next, const char *api, const char *kind)
{
	struct heard *h = arg;

	buf_printf(&h->text, "list|%s|%s|%s|%s;", version, next, api, kind);
}

static const struct kube_stream_ops ops = { on_object, on_list };

/* Feed @text in pieces of @a, then @b, then the rest; gives the first error, or that of the end. */
static int
run(struct heard *h, enum kube_stream_kind kind, const char *text, size_t a, size_t b)
{
	size_t len = strlen(text), at = 0;
	struct kube_stream *s;
	int err = 0;

	buf_init(&h->text, 1u << 20);
	h->nr = 0;
	s = kube_stream_new(kind, &ops, h);
	ck_assert_ptr_nonnull(s);
	for (int i = 0; i < 3 && !err; i++) {
		size_t n = i == 0 ? a : i == 1 ? b : len - at;
		char *piece = malloc(n ? n : 1); /* as long as it is, for ASan */

		memcpy(piece, text + at, n);
		err = kube_stream_feed(s, piece, n);
		free(piece);
		at += n;
	}
	if (!err)
		err = kube_stream_finish(s);
	ck_assert((err != 0) == (*kube_stream_error(s) != '\0'));
	kube_stream_free(s);
	return err;
}

/* The same whole, byte by byte, and at each two places. */
static void
expect(enum kube_stream_kind kind, const char *text, int err, const char *heard)
{
	size_t len = strlen(text);

	for (size_t a = 0; a <= len; a++)
		for (size_t b = 0; a + b <= len; b++) {
			struct heard h = { 0 };
			int got = run(&h, kind, text, a, b);

			ck_assert_msg(got == err, "%s: %d at %zu, %zu", text, got, a, b);
			ck_assert_str_eq(buf_text(&h.text), heard);
			buf_fini(&h.text);
		}
}

/* clang-format off */
static const struct {
	enum kube_stream_kind kind;
	int err;
	const char *text, *heard;
} cases[] = {
	/* ---- lists ---- */
	{ KUBE_STREAM_LIST, 0, "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"7\","
	  "\"continue\":\"n\"},\"items\":[{\"a\":1}, {\"b\":\"]}\"}]}\n",
	  "|{\"a\":1};|{\"b\":\"]}\"};list|7|n|v1|ServiceList;" },
	{ KUBE_STREAM_LIST, 0, "{\"apiVersion\":\"x/v1\",\"items\":[{\"a\":[{}]}],\"kind\":\"AList\",\"metadata\":"
	  "{\"continue\":\"\",\"resourceVersion\":\"9\"}}", "|{\"a\":[{}]};list|9||x/v1|AList;" },
	{ KUBE_STREAM_LIST, 0, "{\"items\":[],\"metadata\":{}}", "list||||;" },
	{ KUBE_STREAM_LIST, 0, "{\"items\":null,\"metadata\":{},\"kind\":\"AList\"}", "list||||AList;" },
	{ KUBE_STREAM_LIST, 0, " {\"kind\" : \"AList\" ,\n\"metadata\":{\"x\":\"\\\"}\"},\"y\":[1,\"[\"],\"z\":tru}",
	  "list||||AList;" },
	{ KUBE_STREAM_LIST, 0, "{\"items\":[{\"a\\\\\":\"\\\\\\\"\"}],\"metadata\":{}}", "|{\"a\\\\\":\"\\\\\\\"\"};list||||;" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"kind\":\"Status\",\"metadata\":{},\"items\":[]}", "" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"kind\":\"List\",\"metadata\":{}}", "" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"metadata\":{}}", "" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"items\":[]}", "" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"items\":[],\"metadata\":7}", "" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"items\":{},\"metadata\":{}}", "" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"items\":[7],\"metadata\":{}}", "" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"items\":[{},],\"metadata\":{}}", "|{};" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"items\":[{}{}],\"metadata\":{}}", "|{};" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"items\":[{}],\"items\":[{}],\"metadata\":{}}", "|{};" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"items\":[{]}],\"metadata\":{}}", "" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"items\":[{\"a\n\":1}],\"metadata\":{}}", "" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"items\":[{}],\"metadata\":{}}{", "|{};list||||;" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"items\":[{}],\"metadata\":{}", "|{};" },
	{ KUBE_STREAM_LIST, -EBADMSG, "", "" },
	{ KUBE_STREAM_LIST, -EBADMSG, "404 page not found", "" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"a\"}", "" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"a\":}", "" },
	{ KUBE_STREAM_LIST, -EBADMSG, "{\"items\":[],}", "" },
	/* ---- watches ---- */
	{ KUBE_STREAM_WATCH, 0, "{\"type\":\"ADDED\",\"object\":{\"a\":\"\\n\"}}\n{\"type\":\"DELETED\",\"object\":{}}\n",
	  "ADDED|{\"a\":\"\\n\"};DELETED|{};" },
	{ KUBE_STREAM_WATCH, 0, "{\"object\":{\"items\":[{}]},\"type\":\"A\",\"x\":[]}", "A|{\"items\":[{}]};" },
	{ KUBE_STREAM_WATCH, 0, "\n\r\n", "" },
	{ KUBE_STREAM_WATCH, 0, "", "" },
	{ KUBE_STREAM_WATCH, -EBADMSG, "{\"type\":\"A\",\"object\":{}}\n{\"type\":\"A\",\"obj", "A|{};" },
	{ KUBE_STREAM_WATCH, -EBADMSG, "{\"type\":\"A\",\"object\":{\"a\":1\n{\"type\":\"B\",\"object\":{}}", "" },
	{ KUBE_STREAM_WATCH, -EBADMSG, "{\"type\":\"A\"\n,\"object\":{}}", "" },
	{ KUBE_STREAM_WATCH, -EBADMSG, "{\"type\":\"A\"}", "" },
	{ KUBE_STREAM_WATCH, -EBADMSG, "{\"object\":{}}", "" },
	{ KUBE_STREAM_WATCH, -EBADMSG, "{\"type\":7,\"object\":{}}", "" },
	{ KUBE_STREAM_WATCH, -EBADMSG, "{\"type\":\"A\",\"object\":[]}", "" },
	{ KUBE_STREAM_WATCH, -EBADMSG, "{\"type\":\"A\",\"object\":{}}\ngarbage\n", "A|{};" },
	{ KUBE_STREAM_WATCH, -EBADMSG, "<html>", "" },
};
/* clang-format on */

START_TEST(cuts)
{
	expect(cases[_i].kind, cases[_i].text, cases[_i].err, cases[_i].heard);
}
END_TEST

START_TEST(stops_with_what_the_receiver_says)
{
	struct heard h = { .stop_at = 2, .err = -ECANCELED };

	ck_assert_int_eq(
	    run(&h, KUBE_STREAM_LIST, "{\"items\":[{\"a\":1},{},{}],\"metadata\":{}}", 5, 5),
	    -ECANCELED);
	ck_assert_str_eq(buf_text(&h.text), "|{\"a\":1};");
	buf_fini(&h.text);
}
END_TEST

/* Endless: a string, a metadata, brackets; a large object that is just fine, and memory given back. */
START_TEST(is_bounded)
{
	static const char *const endless[] = { "{\"items\":[{\"a\":\"", "{\"metadata\":{\"a\":\"",
		"{\"items\":[{\"a\":[", "{\"" };
	static const char piece[4096] = { 0 };
	char fill[sizeof(piece)];

	for (size_t i = 0; i < 4; i++) {
		struct heard h = { 0 };
		struct kube_stream *s = kube_stream_new(KUBE_STREAM_LIST, &ops, &h);
		int err = kube_stream_feed(s, endless[i], strlen(endless[i]));
		size_t fed = 0;

		memset(fill, i == 2 ? '[' : 'x', sizeof(fill));
		for (; !err && fed < 9u << 20; fed += sizeof(fill))
			err = kube_stream_feed(s, fill, sizeof(fill));
		ck_assert_int_eq(err, i == 2 ? -EBADMSG : -EMSGSIZE);
		ck_assert_uint_lt(fed, i == 0 ? 9u << 20 : 70000);
		kube_stream_free(s);
	}
}
END_TEST

START_TEST(no_memory_is_told)
{
	const char *text = "{\"items\":[{\"a\":1}],\"kind\":\"AList\",\"metadata\":{}}";
	int fine = 0;

	for (unsigned nth = 1; !fine; nth++) {
		struct heard h = { 0 };
		struct kube_stream *s;
		int err;

		buf_init(&h.text, 4096);
		buf_puts(&h.text, "x");
		mem_fail_at(nth);
		s = kube_stream_new(KUBE_STREAM_LIST, &ops, &h);
		err = s ? kube_stream_feed(s, text, strlen(text)) : -ENOMEM;
		fine = !err;
		mem_fail_at(0);
		ck_assert(fine || err == -ENOMEM || err == -EBADMSG);
		kube_stream_free(s);
		buf_fini(&h.text);
		ck_assert_uint_lt(nth, 100);
	}
}
END_TEST

/* Whatever comes, in whatever pieces: the same verdict and the same objects. */
START_TEST(garbage_is_the_same_in_any_pieces)
{
	static const char *const words[] = { "{", "}", "[", "]", ",", ":", "\"", "\\", "\n",
		"\"items\"", "\"metadata\":{}", "\"type\":\"A\"", "\"object\":{}", "1", "null", " ",
		"\"x\":", "{}" };
	struct loop *loop = loop_new_fake();

	for (unsigned long round = 0; round < unit_rounds(20000); round++) {
		char text[200] = "{";
		size_t len = 1, a, b;
		enum kube_stream_kind kind = round % 2 ? KUBE_STREAM_LIST : KUBE_STREAM_WATCH;
		struct heard whole = { 0 }, cut = { 0 };
		int err;

		for (uint32_t n = loop_random(loop, 14); n > 0; n--) {
			const char *w = words[loop_random(loop, sizeof(words) / sizeof(words[0]))];

			memcpy(text + len, w, strlen(w) + 1);
			len += strlen(w);
		}
		a = loop_random(loop, (uint32_t)len + 1);
		b = loop_random(loop, (uint32_t)(len - a) + 1);
		err = run(&whole, kind, text, 0, 0);
		ck_assert_int_eq(run(&cut, kind, text, a, b), err);
		ck_assert_str_eq(buf_text(&whole.text), buf_text(&cut.text));
		buf_fini(&whole.text);
		buf_fini(&cut.text);
	}
	loop_free(loop);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("stream");

	tcase_add_loop_test(tc, cuts, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tc, stops_with_what_the_receiver_says);
	tcase_add_test(tc, is_bounded);
	tcase_add_test(tc, no_memory_is_told);
	tcase_add_test(tc, garbage_is_the_same_in_any_pieces);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("stream", add_tests)
