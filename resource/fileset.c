/*
 * resource/fileset.c: which files there are and what each of them holds; see fileset.h.  The set
 * as a whole is in settle.c.
 */
#include "resource/fileset.h"

#include "resource/claim.h"
#include "resource/files.h"

#include "lib/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
fileset_init(struct fileset *fs, const char *const *paths, size_t nr)
{
	*fs = (struct fileset){ 0 };
	fs->files = index_new();
	fs->roots = mem_calloc(nr ? nr : 1, sizeof(*fs->roots));
	if (!fs->files || !fs->roots)
		goto fail;
	for (int k = 0; k < RES_NR_KINDS; k++) {
		fs->keys[k] = index_new();
		if (!fs->keys[k])
			goto fail;
	}
	for (size_t i = 0; i < nr; i++) {
		size_t len = strlen(paths[i]);

		while (len > 1 && paths[i][len - 1] == '/')
			len--;
		fs->roots[i].path = mem_strndup(paths[i], len);
		if (!fs->roots[i].path)
			goto fail;
		snprintf(fs->roots[i].ns, sizeof(fs->roots[i].ns), "%08zu", i);
		fs->nr_roots++;
	}
	return 0;

fail:
	fileset_fini(fs);
	return -ENOMEM;
}

void
fileset_forget(struct fileset *fs, struct fileset_file *f)
{
	claim_drop(fs, &f->cur);
	fs->nr_bad -= fault_count(&f->faults) > 0;
	res_set_fini(&f->cur);
	res_set_fini(&f->run);
	res_faults_fini(&f->faults);
	mem_free(f->path);
	index_remove(fs->files, f->node);
	mem_free(f);
}

void
fileset_fini(struct fileset *fs)
{
	struct index_node *n;

	while (fs->files && (n = index_first(fs->files)) != NULL)
		fileset_forget(fs, n->value);
	index_free(fs->files);
	for (int k = 0; k < RES_NR_KINDS; k++)
		index_free(fs->keys[k]);
	for (size_t i = 0; i < fs->nr_roots; i++)
		mem_free(fs->roots[i].path);
	mem_free(fs->roots);
	res_faults_fini(&fs->faults);
	*fs = (struct fileset){ 0 };
}

bool
fileset_wants(const char *name)
{
	size_t len = strlen(name);

	if (name[0] == '.') /* editors' and kubelet's own */
		return false;
	return (len > 5 && strcmp(name + len - 5, ".yaml") == 0) ||
	    (len > 4 && strcmp(name + len - 4, ".yml") == 0);
}

/* The file @name of a root, "" for the root itself; made when it is not known.  NULL: no memory. */
static struct fileset_file *
file_get(struct fileset *fs, const struct fileset_root *root, const char *name)
{
	struct index_node *n = index_add(fs->files, root->ns, name);
	size_t size = strlen(root->path) + strlen(name) + 2;
	struct fileset_file *f;

	if (!n || n->value)
		return n ? n->value : NULL;
	f = mem_calloc(1, sizeof(*f));
	if (f)
		f->path = mem_calloc(1, size);
	if (!f || !f->path) {
		mem_free(f);
		index_remove(fs->files, n);
		return NULL;
	}
	snprintf(f->path, size, "%s%s%s", root->path, *name ? "/" : "", name);
	f->node = n;
	n->value = f;
	return f;
}

/* ---- reading ---- */

static int
file_fault(const char *path, struct res_faults *faults, const char *what, const char *right)
{
	const struct fault_place at = { path, 1, 1, "Document/1", "file", false };

	return fault_add(faults, &at, "%s: %s", what, right);
}

/* The whole text of @fd, at most RES_MAX_FILE and one byte; -errno. */
static int
slurp(int fd, size_t expected, char **text, size_t *len)
{
	size_t cap = expected + 1 < 4096 ? 4096 : expected + 1, nr = 0;
	char *buf = mem_calloc(1, cap);

	while (buf) {
		ssize_t got = read(fd, buf + nr, cap - nr);
		char *more;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int err = -errno;

			mem_free(buf);
			return err;
		}
		nr += (size_t)got;
		if (got == 0 || nr > RES_MAX_FILE) {
			*text = buf;
			*len = nr;
			return 0;
		}
		if (nr < cap)
			continue;
		more = mem_realloc(buf, 2, cap);
		if (!more)
			mem_free(buf);
		buf = more;
		cap *= 2;
	}
	return -ENOMEM;
}

/* Decode an open file; what is wrong goes to @faults.  -ENOMEM. */
static int
read_open(const char *path, int fd, const struct stat *st, struct res_set *objs,
    struct res_faults *faults)
{
	char what[64], *text = NULL;
	size_t len = 0;
	int err;

	if (!S_ISREG(st->st_mode))
		return file_fault(path, faults, "not a file", "must be a file or a directory");
	if (st->st_size > RES_MAX_FILE) {
		snprintf(what, sizeof(what), "%lld bytes", (long long)st->st_size);
		return file_fault(path, faults, what, "must be at most 16777216");
	}
	err = slurp(fd, (size_t)st->st_size, &text, &len);
	if (err == -ENOMEM)
		return err;
	if (err < 0)
		return file_fault(path, faults, strerror(-err), "must be readable");
	err = res_decode_yaml(path, text, len, objs, faults);
	mem_wipe(text, len);
	mem_free(text);
	return err == -EINVAL ? 0 : err;
}

static int
read_path(const char *path, struct stat *st, struct res_set *objs, struct res_faults *faults)
{
	int err, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return file_fault(path, faults, strerror(errno), "must be readable");
	if (fstat(fd, st) < 0)
		err = file_fault(path, faults, strerror(errno), "must be readable");
	else
		err = read_open(path, fd, st, objs, faults);
	close(fd);
	return err;
}

/* Is there still nothing in it but the same trouble? */
static bool
is_no_news(
    const struct fileset_file *f, const struct res_set *objs, const struct res_faults *faults)
{
	if (f->cur.nr || objs->nr || f->faults.nr != faults->nr)
		return false;
	return faults->nr == 0 || strcmp(f->faults.v[0].text, faults->v[0].text) == 0;
}

/* What @f holds is from now on @objs and @faults, which it takes over.  -ENOMEM: nothing. */
static int
file_set(
    struct fileset *fs, struct fileset_file *f, struct res_set *objs, struct res_faults *faults)
{
	struct res_set none = { 0 };

	fs->nr_news += !is_no_news(f, objs, faults);
	claim_drop(fs, &f->cur);
	if (claim_add(fs, objs) < 0) {
		/* Nothing is held until it can be read again. */
		res_set_fini(objs);
		res_faults_fini(faults);
		*objs = none;
		f->id = (struct stat){ 0 };
		res_set_fini(&f->cur);
		return -ENOMEM;
	}
	fs->nr_bad -= fault_count(&f->faults) > 0;
	res_set_fini(&f->cur);
	res_faults_fini(&f->faults);
	f->cur = *objs;
	f->faults = *faults;
	fs->nr_bad += fault_count(&f->faults) > 0;
	if (!f->pending) {
		f->pending = true;
		f->next_pending = fs->pending;
		fs->pending = f;
	}
	return 0;
}

static int
file_read(struct fileset *fs, struct fileset_file *f)
{
	struct res_set objs = { 0 };
	struct res_faults faults = { 0 };
	struct stat st = { 0 };
	int err;

	f->writing = false;
	err = read_path(f->path, &st, &objs, &faults);
	if (err < 0) {
		res_set_fini(&objs);
		res_faults_fini(&faults);
		f->id = (struct stat){ 0 };
		return err;
	}
	f->id = st;
	return file_set(fs, f, &objs, &faults);
}

/* It is there no more: hold nothing.  It goes when that has been settled. */
static int
file_gone(struct fileset *fs, struct fileset_file *f)
{
	struct res_set objs = { 0 };
	struct res_faults faults = { 0 };

	f->writing = false;
	f->id = (struct stat){ 0 };
	f->seen = false;
	return file_set(fs, f, &objs, &faults);
}

static bool
time_eq(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool
looks_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	    time_eq(a->st_mtim, b->st_mtim) && time_eq(a->st_ctim, b->st_ctim);
}

/* ---- looking ---- */

/* Look at one file; a directory of that name does not count. */
static int
look_at(struct fileset *fs, const struct fileset_root *root, const char *name, bool force)
{
	struct fileset_file *f = file_get(fs, root, name);
	struct stat st;

	if (!f)
		return -ENOMEM;
	if (stat(f->path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0; /* not seen, so it goes */
	if (lstat(f->path, &st) < 0 && errno == ENOENT)
		return 0;
	f->seen = true;
	if (S_ISLNK(st.st_mode) && fs->watch)
		fs->watch->path(fs->arg, f->path, -1);
	if (f->writing && !force)
		return 0;
	if (!force && stat(f->path, &st) == 0 && looks_same(&st, &f->id))
		return 0;
	return file_read(fs, f);
}

static int
scan_dir(struct fileset *fs, struct fileset_root *root, bool force)
{
	DIR *dir = opendir(root->path);
	const struct dirent *de;
	int err = 0;

	if (!dir) {
		root->error = errno;
		return errno == ENOMEM ? -ENOMEM : 0;
	}
	while (!err && (de = readdir(dir)) != NULL)
		if (fileset_wants(de->d_name))
			err = look_at(fs, root, de->d_name, force);
	closedir(dir);
	return err;
}

static int
scan_root(struct fileset *fs, size_t nr, bool force)
{
	struct fileset_root *root = &fs->roots[nr];
	const int had = root->error;
	struct stat st;
	bool is_dir = stat(root->path, &st) == 0 && S_ISDIR(st.st_mode);
	int err = 0;

	/* The directory first: when it goes before that, the way to it finds it missing. */
	if (is_dir && fs->watch)
		fs->watch->dir(fs->arg, root->path, nr);
	if (fs->watch)
		fs->watch->path(fs->arg, root->path, (int)nr);
	root->error = 0;
	if (stat(root->path, &st) < 0)
		root->error = errno;
	else if (!S_ISDIR(st.st_mode))
		err = look_at(fs, root, "", force);
	else
		err = scan_dir(fs, root, force);
	fs->nr_news += root->error != had;
	return err;
}

int
fileset_scan(struct fileset *fs, bool force)
{
	struct index_node *n;
	int err = 0;

	for (n = index_first(fs->files); n; n = index_next(n))
		((struct fileset_file *)n->value)->seen = false;
	for (size_t i = 0; i < fs->nr_roots && !err; i++)
		err = scan_root(fs, i, force);
	for (n = index_first(fs->files); n && !err; n = index_next(n)) {
		struct fileset_file *f = n->value;

		if (!f->seen)
			err = file_gone(fs, f);
	}
	return err;
}

int
fileset_touch(struct fileset *fs, size_t root, const char *name)
{
	struct fileset_file *f = file_get(fs, &fs->roots[root], name);
	int err;

	if (!f)
		return -ENOMEM;
	f->seen = false;
	err = look_at(fs, &fs->roots[root], name, true);
	if (!err && !f->seen)
		err = file_gone(fs, f);
	return err;
}

int
fileset_hold(struct fileset *fs, size_t root, const char *name)
{
	struct fileset_file *f = file_get(fs, &fs->roots[root], name);

	if (!f)
		return -ENOMEM;
	f->writing = true;
	return 0;
}

/* ---- texts that come from elsewhere ---- */

static int
text_set(struct fileset *fs, const struct fileset_root *root, const struct files_text *t)
{
	struct fileset_file *f = file_get(fs, root, "");
	struct res_faults faults = { 0 };
	struct res_set objs = { 0 };
	char what[64];
	int err;

	if (!f)
		return -ENOMEM;
	f->seen = true;
	f->writing = false;
	if (t->len > RES_MAX_FILE) {
		snprintf(what, sizeof(what), "%zu bytes", t->len);
		err = file_fault(f->path, &faults, what, "must be at most 16777216");
	} else {
		err = res_decode_yaml(f->path, t->text, t->len, &objs, &faults);
	}
	if (err == 0 || err == -EINVAL)
		return file_set(fs, f, &objs, &faults);
	res_set_fini(&objs);
	res_faults_fini(&faults);
	return err;
}

int
fileset_replace(struct fileset *fs, const struct files_text *texts, size_t nr)
{
	struct fileset_root root;
	struct index_node *n;
	int err = 0;

	for (n = index_first(fs->files); n; n = index_next(n))
		((struct fileset_file *)n->value)->seen = false;
	for (size_t i = 0; i < fs->nr_roots; i++)
		fs->roots[i].error = 0;
	for (size_t i = 0; i < nr && !err; i++) {
		root = (struct fileset_root){ .path = mem_strndup(
						  texts[i].path, strlen(texts[i].path)) };
		snprintf(root.ns, sizeof(root.ns), "text %08zu", i);
		err = root.path ? text_set(fs, &root, &texts[i]) : -ENOMEM;
		mem_free(root.path);
	}
	for (n = index_first(fs->files); n && !err; n = index_next(n)) {
		struct fileset_file *f = n->value;

		if (!f->seen)
			err = file_gone(fs, f);
	}
	return err;
}
