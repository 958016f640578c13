/*
 * lib/log.c: one event, one line, one write(2).  The end of the way for everything worth telling;
 * a reader of standard error that has stopped reading costs lines, never time.
 */
#include "lib/log.h"

#include "lib/hash.h"
#include "lib/text.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
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

#define REPEATS 32
#define REPEAT_MS 60000

/* A fault that was told, so that it is not told again at once. */
struct told {
	uint64_t hash, since_ms;
	unsigned again;
};

/* Folder of the source -> subsystem.  The last is for all that has no row. */
static const struct {
	const char *folder, *name;
} subsystems[] = { { "bgpd/", "bgp" }, { "bfd/", "bfd" }, { "l2/", "l2" },
	{ "cluster/", "cluster" }, { "ipam/", "ipam" }, { "datapath/", "datapath" },
	{ "fib/", "routes" }, { "kube/", "kube" }, { "resource/", "config" }, { "lib/", "lib" },
	{ "", "daemon" } };
#define NR_SUBSYSTEMS (sizeof(subsystems) / sizeof(subsystems[0]))

static struct {
	enum log_level level;
	enum log_level of[NR_SUBSYSTEMS];
	bool own[NR_SUBSYSTEMS];
	pthread_mutex_t lock; /* of the two below: engines may have threads that log */
	uint64_t nr_lines[LOG_LVL_DEBUG + 1], nr_repeated;
	struct told told[REPEATS];
	enum log_format format;
	void (*sink)(void *arg, const char *line);
	void *sink_arg;
	uint64_t (*clock)(void);
	enum log_level loudest; /* of all subsystems */
	unsigned lost; /* lines that standard error did not take, since the last that it took */
} the_log = { .level = LOG_LVL_INFO, .loudest = LOG_LVL_INFO, .lock = PTHREAD_MUTEX_INITIALIZER };

static const char *const level_names[] = { "error", "warn", "info", "debug", NULL };
/* Most lines are of a level that nobody has: one comparison must do. */
static enum log_level
loudest(void)
{
	enum log_level level = the_log.level;

	for (unsigned i = 0; i < NR_SUBSYSTEMS; i++)
		if (the_log.own[i] && the_log.of[i] > level)
			level = the_log.of[i];
	return level;
}

static unsigned
subsystem_of(const char *file)
{
	unsigned i = 0;

	if (strncmp(file, "./", 2) == 0)
		file += 2;
	while (i < NR_SUBSYSTEMS - 1 &&
	    strncmp(file, subsystems[i].folder, strlen(subsystems[i].folder)) != 0)
		i++;
	return i;
}

void
log_setup(enum log_level level, enum log_format format)
{
	the_log.level = level;
	the_log.format = format;
	the_log.loudest = loudest();
}

unsigned
log_nr_subsystems(void)
{
	return NR_SUBSYSTEMS;
}

const char *
log_subsystem(unsigned i)
{
	return i < NR_SUBSYSTEMS ? subsystems[i].name : NULL;
}

enum log_level
log_level_of(unsigned i, bool *own)
{
	*own = the_log.own[i];
	return *own ? the_log.of[i] : the_log.level;
}

void
log_level_set(unsigned i, enum log_level level)
{
	the_log.own[i] = true;
	the_log.of[i] = level;
	the_log.loudest = loudest();
}

void
log_level_reset(unsigned i)
{
	the_log.own[i] = false;
	the_log.loudest = loudest();
}

uint64_t
log_nr_lines(enum log_level level)
{
	return the_log.nr_lines[level];
}

uint64_t
log_nr_repeated(void)
{
	return the_log.nr_repeated;
}

void
log_sink(void (*sink)(void *arg, const char *line), void *arg)
{
	the_log.sink = sink;
	the_log.sink_arg = arg;
	memset(the_log.told, 0, sizeof(the_log.told)); /* who listens now has heard nothing yet */
}

bool
log_is_enabled(enum log_level level, const char *file)
{
	bool own;

	return level <= the_log.loudest && level <= log_level_of(subsystem_of(file), &own);
}

const char *
log_level_name(enum log_level level)
{
	return level_names[level];
}

int
log_level_parse(const char *text, enum log_level *level)
{
	for (int i = 0; level_names[i]; i++) {
		if (strcmp(text, level_names[i]) != 0)
			continue;
		*level = (enum log_level)i;
		return 0;
	}
	return -EINVAL;
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

/* ---- repetitions ---- */

void
log_clock(uint64_t (*clock)(void))
{
	the_log.clock = clock;
}

static uint64_t
now_ms(void)
{
	struct timespec ts;

	if (the_log.clock)
		return the_log.clock();
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* All of a line but its time. */
static uint64_t
hash_of(const struct line *l, size_t from)
{
	return hash_bytes(l->text + from, l->len - from);
}

/* Was this said within the last minute?  Else *again: how often it was kept back before. */
static bool
is_repeated(uint64_t hash, unsigned *again)
{
	const uint64_t now = now_ms();
	struct told *oldest = &the_log.told[0];

	*again = 0;
	for (unsigned i = 0; i < REPEATS; i++) {
		struct told *t = &the_log.told[i];

		if (t->hash == hash && t->since_ms) {
			if (now - t->since_ms < REPEAT_MS) {
				t->again++;
				the_log.nr_repeated++;
				return true;
			}
			*again = t->again;
			*t = (struct told){ hash, now, 0 };
			return false;
		}
		if (t->since_ms < oldest->since_ms)
			oldest = t;
	}
	*oldest = (struct told){ hash, now ? now : 1, 0 };
	return false;
}

/* False: it was said before. */
static bool
line_counts(const struct line *l, enum log_level level, size_t from, unsigned *again)
{
	bool repeated;

	pthread_mutex_lock(&the_log.lock);
	repeated = level <= LOG_LVL_WARN && is_repeated(hash_of(l, from), again);
	if (!repeated)
		the_log.nr_lines[level]++;
	pthread_mutex_unlock(&the_log.lock);
	return !repeated;
}

/* ---- a line ---- */

static void
line_end(struct line *l)
{
	l->max = LINE_MAX_LEN - 2;
	if (l->full) {
		l->full = false;
		put_text(l, l->json ? ",\"truncated\":true" : " truncated=true");
	}
	if (l->json)
		put_text(l, "}");
	if (the_log.sink) {
		l->text[l->len] = '\0';
		the_log.sink(the_log.sink_arg, l->text);
		return;
	}
	l->text[l->len++] = '\n';
	if (line_write(l->text, l->len))
		the_log.lost = 0;
	else
		the_log.lost++;
}

void
log_event(enum log_level level, const char *file, const char *event, const struct log_kv *kv)
{
	struct line l = { .max = LINE_MAX_LEN - TAIL_ROOM, .json = the_log.format == LOG_FMT_JSON };
	const int saved = errno;
	unsigned again = 0;
	size_t from;

	if (!log_is_enabled(level, file))
		return;
	put_time(&l);
	from = l.len;
	put_str(&l, "level", level_names[level]);
	put_str(&l, "subsystem", subsystems[subsystem_of(file)].name);
	put_str(&l, "event", event);
	for (; kv->type != LOG_KV_END; kv++)
		put_kv(&l, kv);
	if (!line_counts(&l, level, from, &again)) {
		errno = saved;
		return;
	}
	if (again)
		put_kv(&l, &LOG_U("repeated", again));
	if (the_log.lost && !the_log.sink)
		put_kv(&l, &LOG_U("lines_lost", the_log.lost));
	line_end(&l);
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
