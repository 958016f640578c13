/*
 * kube/words.c: see words.h.  What a server or a plugin said passes here on its way into a log line
 * or a status.
 */
#include "kube/words.h"

#include "lib/mem.h"
#include "lib/text.h"

#include <string.h>

#define SECRET_MIN 4 /* shorter ones stand in every second word */

char *
words_clean(char *text)
{
	size_t left = strlen(text), len = 0;
	const char *from = text;
	uint32_t c;

	while (left > 0) {
		size_t n = text_utf8_char(from, left, &c);

		if (n == 0) {
			n = 1;
			text[len++] = '?';
		} else if (c <= ' ' || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029) {
			if (len > 0 && text[len - 1] != ' ')
				text[len++] = ' ';
		} else {
			memmove(text + len, from, n);
			len += n;
		}
		from += n;
		left -= n;
	}
	while (len > 0 && text[len - 1] == ' ')
		len--;
	text[len] = '\0';
	return text;
}

void
words_hide(char *text, const char *secret)
{
	size_t len = secret ? strlen(secret) : 0;

	if (len < SECRET_MIN)
		return;
	for (char *at = strstr(text, secret); at; at = strstr(at + len, secret))
		memset(at, '*', len);
}

void
secret_free(char *text)
{
	if (text)
		mem_wipe(text, strlen(text));
	mem_free(text);
}
