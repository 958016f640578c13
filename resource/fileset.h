/*
 * resource/fileset.h: the inside of the files source: which files there are, what each of them
 * holds, whether all of it together is good, and bringing a good set into the store.  Knows
 * nothing of inotify.
 */
#ifndef HERALD_RESOURCE_FILESET_H
#define HERALD_RESOURCE_FILESET_H

#include "resource/fault.h"
#include "resource/index.h"
#include "resource/object.h"

#include <sys/stat.h>

struct files_text;
struct store;

struct fileset_file {
	char *path;		  /* as faults show it */
	struct index_node *node;  /* (root, name) */
	struct res_set cur, run;  /* as last read; as in the store */
	struct res_faults faults; /* of the last reading */
	struct stat id;		  /* what was read; all zero: nothing */
	bool writing;		  /* somebody has it open: read it when it is closed */
	bool seen;		  /* in the current scan */
	bool pending;		  /* cur is not what run is: it is in the list of those */
	struct fileset_file *next_pending;
};

struct fileset_root {
	char *path;  /* without a trailing slash */
	char ns[24]; /* its number, as the namespace of its files in the index */
	int error;   /* of stat(2), or 0 */
};

/* Called before anything of a path is looked at. */
struct fileset_watch {
	void (*path)(void *arg, const char *path, int root); /* -1: a symlink in a directory */
	void (*dir)(void *arg, const char *path, size_t root);
};

struct fileset {
	struct fileset_root *roots;
	size_t nr_roots;
	struct index *files;		   /* (root, name) -> struct fileset_file */
	struct index *keys[RES_NR_KINDS];  /* (ns, name) -> claims on that key */
	size_t nr_conflicts;		   /* keys with more than one claim */
	size_t nr_bad;			   /* files with faults */
	uint64_t nr_news;		   /* how often a look found something else than before */
	struct fileset_file *pending;	   /* files that are to be brought into the store */
	struct res_faults faults;	   /* of the whole set, as last settled */
	const struct fileset_watch *watch; /* NULL: nobody wants to know */
	void *arg;			   /* its first argument */
};

/* -ENOMEM.  Paths are copied. */
int fileset_init(struct fileset *, const char *const *paths, size_t nr);
void fileset_fini(struct fileset *);

/* Is it a name that counts in a directory? */
bool fileset_wants(const char *name);
/* Look at everything; read what is new or looks different, or all of it with @force.  -ENOMEM. */
int fileset_scan(struct fileset *, bool force) __attribute__((warn_unused_result));
/* Look at one name in the directory of a root; read it, whatever it looks like.  -ENOMEM. */
int fileset_touch(struct fileset *, size_t root, const char *name)
    __attribute__((warn_unused_result));
/* Somebody writes to it, so leave it alone until fileset_touch(). */
int fileset_hold(struct fileset *, size_t root, const char *name)
    __attribute__((warn_unused_result));

/* Hold these texts, and nothing else; the roots count no more.  -ENOMEM. */
int fileset_replace(struct fileset *, const struct files_text *, size_t nr)
    __attribute__((warn_unused_result));

/* Take a file out and free it. */
void fileset_forget(struct fileset *, struct fileset_file *);

/*
 * Is the set good?  If so, @source of @store (NULL: none) gets the difference, and 0 is returned;
 * -EINVAL: this->faults says why not; -ENOMEM: try again.
 */
int fileset_settle(struct fileset *, struct store *, int source)
    __attribute__((warn_unused_result));

#endif
