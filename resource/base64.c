/*
 * resource/base64.c: RFC 4648 section 4, for the values of Secrets.
 */
#include "resource/base64.h"

#include <errno.h>
#include <string.h>

int
base64_decode(const char *text, size_t len, uint8_t *out, size_t *out_len)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	unsigned nr_bits = 0, pad = 0;
	size_t n = 0, seen = 0;

	for (size_t i = 0; i < len; i++) {
		const char *at;

		if (text[i] == '\n' || text[i] == '\r')
			continue;
		seen++;
		if (text[i] == '=') {
			pad++;
			continue;
		}
		at = text[i] ? strchr(digits, text[i]) : NULL;
		if (!at || pad)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)(at - digits);
		nr_bits += 6;
		if (nr_bits >= 8) {
			nr_bits -= 8;
			out[n++] = (uint8_t)(bits >> nr_bits);
			bits &= (1u << nr_bits) - 1;
		}
	}
	/* RFC 4648 3.5: bits that are left over must be zero. */
	if (seen % 4 || pad > 2 || nr_bits / 2 != pad || bits)
		return -EINVAL;
	*out_len = n;
	return 0;
}
