/*
 * lib/bpffs.c: the BPF file system, and programs on devices by what is pinned there.  What stands
 * where is asked of the pins and the kernel each time: they outlive us and cannot disagree with
 * memory.
 */
#include "lib/bpffs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "lib/mem.h"

/* Newer than the headers of Debian 12: enum bpf_attach_type of Linux 6.6. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47
/* Before all that are there: whoever stands first decides. */
#define LINK_FIRST (1U << 3)

/* ---- the file system ---- */

bool
bpffs_is(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

int
bpffs_mount_usual(const char *path)
{
	size_t len = strlen(BPFFS_USUAL);

	if (strncmp(path, BPFFS_USUAL, len) != 0 || (path[len] != '/' && path[len] != '\0') ||
	    bpffs_is(BPFFS_USUAL))
		return 0;
	(void)mkdir(BPFFS_USUAL, 0700); /* the kernel makes it itself; it says no to us */
	return mount("bpf", BPFFS_USUAL, "bpf", 0, "mode=0700") < 0 ? -errno : 0;
}

int
bpffs_make_path(const char *path)
{
	char part[BPFFS_PATH];

	if ((size_t)snprintf(part, sizeof(part), "%s", path) >= sizeof(part))
		return -ENAMETOOLONG;
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(part, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int
bpffs_pin(int fd, const char *path, const char *next)
{
	unlink(next);
	if (bpf_obj_pin(fd, next) < 0)
		return -errno;
	if (rename(next, path) < 0) {
		int err = -errno;

		unlink(next);
		return err;
	}
	return 0;
}

int
bpffs_open(const char *path)
{
	int fd = bpf_obj_get(path);

	return fd < 0 ? -errno : fd;
}

void
bpffs_each(const char *folder, void (*each)(void *arg, const char *name), void *arg)
{
	char **names = NULL;
	size_t nr = 0, cap = 0;
	struct dirent *entry;
	DIR *dir = opendir(folder);

	if (!dir)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    mem_grow((void **)&names, &cap, nr, sizeof(*names), 0) < 0)
			continue;
		names[nr++] = xstrdup(entry->d_name);
	}
	closedir(dir);
	for (size_t i = 0; i < nr; i++) {
		each(arg, names[i]);
		free(names[i]);
	}
	free((void *)names);
}

/* ---- clsact ---- */

/* LIBBPF_OPTS() clears the bytes behind the last field too, and libbpf looks at those. */
static void
filter_place(const struct bpf_stand *s, struct bpf_tc_hook *hook, struct bpf_tc_opts *opts)
{
	LIBBPF_OPTS(bpf_tc_hook, h, .ifindex = (int)s->ifindex,
	    .attach_point = s->where == BPF_WHERE_OUT ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, o, .handle = s->handle, .priority = s->priority);

	memcpy(hook, &h, sizeof(h));
	memcpy(opts, &o, sizeof(o));
}

static bool
filter_is_there(const struct bpf_stand *s)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;

	filter_place(s, &hook, &opts);
	return bpf_tc_query(&hook, &opts) == 0;
}

int
bpf_stand_filter(const struct bpf_stand *s, int prog)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;
	int err;

	filter_place(s, &hook, &opts);
	err = bpf_tc_hook_create(&hook);
	if (err < 0 && err != -EEXIST)
		return err;
	opts.prog_fd = prog;
	opts.flags = BPF_TC_F_REPLACE;
	err = bpf_tc_attach(&hook, &opts);
	return err < 0 ? err : bpffs_pin(prog, s->pin, s->next);
}

/* The qdisc stays: filters of others may hang on it, and it costs nothing without. */
static int
filter_drop(const struct bpf_stand *s)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;
	int err;

	filter_place(s, &hook, &opts);
	err = bpf_tc_detach(&hook, &opts);
	return err == -ENOENT || err == -ENODEV || err == -EINVAL ? 0 : err;
}

/* ---- links ---- */

uint32_t
bpf_prog_number(int fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ? 0 : info.id;
}

/* The device that a link stands on; 0: that is gone. */
static unsigned
link_device(int fd, uint32_t *prog)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return 0;
	*prog = info.prog_id;
	/* TCX has it in the same place; the headers here do not know TCX. */
	return info.xdp.ifindex;
}

static int
link_update(int fd, int prog, uint32_t had)
{
	if (had == bpf_prog_number(prog))
		return 0;
	return bpf_link_update(fd, prog, NULL) < 0 ? -errno : 0;
}

int
bpf_stand_link(const struct bpf_stand *s, int prog, uint32_t xdp_flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
	    .flags = s->where == BPF_WHERE_XDP ? xdp_flags : LINK_FIRST);
	enum bpf_attach_type type = s->where == BPF_WHERE_XDP ? BPF_XDP
	    : s->where == BPF_WHERE_OUT			      ? (enum bpf_attach_type)TCX_EGRESS
							      : (enum bpf_attach_type)TCX_INGRESS;
	int fd = bpf_link_create(prog, (int)s->ifindex, type, &opts), err;

	if (fd < 0)
		return -errno;
	/* Not pinned: it goes with the descriptor. */
	err = bpffs_pin(fd, s->pin, s->next);
	close(fd);
	return err;
}

int
bpf_stand_update(const struct bpf_stand *s, int prog, bool keep)
{
	int fd = bpffs_open(s->pin), err = 0;
	uint32_t had = 0;
	bool alive;

	if (fd < 0)
		return fd;
	if (s->filter) {
		had = bpf_prog_number(fd);
		alive = filter_is_there(s);
		if (alive && !keep && had != bpf_prog_number(prog))
			err = bpf_stand_filter(s, prog);
	} else {
		alive = link_device(fd, &had) == s->ifindex;
		if (alive && !keep)
			err = link_update(fd, prog, had);
	}
	close(fd);
	if (alive)
		return err;
	unlink(s->pin);
	return -ENOENT;
}

int
bpf_stand_remove(const struct bpf_stand *s)
{
	int err = 0, fd;

	if (s->filter) {
		err = filter_drop(s);
	} else {
		fd = bpf_obj_get(s->pin);
		/* At once, whoever else may hold it; a link whose device went has nothing to leave. */
		if (fd >= 0) {
			(void)bpf_link_detach(fd);
			close(fd);
		}
	}
	if (unlink(s->pin) < 0 && errno != ENOENT && err == 0)
		err = -errno;
	return err;
}
