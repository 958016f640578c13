/*
 * tests/unit/kube/test_lease.c: who holds a Lease, against a little server that keeps one: taking,
 * renewing, losing, giving back, and that never two hold it at once.
 */
#include "kube/lease.h"

#include "tests/unit/kube/fake_http.h"
#include "tests/unit/unit.h"

#include <regex.h>

#define LEASE "/apis/coordination.k8s.io/v1/namespaces/herald-system/leases/herald-leader"
#define FOLDER "/apis/coordination.k8s.io/v1/namespaces/herald-system/leases"

/* ---- the server ---- */

static struct {
	json_t *lease; /* NULL: there is none */
	int version;
	bool away; /* no answers, the requests fail after their time */
	unsigned writes, refused;
} server;

static struct loop *loop;

static void
check_spec(json_t *spec)
{
	static const char *const times[] = { "acquireTime", "renewTime" };
	regex_t re;

	ck_assert_int_eq(
	    regcomp(&re, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{6}Z$", REG_EXTENDED), 0);
	for (int i = 0; i < 2; i++) {
		const char *t = json_string_value(json_object_get(spec, times[i]));

		ck_assert_msg(!t || regexec(&re, t, 0, NULL, 0) == 0, "%s: %s", times[i], t);
	}
	regfree(&re);
	ck_assert_int_gt(json_integer_value(json_object_get(spec, "leaseDurationSeconds")), 0);
}

static int
serve_write(const struct kube_call *c)
{
	json_t *body = fake_body(c), *spec = json_object_get(body, "spec");
	json_t *meta = json_object_get(body, "metadata");
	char version[16];
	int status = 200;

	snprintf(version, sizeof(version), "%d", server.version);
	check_spec(spec);
	if (strcmp(c->method, "POST") == 0) {
		ck_assert_str_eq(c->path, FOLDER);
		ck_assert_str_eq(c->content_type, "application/json");
		if (server.lease) {
			status = 409;
		} else {
			server.lease = json_deep_copy(body);
			status = 201;
		}
	} else {
		ck_assert_str_eq(c->method, "PATCH");
		ck_assert_str_eq(c->path, LEASE);
		ck_assert_str_eq(c->content_type, "application/merge-patch+json");
		if (!server.lease)
			status = 404;
		else if (strcmp(json_string_value(json_object_get(meta, "resourceVersion")),
			     version) != 0)
			status = 409;
		else
			json_object_update(json_object_get(server.lease, "spec"), spec);
	}
	if (status < 300) {
		snprintf(version, sizeof(version), "%d", ++server.version);
		json_object_set_new(json_object_get(server.lease, "metadata"), "resourceVersion",
		    json_string(version));
		server.writes++;
	} else {
		server.refused++;
	}
	json_decref(body);
	return status;
}

static void
serve_one(struct kube_call *c)
{
	char *text = NULL;
	int status;

	if (strcmp(c->method, "GET") == 0)
		status = server.lease ? 200 : 404;
	else
		status = serve_write(c);
	if (server.lease)
		text = json_dumps(server.lease, 0);
	fake_answer_full(c, status, "", text && status < 300 ? text : "{}", 0);
	free(text);
}

static void
serve(void)
{
	while (fake_next()) {
		if (server.away)
			fake_answer(fake_next(), 0);
		else
			serve_one(fake_next());
		loop_advance(loop, 0);
	}
}

static json_t *
spec_get(const char *key)
{
	return json_object_get(json_object_get(server.lease, "spec"), key);
}

/* ---- two who want it ---- */

struct one {
	struct kube_writer *writer;
	struct kube_lease *lease;
	unsigned changes;
	bool held;
	char holder[64];
	bool done;
	uint64_t lost_at;
};
static struct one a, b;

static void
changed(void *arg, bool held, const char *holder)
{
	struct one *o = arg;

	o->changes++;
	if (o->held && !held)
		o->lost_at = loop_now_ms(loop);
	o->held = held;
	snprintf(o->holder, sizeof(o->holder), "%s", holder);
}

static void
done(void *arg)
{
	((struct one *)arg)->done = true;
}

static void
begin(struct one *o, const char *identity, bool contend)
{
	static const struct kube_lease_ops ops = { changed };
	const struct kube_writer_conf pace = { 10, 10, 4 };
	const struct kube_lease_conf conf = { "herald-system", "herald-leader", identity, 15, 10, 2,
		contend };

	*o = (struct one){ 0 };
	o->writer = kube_writer_new(loop, NULL, &pace);
	o->lease = kube_lease_new(loop, NULL, o->writer, &conf, &ops, o);
}

static void
end(struct one *o)
{
	kube_lease_free(o->lease);
	kube_writer_free(o->writer);
	*o = (struct one){ 0 };
}

static void
run(unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 10) {
		serve();
		loop_advance(loop, 10);
		ck_assert_msg(!(a.held && b.held), "two hold it at once");
		if (a.lease)
			ck_assert(!a.held || kube_lease_held(a.lease));
	}
	serve();
}

static void
setup(void)
{
	loop = loop_new_fake();
	server = (typeof(server)){ .version = 100 };
}

static void
teardown(void)
{
	if (a.lease)
		end(&a);
	if (b.lease)
		end(&b);
	json_decref(server.lease);
	loop_free(loop);
	fake_reset();
}

START_TEST(who_finds_none_makes_it)
{
	begin(&a, "node-a", true);
	run(100);
	ck_assert(a.held);
	ck_assert_str_eq(a.holder, "node-a");
	ck_assert_str_eq(json_string_value(spec_get("holderIdentity")), "node-a");
	ck_assert_int_eq(json_integer_value(spec_get("leaseDurationSeconds")), 15);
	ck_assert_int_eq(json_integer_value(spec_get("leaseTransitions")), 0);
	ck_assert_uint_eq(a.changes, 1);
}
END_TEST

START_TEST(it_is_renewed_every_two_seconds)
{
	char *first;

	begin(&a, "node-a", true);
	run(100);
	first = xstrdup(json_string_value(spec_get("renewTime")));
	run(20000);
	ck_assert(a.held);
	ck_assert_uint_ge(server.writes, 10);
	ck_assert_uint_le(server.writes, 14);
	ck_assert_uint_eq(server.refused, 0);
	ck_assert_str_ne(first, json_string_value(spec_get("renewTime")));
	ck_assert_uint_eq(a.changes, 1);
	free(first);
}
END_TEST

START_TEST(the_second_waits)
{
	begin(&a, "node-a", true);
	run(100);
	begin(&b, "node-b", true);
	run(60000);
	ck_assert(a.held && !b.held);
	ck_assert_str_eq(b.holder, "node-a");
	ck_assert_str_eq(kube_lease_holder(b.lease), "node-a");
}
END_TEST

/* Killed: the other has it when fifteen seconds passed without a renewal, and not before. */
START_TEST(a_dead_holder_is_followed)
{
	begin(&a, "node-a", true);
	run(100);
	begin(&b, "node-b", true);
	run(5000);
	end(&a);
	run(13000);
	ck_assert(!b.held);
	run(6000);
	ck_assert(b.held);
	ck_assert_int_eq(json_integer_value(spec_get("leaseTransitions")), 1);
	ck_assert_str_eq(json_string_value(spec_get("holderIdentity")), "node-b");
}
END_TEST

START_TEST(given_back_it_is_free_at_once)
{
	begin(&a, "node-a", true);
	run(100);
	begin(&b, "node-b", true);
	run(5000);
	kube_lease_release(a.lease, 1000, done, &a);
	ck_assert(!a.held && !kube_lease_held(a.lease));
	run(20);
	ck_assert(a.done);
	ck_assert_str_eq(json_string_value(spec_get("holderIdentity")), "");
	end(&a);
	run(3000);
	ck_assert(b.held);
}
END_TEST

START_TEST(giving_back_takes_no_longer_than_allowed)
{
	begin(&a, "node-a", true);
	run(100);
	kube_lease_release(a.lease, 500, done, &a);
	loop_advance(loop, 499);
	ck_assert(!a.done);
	loop_advance(loop, 1);
	ck_assert(a.done);
}
END_TEST

START_TEST(giving_back_waits_for_the_renewal_under_way)
{
	begin(&a, "node-a", true);
	run(100);
	for (int i = 0; !fake_next() && i < 300; i++)
		loop_advance(loop, 10);
	ck_assert_str_eq(fake_next()->method, "PATCH");
	kube_lease_release(a.lease, 500, done, &a);
	run(100);
	ck_assert(a.done);
	ck_assert(!a.held);
	ck_assert_str_eq(json_string_value(spec_get("holderIdentity")), "");
}
END_TEST

START_TEST(what_was_never_held_is_given_back_too)
{
	server.away = true;
	begin(&a, "node-a", true);
	run(100);
	kube_lease_release(a.lease, 500, done, &a);
	run(10);
	ck_assert(a.done);
}
END_TEST

/* The API server goes: the holder stands down before the other could have it, wherever in its step
 * that is; when the server is back one of them has it. */
START_TEST(the_api_goes_away)
{
	uint64_t gone;

	begin(&a, "node-a", true);
	run(100);
	begin(&b, "node-b", true);
	run(4000 + (unsigned)_i * 170);
	server.away = true;
	gone = loop_now_ms(loop);
	run(60000);
	ck_assert(!a.held && !b.held);
	ck_assert_uint_ge(a.lost_at - gone, 7900);
	ck_assert_uint_le(a.lost_at - gone, 10020);
	ck_assert_str_ne(kube_lease_error(a.lease), "");
	server.away = false;
	run(8000);
	ck_assert(a.held != b.held);
	ck_assert_str_eq(kube_lease_error(a.lease), "");
}
END_TEST

/* Only a is cut off: b takes over, and not while a holds it (run() looks). */
START_TEST(one_is_cut_off)
{
	begin(&a, "node-a", true);
	run(100);
	begin(&b, "node-b", true);
	run(3000 + (unsigned)_i * 130);
	for (int i = 0; i < 3000; i++) { /* who asks with a's version of things gets no answer */
		struct kube_call *c = fake_next();

		if (c && strcmp(c->method, "PATCH") == 0 && strstr(c->body, "node-a"))
			fake_answer(c, 0);
		else if (c && c->arg == a.lease)
			fake_answer(c, 0);
		else if (c)
			serve_one(c);
		loop_advance(loop, 10);
		ck_assert(!(a.held && b.held));
	}
	ck_assert(b.held);
	run(5000); /* a is back, and sees it */
	ck_assert(b.held && !a.held);
	ck_assert_str_eq(a.holder, "node-b");
}
END_TEST

START_TEST(somebody_else_wrote_his_name_into_it)
{
	begin(&a, "node-a", true);
	run(100);
	json_object_set_new(
	    json_object_get(server.lease, "spec"), "holderIdentity", json_string("node-x"));
	json_object_set_new(
	    json_object_get(server.lease, "metadata"), "resourceVersion", json_string("999"));
	server.version = 999;
	run(2100);
	ck_assert(!a.held);
	ck_assert_str_eq(a.holder, "node-x");
	run(20000);
	ck_assert(a.held); /* node-x never renewed */
}
END_TEST

START_TEST(a_label_is_no_reason_to_lose_it)
{
	begin(&a, "node-a", true);
	run(100);
	json_object_set_new(
	    json_object_get(server.lease, "metadata"), "resourceVersion", json_string("999"));
	server.version = 999;
	run(20000);
	ck_assert(a.held);
	ck_assert_uint_eq(a.changes, 1);
	ck_assert_uint_eq(server.refused, 1);
}
END_TEST

START_TEST(the_lease_is_deleted)
{
	begin(&a, "node-a", true);
	run(100);
	json_decref(server.lease);
	server.lease = NULL;
	run(3000);
	ck_assert(a.held);
	ck_assert_uint_eq(a.changes, 1);
	ck_assert_ptr_nonnull(server.lease);
}
END_TEST

START_TEST(a_restart_takes_its_own_at_once)
{
	begin(&a, "node-a", true);
	run(5000);
	end(&a);
	begin(&a, "node-a", true);
	run(50);
	ck_assert(a.held);
	ck_assert_int_eq(json_integer_value(spec_get("leaseTransitions")), 0);
}
END_TEST

START_TEST(liveness_asks_nobody)
{
	begin(&a, "node-x", true);
	run(100);
	begin(&b, "node-b", false);
	a.held = false; /* for run(): these two do not contend */
	end(&a);
	run(100);
	ck_assert(b.held);
	ck_assert_str_eq(json_string_value(spec_get("holderIdentity")), "node-b");
}
END_TEST

/* What is no Lease changes nothing. */
START_TEST(garbage_is_no_lease)
{
	static const char *const bodies[] = { "", "{", "[]", "null", "{\"metadata\":7}",
		"{\"metadata\":{\"resourceVersion\":7},\"spec\":[]}", "\xff\xfe" };

	begin(&a, "node-a", true);
	loop_advance(loop, 0);
	for (int i = 0; i < 7; i++) {
		fake_answer_full(fake_next(), 200, "", bodies[i], 0);
		loop_advance(loop, 2000);
		ck_assert_str_eq(fake_next()->method, "GET");
	}
	ck_assert(!a.held);
	ck_assert_str_ne(kube_lease_error(a.lease), "");
	run(5000);
	ck_assert(a.held);
}
END_TEST

/* The answer to a renewal comes when its time is over already. */
START_TEST(a_late_answer_does_not_make_a_leader)
{
	begin(&a, "node-a", true);
	loop_advance(loop, 0);
	fake_answer(fake_next(), 404);
	loop_advance(loop, 0);
	ck_assert_str_eq(fake_next()->method, "POST");
	loop_advance(loop, 10001);
	serve_one(fake_next());
	ck_assert(!a.held);
	run(3000);
	ck_assert(a.held);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("lease");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, who_finds_none_makes_it);
	tcase_add_test(tc, it_is_renewed_every_two_seconds);
	tcase_add_test(tc, the_second_waits);
	tcase_add_test(tc, a_dead_holder_is_followed);
	tcase_add_test(tc, given_back_it_is_free_at_once);
	tcase_add_test(tc, giving_back_takes_no_longer_than_allowed);
	tcase_add_test(tc, giving_back_waits_for_the_renewal_under_way);
	tcase_add_test(tc, what_was_never_held_is_given_back_too);
	tcase_add_loop_test(tc, the_api_goes_away, 0, 13);
	tcase_add_loop_test(tc, one_is_cut_off, 0, 17);
	tcase_add_test(tc, somebody_else_wrote_his_name_into_it);
	tcase_add_test(tc, a_label_is_no_reason_to_lose_it);
	tcase_add_test(tc, the_lease_is_deleted);
	tcase_add_test(tc, a_restart_takes_its_own_at_once);
	tcase_add_test(tc, liveness_asks_nobody);
	tcase_add_test(tc, garbage_is_no_lease);
	tcase_add_test(tc, a_late_answer_does_not_make_a_leader);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("lease", add_tests)
