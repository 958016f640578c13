/*
 * l2/answer.h: the answering program and its maps in the kernel.  Private to the room: l2.c says
 * what is answered, answer_load.c brings the program in, answer_stand.c onto devices.
 *
 * Under <pin_path>/l2:
 *
 *   addrs, devices, state, counters, events   the maps, as in l2_abi.h
 *   links/<ifindex>       the bpf_link that keeps the program on a device
 *   links/<ifindex>-tc    the program of a filter of the older tc (kernels before 6.6)
 *   next/                 what becomes one of the above by rename
 *
 * What is attached is asked of the pins each time: they outlive us and cannot disagree with memory.
 */
#ifndef HERALD_L2_ANSWER_H
#define HERALD_L2_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "l2/l2_abi.h"
#include "lib/addr.h"

enum answer_map {
	ANSWER_ADDRS,
	ANSWER_DEVICES,
	ANSWER_STATE,
	ANSWER_COUNTERS,
	ANSWER_EVENTS,
	ANSWER_NR_PINS, /* those before are pinned */
	ANSWER_WATCHED = ANSWER_NR_PINS,
	ANSWER_NR_MAPS
};

enum { ANSWER_WHY = 512, ANSWER_PATH = 320 };

struct ring_buffer;

struct answer {
	char pin[ANSWER_PATH / 2]; /* with /l2 */
	int map[ANSWER_NR_MAPS];   /* -1: not loaded */
	int prog;
	bool adopted; /* the maps are an earlier process's */
	struct ring_buffer *ring;
	void (*heard)(void *arg, const struct l2_event *);
	void *heard_arg;
	bool force_clsact; /* as on a kernel before 6.6 (tests) */
	char why[ANSWER_WHY];
};

/* ---- answer_load.c ---- */
/* -ENAMETOOLONG. */
int answer_init(struct answer *, const char *pin_path);
bool answer_is_pinned(const struct answer *); /* an earlier process left something */
/* 0; else ->why is for people: what failed, on what, what to do. */
int answer_load(struct answer *);
bool answer_is_loaded(const struct answer *);
void answer_close(struct answer *); /* leaves all in the kernel */
/* Everything out of the kernel; 0 or the first error. */
int answer_remove(struct answer *);
const char *answer_advice(int err); /* what to do about it, after a semicolon; "" */
void answer_pin_path(char *path, const struct answer *, const char *name);

/* ---- answer_stand.c ---- */
/* Stand on a device, or exchange what stands there.  0; else ->why. */
int answer_attach(struct answer *, unsigned ifindex, const char *name);
void answer_detach(struct answer *, unsigned ifindex);
int answer_unlink(struct answer *, const char *name); /* as in links/ */
/* Devices that have a program of ours, each once. */
void answer_attached_each(
    struct answer *, void (*each)(void *arg, struct answer *, unsigned ifindex), void *arg);

/* ---- answer.c: what is in the maps ---- */
struct l2_key answer_key(const struct addr *, unsigned ifindex);
struct addr answer_addr(const struct l2_key *);
/* Makes it with this @since, or finds it there and gives its own back. */
int answer_add(struct answer *, const struct l2_key *, uint64_t *since);
int answer_del(struct answer *, const struct l2_key *);
bool answer_get(const struct answer *, const struct l2_key *, struct l2_entry *);
/* Every key; @each may delete it. */
int answer_each(struct answer *, void (*each)(void *arg, const struct l2_key *), void *arg);
int answer_device_set(struct answer *, unsigned ifindex, const struct l2_device *);
void answer_device_del(struct answer *, unsigned ifindex);
int answer_until(struct answer *, uint64_t until_ns);
bool answer_is_in_time(const struct answer *, uint64_t now_ns); /* what was told is not over */
/* Begins to hear of who has it; ends, and says what was heard: false: nothing. */
int answer_watch(struct answer *, const struct l2_key *);
bool answer_unwatch(struct answer *, const struct l2_key *, struct l2_watch *);
/* Records of `events`: @heard is called by answer_hear(), when the descriptor is readable. */
int answer_listen(struct answer *, void (*heard)(void *arg, const struct l2_event *), void *arg);
int answer_listen_fd(const struct answer *);
void answer_hear(struct answer *);
uint64_t answer_counter(const struct answer *, unsigned i);

#endif
