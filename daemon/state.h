/*
 * daemon/state.h: the little that cannot be rebuilt from the sources, in stateDir: who has which
 * address, and whether a herald ran before on this boot of the node.
 *
 * Files are written beside themselves, synced and renamed, so that a crash at any moment leaves the
 * old or the new one whole.
 */
#ifndef HERALD_DAEMON_STATE_H
#define HERALD_DAEMON_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct addr;

/* Make stateDir (one level) when it is not there.  -errno. */
int state_prepare(const char *dir) __attribute__((warn_unused_result));

/* One allocation; strings are borrowed for the call. */
typedef void state_allocation_fn(
    void *arg, const char *owner, const struct addr *, const char *pool);

/*
 * Allocations stand in DIR/allocations.json, whole and synced, and what changed since in
 * DIR/allocations.log, a line an owner, appended without waiting for the disk: a killed process
 * loses nothing, a machine that dies at most what the last save did not have yet.
 */

/*
 * Read both.  0 also when there is none yet; -EBADMSG: the file is not what we write (it is kept
 * aside as allocations.json.bad, and *error says so), the log is read all the same; -errno.  *error is
 * the caller's.
 */
int state_load_allocations(const char *dir, state_allocation_fn *, void *arg, char **error)
    __attribute__((warn_unused_result));
/* Save all: [{"owner","address","pool"}], borrowed; the log starts anew. */
int state_save_allocations(const char *dir, json_t *allocations)
    __attribute__((warn_unused_result));
/* @owner now has just these: [{"address","pool"}], borrowed; empty: none. */
int state_log_allocation(const char *dir, const char *owner, json_t *addresses)
    __attribute__((warn_unused_result));

/* Addresses that nobody has and that rest (DIR/resting.json): [{"address","last","untilMs"}], borrowed,
 * untilMs since 1970.  Renamed into place, but not synced: what a machine that dies forgets is little. */
int state_save_resting(const char *dir, json_t *resting) __attribute__((warn_unused_result));
typedef void state_resting_fn(void *arg, const struct addr *, const char *last, int64_t until_ms);
/* What of it can be read; 0 also when there is none.  -EBADMSG with *error, which is the caller's. */
int state_load_resting(const char *dir, state_resting_fn *, void *arg, char **error)
    __attribute__((warn_unused_result));

/* Is this node drained (DIR/drain.json)? */
struct state_drain {
	bool person;	 /* by heraldctl drain */
	bool withdrawn;	 /* peers have not had its Services any more */
	unsigned wait_s; /* that they were given before */
};
/* Synced and renamed into place; NULL: it is not. */
int state_save_drain(const char *dir, const struct state_drain *)
    __attribute__((warn_unused_result));
/* 0 also when there is none: *d is as it was.  -EBADMSG with *error, which is the caller's. */
int state_load_drain(const char *dir, struct state_drain *d, char **error)
    __attribute__((warn_unused_result));

/*
 * Did a herald run here since the node booted, and not say goodbye?  Then what it told the peers and
 * put into the kernel is still there.  state_mark_running() makes the next start see that,
 * state_mark_gone() makes it not.  Neither waits for the disk.
 */
bool state_was_running(const char *dir);
int state_mark_running(const char *dir) __attribute__((warn_unused_result));
void state_mark_gone(const char *dir);

#endif
