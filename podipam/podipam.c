/*
 * podipam/podipam.c: see podipam.h.  Joins the table and the journal: who waits for the disk, what is
 * taken back when it fails, and the look at the namespaces.
 */
#include "podipam/podipam.h"

#include "podipam/journal.h"
#include "podipam/ns.h"
#include "podipam/record.h"
#include "podipam/leases.h"

#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LINE_MAX_LEN 8192
#define SLICE 32 /* namespaces that are looked at in one turn of the loop */

/* Somebody who is told when his lease is on disk. */
struct waiter {
	struct waiter *next;
	char *container, *ifname;
	uint64_t seq;
	podipam_added *cb;
	void *arg;
};

struct podipam {
	struct loop *loop;
	struct podipam_ops ops;
	struct leases table;
	struct journal *journal;
	struct waiter *waiters, **last; /* in order of seq */
	uint64_t on_disk;
	size_t live; /* bytes of all lines */
	char *boot_id;
	int lock; /* of the folder: two that write one journal would each lose what the other gave */
	struct loop_timer sweep_timer;
	struct loop_work sweep;
	struct lease *cursor; /* whose namespace is looked at next; NULL: no look is under way */
	uint32_t sweep_ms;
};

const char *
podipam_verdict_name(enum podipam_verdict v)
{
	static const char *const names[] = {
		[PODIPAM_OK] = "ok",
		[PODIPAM_NO_RANGE] = "no-range",
		[PODIPAM_FULL] = "out-of-addresses",
		[PODIPAM_TAKEN] = "already-allocated",
		[PODIPAM_OUTSIDE] = "outside-range",
		[PODIPAM_NOT_FOUND] = "not-found",
		[PODIPAM_TOO_MANY] = "too-many",
		[PODIPAM_BAD] = "bad-owner",
		[PODIPAM_DISK] = "disk",
	};

	return names[v];
}

static void
changed(struct podipam *p)
{
	if (p->ops.changed)
		p->ops.changed(p->ops.arg);
}

static void
trouble(struct podipam *p, const char *what, int err)
{
	if (p->ops.trouble)
		p->ops.trouble(p->ops.arg, what, err);
}

/* ---- the journal ---- */

static uint64_t
append(struct podipam *p, const char *line, size_t len)
{
	journal_live(p->journal, p->live);
	return journal_append(p->journal, line, len);
}

/* Give the lease its line. */
static void
set_line(struct podipam *p, struct lease *l)
{
	struct buf b;

	buf_init(&b, LINE_MAX_LEN);
	record_add(&b, l);
	l->line_len = b.len;
	l->line = buf_steal(&b);
	if (!l->line) { /* owners are short: out of memory */
		l->line = xstrdup("");
		l->line_len = 0;
	}
	p->live += l->line_len;
}

/* Into the journal, with the namespace as it is now. */
static void
put_down(struct podipam *p, struct lease *l)
{
	p->live -= l->line_len;
	free(l->line);
	l->ns = ns_look(l->l.owner.netns);
	l->gone = false;
	set_line(p, l);
	l->seq = append(p, l->line, l->line_len);
}

/* Is it another namespace than that of before?  Then what becomes of that one is nothing to it. */
static bool
has_moved(const struct lease *l, const struct podipam_owner *owner)
{
	const struct ns_id now = ns_look(owner->netns);

	return strcmp(l->l.owner.netns, owner->netns) != 0 || now.dev != l->ns.dev ||
	    now.ino != l->ns.ino;
}

/* Without the journal. */
static void
drop(struct podipam *p, struct lease *l)
{
	if (p->cursor == l)
		p->cursor = l->hh.next;
	p->live -= l->line_len;
	leases_drop(&p->table, l);
}

static void
take_back(struct podipam *p, struct lease *l)
{
	struct buf b;

	buf_init(&b, LINE_MAX_LEN);
	record_del(&b, l->l.owner.container, l->l.owner.ifname);
	drop(p, l);
	(void)append(p, buf_text(&b), b.len);
	buf_fini(&b);
	changed(p);
}

static void
snapshot(void *arg, struct buf *out)
{
	const struct podipam *p = arg;

	record_boot(out, p->boot_id);
	for (const struct lease *l = p->table.leases; l; l = l->hh.next)
		buf_add(out, l->line, l->line_len);
}

static void
waiter_answer(struct podipam *p, struct waiter *w, int err)
{
	struct lease *l = leases_find(&p->table, w->container, w->ifname);
	const bool there = l && l->seq <= w->seq; /* not one that came after a deletion */

	if (w->cb)
		w->cb(w->arg,
		    err < 0	? PODIPAM_DISK
			: there ? PODIPAM_OK
				: PODIPAM_NOT_FOUND,
		    err == 0 && there ? &l->l : NULL);
	free(w->container);
	free(w->ifname);
	free(w);
}

static void
wait_add(struct podipam *p, const struct lease *l, podipam_added *cb, void *arg)
{
	struct waiter *w = xnew(struct waiter);

	w->container = xstrdup(l->l.owner.container);
	w->ifname = xstrdup(l->l.owner.ifname);
	w->seq = l->seq;
	w->cb = cb;
	w->arg = arg;
	*p->last = w;
	p->last = &w->next;
}

/* What was not written was not given: the journal will be written anew without it. */
static void
undo(struct podipam *p, uint64_t seq)
{
	struct lease *l, *next;

	HASH_ITER(hh, p->table.leases, l, next)
	if (l->seq > p->on_disk && l->seq <= seq)
		drop(p, l);
	changed(p);
}

static void
written(void *arg, uint64_t seq, int err)
{
	struct podipam *p = arg;
	struct waiter *w;

	if (err < 0) {
		trouble(p, "pods.journal", err);
		undo(p, seq);
	} else {
		p->on_disk = seq;
	}
	/* Two attachments may wait on one lease, each with its seq: they stand in order all the same. */
	while ((w = p->waiters) && w->seq <= seq) {
		p->waiters = w->next;
		if (!p->waiters)
			p->last = &p->waiters;
		waiter_answer(p, w, err);
	}
}

/* ---- namespaces ---- */

static void
sweep_slice(void *arg)
{
	struct podipam *p = arg;

	for (unsigned n = 0; p->cursor && n < SLICE; n++) {
		struct lease *l = p->cursor;
		const bool gone = ns_is_gone(l->l.owner.netns, &l->ns);

		p->cursor = l->hh.next;
		if (gone && l->gone) {
			if (p->ops.reclaimed)
				p->ops.reclaimed(p->ops.arg, &l->l, "namespace-gone");
			take_back(p, l);
		} else {
			l->gone = gone;
		}
	}
	if (p->cursor)
		work_post(&p->sweep);
	else if (p->sweep_ms)
		timer_set(&p->sweep_timer, p->sweep_ms);
}

static void
sweep_begin(void *arg)
{
	struct podipam *p = arg;

	p->cursor = p->table.leases;
	sweep_slice(p);
}

void
podipam_leak_check(struct podipam *p, uint32_t every_ms)
{
	if (every_ms == p->sweep_ms)
		return;
	p->sweep_ms = every_ms;
	timer_stop(&p->sweep_timer);
	if (every_ms && !p->cursor)
		timer_set(&p->sweep_timer, every_ms);
}

/* ---- life ---- */

static void
dropped(void *arg, const struct podipam_lease *l)
{
	const struct podipam *p = arg;

	if (p->ops.reclaimed)
		p->ops.reclaimed(p->ops.arg, l, "boot");
}

static int
restore(struct podipam *p, const char *path)
{
	struct replay replay = { .boot_id = p->boot_id, .dropped = dropped, .arg = p };
	size_t len;
	char *text;
	int err = journal_read(path, &text, &len);

	if (err < 0)
		return err;
	record_replay(&replay, &p->table, text, len);
	mem_free(text);
	/* One at the end is what a crash leaves; others are of a disk that forgets. */
	if (replay.nr_bad > (replay.good < len ? 1u : 0u))
		trouble(p, "lines of pods.journal that cannot be read", -EBADMSG);
	for (const struct lease *l = p->table.leases; l; l = l->hh.next)
		p->live += l->line_len;
	return 0;
}

static int
take_lock(struct podipam *p, const char *dir)
{
	char *path = xasprintf("%s/pods.lock", dir);
	int err = 0;

	p->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (p->lock < 0 || flock(p->lock, LOCK_EX | LOCK_NB) < 0)
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	free(path);
	return err;
}

struct podipam *
podipam_new(struct loop *loop, const char *dir, const char *boot_id, const struct podipam_ops *ops,
    char **error)
{
	struct podipam *p = xnew(struct podipam);
	const struct journal_ops journal_ops = { written, snapshot, p };
	char *path = xasprintf("%s/pods.journal", dir);
	int err;

	p->loop = loop;
	p->ops = *ops;
	p->boot_id = xstrdup(boot_id);
	p->last = &p->waiters;
	timer_init(&p->sweep_timer, loop, sweep_begin, p);
	work_init(&p->sweep, loop, sweep_slice, p);
	err = take_lock(p, dir);
	if (err == 0)
		err = restore(p, path);
	if (err == 0)
		p->journal = journal_new(loop, path, &journal_ops, &err);
	if (err < 0) {
		*error = xasprintf("%s: %s", path,
		    err == -EBUSY ? "another herald has it; give each its own stateDir"
				  : strerror(-err));
		podipam_free(p);
		p = NULL;
	}
	free(path);
	return p;
}

void
podipam_free(struct podipam *p)
{
	struct waiter *w;

	if (!p)
		return;
	timer_stop(&p->sweep_timer);
	work_cancel(&p->sweep);
	journal_free(p->journal);
	while ((w = p->waiters)) {
		p->waiters = w->next;
		free(w->container);
		free(w->ifname);
		free(w);
	}
	p->cursor = NULL;
	leases_fini(&p->table);
	if (p->lock >= 0)
		close(p->lock);
	free(p->boot_id);
	free(p);
}

void
podipam_ranges_set(struct podipam *p, const struct podipam_range *list, size_t nr)
{
	leases_ranges_set(&p->table, list, nr);
}

/* ---- what is asked ---- */

enum podipam_verdict
podipam_add(struct podipam *p, const struct podipam_owner *owner, const struct podipam_want *want,
    podipam_added *cb, void *arg)
{
	enum podipam_verdict verdict = PODIPAM_BAD;
	struct lease *l = NULL;

	if (leases_owner_is_good(owner)) {
		l = leases_find(&p->table, owner->container, owner->ifname);
		verdict = PODIPAM_OK;
		if (!l)
			verdict = leases_take(&p->table, owner, want, &l);
	}
	if (verdict != PODIPAM_OK)
		return verdict;
	if (!l->line) {
		l->l.since = loop_wall(p->loop);
		put_down(p, l);
		changed(p);
	} else if (has_moved(l, owner)) {
		leases_rename(l, owner);
		put_down(p, l);
	}
	if (l->seq <= p->on_disk)
		cb(arg, PODIPAM_OK, &l->l);
	else
		wait_add(p, l, cb, arg);
	return PODIPAM_OK;
}

void
podipam_forget(struct podipam *p, const void *arg)
{
	for (struct waiter *w = p->waiters; w; w = w->next)
		if (w->arg == arg)
			w->cb = NULL;
}

enum podipam_verdict
podipam_del(struct podipam *p, const char *container, const char *ifname)
{
	struct lease *l = leases_find(&p->table, container, ifname);

	if (!l)
		return PODIPAM_NOT_FOUND;
	take_back(p, l);
	return PODIPAM_OK;
}

const struct podipam_lease *
podipam_find(struct podipam *p, const char *container, const char *ifname)
{
	const struct lease *l = leases_find(&p->table, container, ifname);

	return l ? &l->l : NULL;
}

static int
valid_cmp(const void *a, const void *b)
{
	const struct podipam_valid *x = a, *y = b;
	const int c = strcmp(x->container, y->container);

	return c ? c : strcmp(x->ifname, y->ifname);
}

size_t
podipam_gc(struct podipam *p, const char *network, struct podipam_valid *valid, size_t nr)
{
	struct lease *l, *next;
	size_t taken = 0;

	if (nr > 0)
		qsort(valid, nr, sizeof(*valid), valid_cmp);
	HASH_ITER(hh, p->table.leases, l, next)
	{
		const struct podipam_valid key = { l->l.owner.container, l->l.owner.ifname };

		if (strcmp(l->l.owner.network, network) != 0 ||
		    (nr > 0 && bsearch(&key, valid, nr, sizeof(*valid), valid_cmp)))
			continue;
		take_back(p, l);
		taken++;
	}
	return taken;
}

void
podipam_each(const struct podipam *p, podipam_each_fn *fn, void *arg)
{
	for (const struct lease *l = p->table.leases; l; l = l->hh.next)
		if (!fn(arg, &l->l))
			return;
}

struct podipam_count
podipam_count_pool(const struct podipam *p, const char *pool, enum addr_family family)
{
	struct podipam_count c = { 0 };

	for (size_t i = 0; i < p->table.nr_ranges; i++) {
		const struct range *r = &p->table.ranges[i];
		uint64_t room = range_size(&(struct addr_range){ r->first, r->last });

		if (r->prefix.addr.family != family || strcmp(r->pool, pool) != 0)
			continue;
		c.used += r->used;
		c.total = c.total + room < room ? UINT64_MAX : c.total + room;
	}
	return c;
}

uint64_t
podipam_count_range(const struct podipam *p, const struct prefix *prefix)
{
	for (size_t i = 0; i < p->table.nr_ranges; i++)
		if (prefix_eq(&p->table.ranges[i].prefix, prefix))
			return p->table.ranges[i].used;
	return 0;
}
