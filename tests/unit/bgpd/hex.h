/*
 * tests/unit/bgpd/hex.h: messages written down as hexadecimal text, blanks allowed, so that a test
 * can be laid beside the RFC's picture.
 */
#ifndef HERALD_TESTS_BGPD_HEX_H
#define HERALD_TESTS_BGPD_HEX_H

#include <check.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hex {
	uint8_t *p; /* exactly as long as the text says, so that ASan sees one byte too many */
	size_t len;
};

static inline int
hex_digit(char c)
{
	ck_assert_msg(isxdigit((unsigned char)c), "'%c' in hex text", c);
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* For free(). */
static inline struct hex
hex_parse(const char *text)
{
	struct hex h = { .p = malloc(strlen(text) / 2 + 1) };

	for (; *text; text++) {
		if (*text == ' ')
			continue;
		h.p[h.len++] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
		text++;
	}
	h.p = realloc(h.p, h.len ? h.len : 1);
	return h;
}

static inline void
hex_equals(const void *bytes, size_t len, const char *text)
{
	struct hex h = hex_parse(text);
	char got[8192] = "";

	for (size_t i = 0; i < len && i < sizeof(got) / 2 - 1; i++)
		snprintf(got + 2 * i, 3, "%02x", ((const uint8_t *)bytes)[i]);
	ck_assert_msg(len == h.len && memcmp(bytes, h.p, len) == 0, "got %s\nwant %s", got, text);
	free(h.p);
}

#endif
