/*
 * tests/unit/lib/test_wire.c: the bounded reader and writer, hashes and reasons: the small things
 * under everything.
 */
#include "tests/unit/unit.h"

#include "lib/hash.h"
#include "lib/reason.h"
#include "lib/wire.h"

#include <string.h>

static const uint8_t sample[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

START_TEST(numbers_are_big_endian)
{
	struct wire_rd r = wire_rd_init(sample, sizeof(sample));

	ck_assert_uint_eq(wire_u8(&r), 1);
	ck_assert_uint_eq(wire_u16(&r), 0x0203);
	ck_assert_uint_eq(wire_u32(&r), 0x04050607);
	ck_assert(wire_more(&r) && !wire_done(&r));
	ck_assert_uint_eq(wire_u64(&r), 0x08090a0b0c0d0e0fu);
	ck_assert(!wire_more(&r) && wire_done(&r));
}
END_TEST

/* Every cut: the copy is exactly as long, so that ASan sees one byte too many.  The first read that
 * does not fit gives zero and all after it. */
START_TEST(every_truncation_is_sticky)
{
	size_t len = (size_t)_i;
	uint8_t *cut = memcpy(malloc(len ? len : 1), sample, len);
	struct wire_rd r = wire_rd_init(cut, len);
	uint8_t two[2] = { 9, 9 };

	ck_assert_uint_eq(wire_u64(&r),
	    len >= 8	   ? 0x0102030405060708u
		: len >= 4 ? 0x0102030400000000u
			   : 0);
	ck_assert_uint_eq(wire_u32(&r), len >= 12 ? 0x090a0b0c : 0);
	wire_copy(&r, two, 2);
	ck_assert_uint_eq(two[0], len >= 14 ? 13 : 0);
	ck_assert_uint_eq(two[1], len >= 14 ? 14 : 0);
	ck_assert_uint_eq(wire_u8(&r), len >= 15 ? 15 : 0);
	ck_assert_int_eq(wire_done(&r), len == 15);
	ck_assert_int_eq(r.bad, len < 15);
	if (r.bad) {
		size_t left = r.left;

		ck_assert_ptr_null(wire_take(&r, 0));
		ck_assert(!wire_more(&r));
		ck_assert_uint_eq(r.left, left);
	}
	free(cut);
}
END_TEST

START_TEST(sub_cursor_is_fenced)
{
	struct wire_rd r = wire_rd_init(sample, sizeof(sample));
	struct wire_rd in = wire_sub(&r, 3), none, lie;

	ck_assert_uint_eq(wire_u16(&in), 0x0102);
	ck_assert_uint_eq(wire_u16(&in), 0);
	ck_assert(in.bad && !r.bad);
	ck_assert_uint_eq(wire_u8(&r), 4);
	none = wire_sub(&r, 0);
	ck_assert(wire_done(&none));
	lie = wire_sub(&r, 100);
	ck_assert(lie.bad && r.bad);
	ck_assert(!wire_done(&lie) && !wire_more(&lie));
	ck_assert_uint_eq(wire_u8(&lie), 0);
	lie = wire_sub(&r, SIZE_MAX);
	ck_assert(lie.bad);
}
END_TEST

START_TEST(writer_is_whole_or_full)
{
	uint8_t out[16];

	for (size_t max = 0; max <= 12; max++) {
		struct wire_wr w = wire_wr_init(out, max);

		memset(out, 0xee, sizeof(out));
		wire_put_u8(&w, 1);
		wire_put_u16(&w, 0x0203);
		wire_put_u32(&w, 0x04050607);
		wire_put_bytes(&w, sample + 7, 5);
		ck_assert_int_eq(w.full, max < 12);
		ck_assert_mem_eq(out, sample, w.len);
		ck_assert_uint_le(w.len, max);
		ck_assert_uint_eq(out[max], 0xee);
		ck_assert_uint_eq(wire_room(&w), 0);
		wire_put_bytes(&w, NULL, 0);
	}
}
END_TEST

START_TEST(patching_only_what_was_written)
{
	uint8_t out[4] = { 0 };
	struct wire_wr w = wire_wr_init(out, sizeof(out));

	wire_patch_u16(&w, 0, 0xffff);
	wire_put_u16(&w, 0);
	wire_put_u8(&w, 0);
	ck_assert_uint_eq(wire_room(&w), 1);
	wire_patch_u16(&w, 1, 0x1234);
	wire_patch_u16(&w, 2, 0xffff);
	wire_patch_u8(&w, 0, 7);
	wire_patch_u8(&w, 3, 0xff);
	ck_assert_mem_eq(out, "\x07\x12\x34\0", 4);
}
END_TEST

/* Made by CPython 3.11, whose hash of bytes is SipHash-1-3 with key zero under PYTHONHASHSEED=0:
 * the first @len of 0, 1, 2, ... */
static const struct {
	size_t len;
	uint64_t hash;
} siphash13[] = {
	{ 1, 0x68a914128e01e473u },
	{ 7, 0x2f098ab0c751325au },
	{ 8, 0xead411e67ebe2eeau },
	{ 9, 0x75927f9d95124362u },
	{ 15, 0xf30eb725bb91c9eau },
	{ 16, 0x8972188433a5c5b7u },
	{ 33, 0x7fb71d24dfa4c9f6u },
	{ 63, 0x385d3e39e5f37359u },
};

START_TEST(keyed_hash_is_siphash)
{
	uint8_t in[64];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(siphash13) / sizeof(siphash13[0]); i++)
		ck_assert_uint_eq(hash_keyed(0, 0, in, siphash13[i].len), siphash13[i].hash);
	ck_assert_uint_ne(hash_keyed(0, 1, in, 8), hash_keyed(0, 0, in, 8));
	ck_assert_uint_ne(hash_keyed(1, 0, in, 8), hash_keyed(0, 0, in, 8));
}
END_TEST

START_TEST(secret_is_one_for_a_process)
{
	uint64_t secret = hash_secret();

	ck_assert_uint_ne(secret, 0);
	ck_assert_uint_eq(hash_secret(), secret);
	ck_assert_uint_eq(hash_bytes("abc", 3), hash_bytes("abc", 3));
	ck_assert_uint_ne(hash_bytes("abc", 3), hash_bytes("abd", 3));
	ck_assert_uint_ne(hash_bytes("", 0), hash_bytes("\0", 1));
	ck_assert_uint_ne(hash_bytes("abc", 3), hash_keyed(0, 0, "abc", 3));
}
END_TEST

/* One bit of the input turns about half of the output. */
START_TEST(mix_avalanches)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		unsigned turned = 0;

		for (uint64_t x = 1; x <= 100; x++)
			turned += (unsigned)__builtin_popcountll(
			    hash_mix(x) ^ hash_mix(x ^ (uint64_t)1 << bit));
		ck_assert_uint_gt(turned, 2700);
		ck_assert_uint_lt(turned, 3700);
	}
}
END_TEST

/* Kebab-case, one of a kind, a sentence to each. */
START_TEST(reasons_are_fit_for_people_and_scripts)
{
	for (unsigned i = 0; i < REASON_NR; i++) {
		const char *name = reason_name((enum reason)i), *text = reason_text((enum reason)i);

		ck_assert_uint_gt(strlen(name), 3);
		ck_assert_uint_eq(
		    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(name));
		ck_assert(name[0] != '-' && name[strlen(name) - 1] != '-');
		ck_assert(text[0] >= 'A' && text[0] <= 'Z');
		ck_assert_int_eq(text[strlen(text) - 1], '.');
		for (unsigned k = 0; k < i; k++)
			ck_assert_str_ne(name, reason_name((enum reason)k));
	}
	ck_assert_str_eq(reason_name(REASON_NO_POOL), "no-pool");
	ck_assert_str_eq(reason_name(REASON_ALREADY_ALLOCATED_INCOMPATIBLE_SERVICE),
	    "already-allocated-incompatible-service");
	ck_assert_str_eq(reason_name(REASON_SATISFIED), "satisfied");
	ck_assert_str_eq(reason_name((enum reason)9999), "unknown");
	ck_assert_ptr_nonnull(reason_text((enum reason)9999));
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("wire");

	tcase_add_test(tc, numbers_are_big_endian);
	tcase_add_loop_test(tc, every_truncation_is_sticky, 0, (int)sizeof(sample) + 1);
	tcase_add_test(tc, sub_cursor_is_fenced);
	tcase_add_test(tc, writer_is_whole_or_full);
	tcase_add_test(tc, patching_only_what_was_written);
	suite_add_tcase(s, tc);

	tc = tcase_create("hash");
	tcase_add_test(tc, keyed_hash_is_siphash);
	tcase_add_test(tc, secret_is_one_for_a_process);
	tcase_add_test(tc, mix_avalanches);
	suite_add_tcase(s, tc);

	tc = tcase_create("reason");
	tcase_add_test(tc, reasons_are_fit_for_people_and_scripts);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("wire", add_tests)
