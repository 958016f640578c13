/*
 * resource/watch.h: inotify for the files source: what happens in the directories of its roots, and
 * at every place on the way to them where a name could come to mean something else.
 */
#ifndef HERALD_RESOURCE_WATCH_H
#define HERALD_RESOURCE_WATCH_H

#include <stdbool.h>
#include <stddef.h>

struct loop;
struct watch;

enum watch_what {
	WATCH_CHANGED, /* @name of the root's directory was written and closed, or came, or went */
	WATCH_CREATED, /* it was made, and may still be empty */
	WATCH_WRITING, /* somebody writes to it */
	WATCH_ALL,     /* anything may have changed: look at everything */
};

typedef void watch_event_cb(void *arg, enum watch_what, size_t root, const char *name);
/* All events that there were have been told. */
typedef void watch_done_cb(void *arg);

/* NULL: no memory.  Without an inotify instance it is deaf, see watch_lack(), and asks for one again at
 * each watch_begin(). */
struct watch *watch_new(struct loop *, watch_event_cb *, watch_done_cb *, void *arg);
void watch_free(struct watch *); /* NULL is fine */

/* Between begin and end everything that is to be watched is named anew; the rest is dropped. */
void watch_begin(struct watch *);
/* The directory of a root. */
void watch_dir(struct watch *, const char *path, size_t root);
/* A path: what it is, and every symlink and missing step on the way to it.  @root: it is that of
 * this root, whose name is then "" in events; -1 else. */
void watch_path(struct watch *, const char *path, int root);
void watch_end(struct watch *);
/* What of all that was named since watch_begin() could not be watched: 0: nothing; else the first
 * errno: EMFILE: no instance, ENOSPC: the user's limit of watches, EACCES, ... */
int watch_lack(const struct watch *);

#endif
