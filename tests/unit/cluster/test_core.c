/*
 * tests/unit/cluster/test_core.c: what one node makes of datagrams: whose words count, states in parts,
 * gifts that come too late.  Two cores are joined by hand, each datagram passing through the test.
 */
#include "cluster/parts.h"

#include "tests/unit/unit.h"

#include <errno.h>

#include "cluster/ring.h"
#include "lib/mem.h"

#define KEPT 4096

struct gram {
	size_t len;
	uint8_t bytes[MESSAGE_MAX];
};

struct end {
	struct core *core;
	struct addr addr;
	struct end *other;
	bool deaf;	   /* what comes to it is kept, not delivered */
	struct gram *kept; /* the last ones to it */
	size_t nr_kept;
	unsigned holds, probes, changes, watches;
	bool answer_probes;
};

static struct loop *loop;
static struct end a, b;

static void
on_send(void *arg, const struct addr *to, const void *bytes, size_t len)
{
	struct end *other = ((struct end *)arg)->other;

	ck_assert(addr_eq(to, &other->addr));
	ck_assert_uint_le(len, MESSAGE_ROOM);
	if (other->nr_kept < KEPT) {
		memcpy(other->kept[other->nr_kept].bytes, bytes, len);
		other->kept[other->nr_kept++].len = len;
	}
	if (!other->deaf && other->core)
		(void)core_receive(other->core, &((struct end *)arg)->addr, bytes, len);
}

static void
on_watch(void *arg, const char *name, const struct addr *addr, bool on)
{
	(void)name;
	(void)addr;
	((struct end *)arg)->watches += on;
}

static void
on_probe(void *arg, const struct addr *addrs, size_t nr)
{
	struct end *e = arg;

	e->probes += (unsigned)nr;
	for (size_t i = 0; i < nr && e->answer_probes; i++)
		hold_probed(e->core, &addrs[i], true, false);
}

static void
on_hold(void *arg)
{
	((struct end *)arg)->holds++;
}

static void
on_changed(void *arg)
{
	((struct end *)arg)->changes++;
}

static struct core *
begin(struct end *e, const char *self)
{
	static const struct cluster_ops up = { on_watch, on_probe, on_hold, on_changed };
	const struct core_ops ops = { on_send, up };
	const struct cluster_member members[] = { { "a", a.addr }, { "b", b.addr } };
	const struct cluster_conf conf = { .self = self, .members = members, .nr_members = 2 };

	e->core = core_new(loop, &ops, e, e);
	ck_assert_int_eq(core_set(e->core, &conf), 0);
	e->answer_probes = true;
	return e->core;
}

static void
setup(void)
{
	loop = loop_new_fake();
	a = (struct end){ .addr = { .family = ADDR_V4, .b = { 10, 0, 0, 1 } }, .other = &b };
	b = (struct end){ .addr = { .family = ADDR_V4, .b = { 10, 0, 0, 2 } }, .other = &a };
	a.kept = xnew_n(struct gram, KEPT);
	b.kept = xnew_n(struct gram, KEPT);
}

static void
teardown(void)
{
	struct core *ca = a.core, *cb = b.core;

	a.core = b.core = NULL;
	if (ca)
		core_free(ca);
	if (cb)
		core_free(cb);
	free(a.kept);
	free(b.kept);
	loop_free(loop);
}

static void
begin_both(void)
{
	begin(&a, "a");
	loop_advance(loop, 1);
	begin(&b, "b");
	loop_advance(loop, 500);
}

static struct addr
address(unsigned i)
{
	return (struct addr){ .family = ADDR_V4, .b = { 10, 1, (uint8_t)(i >> 8), (uint8_t)i } };
}

/* All of @nr addresses, from @first on, for @owner. */
static void
want(struct end *e, unsigned first, size_t nr, const char *owner)
{
	struct cluster_want *list = xnew_n(struct cluster_want, nr ? nr : 1);

	for (size_t i = 0; i < nr; i++)
		list[i] = (struct cluster_want){ address(first + (unsigned)i), owner, true };
	ck_assert_int_eq(hold_want(e->core, list, nr), 0);
	free(list);
}

static struct member *
seen(const struct end *e, const char *name)
{
	return core_member(e->core, name);
}

START_TEST(two_come_to_know_each_other)
{
	begin_both();
	ck_assert_int_eq(seen(&a, "b")->life, CLUSTER_ALIVE);
	ck_assert_int_eq(seen(&b, "a")->life, CLUSTER_ALIVE);
	ck_assert(a.core->started && b.core->started);
	ck_assert_uint_eq(a.watches, 1);
	ck_assert_uint_eq(b.watches, 1);
	ck_assert_uint_eq(seen(&a, "b")->refused, 0);
}
END_TEST

START_TEST(without_the_other_a_start_takes_its_time)
{
	begin(&a, "a");
	want(&a, 0, 1, "a");
	loop_advance(loop, 1400);
	ck_assert_uint_eq(a.probes, 0);
	ck_assert_int_eq(
	    entry_find(a.core, &(struct addr[]){ address(0) }[0])->step, CLUSTER_WAITING);
	loop_advance(loop, 500);
	ck_assert_uint_eq(a.probes, 1);
	ck_assert_uint_eq(a.core->nr_held, 1);
}
END_TEST

START_TEST(alone_all_is_held_at_once)
{
	static const struct cluster_conf conf = { .self = "a" };

	begin(&a, "a");
	ck_assert_int_eq(core_set(a.core, &conf), 0);
	want(&a, 0, 3, "a");
	ck_assert_uint_eq(a.core->nr_held, 3);
	loop_advance(loop, 1);
	ck_assert_uint_eq(a.holds, 1);
	ck_assert_uint_eq(a.probes, 0);
	want(&a, 0, 1, "a");
	ck_assert_uint_eq(a.core->nr_held, 1);
}
END_TEST

/* ---- whose words count ---- */

START_TEST(what_was_heard_before_does_not_count_again)
{
	uint64_t received;
	size_t nr;

	begin_both();
	loop_advance(loop, 5000);
	nr = b.nr_kept;
	received = seen(&b, "a")->received;
	ck_assert_uint_gt(nr, 5);
	for (size_t i = 0; i < nr; i++)
		(void)core_receive(b.core, &a.addr, b.kept[i].bytes, b.kept[i].len);
	ck_assert_uint_eq(seen(&b, "a")->received, received);
	ck_assert_uint_ge(seen(&b, "a")->refused, 5);
}
END_TEST

START_TEST(late_ones_count_once)
{
	size_t from;

	begin_both();
	from = b.nr_kept;
	b.deaf = true;
	loop_advance(loop, 3000);
	b.deaf = false;
	ck_assert_uint_ge(b.nr_kept, from + 2);
	for (size_t i = b.nr_kept; i-- > from;)
		ck_assert(core_receive(b.core, &a.addr, b.kept[i].bytes, b.kept[i].len));
	for (size_t i = b.nr_kept; i-- > from;)
		ck_assert(!core_receive(b.core, &a.addr, b.kept[i].bytes, b.kept[i].len));
}
END_TEST

START_TEST(what_was_said_to_an_earlier_process_does_not_count)
{
	size_t nr;

	begin_both();
	want(&a, 0, 1, "a");
	loop_advance(loop, 3000);
	ck_assert_uint_eq(seen(&b, "a")->nr_claims, 1);
	nr = b.nr_kept;
	core_free(b.core);
	b.core = NULL;
	core_free(a.core);
	a.core = NULL;
	begin(&b, "b");
	for (size_t i = 0; i < nr; i++)
		(void)core_receive(b.core, &a.addr, b.kept[i].bytes, b.kept[i].len);
	loop_advance(loop, 100);
	ck_assert_int_eq(seen(&b, "a")->life, CLUSTER_UNHEARD);
	ck_assert_uint_eq(seen(&b, "a")->nr_claims, 0);
}
END_TEST

START_TEST(an_earlier_life_does_not_count)
{
	struct gram old[64];
	size_t nr = 0;
	uint64_t life;

	begin_both();
	loop_advance(loop, 2000);
	for (size_t i = 0; i < b.nr_kept && nr < 64; i++)
		old[nr++] = b.kept[i];
	core_free(a.core);
	begin(&a, "a");
	loop_advance(loop, 500);
	life = seen(&b, "a")->life_id;
	ck_assert_uint_eq(life, a.core->life_id);
	for (size_t i = 0; i < nr; i++)
		(void)core_receive(b.core, &a.addr, old[i].bytes, old[i].len);
	ck_assert_uint_eq(seen(&b, "a")->life_id, life);
}
END_TEST

START_TEST(strangers_are_not_heard)
{
	const struct addr stranger = { .family = ADDR_V4, .b = { 10, 0, 0, 9 } };
	struct gram g;

	begin_both();
	b.deaf = true;
	loop_advance(loop, 1100);
	b.deaf = false;
	g = b.kept[b.nr_kept - 1];
	/* From elsewhere; to another; itself. */
	ck_assert(!core_receive(b.core, &stranger, g.bytes, g.len));
	ck_assert(!core_receive(a.core, &a.addr, g.bytes, g.len));
	ck_assert(!core_receive(a.core, &b.addr, g.bytes, g.len));
	/* Cut short, at any place. */
	for (size_t len = 0; len + 1 < g.len; len++)
		if (len != MESSAGE_HEAD)
			ck_assert(!core_receive(b.core, &a.addr, g.bytes, len));
	ck_assert(core_receive(b.core, &a.addr, g.bytes, g.len));
}
END_TEST

/* ---- states ---- */

START_TEST(notes_come_across)
{
	uint8_t big[CLUSTER_NOTES_MAX + 1];

	memset(big, 'x', sizeof(big));
	begin_both();
	ck_assert_int_eq(core_note(a.core, "hello", 5), 0);
	loop_advance(loop, 200);
	ck_assert(seen(&b, "a")->notes && seen(&b, "a")->notes->len == 5);
	ck_assert_mem_eq(seen(&b, "a")->notes->bytes, "hello", 5);
	ck_assert_int_eq(core_note(a.core, big, sizeof(big)), -EINVAL);
	ck_assert_int_eq(core_note(a.core, big, sizeof(big) - 1), 0);
	loop_advance(loop, 500);
	ck_assert_uint_eq(seen(&b, "a")->notes->len, CLUSTER_NOTES_MAX);
	ck_assert_int_eq(core_note(a.core, "", 0), 0);
	loop_advance(loop, 500);
	ck_assert_uint_eq(seen(&b, "a")->notes->len, 0);
}
END_TEST

START_TEST(as_many_claims_as_there_may_be_come_across)
{
	begin_both();
	want(&a, 0, CLAIMS_MAX, "a");
	loop_advance(loop, 3000);
	ck_assert_uint_eq(a.core->nr_held, CLAIMS_MAX);
	ck_assert_uint_eq(seen(&b, "a")->nr_claims, CLAIMS_MAX);
	/* One less is one datagram more, not all of them again. */
	b.nr_kept = 0;
	want(&a, 1, CLAIMS_MAX - 1, "a");
	loop_advance(loop, 100);
	ck_assert_uint_eq(seen(&b, "a")->nr_claims, CLAIMS_MAX - 1);
	ck_assert_uint_le(b.nr_kept, 4);
	want(&a, 0, 0, "");
	loop_advance(loop, 3000);
	ck_assert_uint_eq(seen(&b, "a")->nr_claims, 0);
}
END_TEST

/* What was not heard is asked for: what changed, or the whole when that is too long ago. */
START_TEST(what_was_missed_is_caught_up_with)
{
	begin_both();
	for (unsigned round = 0; round < 40; round++) {
		unsigned nr = 1 + round * 397 % 1000, first = round * 131 % 500;

		b.deaf = true;
		for (unsigned k = 0; k <= round % 4; k++) {
			want(&a, first + k, nr, "a");
			loop_advance(loop, 300);
		}
		b.deaf = false;
		loop_advance(loop, 2500);
		ck_assert_uint_eq(seen(&b, "a")->nr_claims, nr);
		for (unsigned i = 0; i < 2000; i++) {
			struct addr addr = address(i);
			const struct entry *x = entry_find(a.core, &addr);
			const struct entry *y = entry_find(b.core, &addr);

			ck_assert_int_eq(x && x->held, y && claim_of(y, seen(&b, "a")) != NULL);
		}
	}
}
END_TEST

START_TEST(memory_that_is_short_costs_time_only)
{
	begin_both();
	for (unsigned nth = 1; nth < 60; nth++) {
		struct cluster_want list[8];
		int err;

		for (unsigned i = 0; i < 8; i++)
			list[i] = (struct cluster_want){ address(nth * 8 + i), "a", true };
		mem_fail_at(nth);
		err = hold_want(a.core, list, 8);
		ck_assert(err == 0 || err == -ENOMEM);
		loop_advance(loop, 200);
		mem_fail_at(0);
		ck_assert_int_eq(hold_want(a.core, list, 8), 0);
		loop_advance(loop, 4000);
		ck_assert_uint_eq(a.core->nr_held, 8);
		ck_assert_uint_eq(seen(&b, "a")->nr_claims, 8);
	}
}
END_TEST

/* ---- asking and giving ---- */

static void
give(struct end *to, uint32_t ticket, const struct addr *addr, uint32_t version)
{
	uint8_t room[64];
	struct wire_wr w = wire_wr_init(room, sizeof(room));
	struct wire_rd r, body;
	struct message_addrs m;
	uint8_t type;

	(void)message_addrs_write(&w, MESSAGE_GIVE, ticket, version, addr, 1);
	r = wire_rd_init(room, w.len);
	ck_assert(message_next(&r, &type, &body) && message_addrs_read(body, &m) == 0);
	hold_given(to->core, seen(to, to == &a ? "b" : "a"), &m);
}

START_TEST(a_gift_of_an_earlier_asking_is_not_taken)
{
	struct addr addr = address(0);
	uint32_t first;

	begin_both();
	want(&a, 0, 1, "a");
	loop_advance(loop, 500);
	ck_assert_uint_eq(a.core->nr_held, 1);
	a.deaf = true; /* so that it does not give */
	want(&b, 0, 1, "b");
	loop_advance(loop, 100);
	ck_assert_int_eq(entry_find(b.core, &addr)->step, CLUSTER_ASKING);
	first = entry_find(b.core, &addr)->ticket;
	want(&b, 0, 1, "a");
	want(&b, 0, 1, "b");
	loop_advance(loop, 100);
	give(&b, first, &addr, 1);
	ck_assert(!entry_find(b.core, &addr)->held);
	give(&b, b.core->ticket, &addr, 1);
	ck_assert(entry_find(b.core, &addr)->held);
}
END_TEST

START_TEST(what_was_not_asked_for_is_not_taken)
{
	struct addr addr = address(0);

	begin_both();
	want(&b, 0, 1, "a");
	give(&b, 100, &addr, 1);
	ck_assert(!entry_find(b.core, &addr)->held);
}
END_TEST

START_TEST(a_holder_that_thinks_otherwise_keeps_it)
{
	begin_both();
	want(&a, 0, 4, "a");
	loop_advance(loop, 500);
	want(&b, 0, 4, "b");
	loop_advance(loop, 5000);
	ck_assert_uint_eq(a.core->nr_held, 4);
	ck_assert_uint_eq(b.core->nr_held, 0);
	/* Asks come seldom then: each half second, after a first one. */
	a.nr_kept = 0;
	loop_advance(loop, 5000);
	ck_assert_uint_le(a.nr_kept, 10 + 8);
	want(&a, 0, 4, "b");
	loop_advance(loop, 600);
	ck_assert_uint_eq(a.core->nr_held, 0);
	ck_assert_uint_eq(b.core->nr_held, 4);
}
END_TEST

START_TEST(a_thousand_change_hands_in_a_moment)
{
	begin_both();
	want(&a, 0, 1000, "a");
	loop_advance(loop, 500);
	ck_assert_uint_eq(a.core->nr_held, 1000);
	b.holds = 0;
	want(&a, 0, 1000, "b");
	want(&b, 0, 1000, "b");
	loop_advance(loop, 60);
	ck_assert_uint_eq(a.core->nr_held, 0);
	ck_assert_uint_eq(b.core->nr_held, 1000);
	ck_assert_uint_le(b.holds, 10);
}
END_TEST

START_TEST(wants_that_cannot_be_are_refused)
{
	const struct cluster_want twice[] = { { address(1), "a", true },
		{ address(1), "a", true } };
	const struct cluster_want group[] = { { { .family = ADDR_V4, .b = { 224, 0, 0, 1 } }, "a",
	    true } };

	begin_both();
	want(&a, 5, 1, "a");
	loop_advance(loop, 500);
	ck_assert_int_eq(hold_want(a.core, twice, 2), -EINVAL);
	ck_assert_int_eq(hold_want(a.core, group, 1), -EINVAL);
	ck_assert_uint_eq(a.core->nr_held, 1);
}
END_TEST

START_TEST(a_probe_without_an_answer_is_made_again)
{
	begin_both();
	a.answer_probes = false;
	want(&a, 0, 1, "a");
	loop_advance(loop, 100);
	ck_assert_uint_eq(a.probes, 1);
	loop_advance(loop, 2100);
	ck_assert_uint_eq(a.probes, 2);
	hold_probed(a.core, &(struct addr[]){ address(0) }[0], false, false);
	ck_assert_uint_eq(a.core->nr_held, 0); /* not known: as if it were in use */
	a.answer_probes = true;
	loop_advance(loop, 400);
	ck_assert_uint_eq(a.core->nr_held, 1);
}
END_TEST

/* ---- members ---- */

START_TEST(members_come_and_go)
{
	const struct cluster_member one[] = { { "a", a.addr } };
	const struct cluster_member both[] = { { "b", b.addr }, { "a", a.addr } };
	const struct cluster_member twice[] = { { "a", a.addr }, { "a", b.addr } };
	struct cluster_conf conf = { .self = "a", .members = one, .nr_members = 1 };

	begin_both();
	want(&b, 0, 3, "b");
	loop_advance(loop, 500);
	ck_assert_uint_eq(seen(&a, "b")->nr_claims, 3);
	want(&a, 0, 3, "b");
	ck_assert_int_eq(core_set(a.core, &conf), 0);
	loop_advance(loop, 500);
	ck_assert_ptr_null(seen(&a, "b"));
	conf.members = both;
	conf.nr_members = 2;
	ck_assert_int_eq(core_set(a.core, &conf), 0);
	loop_advance(loop, 2500);
	ck_assert_uint_eq(seen(&a, "b")->nr_claims, 3);
	conf.members = twice;
	ck_assert_int_eq(core_set(a.core, &conf), -EINVAL);
	ck_assert_uint_eq(seen(&a, "b")->nr_claims, 3);
	conf.members = &(struct cluster_member){ "", a.addr };
	conf.nr_members = 1;
	ck_assert_int_eq(core_set(a.core, &conf), -EINVAL);
}
END_TEST

/* Not a member itself: it says nothing, and takes only what the link says is free. */
START_TEST(who_is_no_member_is_silent)
{
	const struct cluster_member other[] = { { "b", b.addr } };
	struct cluster_conf conf = { .self = "a", .members = other, .nr_members = 1 };

	begin(&a, "a");
	ck_assert_int_eq(core_set(a.core, &conf), 0);
	want(&a, 0, 1, "a");
	loop_advance(loop, 5000);
	ck_assert_uint_eq(b.nr_kept, 0);
	ck_assert_uint_eq(a.probes, 1);
	ck_assert_uint_eq(a.core->nr_held, 1);
}
END_TEST

/* ---- lives ---- */

START_TEST(a_lease_that_ran_out_counts_when_nothing_is_heard)
{
	begin_both();
	life_watched(a.core, seen(&a, "b"), true);
	seen(&a, "b")->lease = CLUSTER_LEASE_OUT;
	loop_advance(loop, 2000);
	ck_assert_int_eq(seen(&a, "b")->life, CLUSTER_ALIVE);
	a.deaf = true;
	loop_advance(loop, 2000);
	ck_assert_int_eq(seen(&a, "b")->life, CLUSTER_ALIVE);
	loop_advance(loop, 4000);
	ck_assert_int_eq(seen(&a, "b")->life, CLUSTER_LAPSED);
	a.deaf = false;
	loop_advance(loop, 2000);
	ck_assert_int_eq(seen(&a, "b")->life, CLUSTER_ALIVE);
	core_free(a.core);
	begin(&a, "a");
	a.deaf = true;
	loop_advance(loop, 1000);
	ck_assert_int_eq(seen(&a, "b")->life, CLUSTER_UNHEARD);
	seen(&a, "b")->lease = CLUSTER_LEASE_OUT;
	loop_advance(loop, 1000);
	ck_assert_int_eq(seen(&a, "b")->life, CLUSTER_LAPSED);
}
END_TEST

/* Its main loop hangs: BFD, which has a thread of its own, goes on. */
START_TEST(who_says_nothing_for_long_is_lost_though_bfd_is_up)
{
	begin_both();
	life_watched(a.core, seen(&a, "b"), true);
	loop_advance(loop, 1000);
	a.deaf = true;
	loop_advance(loop, 9000);
	ck_assert_int_eq(seen(&a, "b")->life, CLUSTER_ALIVE);
	loop_advance(loop, 2000);
	ck_assert_int_eq(seen(&a, "b")->life, CLUSTER_LOST);
	a.deaf = false;
	loop_advance(loop, 1500);
	ck_assert_int_eq(seen(&a, "b")->life, CLUSTER_ALIVE);
}
END_TEST

/* Where BFD never gets through nobody is lost for that; silence must do then. */
START_TEST(without_bfd_silence_decides)
{
	begin_both();
	loop_advance(loop, 20000);
	ck_assert_int_eq(seen(&a, "b")->life, CLUSTER_ALIVE);
	a.deaf = true;
	loop_advance(loop, 5000);
	ck_assert_int_eq(seen(&a, "b")->life, CLUSTER_LOST);
}
END_TEST

START_TEST(a_goodbye_is_heard)
{
	begin_both();
	b.core->self->gone = true;
	hello_farewell(b.core);
	loop_advance(loop, 10);
	ck_assert_int_eq(seen(&a, "b")->life, CLUSTER_GONE);
	core_free(b.core);
	b.core = NULL;
	loop_advance(loop, 10000);
	ck_assert_int_eq(seen(&a, "b")->life, CLUSTER_GONE);
	begin(&b, "b");
	loop_advance(loop, 500);
	ck_assert_int_eq(seen(&a, "b")->life, CLUSTER_ALIVE);
}
END_TEST

/* A thousand members: what a review costs, and that hellos are few. */
START_TEST(a_thousand_members_are_no_burden)
{
	struct cluster_member *members = xnew_n(struct cluster_member, 1000);
	struct cluster_conf conf = { .self = "a", .members = members, .nr_members = 1000 };

	for (unsigned i = 0; i < 1000; i++)
		members[i] = (struct cluster_member){ i ? xasprintf("n%04u", i) : "a", b.addr };
	members[0].addr = a.addr;
	begin(&a, "a");
	ck_assert_int_eq(core_set(a.core, &conf), 0);
	loop_advance(loop, 5000);
	b.nr_kept = 0;
	loop_advance(loop, 60000);
	ck_assert_uint_le(b.nr_kept, 999 * 3 + 10);
	for (unsigned i = 1; i < 1000; i++)
		free((char *)(uintptr_t)members[i].name);
	free(members);
}
END_TEST

static void
add_tests(Suite *s)
{
	/* clang-format off */
	const TTest *const tests[] = {
		two_come_to_know_each_other, without_the_other_a_start_takes_its_time,
		alone_all_is_held_at_once, what_was_heard_before_does_not_count_again,
		late_ones_count_once, what_was_said_to_an_earlier_process_does_not_count,
		an_earlier_life_does_not_count, strangers_are_not_heard, notes_come_across,
		as_many_claims_as_there_may_be_come_across, what_was_missed_is_caught_up_with,
		memory_that_is_short_costs_time_only, a_gift_of_an_earlier_asking_is_not_taken,
		what_was_not_asked_for_is_not_taken, a_holder_that_thinks_otherwise_keeps_it,
		a_thousand_change_hands_in_a_moment, wants_that_cannot_be_are_refused,
		a_probe_without_an_answer_is_made_again, members_come_and_go,
		who_is_no_member_is_silent, a_lease_that_ran_out_counts_when_nothing_is_heard,
		who_says_nothing_for_long_is_lost_though_bfd_is_up, without_bfd_silence_decides,
		a_goodbye_is_heard, a_thousand_members_are_no_burden,
	};
	/* clang-format on */
	TCase *tc = tcase_create("core");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("core", add_tests)
