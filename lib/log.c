/*
 * lib/log.c: one event, one line, one write(2).  The end of the way for everything worth telling;
 * a reader of standard error that has stopped reading costs lines, never time.
 */
#include "lib/log.h"

#include "lib/text.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* POSIX: a pipe takes PIPE_BUF bytes whole or not at all; a line stays within that. */
#define LINE_MAX_LEN 4095
#define TAIL_ROOM 48 /* for what says that something was left out, and the closing */

struct line {
	char text[LINE_MAX_LEN + 2];
	size_t len, max;
	bool json;
	bool full; /* something did not fit */
};

static struct {
	enum log_level level;
	enum log_format format;
	void (*sink)(void *arg, const char *line);
	void *sink_arg;
	unsigned lost; /* lines that standard error did not take, since the last that it took */
} the_log = { .level = LOG_LVL_INFO };

static const char *const level_names[] = { "error", "warn", "info", "debug", NULL };
static const char *const format_names[] = { "logfmt", "json", NULL };

void
log_setup(enum log_level level, enum log_format format)
{
	the_log.level = level;
	the_log.format = format;
}

void
log_sink(void (*sink)(void *arg, const char *line), void *arg)
{
	the_log.sink = sink;
	the_log.sink_arg = arg;
}

bool
log_enabled(enum log_level level)
{
	return level <= the_log.level;
}

static int
name_parse(const char *text, const char *const *names)
{
	for (int i = 0; names[i]; i++) {
		if (strcmp(text, names[i]) == 0)
			return i;
	}
	return -EINVAL;
}

int
log_level_parse(const char *text, enum log_level *level)
{
	int i = name_parse(text, level_names);

	if (i < 0)
		return i;
	*level = (enum log_level)i;
	return 0;
}

int
log_format_parse(const char *text, enum log_format *format)
{
	int i = name_parse(text, format_names);

	if (i < 0)
		return i;
	*format = (enum log_format)i;
	return 0;
}

static void
put(struct line *l, const char *s, size_t n)
{
	if (l->full || l->len + n > l->max) {
		l->full = true;
		return;
	}
	memcpy(l->text + l->len, s, n);
	l->len += n;
}

static void
put_text(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

/* One character, escaped when it could end the value, the line, or move a terminal's cursor. */
static size_t
put_char(struct line *l, const char *s, size_t left)
{
	static const char plain[] = "\"\\\n\r\t", letter[] = "\"\\nrt";
	uint32_t c = 0;
	size_t n = text_utf8_char(s, left, &c);
	const char *at;
	char esc[8];

	if (n == 0) { /* not UTF-8: the replacement character, for this one byte */
		put_text(l, "\xef\xbf\xbd");
		return 1;
	}
	at = c < 0x80 ? strchr(plain, (int)c) : NULL;
	if (c && at) {
		esc[0] = '\\';
		esc[1] = letter[at - plain];
		put(l, esc, 2);
	} else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029) {
		snprintf(esc, sizeof(esc), "\\u%04x", (unsigned)c);
		put(l, esc, 6);
	} else {
		put(l, s, n);
	}
	return n;
}

/* May it stand in logfmt as it is? */
static bool
is_bare(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s; s++) {
		if (*s <= ' ' || *s > '~' || *s == '=' || *s == '"' || *s == '\\')
			return false;
	}
	return true;
}

/* A text that does not fit is cut between two characters, the quote is closed all the same. */
static void
put_value(struct line *l, const char *s)
{
	size_t left = strlen(s);

	if (!l->json && is_bare(s) && l->len + left <= l->max) {
		put(l, s, left);
		return;
	}
	put(l, "\"", 1);
	while (left > 0 && !l->full) {
		size_t n = put_char(l, s, left);

		s += n;
		left -= n;
	}
	l->text[l->len++] = '"'; /* TAIL_ROOM has a place for it whatever came before */
}

/* The key, and what stands between it and its value.  False: no room for it and a bit of value. */
static bool
put_key(struct line *l, const char *key)
{
	if (l->full || l->len + strlen(key) + 40 > l->max) {
		l->full = true;
		return false;
	}
	if (l->json) {
		put_text(l, l->len ? ",\"" : "{\"");
		put_text(l, key);
		put_text(l, "\":");
	} else {
		if (l->len)
			put_text(l, " ");
		put_text(l, key);
		put_text(l, "=");
	}
	return true;
}

static void
put_str(struct line *l, const char *key, const char *value)
{
	if (put_key(l, key))
		put_value(l, value ? value : "");
}

static void
put_kv(struct line *l, const struct log_kv *kv)
{
	char num[24];
	const char *text;

	switch (kv->type) {
	case LOG_KV_STR:
		put_str(l, kv->key, kv->str);
		return;
	case LOG_KV_ERRNO:
		text = strerrordesc_np((int)(kv->num < 0 ? -kv->num : kv->num));
		put_str(l, kv->key, text ? text : "unknown error");
		return;
	case LOG_KV_INT:
		snprintf(num, sizeof(num), "%" PRId64, kv->num);
		break;
	case LOG_KV_UINT:
		snprintf(num, sizeof(num), "%" PRIu64, (uint64_t)kv->num);
		break;
	case LOG_KV_BOOL:
		snprintf(num, sizeof(num), "%s", kv->num ? "true" : "false");
		break;
	case LOG_KV_END:
		return;
	}
	if (put_key(l, kv->key))
		put_text(l, num);
}

/* RFC 3339, UTC, milliseconds. */
static void
put_time(struct line *l)
{
	char text[48];
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	    (int)(now.tv_nsec / 1000000));
	if (put_key(l, "ts"))
		put_text(l, l->json ? "\"" : "");
	put_text(l, text);
	put_text(l, l->json ? "\"" : "");
}

/*
 * Standard error is shared with others, so O_NONBLOCK is not ours to set.  A pipe that poll(2)
 * calls writable has room for PIPE_BUF bytes, so a line within that does not block.
 */
static bool
line_write(const char *text, size_t len)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT) || (p.revents & POLLERR))
		return false;
	return write(STDERR_FILENO, text, len) == (ssize_t)len;
}

void
log_event(enum log_level level, const char *event, const struct log_kv *kv)
{
	struct line l = { .max = LINE_MAX_LEN - TAIL_ROOM, .json = the_log.format == LOG_FMT_JSON };
	int saved = errno;

	if (!log_enabled(level))
		return;
	put_time(&l);
	put_str(&l, "level", level_names[level]);
	put_str(&l, "event", event);
	for (; kv->type != LOG_KV_END; kv++)
		put_kv(&l, kv);
	if (the_log.lost && !the_log.sink)
		put_kv(&l, &LOG_U("lines_lost", the_log.lost));
	l.max = LINE_MAX_LEN - 2;
	if (l.full) {
		l.full = false;
		put_text(&l, l.json ? ",\"truncated\":true" : " truncated=true");
	}
	if (l.json)
		put_text(&l, "}");
	if (the_log.sink) {
		l.text[l.len] = '\0';
		the_log.sink(the_log.sink_arg, l.text);
	} else {
		l.text[l.len++] = '\n';
		if (line_write(l.text, l.len))
			the_log.lost = 0;
		else
			the_log.lost++;
	}
	errno = saved;
}

bool
log_allow(struct log_limit *lim, uint64_t now_ms, unsigned per_min, unsigned *suppressed)
{
	const uint64_t line =
	    60000; /* a millisecond gives back per_min of that: nothing to round */
	uint64_t elapsed = now_ms > lim->last_ms ? now_ms - lim->last_ms : 0;
	uint64_t back = (elapsed < line ? elapsed : line) * per_min; /* a minute fills it */

	lim->spent = back < lim->spent ? lim->spent - back : 0;
	lim->last_ms = now_ms;
	if (lim->spent + line > line * per_min) {
		lim->suppressed++;
		return false;
	}
	lim->spent += line;
	if (suppressed)
		*suppressed = lim->suppressed;
	lim->suppressed = 0;
	return true;
}
