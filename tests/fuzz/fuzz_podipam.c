/*
 * tests/fuzz/fuzz_podipam.c: a journal of leases that something else wrote over: no address twice, and
 * what is read is written again as the same.  Lines that begin with "00000000 " get the sum that they
 * should have, so that the way behind the sum is walked, too.
 */
#include "tests/fuzz/must.h"

#include "lib/buf.h"
#include "podipam/leases.h"
#include "podipam/record.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t
sum_of(const char *p, size_t len)
{
	uint32_t crc = 0xffffffffu;

	for (size_t i = 0; i < len; i++) {
		crc ^= (uint8_t)p[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
	}
	return ~crc;
}

static void
mend_sums(char *text, size_t len)
{
	char sum[9];

	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		const size_t line = end ? (size_t)(end - text) - at : len - at;

		if (line > 9 && memcmp(text + at, "00000000 ", 9) == 0) {
			snprintf(sum, sizeof(sum), "%08x", sum_of(text + at + 9, line - 9));
			memcpy(text + at, sum, 8);
		}
		at += line + 1;
	}
}

static void
check(const struct leases *t)
{
	size_t nr = 0;

	for (const struct lease *l = t->leases; l; l = l->hh.next) {
		must(l->l.nr >= 1 && l->l.nr <= 2 && l->line);
		for (unsigned i = 0; i < l->l.nr; i++, nr++)
			must(leases_owner_of(t, &l->l.v[i].addr) == l);
	}
	must(nr == HASH_CNT(hh, t->taken));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct replay first = { .boot_id = "b" }, second = { .boot_id = "b" };
	struct leases t = { 0 }, again = { 0 };
	char *text = malloc(size + 1);
	struct buf b;

	must(text != NULL);
	memcpy(text, data, size);
	mend_sums(text, size);
	record_replay(&first, &t, text, size);
	check(&t);
	must(first.good <= size && first.nr_bad <= first.nr_lines);
	buf_init(&b, (size_t)64 << 20);
	for (const struct lease *l = t.leases; l; l = l->hh.next)
		record_add(&b, l);
	record_replay(&second, &again, buf_text(&b), b.len);
	must(second.nr_bad == 0 && again.nr_leases == t.nr_leases);
	check(&again);
	buf_fini(&b);
	leases_fini(&t);
	leases_fini(&again);
	free(text);
	return 0;
}
