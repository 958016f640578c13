/*
 * resource/files.h: the files source: YAML files and directories -> objects in the store, kept up
 * to date with inotify.
 *
 * The set of all files is one: while anything in it is at fault, nothing of it is taken on, the
 * running set stays, and the faults are there to be shown.  A good set is applied as a difference;
 * only files that changed are read again.  A file that somebody has open for writing is read when
 * it is closed; a rename, a symlink swap and an appearing directory are seen at once.
 */
#ifndef HERALD_RESOURCE_FILES_H
#define HERALD_RESOURCE_FILES_H

#include "resource/object.h"

struct files;
struct loop;
struct store;

/* After every reading, also the first: was the set good (and is it running)?  May not free. */
typedef void files_result_cb(void *arg, bool ok);

/*
 * Read @paths (each a file, or a directory whose *.yaml and *.yml count, in name order, not
 * below) into @store as a source named "files", and watch them.  The first reading is done
 * before this returns, @cb included; files_ok() tells how it went.  Strings are copied.
 * NULL: out of memory, errno says.  Where the kernel has no watch to give, everything is looked at
 * every few seconds until it has, see files_unwatched().
 */
struct files *files_new(struct loop *, struct store *, const char *const *paths, size_t nr_paths,
    files_result_cb *cb, void *arg);
/* Stops watching; what it put stays in the store. */
void files_free(struct files *); /* NULL is fine */

/* Read everything again, changed or not (SIGHUP).  0: good; -EINVAL: files_faults() says what is
 * wrong; -ENOMEM. */
int files_reload(struct files *) __attribute__((warn_unused_result));

/* The last reading: good? what was wrong? when (loop_wall)? */
bool files_ok(const struct files *);
const struct res_faults *files_faults(const struct files *);
int64_t files_read_at(const struct files *);
/* Why changes are found by looking and not told by the kernel, and what to do about it; NULL: they are
 * told. */
const char *files_unwatched(const struct files *);
/* How many sets were refused so far. */
uint64_t files_nr_refused(const struct files *);

/* A file as it would be. */
struct files_text {
	const char *path; /* as faults show it */
	const char *text; /* not ended by a zero */
	size_t len;
};

/*
 * Take these on in place of what the paths hold, as files_reload() would if they held it; nothing on the
 * disk is looked at.  For a process that was forked to see what would come of it, and ends.  As
 * files_reload().
 */
int files_try(struct files *, const struct files_text *, size_t nr)
    __attribute__((warn_unused_result));

/*
 * Only check (`herald -t`): the same reading without store and watches.  @out may be NULL, else
 * gets the objects.  0; -EINVAL: there are faults; -ENOMEM.
 */
int files_check(const char *const *paths, size_t nr_paths, struct res_set *out,
    struct res_faults *faults) __attribute__((warn_unused_result));

#endif
