/*
 * datapath/kernel_pin.c: the folder on the BPF file system that keeps maps, programs and links in
 * the kernel while nobody runs; and taking all of it out.
 */
#include "datapath/datapath.h"
#include "datapath/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bpffs.h"

static const char *const folders[] = { "maps", "progs", "links", "next" };

static int
mount_usual(const char *pin, char *why)
{
	int err = bpffs_mount_usual(pin);

	if (err < 0)
		snprintf(why, KERNEL_WHY,
		    "cannot mount the BPF file system at " BPFFS_USUAL
		    ": %s; mount it before Herald starts: mount -t bpf bpf " BPFFS_USUAL,
		    strerror(-err));
	return err;
}

int
dp_mount(const char *pin)
{
	return bpffs_mount_usual(pin);
}

int
kernel_pin_make(const char *pin, char *why)
{
	char path[KERNEL_PATH];
	int err = mount_usual(pin, why);

	if (err < 0)
		return err;
	err = bpffs_make_path(pin);
	if (err < 0) {
		snprintf(why, KERNEL_WHY, "cannot make the directory %s (pinPath): %s%s", pin,
		    strerror(-err), kernel_advice(err));
		return err;
	}
	if (!bpffs_is(pin)) {
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
	return bpffs_is(pin);
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
	return bpffs_pin(fd, path, next);
}

int
kernel_pin_open(const char *pin, const char *folder, const char *name)
{
	char path[KERNEL_PATH];

	kernel_pin_path(path, pin, folder, name);
	return bpffs_open(path);
}

void
kernel_pin_each(
    const char *pin, const char *folder, void (*each)(void *arg, const char *name), void *arg)
{
	char path[KERNEL_PATH];

	kernel_pin_path(path, pin, folder, "");
	bpffs_each(path, each, arg);
}

struct removal {
	const char *pin;
	const char *folder;
	int err;
};

static void
remove_one(void *arg, const char *name)
{
	struct removal *r = arg;
	char path[KERNEL_PATH];
	int err = 0;

	if (strcmp(r->folder, "links") == 0) {
		err = kernel_unlink(r->pin, name);
	} else {
		kernel_pin_path(path, r->pin, r->folder, name);
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
	struct removal r = { .pin = pin };
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
