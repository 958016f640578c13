/*
 * bfd/queue.h: a ring of fixed size between two threads, one that puts and one that takes, with an
 * eventfd that says there is something.  Two of them are all that the engine's thread and the main
 * thread have in common.  Nobody waits: a full ring refuses, and who puts remembers.
 */
#ifndef HERALD_BFD_QUEUE_H
#define HERALD_BFD_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

/* @slots: a power of two.  NULL: no memory, no descriptor; errno says. */
struct queue *queue_new(size_t slots, size_t item_size);
void queue_free(struct queue *);
int queue_fd(const struct queue *); /* readable: look */
/* False: full. */
bool queue_put(struct queue *, const void *item);
size_t queue_room(struct queue *); /* as the one who puts may rely on */
void queue_ring(struct queue *);   /* make the other look */
void queue_quiet(struct queue *);  /* before taking: not readable until rung again */
bool queue_take(struct queue *, void *item);

#endif
