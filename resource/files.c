/*
 * resource/files.c: the files source: the set of files (fileset.h), kept up to date by inotify
 * (watch.h), into the store; see files.h.
 *
 * A reading is: look (at one name, or at everything), settle, tell.  Events of one wake-up are
 * looked at one by one and settled together, so that a file that moves between two names, or an
 * editor's dance with backup files, is one change.
 */
#include "resource/files.h"

#include "resource/fileset.h"
#include "resource/store.h"
#include "resource/watch.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define RETRY_MS 1000u /* after running out of memory */
#define POLL_MS 5000u  /* between two looks at what cannot be watched */

struct files {
	struct loop *loop;
	struct store *store;
	int source;
	struct fileset set;
	struct watch *watch;
	struct loop_timer retry, poll;
	int lack; /* as watch_lack() said last */
	char unwatched[256];
	files_result_cb *cb;
	void *arg;
	bool look_all;	/* an event asks for everything */
	bool looked;	/* something was looked at, and is to be settled */
	bool short_mem; /* the last reading could not be finished */
	bool ok;
	int64_t read_at;
	uint64_t nr_refused;
};

/* Where fileset_scan() is about to look. */
static void
on_path(void *arg, const char *path, int root)
{
	watch_path(((struct files *)arg)->watch, path, root);
}

static void
on_dir(void *arg, const char *path, size_t root)
{
	watch_dir(((struct files *)arg)->watch, path, root);
}

static const struct fileset_watch watch_ops = { on_path, on_dir };

/* Settle what was looked at and tell how it went.  0, -EINVAL, -ENOMEM (tried again later). */
static int
settle(struct files *f, int err)
{
	if (!err)
		err = fileset_settle(&f->set, f->store, f->source);
	f->looked = f->look_all = false;
	f->short_mem = err == -ENOMEM;
	if (err == -ENOMEM) {
		timer_set(&f->retry, RETRY_MS);
		return err;
	}
	f->ok = err == 0;
	f->read_at = (int64_t)loop_wall(f->loop);
	if (f->ok)
		store_source_synced(f->store, f->source, true);
	else
		f->nr_refused++;
	if (f->cb)
		f->cb(f->arg, f->ok);
	return err;
}

static const char *
lack_hint(int err)
{
	switch (err) {
	case EMFILE:
		return "; raise fs.inotify.max_user_instances, which something on this node has "
		       "used up";
	case ENOSPC:
		return "; raise fs.inotify.max_user_watches, which something on this node has used "
		       "up";
	case EACCES:
		return "; let Herald read the directories on the way to its files";
	default:
		return "";
	}
}

/* What the kernel cannot tell us of has to be looked at; and tells of it once. */
static void
mind_lack(struct files *f)
{
	int lack = watch_lack(f->watch);

	if (lack)
		timer_set(&f->poll, POLL_MS);
	if (lack == f->lack)
		return;
	f->lack = lack;
	if (!lack) {
		log_info("files-watched", LOG_S("what", "all of them again"));
		return;
	}
	snprintf(f->unwatched, sizeof(f->unwatched),
	    "changes of files are looked for every %u s, the kernel does not tell of them: %s%s",
	    POLL_MS / 1000, strerror(lack), lack_hint(lack));
	log_warn("files-not-watched", LOG_S("why", f->unwatched));
}

/* -ENOMEM. */
static int
scan(struct files *f, bool force)
{
	int err;

	watch_begin(f->watch);
	err = fileset_scan(&f->set, force);
	watch_end(f->watch);
	mind_lack(f);
	return err;
}

static int
look_at_all(struct files *f, bool force)
{
	return settle(f, scan(f, force));
}

/* Nothing is told when nothing is new. */
static void
on_poll(void *arg)
{
	struct files *f = arg;
	const uint64_t before = f->set.nr_news;
	int err = scan(f, false);

	if (err < 0 || f->set.nr_news != before)
		(void)settle(f, err);
}

/* ---- events ---- */

/* A second name of a file or a symlink is whole when it appears; nobody will close it. */
static bool
is_whole(const struct files *f, size_t root, const char *name)
{
	char path[4096];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s%s%s", f->set.roots[root].path, *name ? "/" : "",
		name) >= (int)sizeof(path))
		return false;
	return lstat(path, &st) == 0 && (S_ISLNK(st.st_mode) || st.st_nlink > 1);
}

static void
on_event(void *arg, enum watch_what what, size_t root, const char *name)
{
	struct files *f = arg;
	int err = 0;

	switch (what) {
	case WATCH_ALL:
		f->look_all = true;
		break;
	case WATCH_CHANGED:
		err = fileset_touch(&f->set, root, name);
		f->looked = true;
		f->look_all |= !*name; /* a root may have become something else */
		break;
	case WATCH_CREATED:
		if (is_whole(f, root, name)) {
			f->look_all = true;
			break;
		}
		/* fall through */
	case WATCH_WRITING:
		err = fileset_hold(&f->set, root, name);
		break;
	}
	if (err < 0)
		f->short_mem = true;
}

static void
on_done(void *arg)
{
	struct files *f = arg;

	if (f->look_all)
		(void)look_at_all(f, false);
	else if (f->looked)
		(void)settle(f, f->short_mem ? -ENOMEM : 0);
}

static void
on_retry(void *arg)
{
	(void)look_at_all(arg, true);
}

/* ---- the source ---- */

struct files *
files_new(struct loop *loop, struct store *store, const char *const *paths, size_t nr_paths,
    files_result_cb *cb, void *arg)
{
	struct files *f = mem_calloc(1, sizeof(*f));
	int err;

	if (!f) {
		errno = ENOMEM;
		return NULL;
	}
	f->loop = loop;
	f->store = store;
	f->cb = cb;
	f->arg = arg;
	timer_init(&f->retry, loop, on_retry, f);
	timer_init(&f->poll, loop, on_poll, f);
	err = fileset_init(&f->set, paths, nr_paths);
	if (err < 0)
		goto free_files;
	f->set.watch = &watch_ops;
	f->set.arg = f;
	f->watch = watch_new(loop, on_event, on_done, f);
	if (!f->watch) {
		err = -ENOMEM;
		goto fini_set;
	}
	f->source = store_source_add(store, "files");
	if (f->source < 0) {
		err = f->source;
		goto free_watch;
	}
	(void)look_at_all(f, true); /* how it went is files_ok()'s to say */
	return f;

free_watch:
	watch_free(f->watch);
fini_set:
	fileset_fini(&f->set);
free_files:
	mem_free(f);
	errno = -err;
	return NULL;
}

void
files_free(struct files *f)
{
	if (!f)
		return;
	timer_stop(&f->retry);
	timer_stop(&f->poll);
	watch_free(f->watch);
	fileset_fini(&f->set);
	mem_free(f);
}

int
files_reload(struct files *f)
{
	return look_at_all(f, true);
}

int
files_try(struct files *f, const struct files_text *texts, size_t nr)
{
	int err = fileset_replace(&f->set, texts, nr);

	return err ? err : fileset_settle(&f->set, f->store, f->source);
}

bool
files_ok(const struct files *f)
{
	return f->ok;
}

const struct res_faults *
files_faults(const struct files *f)
{
	return &f->set.faults;
}

int64_t
files_read_at(const struct files *f)
{
	return f->read_at;
}

const char *
files_unwatched(const struct files *f)
{
	return f->lack ? f->unwatched : NULL;
}

uint64_t
files_nr_refused(const struct files *f)
{
	return f->nr_refused;
}

/* ---- only checking ---- */

static int
hand_out(const struct fileset *set, struct res_set *out)
{
	for (struct index_node *n = index_first(set->files); n; n = index_next(n)) {
		const struct fileset_file *file = n->value;

		for (size_t i = 0; i < file->cur.nr; i++) {
			if (mem_grow((void **)&out->v, &out->cap, out->nr,
				sizeof(struct res_object *), 0) < 0)
				return -ENOMEM;
			out->v[out->nr++] = res_ref(file->cur.v[i]);
		}
	}
	return 0;
}

int
files_check(
    const char *const *paths, size_t nr_paths, struct res_set *out, struct res_faults *faults)
{
	struct fileset set;
	int err = fileset_init(&set, paths, nr_paths);

	if (err < 0)
		return err;
	err = fileset_scan(&set, true);
	if (!err)
		err = fileset_settle(&set, NULL, 0);
	if (err == -EINVAL && fault_copy(faults, &set.faults) < 0)
		err = -ENOMEM;
	if (out && err != -ENOMEM && hand_out(&set, out) < 0)
		err = -ENOMEM;
	fileset_fini(&set);
	return err;
}
