/*
 * datapath/kernel.h: the parts of the loader to each other.  Private to kernel*.c.
 *
 *   kernel.c         the thread that loads, and what is done with what it gives
 *   kernel_load.c    opens the objects, loads them, says in words why not
 *   kernel_keep.c    finds that what is pinned is what would be loaded
 *   kernel_maps.c    adopts, sizes, fills and maps the maps
 *   kernel_pin.c     the folder on the BPF file system, and taking all out of the kernel
 *   kernel_attach.c  devices
 *   kernel_sock.c    the cgroup of socketLB
 *
 * Under the pin path:
 *
 *   maps/<name>                 as in bpf/maps.h
 *   maps/rodata, maps/origin    the options of the programs; of what binary all this is
 *   progs/<name>                each program, for the next start to go on with and for measuring
 *   links/<ifindex>-<place>     the bpf_link that keeps a program on a device; place is xdp, net,
 *                               pod or out
 *   links/<ifindex>-<place>-tc  the program of a filter of the older tc (kernels before 6.6)
 *   links/sock-<hook>           the bpf_link on the cgroup
 *   next/                       what becomes one of the above by rename
 *
 * What is attached is asked of the pins each time: they outlive us and cannot disagree with memory.
 */
#ifndef HERALD_DATAPATH_KERNEL_H
#define HERALD_DATAPATH_KERNEL_H

#include "datapath/core.h"

#include <bpf/libbpf.h>
#include <limits.h>
#include <pthread.h>

struct buf;
struct loop_fd;

/* X(symbol, name); the slow ones in the order of enum lb_slow. */
#define KP_LIST(X)                                                                                 \
	X(XDP, xdp)                                                                                \
	X(NET, net)                                                                                \
	X(POD, pod)                                                                                \
	X(OUT, out)                                                                                \
	X(SLOW4, slow4)                                                                            \
	X(SLOW6, slow6)                                                                            \
	X(CONNECT4, connect4)                                                                      \
	X(CONNECT6, connect6)                                                                      \
	X(SENDMSG4, sendmsg4)                                                                      \
	X(SENDMSG6, sendmsg6)                                                                      \
	X(RECVMSG4, recvmsg4)                                                                      \
	X(RECVMSG6, recvmsg6)                                                                      \
	X(GETPEERNAME4, getpeername4)                                                              \
	X(GETPEERNAME6, getpeername6)

enum kp_prog {
#define KP_ENUM(symbol, name) KP_##symbol,
	KP_LIST(KP_ENUM)
#undef KP_ENUM
	    KP_NR
};
#define KP_SOCK KP_CONNECT4	  /* from here on: of the sock object */
#define KP_NR_PLACES (KP_OUT + 1) /* before here: a place on a device */

const char *kp_name(enum kp_prog); /* "net": without herald_ */

#define KERNEL_WHY 768
#define KERNEL_PATH 512

/* What loading gives.  Descriptors are owned; -1: not there. */
struct kernel_set {
	struct dp_maps maps;
	int rodata; /* the options of the lb programs */
	int prog[KP_NR];
	bool adopted; /* the maps are an earlier process's */
	bool kept;    /* and so are the programs: nothing was loaded */
	bool copied;  /* flows of other maps were, from tick .copied_at on */
	uint16_t copied_at;
	bool sock;		   /* the programs of sockets are loaded */
	char sock_why[KERNEL_WHY]; /* else */
};

/* What loading is asked. */
struct kernel_ask {
	char pin[KERNEL_PATH / 2];
	struct dp_sizes sizes;
	int from[DP_NR_MAPS]; /* maps to carry on with; -1: none */
	bool force_old;	      /* as on a kernel before 5.12, whatever this one is (tests) */
	bool force_clsact;    /* as on a kernel before 6.6 (tests) */
};

struct dp_kernel {
	struct loop *loop;
	struct kernel_ask ask;
	dp_kernel_done *done;
	void *arg;
	pthread_t thread;
	bool running;  /* the thread was made and not joined */
	bool borrowed; /* ask.from are descriptors of the set, else our own */
	int wake;      /* eventfd, by which the thread says that it is done */
	struct loop_fd *watch;
	/* The thread's, until it said so: */
	struct kernel_set next;
	int err;
	char next_why[KERNEL_WHY];
	uint64_t next_us;
	/* The loop's: */
	struct kernel_set set;
	bool have;    /* set is there */
	bool pending; /* devices still have another layout's programs, see dp_kernel_exchange() */
	uint64_t load_us;
	char why[KERNEL_WHY];
};

/* ---- kernel_load.c ---- */
/* In the thread.  Gives 0 and *@set, or -errno and @why of KERNEL_WHY. */
int kernel_load(const struct kernel_ask *, struct kernel_set *set, char *why);
void kernel_set_init(struct kernel_set *);
void kernel_set_fini(struct kernel_set *);
/* What to do about an error of bpf(2) or of the file system, after a semicolon; "" when nothing
 * but the error is known. */
const char *kernel_advice(int err);
uint32_t kernel_version(void); /* as KERNEL_VERSION() */

/* ---- kernel_keep.c ---- */
/* In the thread.  True: @set is what is pinned, and nothing need be loaded. */
bool kernel_keep(const struct kernel_ask *, struct kernel_set *set);
void kernel_keep_forget(const char *pin); /* before anything that is pinned changes */
void kernel_keep_note(
    const struct kernel_ask *, const struct kernel_set *); /* once all is pinned */
uint32_t kernel_map_id(int fd);				   /* 0: none */

/* ---- kernel_maps.c ---- */
/* The maps that are pinned are all there, and as large as is asked. */
bool kernel_maps_suffice(const struct kernel_ask *);
/* Carry on with them as they are. */
int kernel_maps_keep(const struct kernel_ask *, struct dp_maps *, char *why);
const char *kernel_map_name(enum dp_map);
/* Decide which maps of @from the lb object carries on with, and size the others.  *@adopted: what
 * is in them counts. */
int kernel_maps_prepare(struct bpf_object *, const struct kernel_ask *, bool *adopted, char *why);
/* After loading: descriptors, contents, memory. */
int kernel_maps_take(
    struct bpf_object *, const struct kernel_ask *, bool adopted, struct dp_maps *, char *why);
/* The flows of maps that are to be carried on with, and are not the same. */
int kernel_maps_take_flows(const struct kernel_ask *, struct dp_maps *, char *why);
/* And those that the former programs made since tick @since, once they are exchanged. */
void kernel_maps_follow_flows(const struct kernel_ask *, struct dp_maps *, uint16_t since);
void kernel_maps_close(struct dp_maps *);
/* How many blocks of buckets hold so many flows: a power of two. */
uint32_t kernel_blocks(uint32_t flows);

/* ---- kernel_flows.c ---- */
/* Tables up to Herald's version 2 of them were arrays of buckets, whose values had this many bytes. */
#define KERNEL_BUCKET4 128
#define KERNEL_BUCKET6 256
struct flows_move {
	const void *from; /* ways of the same make as ours, at other places */
	uint64_t ways;
	void *to; /* blocks, as mapped */
	uint32_t blocks;
	const struct lb_be_row *be;
	uint32_t nr_be;
	uint64_t seed;
	bool v6;
	uint16_t now;	/* tick */
	bool after;	/* only those that were seen since @since, unless they are there */
	uint16_t since; /* tick */
};
/* How many found no room, half-open ones first. */
uint64_t kernel_flows_move(const struct flows_move *);

/* ---- kernel_pin.c ---- */
/* Make the folders; mounts /sys/fs/bpf when that is missing. */
int kernel_pin_make(const char *pin, char *why);
bool kernel_pin_is_there(const char *pin); /* a folder on a BPF file system */
/* <pin>/<folder>/<name>; a name is cut rather than overrun. */
void kernel_pin_path(char *path, const char *pin, const char *folder, const char *name);
/* Pin over what may be there: at no time is nothing there. */
int kernel_pin_over(int fd, const char *pin, const char *folder, const char *name);
int kernel_pin_open(const char *pin, const char *folder, const char *name); /* or -errno */
/* Each name in a folder; @each may remove it. */
void kernel_pin_each(
    const char *pin, const char *folder, void (*each)(void *arg, const char *name), void *arg);
/* Everything out of the kernel; 0 or the first error. */
int kernel_pin_remove(const char *pin);

/* ---- kernel_attach.c ---- */
/* Every device that has a program of ours goes on with those of @set; 0 or the first error. */
int kernel_exchange(const char *pin, const struct kernel_set *, char *why);
/* Is any device or cgroup left with a program of ours? */
bool kernel_is_attached(const char *pin);
/* Off the device, unpinned; @name as in links/. */
int kernel_unlink(const char *pin, const char *name);

/* ---- kernel_sock.c ---- */
int kernel_sock_exchange(const char *pin, const struct kernel_set *, char *why);

#endif
