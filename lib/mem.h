/*
 * lib/mem.h: the two classes of allocation.
 *
 * x*(): small and bounded by our own code; running out ends the program with a message.
 * mem_*(): sized by a peer, a file or the API; may give NULL, and the caller has an error path
 * that a test has walked.  mem_fail_at(n) makes the n-th mem_*() call from now on fail (tests).
 */
#ifndef HERALD_LIB_MEM_H
#define HERALD_LIB_MEM_H

#include <stddef.h>
#include <stdint.h>

void *xcalloc(size_t n, size_t size);
void *xrealloc(void *, size_t n, size_t size);
char *xstrdup(const char *);
char *xstrndup(const char *, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define xnew(type) ((type *)xcalloc(1, sizeof(type)))
#define xnew_n(type, n) ((type *)xcalloc((n), sizeof(type)))

void *mem_calloc(size_t n, size_t size);
void *mem_realloc(void *, size_t n, size_t size); /* NULL: the old block is still there */
char *mem_strndup(const char *, size_t n);
void mem_free(void *); /* the same as free(); NULL is fine */

/* Fail the @nth fallible allocation from now (1: the next); 0 switches it off. */
void mem_fail_at(unsigned nth);

/* Overwrites, and is not optimised away: for secrets. */
void mem_wipe(void *, size_t len);

/*
 * Grow an array: makes room for one more element in *arr of *cap elements of @size; doubles.
 * -ENOMEM when memory is short or @max elements are there already (0: no limit).
 */
int mem_grow(void **arr, size_t *cap, size_t nr, size_t size, size_t max)
    __attribute__((warn_unused_result));

#endif
