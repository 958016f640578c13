/*
 * datapath/kernel_pin.c: the folder on the BPF file system that keeps maps, programs and links in
 * the kernel while nobody runs; and taking all of it out.
 */
#include "datapath/datapath.h"
#include "datapath/kernel.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "lib/mem.h"

#define USUAL "/sys/fs/bpf" /* where everybody expects it; systemd mounts it at boot */

static const char *const folders[] = { "maps", "progs", "links", "next" };

static bool
is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

/* Like mkdir -p. */
static int
make_path(const char *path)
{
	char part[KERNEL_PATH];

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

/* The usual place may be there with nothing mounted, in a container or on a system without systemd. */
static int
mount_usual(const char *pin, char *why)
{
	if (strncmp(pin, USUAL, strlen(USUAL)) != 0 ||
	    (pin[strlen(USUAL)] != '/' && pin[strlen(USUAL)] != '\0') || is_bpffs(USUAL))
		return 0;
	(void)mkdir(USUAL, 0700); /* the kernel makes it itself; it says no to us */
	if (mount("bpf", USUAL, "bpf", 0, "mode=0700") == 0)
		return 0;
	snprintf(why, KERNEL_WHY,
	    "cannot mount the BPF file system at " USUAL
	    ": %s; mount it before Herald starts: mount -t bpf bpf " USUAL,
	    strerror(errno));
	return -errno;
}

int
dp_mount(const char *pin)
{
	char why[KERNEL_WHY];

	return mount_usual(pin, why);
}

int
kernel_pin_make(const char *pin, char *why)
{
	char path[KERNEL_PATH];
	int err = mount_usual(pin, why);

	if (err < 0)
		return err;
	err = make_path(pin);
	if (err < 0) {
		snprintf(why, KERNEL_WHY, "cannot make the directory %s (pinPath): %s%s", pin,
		    strerror(-err), kernel_advice(err));
		return err;
	}
	if (!is_bpffs(pin)) {
		snprintf(why, KERNEL_WHY,
		    "%s (pinPath) is not on a BPF file system; mount one there: mount -t bpf bpf "
		    "%s",
		    pin, pin);
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		kernel_pin_path(path, pin, folders[i], "");
		path[strlen(path) - 1] = '\0';
		if (mkdir(path, 0700) == 0 || errno == EEXIST)
			continue;
		err = -errno;
		snprintf(why, KERNEL_WHY, "cannot make the directory %s: %s%s", path,
		    strerror(-err), kernel_advice(err));
		return err;
	}
	return 0;
}

bool
kernel_pin_is_there(const char *pin)
{
	return is_bpffs(pin);
}

void
kernel_pin_path(char *path, const char *pin, const char *folder, const char *name)
{
	snprintf(path, KERNEL_PATH, "%s/%s/%s", pin, folder, name);
}

int
kernel_pin_over(int fd, const char *pin, const char *folder, const char *name)
{
	char path[KERNEL_PATH], next[KERNEL_PATH];

	kernel_pin_path(path, pin, folder, name);
	kernel_pin_path(next, pin, "next", name);
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
kernel_pin_open(const char *pin, const char *folder, const char *name)
{
	char path[KERNEL_PATH];
	int fd;

	kernel_pin_path(path, pin, folder, name);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

/* The names are read before the first is told: the folder may change under our hands. */
void
kernel_pin_each(const char *pin, const char *folder,
    void (*each)(void *arg, const char *pin, const char *name), void *arg)
{
	char path[KERNEL_PATH], **names = NULL;
	size_t nr = 0, cap = 0;
	struct dirent *entry;
	DIR *dir;

	kernel_pin_path(path, pin, folder, "");
	dir = opendir(path);
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
		each(arg, pin, names[i]);
		free(names[i]);
	}
	free((void *)names);
}

struct removal {
	const char *folder;
	int err;
};

static void
remove_one(void *arg, const char *pin, const char *name)
{
	struct removal *r = arg;
	char path[KERNEL_PATH];
	int err = 0;

	if (strcmp(r->folder, "links") == 0) {
		err = kernel_unlink(pin, name);
	} else {
		kernel_pin_path(path, pin, r->folder, name);
		if (unlink(path) < 0 && errno != ENOENT)
			err = -errno;
	}
	if (err < 0 && r->err == 0)
		r->err = err;
}

/* Devices first: what is still attached must find its maps. */
int
kernel_pin_remove(const char *pin)
{
	static const char *const order[] = { "links", "progs", "next", "maps" };
	struct removal r = { 0 };
	char path[KERNEL_PATH];

	if (!kernel_pin_is_there(pin))
		return 0;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		r.folder = order[i];
		kernel_pin_each(pin, r.folder, remove_one, &r);
		kernel_pin_path(path, pin, r.folder, "");
		if (rmdir(path) < 0 && errno != ENOENT && r.err == 0)
			r.err = -errno;
	}
	/* The mount point itself, when pinPath is one, stays. */
	if (rmdir(pin) < 0 && errno != ENOENT && errno != EBUSY && errno != ENOTEMPTY && r.err == 0)
		r.err = -errno;
	return r.err;
}

int
dp_remove_pinned(const char *pin_path)
{
	return kernel_pin_remove(pin_path);
}
