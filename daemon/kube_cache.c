/*
 * daemon/kube_cache.c: see kube_cache.h.  A file of one JSON text a line: a head, the objects, and an
 * end with their number, without which it is not whole.  Written beside itself and renamed; not
 * synced, as it is of no use after the machine went down.
 */
#include "daemon/kube_cache.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLICE_US 2000
/* Between two saves: so long that writing takes no more than a fiftieth of the time. */
#define AGAIN_MIN_MS 1000
#define AGAIN_MAX_MS 60000
#define REST_SHARE 50
#define OBJECTS_MAX 1000000

struct kube_cache {
	struct loop *loop;
	struct store *store;
	int source;
	char *path, *temp, *origin;

	FILE *out; /* a save is under way */
	int kind;  /* of which it has written up to @last */
	struct res_object *last;
	size_t nr;
	bool dirty;
	uint64_t spent_us; /* that the last save took */
	struct loop_timer again;
	struct loop_work write;

	FILE *in; /* likewise a load */
	char *line;
	size_t line_cap;
	struct res_set read;
	struct loop_work reading;
	void (*done)(void *, size_t);
	void *arg;
};

/* ---- writing ---- */

static bool
is_kept(const struct res_object *o)
{
	return !*o->file && o->kind != RES_SECRET && o->kind != RES_HERALD_CONFIG;
}

static int
put_line(struct kube_cache *c, json_t *j)
{
	const int err =
	    j && json_dumpf(j, c->out, JSON_COMPACT) == 0 && putc('\n', c->out) != EOF ? 0 : -EIO;

	json_decref(j);
	return err;
}

static void
give_up(struct kube_cache *c)
{
	if (!c->out)
		return;
	fclose(c->out);
	c->out = NULL;
	unlink(c->temp);
	res_unref(c->last);
	c->last = NULL;
}

/* The next object, or NULL behind the last. */
static struct res_object *
next_object(struct kube_cache *c)
{
	struct res_object *o = NULL;

	for (; c->kind < RES_NR_KINDS; c->kind++) {
		o = store_next(c->store, (enum res_kind)c->kind, c->last);
		if (o)
			break;
		res_unref(c->last);
		c->last = NULL;
	}
	if (o) {
		res_unref(c->last);
		c->last = res_ref(o);
	}
	return o;
}

static int
begin(struct kube_cache *c)
{
	c->out = fopen(c->temp, "we");
	if (!c->out)
		return -errno;
	c->kind = 0;
	c->nr = 0;
	c->dirty = false;
	c->spent_us = 0;
	return put_line(c, json_pack("{s:i, s:s}", "version", 1, "origin", c->origin));
}

static int
finish(struct kube_cache *c)
{
	int err = put_line(c, json_pack("{s:I}", "end", (json_int_t)c->nr));
	FILE *out = c->out;

	c->out = NULL;
	if (fclose(out) != 0 && err == 0)
		err = -EIO;
	if (err == 0 && rename(c->temp, c->path) < 0)
		err = -errno;
	if (err < 0)
		unlink(c->temp);
	return err;
}

/* Up to about @until_us; 1: it is written. */
static int
write_some(struct kube_cache *c, uint64_t until_us)
{
	struct res_object *o;
	int err = c->out ? 0 : begin(c);

	while (err == 0 && (o = next_object(c)) != NULL) {
		if (is_kept(o)) {
			err = put_line(c, res_show(o));
			c->nr++;
		}
		if (loop_now_us(c->loop) >= until_us)
			return err;
	}
	if (err == 0)
		err = finish(c);
	if (err < 0)
		give_up(c);
	return err < 0 ? err : 1;
}

static unsigned
again_ms(const struct kube_cache *c)
{
	const uint64_t ms = c->spent_us * REST_SHARE / 1000;

	return ms < AGAIN_MIN_MS ? AGAIN_MIN_MS : ms > AGAIN_MAX_MS ? AGAIN_MAX_MS : (unsigned)ms;
}

static void
write_slice(void *arg)
{
	struct kube_cache *c = arg;
	const uint64_t start_us = loop_now_us(c->loop);
	const int err = write_some(c, start_us + SLICE_US);

	c->spent_us += loop_now_us(c->loop) - start_us;
	if (err == 0) {
		work_post(&c->write);
		return;
	}
	if (err < 0) {
		log_warn("cache-not-saved", LOG_S("path", c->path), LOG_ERR(err));
		give_up(c);
		c->dirty = true;
	}
	if (c->dirty)
		timer_set(&c->again, again_ms(c));
}

static void
save_again(void *arg)
{
	work_post(&((struct kube_cache *)arg)->write);
}

void
kube_cache_changed(struct kube_cache *c)
{
	/* What was read from it is no reason to write it. */
	if (!store_is_synced(c->store))
		return;
	c->dirty = true;
	if (!c->out && !timer_is_running(&c->again))
		timer_set(&c->again, again_ms(c));
}

int
kube_cache_save(struct kube_cache *c)
{
	int err;

	if (!c->dirty && !c->out)
		return 0;
	work_cancel(&c->write);
	timer_stop(&c->again);
	give_up(c); /* what it has is older */
	err = write_some(c, UINT64_MAX);
	return err < 0 ? err : 0;
}

/* ---- reading ---- */

static void
end_reading(struct kube_cache *c, bool whole)
{
	const size_t nr = whole ? c->read.nr : 0;

	work_cancel(&c->reading);
	if (c->in)
		fclose(c->in);
	c->in = NULL;
	free(c->line);
	c->line = NULL;
	c->line_cap = 0;
	if (nr && store_replace_source(c->store, c->source, c->read.v, nr) < 0)
		log_error("cache-not-read", LOG_S("path", c->path), LOG_ERR(ENOMEM));
	res_set_fini(&c->read);
	if (c->done)
		c->done(c->arg, nr);
	c->done = NULL;
}

/* One line: 0; 1: the end, and all of it was there; -errno: not what we write. */
static int
read_line(struct kube_cache *c, ssize_t len)
{
	struct res_faults faults = { 0 };
	struct res_json_head head;
	json_t *end;
	int err;

	if (strncmp(c->line, "{\"end\":", 7) == 0) {
		end = json_loads(c->line, 0, NULL);
		err = json_integer_value(json_object_get(end, "end")) == (json_int_t)c->nr
		    ? 1
		    : -EBADMSG;
		json_decref(end);
		return err;
	}
	if (c->nr++ >= OBJECTS_MAX)
		return -E2BIG;
	err = res_decode_json(NULL, NULL, c->line, (size_t)len, &c->read, &faults, &head);
	res_faults_fini(&faults);
	return err == -EINVAL ? 0 : err; /* of another version's words the good are taken */
}

static bool
head_is_good(const struct kube_cache *c)
{
	json_t *head = json_loads(c->line, 0, NULL);
	const char *origin = json_string_value(json_object_get(head, "origin"));
	const bool good = json_integer_value(json_object_get(head, "version")) == 1 && origin &&
	    strcmp(origin, c->origin) == 0;

	json_decref(head);
	return good;
}

static void
read_slice(void *arg)
{
	struct kube_cache *c = arg;
	const uint64_t until = loop_now_us(c->loop) + SLICE_US;
	ssize_t len;
	int err;

	do {
		len = getline(&c->line, &c->line_cap, c->in);
		err = len > 0 ? read_line(c, len) : -EBADMSG;
	} while (err == 0 && loop_now_us(c->loop) < until);
	if (err == 0) {
		work_post(&c->reading);
		return;
	}
	if (err < 0)
		log_warn("cache-not-read", LOG_S("path", c->path), LOG_ERR(err));
	end_reading(c, err > 0);
}

void
kube_cache_load(struct kube_cache *c, void (*done)(void *, size_t), void *arg)
{
	c->done = done;
	c->arg = arg;
	c->nr = 0;
	c->in = fopen(c->path, "re");
	if (!c->in || getline(&c->line, &c->line_cap, c->in) <= 0 || !head_is_good(c)) {
		end_reading(c, false);
		return;
	}
	work_post(&c->reading);
}

void
kube_cache_drop(struct kube_cache *c)
{
	if (c->in)
		end_reading(c, false);
	if (store_replace_source(c->store, c->source, NULL, 0) < 0)
		log_error("cache-not-dropped", LOG_ERR(ENOMEM));
}

/* ---- life ---- */

struct kube_cache *
kube_cache_new(struct loop *loop, struct store *store, const char *state_dir, const char *origin)
{
	const int source = store_source_add(store, "cache");
	struct kube_cache *c;

	if (source < 0)
		return NULL;
	/* It holds up nobody: whether the API's objects are known is the other sources' to say. */
	store_source_synced(store, source, true);
	c = xnew(struct kube_cache);
	c->loop = loop;
	c->store = store;
	c->source = source;
	c->path = xasprintf("%s/kubernetes.json", state_dir);
	c->temp = xasprintf("%s.tmp", c->path);
	c->origin = xstrdup(origin);
	timer_init(&c->again, loop, save_again, c);
	work_init(&c->write, loop, write_slice, c);
	work_init(&c->reading, loop, read_slice, c);
	return c;
}

void
kube_cache_free(struct kube_cache *c)
{
	if (!c)
		return;
	c->done = NULL;
	timer_stop(&c->again);
	work_cancel(&c->write);
	give_up(c);
	if (c->in)
		end_reading(c, false);
	free(c->path);
	free(c->temp);
	free(c->origin);
	free(c);
}
