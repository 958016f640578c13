/*
 * tests/unit/cluster/test_message.c: datagrams as bytes: golden ones both ways, all truncations, lengths
 * that lie, garbage.
 */
#include "cluster/message.h"

#include "tests/unit/unit.h"

#include <errno.h>

static const struct message_head head = { .from = 0x0102030405060708,
	.to = 0x1112131415161718,
	.life = 0x2122232425262728,
	.to_life = 0x3132333435363738,
	.seq = 0x41424344 };

/* clang-format off */
#define HEAD 0x48,0x63, 1, 0, 1,2,3,4,5,6,7,8, 0x11,0x12,0x13,0x14,0x15,0x16,0x17,0x18, \
	0x21,0x22,0x23,0x24,0x25,0x26,0x27,0x28, 0x31,0x32,0x33,0x34,0x35,0x36,0x37,0x38, \
	0x41,0x42,0x43,0x44

static const uint8_t golden[] = { HEAD,
	/* hello: flags, versions, period, one watch */
	1, 0, 0,41, 6, 0,0,0,9, 0,0,0,2, 0,0,3,0xe8, 1,
	0,0,0,0,0,0,0,7, 6, 11, 0,0,0,0,0,0,0,5, 1, 0,0,0,8, 0,0,0,1,
	/* a part of somebody's claims */
	2, 0, 0,37, 0,0,0,0,0,0,0,7, 0,0,0,0,0,0,0,5, 0, 0, 0,0,0,3, 0,0,0,2, 0,0,0,5, 0,0,
	0x11, 192,0,2,1,
	/* want */
	3, 0, 0,21, 0,0,0,0,0,0,0,7, 0,0,0,0,0,0,0,5, 1, 0,0,0,4,
	/* ask, give */
	4, 0, 0,13, 0,0,0,3, 0,0,0,0, 1, 192,0,2,1,
	5, 0, 0,30, 0,0,0,3, 0,0,0,9, 1, 192,0,2,1,
	2, 0x20,1,0xd,0xb8,0,0,0,0,0,0,0,0,0,0,0,1 };
/* clang-format on */

static const struct addr four = { .family = ADDR_V4, .b = { 192, 0, 2, 1 } };
static const struct addr six = { .family = ADDR_V6,
	.b = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } };

static const struct message_hello hello = { .facts = { .flags = 6, .version = { 9, 2 } },
	.period_ms = 1000,
	.nr_watches = 1,
	.watches = { { .whom = 7,
	    .verdict = MESSAGE_DOWN,
	    .needed = true,
	    .heard_ds = 11,
	    .facts = { .life = 5, .flags = 1, .version = { 8, 1 } } } } };

static size_t
write_all(uint8_t *room, size_t max)
{
	const uint8_t delta[] = { 0x11, 192, 0, 2, 1 };
	struct wire_wr w = wire_wr_init(room, max);
	struct addr both[2] = { four, six };

	message_head_write(&w, &head);
	message_hello_write(&w, &hello);
	message_part_write(&w,
	    &(struct message_part){ .whose = 7,
		.life = 5,
		.version = 3,
		.base = 2,
		.total = 5,
		.bytes = delta,
		.len = 5 });
	message_want_write(
	    &w, &(struct message_want){ .whose = 7, .life = 5, .state = MESSAGE_NOTES, .have = 4 });
	ck_assert_uint_eq(message_addrs_write(&w, MESSAGE_ASK, 3, 0, &four, 1), 1);
	ck_assert_uint_eq(message_addrs_write(&w, MESSAGE_GIVE, 3, 9, both, 2), 2);
	ck_assert(!w.full);
	return w.len;
}

START_TEST(written_as_they_are_laid_down)
{
	uint8_t room[MESSAGE_MAX];

	ck_assert_uint_eq(write_all(room, sizeof(room)), sizeof(golden));
	ck_assert_mem_eq(room, golden, sizeof(golden));
}
END_TEST

/* The records behind a header, one after the other. */
static struct wire_rd
next_one(struct wire_rd *r, uint8_t type)
{
	struct wire_rd body;
	uint8_t got;

	ck_assert(message_next(r, &got, &body));
	ck_assert_uint_eq(got, type);
	return body;
}

static void
must_be_hello(struct wire_rd body)
{
	struct message_hello got;

	ck_assert_int_eq(message_hello_read(body, &got), 0);
	ck_assert_uint_eq(got.facts.flags, 6);
	ck_assert_uint_eq(got.facts.version[MESSAGE_CLAIMS], 9);
	ck_assert_uint_eq(got.facts.version[MESSAGE_NOTES], 2);
	ck_assert_uint_eq(got.period_ms, 1000);
	ck_assert_uint_eq(got.nr_watches, 1);
	ck_assert_uint_eq(got.watches[0].whom, 7);
	ck_assert_uint_eq(got.watches[0].verdict, MESSAGE_DOWN);
	ck_assert(got.watches[0].needed);
	ck_assert_uint_eq(got.watches[0].heard_ds, 11);
	ck_assert_uint_eq(got.watches[0].facts.life, 5);
	ck_assert_uint_eq(got.watches[0].facts.version[MESSAGE_CLAIMS], 8);
}

static void
must_be_part(struct wire_rd body)
{
	struct message_part part;
	struct addr addr;
	uint8_t op;

	ck_assert_int_eq(message_part_read(body, &part), 0);
	ck_assert(part.whose == 7 && part.life == 5 && part.version == 3 && part.base == 2);
	ck_assert(part.total == 5 && part.part == 0 && part.len == 5);
	body = wire_rd_init(part.bytes, part.len);
	ck_assert(message_addr(&body, &op, &addr));
	ck_assert(op == 1 && addr_eq(&addr, &four));
	ck_assert(!message_addr(&body, &op, &addr) && wire_done(&body));
}

START_TEST(read_as_they_were_written)
{
	struct wire_rd r = wire_rd_init(golden, sizeof(golden));
	struct message_head h;
	struct message_want want;
	struct message_addrs addrs;
	struct addr addr;
	uint8_t op;

	ck_assert_int_eq(message_head_read(&r, &h), 0);
	ck_assert(h.from == head.from && h.to == head.to && h.seq == head.seq);
	ck_assert(h.life == head.life && h.to_life == head.to_life);
	ck_assert(message_ok(r));
	must_be_hello(next_one(&r, MESSAGE_HELLO));
	must_be_part(next_one(&r, MESSAGE_PART_OF));
	ck_assert_int_eq(message_want_read(next_one(&r, MESSAGE_WANT), &want), 0);
	ck_assert(want.whose == 7 && want.life == 5 && want.state == 1 && want.have == 4);
	ck_assert_int_eq(message_addrs_read(next_one(&r, MESSAGE_ASK), &addrs), 0);
	ck_assert_int_eq(message_addrs_read(next_one(&r, MESSAGE_GIVE), &addrs), 0);
	ck_assert(addrs.ticket == 3 && addrs.version == 9);
	ck_assert(message_addr(&addrs.addrs, &op, &addr) && addr_eq(&addr, &four));
	ck_assert(message_addr(&addrs.addrs, &op, &addr) && addr_eq(&addr, &six));
	ck_assert(!message_addr(&addrs.addrs, &op, &addr) && wire_done(&addrs.addrs));
	ck_assert(wire_done(&r));
}
END_TEST

/* Where a record ends the rest may be missing; anywhere else it may not. */
static bool
is_edge(size_t len)
{
	struct wire_rd r = wire_rd_init(golden, sizeof(golden)), body;
	struct message_head h;
	uint8_t type;

	ck_assert_int_eq(message_head_read(&r, &h), 0);
	do {
		if (sizeof(golden) - r.left == len)
			return true;
	} while (message_next(&r, &type, &body));
	return false;
}

START_TEST(cut_short_is_refused)
{
	for (size_t len = 0; len < sizeof(golden); len++) {
		uint8_t *cut = memcpy(malloc(len ? len : 1), golden, len);
		struct wire_rd r = wire_rd_init(cut, len);
		struct message_head h;
		int err = message_head_read(&r, &h);

		ck_assert_int_eq(err, len < MESSAGE_HEAD ? -EBADMSG : 0);
		if (!err)
			ck_assert_msg(message_ok(r) == is_edge(len), "%zu bytes", len);
		free(cut);
	}
}
END_TEST

/* A record by itself, at every length. */
START_TEST(records_that_are_short_inside_are_refused)
{
	struct wire_rd r = wire_rd_init(golden + MESSAGE_HEAD, sizeof(golden) - MESSAGE_HEAD), body;
	uint8_t type;

	while (message_next(&r, &type, &body)) {
		for (size_t len = 0; len < body.left; len++) {
			uint8_t *copy = malloc(len + 4);
			bool whole;

			memcpy(copy, (uint8_t[]){ type, 0, 0, (uint8_t)len }, 4);
			memcpy(copy + 4, body.p, len);
			/* A list of addresses may end after any of them. */
			whole = (type == MESSAGE_ASK || type == MESSAGE_GIVE) &&
			    (len == 8 || len == 13);
			ck_assert_msg(message_ok(wire_rd_init(copy, len + 4)) == whole,
			    "type %u, %zu bytes", type, len);
			free(copy);
		}
	}
}
END_TEST

START_TEST(other_protocols_and_versions_are_told_apart)
{
	for (size_t at = 0; at < 3; at++) {
		uint8_t bytes[sizeof(golden)];
		struct wire_rd r = wire_rd_init(bytes, sizeof(bytes));
		struct message_head h;

		memcpy(bytes, golden, sizeof(bytes));
		bytes[at]++;
		ck_assert_int_eq(message_head_read(&r, &h), -EPROTO);
	}
}
END_TEST

static bool
ok(const uint8_t *bytes, size_t len)
{
	return message_ok(wire_rd_init(bytes, len));
}

START_TEST(records_of_later_versions_are_skipped)
{
	ck_assert(ok((uint8_t[]){ 99, 0, 0, 3, 1, 2, 3 }, 7));
	ck_assert(!ok((uint8_t[]){ 99, 0, 0, 4, 1, 2, 3 }, 7));
	ck_assert(ok(NULL, 0));
}
END_TEST

/* clang-format off */
#define PART(state, version, base, total, part) 2, 0, 0,34, \
	0,0,0,0,0,0,0,7, 0,0,0,0,0,0,0,5, (state), 0, 0,0,0,(version), 0,0,0,(base), 0,0,0,(total), \
	0,(part), 'h','i'
/* clang-format on */

START_TEST(parts_that_cannot_be_are_refused)
{
	const uint8_t good[] = { PART(1, 2, 1, 2, 0) }, state[] = { PART(2, 2, 1, 2, 0) };
	const uint8_t none[] = { PART(1, 0, 0, 2, 0) }, base[] = { PART(1, 2, 2, 2, 0) };
	const uint8_t more[] = { PART(1, 2, 1, 3, 0) }, less[] = { PART(1, 2, 1, 1, 0) };
	const uint8_t later[] = { PART(1, 2, 1, 2, 1) };

	ck_assert(ok(good, sizeof(good)));
	ck_assert(!ok(state, sizeof(state)));
	ck_assert(!ok(none, sizeof(none)));
	ck_assert(!ok(base, sizeof(base)));
	ck_assert(!ok(more, sizeof(more)));
	ck_assert(!ok(less, sizeof(less)));
	ck_assert(!ok(later, sizeof(later)));
}
END_TEST

START_TEST(addresses_of_no_family_are_refused)
{
	const uint8_t bad[] = { 4, 0, 0, 13, 0, 0, 0, 3, 0, 0, 0, 0, 3, 192, 0, 2, 1 };
	const uint8_t none[] = { 4, 0, 0, 9, 0, 0, 0, 3, 0, 0, 0, 0, 0 };

	ck_assert(!ok(bad, sizeof(bad)));
	ck_assert(!ok(none, sizeof(none)));
}
END_TEST

START_TEST(as_many_as_fit_are_written)
{
	uint8_t room[MESSAGE_ROOM];
	struct addr list[400];
	struct wire_wr w = wire_wr_init(room, sizeof(room));
	size_t n;

	for (size_t i = 0; i < 400; i++)
		list[i] = (struct addr){ .family = ADDR_V4, .b = { 10, 0, 1, (uint8_t)i } };
	message_head_write(&w, &head);
	n = message_addrs_write(&w, MESSAGE_ASK, 1, 0, list, 400);
	ck_assert_uint_gt(n, 200);
	ck_assert(!w.full && ok(room + MESSAGE_HEAD, w.len - MESSAGE_HEAD));
	/* The largest of all hellos has room. */
	w = wire_wr_init(room, sizeof(room));
	message_head_write(&w, &head);
	message_hello_write(
	    &w, &(struct message_hello){ .nr_watches = MESSAGE_VERDICTS_MAX, .period_ms = 1 });
	ck_assert(!w.full && ok(room + MESSAGE_HEAD, w.len - MESSAGE_HEAD));
}
END_TEST

START_TEST(garbage_breaks_nothing)
{
	uint32_t chance = 1;

	for (unsigned long i = 0; i < unit_rounds(200000); i++) {
		uint8_t bytes[sizeof(golden)];
		size_t len = sizeof(bytes);

		memcpy(bytes, golden, len);
		for (unsigned k = 0; k < 1 + i % 4; k++) {
			chance = chance * 1664525 + 1013904223;
			bytes[MESSAGE_HEAD + (chance >> 16) % (len - MESSAGE_HEAD)] =
			    (uint8_t)(chance >> 8);
		}
		(void)ok(bytes + MESSAGE_HEAD, len - MESSAGE_HEAD - i % 50);
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("message");

	tcase_add_test(tc, written_as_they_are_laid_down);
	tcase_add_test(tc, read_as_they_were_written);
	tcase_add_test(tc, cut_short_is_refused);
	tcase_add_test(tc, records_that_are_short_inside_are_refused);
	tcase_add_test(tc, other_protocols_and_versions_are_told_apart);
	tcase_add_test(tc, records_of_later_versions_are_skipped);
	tcase_add_test(tc, parts_that_cannot_be_are_refused);
	tcase_add_test(tc, addresses_of_no_family_are_refused);
	tcase_add_test(tc, as_many_as_fit_are_written);
	tcase_add_test(tc, garbage_breaks_nothing);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("message", add_tests)
