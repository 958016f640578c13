/*
 * lib/bpffs.h: the BPF file system, where maps, programs and links outlive the process, and programs
 * that stand on devices by a link, or a filter, that is pinned there.  Under the engines that have
 * programs in the kernel.
 */
#ifndef HERALD_LIB_BPFFS_H
#define HERALD_LIB_BPFFS_H

#include <stdbool.h>
#include <stdint.h>

#define BPFFS_USUAL "/sys/fs/bpf" /* where everybody expects it; systemd mounts it at boot */
#define BPFFS_PATH 512		  /* room for any path here, its end included */

bool bpffs_is(const char *path); /* a folder on a BPF file system */
/* Mounts one at the usual place if @path is that or below and none is there, as in a container or
 * without systemd.  0 or -errno. */
int bpffs_mount_usual(const char *path);
/* Like mkdir -p, the last one for us alone.  0 or -errno. */
int bpffs_make_path(const char *path);

/* In place of what is there, in one step; @next is a name beside it, free to use.  0 or -errno. */
int bpffs_pin(int fd, const char *path, const char *next);
int bpffs_open(const char *path); /* a descriptor, or -errno */
/* The names are read before the first is told: @each may change the folder. */
void bpffs_each(const char *folder, void (*each)(void *arg, const char *name), void *arg);

/* ---- programs on devices ---- */

/* X here and not the kernel's: TCX (Linux 6.6) is newer than the headers of Debian 12. */
enum bpf_where { BPF_WHERE_XDP, BPF_WHERE_IN, BPF_WHERE_OUT };

/* A program of ours on a device.  For tc a link of TCX, or on kernels without a filter of clsact,
 * whose program is pinned in place of the link. */
struct bpf_stand {
	unsigned ifindex;
	enum bpf_where where;
	bool filter;
	uint32_t priority, handle;		/* the filter's */
	char pin[BPFFS_PATH], next[BPFFS_PATH]; /* the pin, and a free name to make it by */
};

/* The number the kernel gave a program; 0: none. */
uint32_t bpf_prog_number(int fd);
/*
 * What stands there already goes on with @prog; @keep: it is left as it is.  A pin whose device
 * went is removed: the number may be another device's by now.  0, -ENOENT: nothing stands there, or
 * -errno.
 */
int bpf_stand_update(const struct bpf_stand *, int prog, bool keep);
/* Makes a link; for tc before all that are there, @xdp_flags: XDP_FLAGS_*.  -EINVAL or -EOPNOTSUPP
 * is what kernels without TCX say. */
int bpf_stand_link(const struct bpf_stand *, int prog, uint32_t xdp_flags);
/* Makes the filter, or exchanges its program in one step. */
int bpf_stand_filter(const struct bpf_stand *, int prog);
/* Takes it off and its pin away.  Also right for any other pinned link, with .pin alone. */
int bpf_stand_remove(const struct bpf_stand *);

#endif
