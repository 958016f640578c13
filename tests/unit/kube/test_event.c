/*
 * tests/unit/kube/test_event.c: Events: what the server is sent, that repeats are counted, and that a
 * storm writes little.
 */
#include "kube/event.h"

#include "tests/unit/kube/fake_http.h"
#include "tests/unit/unit.h"

static struct loop *loop;
static struct kube_writer *writer;
static struct kube_events *events;

static const struct kube_about web = { "v1", "Service", "shop", "web", "uid-1", "17" };
static const struct kube_about pool = { "heraldlb.io/v1", "LoadBalancerIPPool", "", "blue", "uid-2",
	NULL };

static void
setup(void)
{
	const struct kube_writer_conf pace = { 1000, 1000, 8 };

	loop = loop_new_fake();
	writer = kube_writer_new(loop, NULL, &pace);
	events = kube_events_new(loop, writer, "herald", "node-a");
}

static void
teardown(void)
{
	kube_events_free(events);
	kube_writer_free(writer);
	loop_free(loop);
	fake_reset();
}

static const char *
text_at(json_t *o, const char *a, const char *b)
{
	o = json_object_get(o, a);
	return json_string_value(b ? json_object_get(o, b) : o);
}

START_TEST(what_the_server_is_sent)
{
	struct kube_call *c;
	json_t *o;

	kube_event(events, &web, false, "AddressAssigned", "192.0.2.1 from pool blue");
	loop_advance(loop, 0);
	c = fake_next();
	o = fake_body(c);
	ck_assert_str_eq(c->method, "POST");
	ck_assert_str_eq(c->path, "/api/v1/namespaces/shop/events");
	ck_assert_str_eq(text_at(o, "apiVersion", NULL), "v1");
	ck_assert_str_eq(text_at(o, "kind", NULL), "Event");
	ck_assert_str_eq(text_at(o, "metadata", "namespace"), "shop");
	ck_assert_int_eq(strncmp(text_at(o, "metadata", "name"), "web.", 4), 0);
	ck_assert_str_eq(text_at(o, "involvedObject", "kind"), "Service");
	ck_assert_str_eq(text_at(o, "involvedObject", "namespace"), "shop");
	ck_assert_str_eq(text_at(o, "involvedObject", "uid"), "uid-1");
	ck_assert_str_eq(text_at(o, "involvedObject", "resourceVersion"), "17");
	ck_assert_str_eq(text_at(o, "reason", NULL), "AddressAssigned");
	ck_assert_str_eq(text_at(o, "message", NULL), "192.0.2.1 from pool blue");
	ck_assert_str_eq(text_at(o, "type", NULL), "Normal");
	ck_assert_str_eq(text_at(o, "source", "component"), "herald");
	ck_assert_str_eq(text_at(o, "source", "host"), "node-a");
	ck_assert_uint_eq(strlen(text_at(o, "firstTimestamp", NULL)), 20);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "count")), 1);
	json_decref(o);
}
END_TEST

START_TEST(what_has_no_namespace_is_told_in_default)
{
	json_t *o;

	kube_event(events, &pool, true, "PoolConflict", "overlaps green");
	loop_advance(loop, 0);
	o = fake_body(fake_next());
	ck_assert_str_eq(fake_next()->path, "/api/v1/namespaces/default/events");
	ck_assert_str_eq(text_at(o, "metadata", "namespace"), "default");
	ck_assert_ptr_null(json_object_get(json_object_get(o, "involvedObject"), "namespace"));
	ck_assert_str_eq(text_at(o, "type", NULL), "Warning");
	json_decref(o);
}
END_TEST

START_TEST(repeats_are_counted)
{
	struct kube_call *c;
	char path[300];
	json_t *o;

	for (int i = 0; i < 3; i++)
		kube_event(events, &web, false, "AddressAssigned", "192.0.2.1");
	loop_advance(loop, 0);
	ck_assert_uint_eq(fake.nr, 1);
	c = fake_next();
	o = fake_body(c);
	snprintf(path, sizeof(path), "%s/%s", c->path, text_at(o, "metadata", "name"));
	json_decref(o);
	fake_answer(c, 201);
	loop_advance(loop, 1000);
	c = fake_next();
	ck_assert_str_eq(c->method, "PATCH");
	ck_assert_str_eq(c->path, path);
	o = fake_body(c);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "count")), 3);
	ck_assert_uint_eq(json_object_size(o), 2);
	json_decref(o);
	fake_answer(c, 200);
	kube_event(events, &web, false, "AddressAssigned", "192.0.2.2"); /* another */
	loop_advance(loop, 0);
	ck_assert_str_eq(fake_next()->method, "POST");
}
END_TEST

START_TEST(an_event_that_went_is_made_again)
{
	kube_event(events, &web, false, "R", "n");
	loop_advance(loop, 0);
	fake_answer(fake_next(), 201);
	kube_event(events, &web, false, "R", "n");
	loop_advance(loop, 0);
	fake_answer(fake_next(), 404);
	loop_advance(loop, 0);
	ck_assert_str_eq(fake_next()->method, "POST");
	fake_answer(fake_next(), 409); /* made by a try whose answer was lost */
	loop_advance(loop, 0);
	ck_assert_str_eq(fake_next()->method, "PATCH");
	fake_answer(fake_next(), 200);
	loop_advance(loop, 10000);
	ck_assert_ptr_null(fake_next());
}
END_TEST

START_TEST(what_is_forbidden_is_left)
{
	kube_event(events, &web, false, "R", "n");
	loop_advance(loop, 0);
	kube_event(events, &web, false, "R", "n");
	fake_answer(fake_next(), 403);
	loop_advance(loop, 10000);
	ck_assert_uint_eq(fake.nr, 1);
}
END_TEST

START_TEST(an_object_has_a_budget)
{
	char note[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(note, sizeof(note), "number %d", i);
		kube_event(events, &web, true, "R", note);
	}
	kube_event(events, &pool, true, "R", "n");
	for (int i = 0; i < 100; i++) {
		loop_advance(loop, 10);
		while (fake_next())
			fake_answer(fake_next(), 201);
	}
	ck_assert_uint_eq(fake.nr, 25 + 1);
	loop_advance(loop, 2 * 300000);
	for (int i = 0; i < 10; i++)
		kube_event(events, &web, true, "R", "again");
	loop_advance(loop, 10);
	fake_answer(fake_next(), 201);
	loop_advance(loop, 10);
	ck_assert_uint_eq(fake.nr, 25 + 1 + 2);
}
END_TEST

START_TEST(a_note_is_cut_between_characters)
{
	char note[3000] = "\xff\xfe";
	const char *text;
	json_t *o;

	for (size_t i = 2; i < sizeof(note) - 3; i += 2)
		memcpy(note + i, "\xc3\xa4", 3);
	memcpy(note + 2, "x", 1); /* so that the limit falls into a character */
	memcpy(note + 3, "y", 1);
	memmove(note + 3, note + 4, sizeof(note) - 4);
	kube_event(events, &web, true, "R", note);
	loop_advance(loop, 0);
	o = fake_body(fake_next());
	text = text_at(o, "message", NULL);
	ck_assert_uint_le(strlen(text), 1024);
	ck_assert_uint_ge(strlen(text), 1023);
	ck_assert_int_eq(strncmp(text, "??x\xc3\xa4", 5), 0);
	json_decref(o);
}
END_TEST

/* Ten thousand objects, and a server that does not answer: what is kept has an end. */
START_TEST(a_storm_has_an_end)
{
	struct kube_writer_info info;
	char name[32];

	for (int i = 0; i < 20000; i++) {
		struct kube_about one = web;

		snprintf(name, sizeof(name), "web-%d", i);
		one.name = name;
		kube_event(events, &one, false, "AddressAssigned", "n");
	}
	kube_writer_info(writer, &info);
	ck_assert_uint_le(info.waiting, 8192);
	ck_assert_uint_ge(info.waiting, 8000);
	for (int i = 0; i < 20000; i++) {
		loop_advance(loop, 1);
		while (fake_next())
			fake_answer(fake_next(), 201);
	}
	kube_writer_info(writer, &info);
	ck_assert_uint_eq(info.waiting, 0);
	kube_event(events, &web, false, "R", "n");
	loop_advance(loop, 10);
	ck_assert_ptr_nonnull(fake_next());
}
END_TEST

START_TEST(old_news_is_not_told)
{
	kube_event(events, &web, false, "R", "n");
	loop_advance(loop, 0);
	for (int i = 0; i < 700; i++) {
		while (fake_next())
			fake_answer(fake_next(), 0);
		loop_advance(loop, 1000);
	}
	ck_assert_ptr_null(fake_next());
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("events");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_the_server_is_sent);
	tcase_add_test(tc, what_has_no_namespace_is_told_in_default);
	tcase_add_test(tc, repeats_are_counted);
	tcase_add_test(tc, an_event_that_went_is_made_again);
	tcase_add_test(tc, what_is_forbidden_is_left);
	tcase_add_test(tc, an_object_has_a_budget);
	tcase_add_test(tc, a_note_is_cut_between_characters);
	tcase_add_test(tc, a_storm_has_an_end);
	tcase_add_test(tc, old_news_is_not_told);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("event", add_tests)
