/*
 * lib/log.h: one line an event to standard error, logfmt or JSON.
 *
 * A line is one constant event name and key/value pairs; values are never pasted into the text:
 *     log_info("session-up", LOG_S("peer", p->name), LOG_U("hold_s", hold));
 * Values are quoted and escaped as the format asks.  No secret is ever logged.  A line is at most
 * 4095 bytes: a longer value is cut, and "truncated" says so.  When standard error takes no more
 * (a full pipe) the line is dropped rather than waited for; the next one has "lines_lost".
 *
 * A warning or error that says word for word what was said within the last minute is counted, not
 * written; when it comes again after that, "repeated" says how many there were.
 */
#ifndef HERALD_LIB_LOG_H
#define HERALD_LIB_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };
enum log_format { LOG_FMT_LOGFMT, LOG_FMT_JSON };

struct log_kv {
	const char *key;
	enum { LOG_KV_END, LOG_KV_STR, LOG_KV_INT, LOG_KV_UINT, LOG_KV_BOOL, LOG_KV_ERRNO } type;
	const char *str;
	int64_t num;
};

#define LOG_S(k, v) ((struct log_kv){ .key = (k), .type = LOG_KV_STR, .str = (v) })
#define LOG_I(k, v) ((struct log_kv){ .key = (k), .type = LOG_KV_INT, .num = (int64_t)(v) })
#define LOG_U(k, v) ((struct log_kv){ .key = (k), .type = LOG_KV_UINT, .num = (int64_t)(v) })
#define LOG_B(k, v) ((struct log_kv){ .key = (k), .type = LOG_KV_BOOL, .num = (v) })
#define LOG_ERR(e) ((struct log_kv){ .key = "error", .type = LOG_KV_ERRNO, .num = (e) })

/* The log is the program's only global.  Defaults: info, logfmt, standard error. */
void log_setup(enum log_level, enum log_format);
/* Where lines go instead of standard error (tests), without the newline; NULL puts it back. */
void log_sink(void (*sink)(void *arg, const char *line), void *arg);
/* What tells the milliseconds (tests); NULL: the monotonic clock. */
void log_clock(uint64_t (*now_ms)(void));
#define log_enabled(lvl) log_is_enabled((lvl), __FILE__)
bool log_is_enabled(enum log_level, const char *file);
/* "error", "warn", "info", "debug"; -EINVAL otherwise. */
int log_level_parse(const char *text, enum log_level *);

/* @file: from where, as __FILE__ is; its folder makes the subsystem. */
void log_event(enum log_level, const char *file, const char *event, const struct log_kv *kv);

#define log_at(lvl, event, ...)                                                                    \
	log_event((lvl), __FILE__, (event),                                                        \
	    (const struct log_kv[]){ __VA_ARGS__ __VA_OPT__(, ){ .type = LOG_KV_END } })
#define log_error(event, ...) log_at(LOG_LVL_ERROR, event __VA_OPT__(, ) __VA_ARGS__)
#define log_warn(event, ...) log_at(LOG_LVL_WARN, event __VA_OPT__(, ) __VA_ARGS__)
#define log_info(event, ...) log_at(LOG_LVL_INFO, event __VA_OPT__(, ) __VA_ARGS__)
#define log_debug(event, ...) log_at(LOG_LVL_DEBUG, event __VA_OPT__(, ) __VA_ARGS__)

/*
 * Subsystems: the rooms, by the names that people know.  Each has the level of log_setup() until it is
 * given its own, which later calls of log_setup() leave alone.
 */
unsigned log_nr_subsystems(void);
const char *log_subsystem(unsigned i); /* "bgp"; NULL past the end */
enum log_level log_level_of(unsigned i, bool *own);
void log_level_set(unsigned i, enum log_level);
void log_level_reset(unsigned i);
const char *log_level_name(enum log_level);

/* Lines since the start: those of the level, and those that were kept back as repetitions. */
uint64_t log_nr_lines(enum log_level);
uint64_t log_nr_repeated(void);

/*
 * A token bucket for what a peer can cause: @per_min lines a minute, as many at once.  Zeroed is
 * full.  log_allow() says whether to log now; the count of what was kept back since the last
 * allowed line comes out in *suppressed (may be NULL), to be logged along.
 */
struct log_limit {
	uint64_t last_ms;
	uint64_t spent; /* in sixty-thousandths of a line */
	uint32_t suppressed;
};
bool log_allow(struct log_limit *, uint64_t now_ms, unsigned per_min, unsigned *suppressed);

#endif
