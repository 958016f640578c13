/*
 * datapath/kernel_sock.c: the programs of socketLB onto a cgroup: they turn a Service's address into
 * a backend's when a socket is connected, not packet by packet.
 */
#include "datapath/kernel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/bpffs.h"
#include "lib/log.h"

#define USUAL "/sys/fs/cgroup"
/* Where cgroup2 is mounted beside the older hierarchies. */
#define BESIDE USUAL "/unified"

/* From the last to the first: what is sent is only translated once answers are translated back. */
static const enum bpf_attach_type types[KP_NR] = {
	[KP_CONNECT4] = BPF_CGROUP_INET4_CONNECT,
	[KP_CONNECT6] = BPF_CGROUP_INET6_CONNECT,
	[KP_SENDMSG4] = BPF_CGROUP_UDP4_SENDMSG,
	[KP_SENDMSG6] = BPF_CGROUP_UDP6_SENDMSG,
	[KP_RECVMSG4] = BPF_CGROUP_UDP4_RECVMSG,
	[KP_RECVMSG6] = BPF_CGROUP_UDP6_RECVMSG,
	[KP_GETPEERNAME4] = BPF_CGROUP_INET4_GETPEERNAME,
	[KP_GETPEERNAME6] = BPF_CGROUP_INET6_GETPEERNAME,
};

static void
link_name(enum kp_prog p, char *name, size_t size)
{
	snprintf(name, size, "sock-%s", kp_name(p));
}

static int
link_info(int fd, struct bpf_link_info *info)
{
	uint32_t len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &len) < 0 ? -errno : 0;
}

/* The link at its pin goes on with @prog, if it is on the cgroup with this number (0: on any).
 * -ENOENT: there is none. */
static int
update(const char *pin, enum kp_prog p, int prog, uint64_t cgroup, bool keep)
{
	struct bpf_link_info info;
	char name[32];
	int fd, err;

	link_name(p, name, sizeof(name));
	fd = kernel_pin_open(pin, "links", name);
	if (fd < 0)
		return fd;
	err = link_info(fd, &info);
	if (err == 0 && (info.cgroup.cgroup_id == 0 || (cgroup && info.cgroup.cgroup_id != cgroup)))
		err = -ENOENT;
	if (err == 0 && !keep && info.prog_id != bpf_prog_number(prog) &&
	    bpf_link_update(fd, prog, NULL) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int
create(const char *pin, enum kp_prog p, int prog, int cgroup)
{
	int fd = bpf_link_create(prog, cgroup, types[p], NULL), old, err;
	char name[32];

	if (fd < 0)
		return -errno;
	link_name(p, name, sizeof(name));
	/* One that is there is on another cgroup. */
	old = kernel_pin_open(pin, "links", name);
	err = kernel_pin_over(fd, pin, "links", name);
	if (old >= 0) {
		if (err == 0)
			(void)bpf_link_detach(old);
		close(old);
	}
	close(fd);
	return err;
}

static void
drop_all(const char *pin)
{
	char name[32];

	for (enum kp_prog p = KP_SOCK; p < KP_NR; p++) {
		int fd, err;

		link_name((enum kp_prog)p, name, sizeof(name));
		fd = kernel_pin_open(pin, "links", name);
		if (fd < 0)
			continue;
		close(fd);
		err = kernel_unlink(pin, name);
		if (err < 0)
			log_warn("datapath-detach-failed", LOG_S("link", name), LOG_ERR(-err));
	}
}

int
kernel_sock_exchange(const char *pin, const struct kernel_set *set, char *why)
{
	int first = 0;

	for (int p = KP_NR - 1; p >= KP_SOCK && set->sock; p--) {
		int err = update(pin, (enum kp_prog)p, set->prog[p], 0, false);

		if (err == 0 || err == -ENOENT)
			continue;
		if (first == 0)
			snprintf(why, KERNEL_WHY,
			    "socketLB goes on with the former program (%s): %s%s",
			    kp_name((enum kp_prog)p), strerror(-err), kernel_advice(err));
		first = err;
	}
	return first;
}

static bool
is_cgroup2(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* The directory, opened, and its number; or -errno and words. */
static int
cgroup_open(const char *cgroup, uint64_t *number, char *why)
{
	const char *path = cgroup;
	struct stat st;
	int fd, err;

	if (strcmp(cgroup, USUAL) == 0 && !is_cgroup2(USUAL) && is_cgroup2(BESIDE))
		path = BESIDE;
	if (access(path, F_OK) == 0 && !is_cgroup2(path)) {
		snprintf(why, KERNEL_WHY,
		    "%s (datapath.cgroup) is no cgroup2 directory; name the one where cgroup2 is "
		    "mounted (findmnt -t cgroup2), or set socketLB: false",
		    path);
		return -EINVAL;
	}
	fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0) {
		*number = st.st_ino;
		return fd;
	}
	err = -errno;
	if (fd >= 0)
		close(fd);
	snprintf(why, KERNEL_WHY, "cannot open the cgroup %s (datapath.cgroup): %s%s", path,
	    strerror(-err), kernel_advice(err));
	return err;
}

int
dp_kernel_socket_lb(struct dp_kernel *k, const char *cgroup, bool on, const char **why)
{
	uint64_t number = 0;
	int fd, err = 0;

	*why = k->why;
	snprintf(k->why, sizeof(k->why), "%s", k->have ? "" : "the programs are not loaded");
	if (!k->have)
		return -ENODEV;
	if (!on) {
		drop_all(k->ask.pin);
		return 0;
	}
	if (!k->set.sock) {
		snprintf(k->why, sizeof(k->why), "%s", k->set.sock_why);
		return -EOPNOTSUPP;
	}
	fd = cgroup_open(cgroup, &number, k->why);
	if (fd < 0)
		return fd;
	for (int p = KP_NR - 1; p >= KP_SOCK && err == 0; p--) {
		err = update(k->ask.pin, (enum kp_prog)p, k->set.prog[p], number, k->pending);
		if (err == -ENOENT)
			err = create(k->ask.pin, (enum kp_prog)p, k->set.prog[p], fd);
		if (err < 0)
			snprintf(k->why, sizeof(k->why),
			    "cannot put the program %s on the cgroup %s: %s%s",
			    kp_name((enum kp_prog)p), cgroup, strerror(-err),
			    err == -EPERM
				? "; a program that allows no others may be there already "
				  "(bpftool cgroup tree)"
				: kernel_advice(err));
	}
	close(fd);
	/* Half of it would translate what nobody translates back. */
	if (err < 0)
		drop_all(k->ask.pin);
	return err;
}
