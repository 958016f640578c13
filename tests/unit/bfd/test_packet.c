/*
 * tests/unit/bfd/test_packet.c: bfd/packet.c and bfd/auth.c against RFC 5880 4.1, 4.4, 6.7.4 and the
 * rules of 6.8.6 that the bytes alone can break.
 */
#include "tests/unit/unit.h"

#include "bfd/auth.h"

/* Version 1, diag 3; Up, poll; multiplier 5; discriminators; 1 s, 300 ms, no echo. */
static const uint8_t golden[] = { 0x23, 0xe0, 5, 24, 0x01, 0x02, 0x03, 0x04, 0x0a, 0x0b, 0x0c, 0x0d,
	0x00, 0x0f, 0x42, 0x40, 0x00, 0x04, 0x93, 0xe0, 0, 0, 0, 0 };

START_TEST(golden_both_ways)
{
	uint8_t bytes[PACKET_MAX];
	struct packet p;

	ck_assert_int_eq(packet_read(&p, golden, sizeof(golden)), DROP_NONE);
	ck_assert_uint_eq(p.diag, 3);
	ck_assert_int_eq(p.state, BFD_UP);
	ck_assert(p.poll && !p.final && !p.independent && !p.auth && !p.demand);
	ck_assert_uint_eq(p.multiplier, 5);
	ck_assert_uint_eq(p.my, 0x01020304);
	ck_assert_uint_eq(p.your, 0x0a0b0c0d);
	ck_assert_uint_eq(p.min_tx, 1000000);
	ck_assert_uint_eq(p.min_rx, 300000);
	ck_assert_uint_eq(p.min_echo, 0);
	ck_assert_uint_eq(packet_write(&p, bytes), sizeof(golden));
	ck_assert_mem_eq(bytes, golden, sizeof(golden));
}
END_TEST

START_TEST(each_bit_is_where_the_rfc_has_it)
{
	uint8_t bytes[PACKET_MAX];
	struct packet p;

	memcpy(bytes, golden, sizeof(golden));
	bytes[1] = 0xc0 | 0x10;
	ck_assert_int_eq(packet_read(&p, bytes, sizeof(golden)), DROP_NONE);
	ck_assert(p.final && !p.poll);
	bytes[1] = 0xc0 | 0x08;
	ck_assert_int_eq(packet_read(&p, bytes, sizeof(golden)), DROP_NONE);
	ck_assert(p.independent);
	bytes[1] = 0xc0 | 0x02;
	ck_assert_int_eq(packet_read(&p, bytes, sizeof(golden)), DROP_NONE);
	ck_assert(p.demand);
	for (unsigned state = 0; state < 4; state++) {
		bytes[1] = (uint8_t)(state << 6);
		ck_assert_int_eq(packet_read(&p, bytes, sizeof(golden)), DROP_NONE);
		ck_assert_uint_eq(p.state, state);
	}
}
END_TEST

/* A copy that is exactly as long as the cut, so that a read of one byte too many is seen. */
START_TEST(cut_short_anywhere)
{
	size_t len = (size_t)_i;
	uint8_t *cut = malloc(len ? len : 1);
	struct packet p;

	memcpy(cut, golden, len);
	ck_assert_int_eq(packet_read(&p, cut, len), DROP_CUT);
	free(cut);
}
END_TEST

/* RFC 5880 6.8.6: what a packet breaks first is what it is counted for, so each case breaks all the rules
 * below its own as well. */
static const struct {
	enum packet_drop why;
	unsigned at;
	uint8_t value;
} rules[] = {
	/* from the last to the first; each is added to those before */
	{ DROP_STATE, 11, 0 }, /* with your discriminator made 0 below */
	{ DROP_MY_DISCRIMINATOR, 7, 0 },
	{ DROP_MULTIPOINT, 1, 0xc1 },
	{ DROP_MULTIPLIER, 2, 0 },
	{ DROP_CUT, 3, 25 },
	{ DROP_LENGTH, 3, 23 },
	{ DROP_VERSION, 0, 0x03 },
};

START_TEST(the_rules_in_their_order)
{
	uint8_t bytes[sizeof(golden)];
	struct packet p;

	memcpy(bytes, golden, sizeof(golden));
	memset(bytes + 8, 0, 4);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (rules[i].why == DROP_MY_DISCRIMINATOR)
			memset(bytes + 4, 0, 4);
		bytes[rules[i].at] = rules[i].value;
		ck_assert_int_eq(packet_read(&p, bytes, sizeof(bytes)), rules[i].why);
	}
}
END_TEST

START_TEST(a_length_within_the_datagram_ends_the_packet)
{
	uint8_t bytes[64] = { 0 };
	struct packet p;

	memcpy(bytes, golden, sizeof(golden));
	memset(bytes + 24, 0xff, 40); /* behind its end: nobody's */
	ck_assert_int_eq(packet_read(&p, bytes, sizeof(bytes)), DROP_NONE);
	ck_assert_uint_eq(p.min_echo, 0);
	/* with the A bit the least is 26 (6.8.6) */
	bytes[1] |= 0x04;
	bytes[3] = 25;
	ck_assert_int_eq(packet_read(&p, bytes, sizeof(bytes)), DROP_LENGTH);
	bytes[3] = 26; /* a section too short to be SHA1: no session will have it */
	ck_assert_int_eq(packet_read(&p, bytes, sizeof(bytes)), DROP_NONE);
	ck_assert(p.auth);
	ck_assert_uint_eq(p.auth_type, AUTH_NONE);
}
END_TEST

START_TEST(down_and_admin_down_may_not_know_us_yet)
{
	uint8_t bytes[sizeof(golden)];
	struct packet p;

	memcpy(bytes, golden, sizeof(golden));
	memset(bytes + 8, 0, 4);
	for (unsigned state = 0; state < 4; state++) {
		bytes[1] = (uint8_t)(state << 6);
		ck_assert_int_eq(packet_read(&p, bytes, sizeof(bytes)),
		    state == BFD_DOWN || state == BFD_ADMIN_DOWN ? DROP_NONE : DROP_STATE);
	}
}
END_TEST

/* ---- authentication ---- */

static const uint8_t key[] = "secret of both";

static struct auth us, them;
static uint8_t wire[PACKET_MAX];
static struct packet got;

static void
begin(void)
{
	auth_init(&us, key, sizeof(key) - 1, 7, 1000);
	auth_init(&them, key, sizeof(key) - 1, 7, 0xfffffff0u);
}

/* A packet of @from in @wire and @got. */
static void
make(struct auth *from)
{
	struct packet p = { .state = BFD_DOWN, .multiplier = 3, .my = 1, .min_tx = 1, .min_rx = 1 };
	size_t len;

	auth_fill(from, &p);
	len = packet_write(&p, wire);
	ck_assert(auth_sign(from, wire, len));
	ck_assert_int_eq(packet_read(&got, wire, len), DROP_NONE);
}

/* The digest of RFC 5880 6.7.4, worked out by another program over the same bytes: 24 of the packet, type
 * 5, length 28, key 7, 0, sequence number, and the key in 20. */
START_TEST(rfc5880_6_7_4_golden_digest)
{
	static const uint8_t want[] = { 0x20, 0x44, 3, 52, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0,
		0, 1, 0, 0, 0, 0, 5, 28, 7, 0, 0, 0, 3, 0xe9 };
	static const uint8_t digest[] = { 0x39, 0xa7, 0xd3, 0x97, 0x3e, 0xf5, 0x89, 0x23, 0xe6,
		0x5b, 0x57, 0xc1, 0x88, 0x06, 0xf8, 0x74, 0x02, 0x1b, 0x48, 0x95 };

	begin();
	make(&us);
	ck_assert_mem_eq(wire, want, sizeof(want));
	ck_assert_mem_eq(wire + 32, digest, sizeof(digest));
}
END_TEST

START_TEST(what_is_signed_is_believed_once)
{
	begin();
	for (int i = 0; i < 40; i++) { /* over the end of the numbers too */
		make(&them);
		ck_assert_int_eq(auth_check(&us, &got, wire, true), DROP_NONE);
		/* meticulous: never the same again */
		ck_assert_int_eq(auth_check(&us, &got, wire, true), DROP_BAD_AUTH);
	}
}
END_TEST

START_TEST(every_changed_bit_is_seen)
{
	begin();
	make(&them);
	for (unsigned bit = 0; bit < PACKET_MAX * 8; bit++) {
		struct auth fresh;
		struct packet p;

		auth_init(&fresh, key, sizeof(key) - 1, 7, 0);
		wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (packet_read(&p, wire, PACKET_MAX) == DROP_NONE)
			ck_assert_int_ne(auth_check(&fresh, &p, wire, false), DROP_NONE);
		wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}
END_TEST

START_TEST(with_and_without_do_not_mix)
{
	struct auth none;
	struct packet p = { .state = BFD_DOWN, .multiplier = 3, .my = 1 };
	size_t len;

	begin();
	auth_init(&none, NULL, 0, 0, 0);
	make(&them);
	ck_assert_int_eq(auth_check(&none, &got, wire, false), DROP_UNWANTED_AUTH);
	len = packet_write(&p, wire);
	ck_assert_uint_eq(len, PACKET_LEN);
	ck_assert_int_eq(auth_check(&us, &p, wire, false), DROP_MISSING_AUTH);
	ck_assert_int_eq(auth_check(&none, &p, wire, false), DROP_NONE);
	ck_assert(auth_sign(&none, wire, len));
}
END_TEST

START_TEST(another_key_or_number_of_a_key)
{
	begin();
	them.key[0] ^= 1;
	make(&them);
	ck_assert_int_eq(auth_check(&us, &got, wire, false), DROP_BAD_AUTH);
	them.key[0] ^= 1;
	them.key_id++;
	make(&them);
	ck_assert_int_eq(auth_check(&us, &got, wire, false), DROP_BAD_AUTH);
}
END_TEST

/* RFC 5880 6.7.4: within three times the multiplier; what nobody heard for long is not held. */
START_TEST(rfc5880_6_7_4_the_window_of_sequence_numbers)
{
	begin();
	make(&them);
	ck_assert_int_eq(auth_check(&us, &got, wire, true), DROP_NONE);
	them.sent_seq += 8;
	make(&them); /* nine on */
	ck_assert_int_eq(auth_check(&us, &got, wire, true), DROP_NONE);
	them.sent_seq += 9;
	make(&them); /* ten */
	ck_assert_int_eq(auth_check(&us, &got, wire, true), DROP_BAD_AUTH);
	them.sent_seq -= 12;
	make(&them); /* backwards */
	ck_assert_int_eq(auth_check(&us, &got, wire, true), DROP_BAD_AUTH);
	auth_forget(&us);
	make(&them);
	ck_assert_int_eq(auth_check(&us, &got, wire, true), DROP_NONE);
}
END_TEST

/* An end that is set to the plain kind: it is believed, and answered in its own kind, until up; then the
 * kind stays. */
START_TEST(both_kinds_are_accepted_and_answered)
{
	struct packet p = { 0 };

	begin();
	ck_assert_uint_eq(us.type, AUTH_SHA1_METICULOUS);
	them.type = AUTH_SHA1;
	make(&them);
	ck_assert_int_eq(auth_check(&us, &got, wire, false), DROP_NONE);
	/* keyed: the same number may come again */
	ck_assert_int_eq(auth_check(&us, &got, wire, false), DROP_NONE);
	auth_fill(&us, &p);
	ck_assert_uint_eq(p.auth_type, AUTH_SHA1);
	them.type = AUTH_SHA1_METICULOUS;
	make(&them);
	ck_assert_int_eq(auth_check(&us, &got, wire, true), DROP_BAD_AUTH);
	ck_assert_int_eq(auth_check(&us, &got, wire, false), DROP_NONE);
}
END_TEST

START_TEST(every_name_has_a_sentence)
{
	unsigned i;

	for (i = 0; bfd_drop_name(i); i++)
		ck_assert_ptr_nonnull(bfd_drop_sentence(i));
	ck_assert_uint_eq(i, DROP_NR - 1);
	ck_assert_ptr_null(bfd_drop_sentence(i));
	ck_assert_str_eq(bfd_state_name(BFD_ADMIN_DOWN), "admin-down");
	ck_assert_str_eq(bfd_state_name((enum bfd_state)9), "unknown");
	ck_assert_str_eq(bfd_diag_name(8), "reverse-concatenated-path-down");
	ck_assert_str_eq(bfd_diag_name(9), "reserved");
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("packet");

	tcase_add_test(t, golden_both_ways);
	tcase_add_test(t, each_bit_is_where_the_rfc_has_it);
	tcase_add_loop_test(t, cut_short_anywhere, 0, sizeof(golden));
	tcase_add_test(t, the_rules_in_their_order);
	tcase_add_test(t, a_length_within_the_datagram_ends_the_packet);
	tcase_add_test(t, down_and_admin_down_may_not_know_us_yet);
	tcase_add_test(t, rfc5880_6_7_4_golden_digest);
	tcase_add_test(t, what_is_signed_is_believed_once);
	tcase_add_test(t, every_changed_bit_is_seen);
	tcase_add_test(t, with_and_without_do_not_mix);
	tcase_add_test(t, another_key_or_number_of_a_key);
	tcase_add_test(t, rfc5880_6_7_4_the_window_of_sequence_numbers);
	tcase_add_test(t, both_kinds_are_accepted_and_answered);
	tcase_add_test(t, every_name_has_a_sentence);
	suite_add_tcase(s, t);
}
UNIT_MAIN("bfd-packet", add_tests)
