/*
 * resource/watch.c: inotify for the files source; see watch.h.
 *
 * The kernel watches directories by inode.  A watch is either that of a root's directory, where
 * names of files are told one by one, or it stands at a directory in which certain names matter
 * (the next step of a path, a symlink's own name): whatever happens to those, everything is looked
 * at again.  A ConfigMap's "..data" and an /etc/herald that appears late are both that.
 */
#include "resource/watch.h"

#include "resource/fileset.h"

#include "lib/loop.h"
#include "lib/mem.h"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <errno.h>
#include <limits.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_STEPS 256u /* of one path, symlinks followed; the kernel allows 40 links */

#define ROOT_MASK                                                                                  \
	(IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |        \
	    IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

/* A name that matters: that of the file that root @root is, or (-1) a step on the way. */
struct name {
	char *text;
	int root;
};

struct dir {
	int wd;
	bool wanted; /* named since watch_begin() */
	bool is_root;
	size_t root;
	struct name *names;
	size_t nr_names, cap_names;
};

struct watch {
	struct loop *loop;
	int fd; /* -1: deaf */
	struct loop_fd *ready;
	struct dir *dirs;
	size_t nr_dirs, cap_dirs;
	int lack; /* errno of what could not be watched first; 0: nothing */
	watch_event_cb *event;
	watch_done_cb *done;
	void *arg;
};

/* ---- what is watched ---- */

static void
names_free(struct dir *d)
{
	for (size_t i = 0; i < d->nr_names; i++)
		mem_free(d->names[i].text);
	mem_free(d->names);
	d->names = NULL;
	d->nr_names = d->cap_names = 0;
}

static struct dir *
dir_of(struct watch *w, int wd)
{
	for (size_t i = 0; i < w->nr_dirs; i++)
		if (w->dirs[i].wd == wd)
			return &w->dirs[i];
	return NULL;
}

static void
lacks(struct watch *w, int err)
{
	if (!w->lack)
		w->lack = err;
}

/* NULL: it cannot be watched, and is not there to be told of. */
static struct dir *
dir_add(struct watch *w, const char *path)
{
	struct dir *d;
	int wd;

	if (w->fd < 0)
		return NULL;
	wd = inotify_add_watch(w->fd, path, ROOT_MASK);
	if (wd < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			lacks(w, errno);
		return NULL;
	}
	d = dir_of(w, wd);
	if (!d) {
		if (mem_grow((void **)&w->dirs, &w->cap_dirs, w->nr_dirs, sizeof(*d), 0) < 0) {
			lacks(w, ENOMEM);
			return NULL;
		}
		d = &w->dirs[w->nr_dirs++];
		*d = (struct dir){ .wd = wd };
	}
	d->wanted = true;
	return d;
}

void
watch_dir(struct watch *w, const char *path, size_t root)
{
	struct dir *d = dir_add(w, path);

	if (d) {
		d->is_root = true;
		d->root = root;
	}
}

static void
name_add(struct watch *w, const char *path, const char *name, int root)
{
	struct dir *d = dir_add(w, path);
	char *copy;

	if (!d)
		return;
	for (size_t i = 0; i < d->nr_names; i++)
		if (strcmp(d->names[i].text, name) == 0 && d->names[i].root == root)
			return;
	copy = mem_strndup(name, strlen(name));
	if (!copy ||
	    mem_grow((void **)&d->names, &d->cap_names, d->nr_names, sizeof(*d->names), 0) < 0) {
		mem_free(copy);
		lacks(w, ENOMEM);
		return;
	}
	d->names[d->nr_names++] = (struct name){ copy, root };
}

/* A path that is walked: what is behind, and the steps that are still ahead. */
struct walk {
	char at[PATH_MAX];
	char path[PATH_MAX];
	const char *ahead; /* in path */
};

/* Take the next step off the path ahead into @step; false: there is none, or no room. */
static bool
next_step(struct walk *p, char step[NAME_MAX + 1])
{
	const char *s = p->ahead + strspn(p->ahead, "/");
	size_t len = strcspn(s, "/");

	if (!len || len > NAME_MAX)
		return false;
	memcpy(step, s, len);
	step[len] = '\0';
	p->ahead = s + len;
	return true;
}

/* at = at/step; false: too long. */
static bool
advance(struct walk *p, const char *step)
{
	size_t len = strlen(p->at), more = strlen(step);

	if (len + more + 2 > sizeof(p->at))
		return false;
	if (len == 0 || p->at[len - 1] != '/')
		p->at[len++] = '/';
	memcpy(p->at + len, step, more + 1);
	return true;
}

/* The symlink at/step leads to somewhere else: that comes ahead.  False: too long. */
static bool
follow(struct walk *p, const char *target)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/%s", target, p->ahead);

	if (len >= (int)sizeof(path))
		return false;
	memcpy(p->path, path, (size_t)len + 1);
	p->ahead = p->path;
	if (target[0] == '/')
		memcpy(p->at, "/", 2);
	return true;
}

enum step_kind { STEP_PLAIN, STEP_MISSING, STEP_LINK };

/* What at/step is; @target: where a symlink leads. */
static enum step_kind
look(const struct walk *p, const char *step, char target[PATH_MAX])
{
	char path[PATH_MAX + NAME_MAX + 2];
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%s", p->at, step);
	len = readlink(path, target, PATH_MAX - 1);
	if (len > 0) {
		target[len] = '\0';
		return STEP_LINK;
	}
	return errno == EINVAL ? STEP_PLAIN : STEP_MISSING;
}

static bool
is_dir(const struct walk *p, const char *step)
{
	char path[PATH_MAX + NAME_MAX + 2];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", p->at, step);
	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* One step; false: the path ends here. */
static bool
take_step(struct watch *w, struct walk *p, const char *step, int root)
{
	bool last = !p->ahead[strspn(p->ahead, "/")];
	char target[PATH_MAX];
	enum step_kind kind;

	if (strcmp(step, ".") == 0)
		return true;
	if (strcmp(step, "..") == 0)
		return advance(p, step);
	kind = look(p, step, target);
	/*
	 * Directories are left alone unless they could come to be another, the last one as well: its
	 * own watch tells when it goes.  To watch a busy one such as /tmp also takes the kernel
	 * milliseconds, one look at each name that it has cached.
	 */
	if (kind != STEP_PLAIN || (last && !is_dir(p, step)))
		name_add(w, p->at, step, kind == STEP_LINK || !last ? -1 : root);
	if (kind == STEP_LINK)
		return follow(p, target);
	return kind == STEP_PLAIN && advance(p, step);
}

void
watch_path(struct watch *w, const char *path, int root)
{
	char step[NAME_MAX + 1];
	struct walk p;

	if (strlen(path) >= sizeof(p.path)) {
		lacks(w, ENAMETOOLONG);
		return;
	}
	memcpy(p.path, path, strlen(path) + 1);
	p.ahead = p.path;
	if (path[0] == '/' || !getcwd(p.at, sizeof(p.at)))
		memcpy(p.at, "/", 2);
	for (unsigned i = 0; i < MAX_STEPS && next_step(&p, step); i++)
		if (!take_step(w, &p, step, root))
			break;
}

static int listen_to(struct watch *);

void
watch_begin(struct watch *w)
{
	w->lack = w->fd < 0 ? -listen_to(w) : 0;
	for (size_t i = 0; i < w->nr_dirs; i++) {
		names_free(&w->dirs[i]);
		w->dirs[i].wanted = w->dirs[i].is_root = false;
	}
}

void
watch_end(struct watch *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->nr_dirs; i++) {
		if (w->dirs[i].wanted) {
			w->dirs[kept++] = w->dirs[i];
			continue;
		}
		names_free(&w->dirs[i]);
		(void)inotify_rm_watch(w->fd, w->dirs[i].wd); /* may be gone by itself */
	}
	w->nr_dirs = kept;
}

int
watch_lack(const struct watch *w)
{
	return w->lack;
}

/* ---- what happens ---- */

/* The file @name of a root, or ("") the root itself. */
static void
on_file_event(struct watch *w, size_t root, const char *name, uint32_t mask)
{
	enum watch_what what = WATCH_ALL;

	if (mask & IN_ISDIR)
		what = WATCH_ALL;
	else if (mask & IN_CREATE)
		what = WATCH_CREATED;
	else if (mask & (IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE))
		what = WATCH_CHANGED;
	else if (mask & IN_MODIFY)
		what = WATCH_WRITING;
	w->event(w->arg, what, root, name);
}

static void
on_named_event(struct watch *w, const struct dir *d, const struct inotify_event *ev)
{
	for (size_t i = 0; i < d->nr_names; i++) {
		const struct name *n = &d->names[i];

		if (strcmp(n->text, ev->name) != 0)
			continue;
		if (n->root >= 0)
			on_file_event(w, (size_t)n->root, "", ev->mask);
		else if (!(ev->mask & IN_MODIFY)) /* looked at when it is closed */
			w->event(w->arg, WATCH_ALL, 0, "");
	}
}

static void
on_event(struct watch *w, const struct inotify_event *ev)
{
	const struct dir *d = dir_of(w, ev->wd);

	if (ev->mask & IN_Q_OVERFLOW)
		w->event(w->arg, WATCH_ALL, 0, "");
	if (!d)
		return;
	if (ev->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) {
		w->event(w->arg, WATCH_ALL, 0, "");
		return;
	}
	if (!ev->len)
		return; /* the directory's own attributes */
	on_named_event(w, d, ev);
	if (d->is_root && fileset_wants(ev->name))
		on_file_event(w, d->root, ev->name, ev->mask);
}

static void
on_ready(void *arg, int fd, unsigned what)
{
	alignas(struct inotify_event) char buf[16384];
	struct watch *w = arg;
	ssize_t len;

	(void)what;
	while ((len = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < len;) {
			const struct inotify_event *ev = (const void *)(buf + at);

			on_event(w, ev);
			at += (ssize_t)(sizeof(*ev) + ev->len);
		}
	}
	w->done(w->arg);
}

/* An inotify instance of our own: 0, or -errno and we are deaf. */
static int
listen_to(struct watch *w)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd < 0)
		return -errno;
	w->ready = loop_fd_new(w->loop, fd, LOOP_READ, on_ready, w);
	if (!w->ready) {
		close(fd);
		return -ENOMEM;
	}
	w->fd = fd;
	return 0;
}

struct watch *
watch_new(struct loop *loop, watch_event_cb *event, watch_done_cb *done, void *arg)
{
	struct watch *w = mem_calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->loop = loop;
	w->event = event;
	w->done = done;
	w->arg = arg;
	w->fd = -1;
	return w;
}

void
watch_free(struct watch *w)
{
	if (!w)
		return;
	loop_fd_free(w->ready);
	if (w->fd >= 0)
		close(w->fd);
	for (size_t i = 0; i < w->nr_dirs; i++)
		names_free(&w->dirs[i]);
	mem_free(w->dirs);
	mem_free(w);
}
