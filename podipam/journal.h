/*
 * podipam/journal.h: the file that the leases are in.  Lines are appended by a thread of its own, since
 * a disk may take its time: what came while it wrote goes out at its next turn, with one sync for all
 * (group commit).  From time to time, and after an error, the whole is written anew beside the old
 * file and renamed.
 *
 * All calls from the loop thread.
 */
#ifndef HERALD_PODIPAM_JOURNAL_H
#define HERALD_PODIPAM_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct journal;
struct loop;

struct journal_ops {
	/* Everything up to @seq is on disk, or (err < 0) what lies above the last good one and up to @seq
	 * is not, and will be in no file: the next one is written anew from snapshot(). */
	void (*done)(void *arg, uint64_t seq, int err);
	/* The whole as it is now, for a new file. */
	void (*snapshot)(void *arg, struct buf *);
	void *arg;
};

#define JOURNAL_MAX ((size_t)64 << 20)

/* All of the file; *text is the caller's, NULL and 0 bytes when there is none.  -errno; -EFBIG. */
int journal_read(const char *path, char **text, size_t *len) __attribute__((warn_unused_result));

/* Be ready to append: the first line brings a new file, from snapshot(), in place of the one that is
 * there, and the thread.  NULL: *err is -errno. */
struct journal *journal_new(struct loop *, const char *path, const struct journal_ops *, int *err);
/* What is left is written; done() is not called any more. */
void journal_free(struct journal *);

/* One line; its place in the order, from 1. */
uint64_t journal_append(struct journal *, const char *line, size_t len);
/* @live: bytes that a new file would have; more than four times that are not worth keeping. */
void journal_live(struct journal *, size_t live);

#endif
