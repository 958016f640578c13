/*
 * datapath/kernel.c: the loader.  A thread loads the programs against the maps that are there, or
 * finds that they run already; the loop then pins what is new and exchanges the programs on every device; packets are carried by the
 * old ones until the very instruction that puts in the new.
 */
#include "datapath/kernel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

/* ---- the thread ---- */

static uint64_t
clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void *
load_thread(void *arg)
{
	struct dp_kernel *k = arg;
	uint64_t one = 1, begin = clock_us();

	k->err = kernel_pin_make(k->ask.pin, k->next_why);
	for (enum dp_map m = 0; k->err == 0 && !k->have && m < DP_NR_MAPS; m++)
		k->ask.from[m] = kernel_pin_open(k->ask.pin, "maps", kernel_map_name(m));
	if (k->err == 0 && (k->have || !kernel_keep(&k->ask, &k->next)))
		k->err = kernel_load(&k->ask, &k->next, k->next_why);
	k->next_us = clock_us() - begin;
	/* Cannot fail: the counter is far from full. */
	if (write(k->wake, &one, sizeof(one)) < 0)
		abort();
	return NULL;
}

static int
thread_start(struct dp_kernel *k)
{
	int err;

	kernel_set_init(&k->next);
	k->next_why[0] = '\0';
	for (enum dp_map m = 0; m < DP_NR_MAPS; m++)
		k->ask.from[m] = k->have ? k->set.maps.fd[m] : -1;
	k->borrowed = k->have;
	err = pthread_create(&k->thread, NULL, load_thread, k);
	k->running = err == 0;
	return -err;
}

static void
from_close(struct dp_kernel *k)
{
	for (enum dp_map m = 0; m < DP_NR_MAPS; m++) {
		if (!k->borrowed && k->ask.from[m] >= 0)
			close(k->ask.from[m]);
		k->ask.from[m] = -1;
	}
}

static void
thread_join(struct dp_kernel *k)
{
	if (!k->running)
		return;
	pthread_join(k->thread, NULL);
	k->running = false;
	from_close(k);
}

/* ---- into their places ---- */

static void
drop_next(void *arg, const char *name)
{
	const struct dp_kernel *k = arg;
	char path[KERNEL_PATH];

	kernel_pin_path(path, k->ask.pin, "next", name);
	unlink(path);
}

static int
pin_maps(const struct dp_kernel *k)
{
	for (enum dp_map m = 0; m < DP_NR_MAPS; m++) {
		int fd, err;
		bool there;

		if (m == DP_MAP_SLOW)
			continue;
		fd = kernel_pin_open(k->ask.pin, "maps", kernel_map_name(m));
		there = kernel_map_id(fd) == kernel_map_id(k->set.maps.fd[m]);
		if (fd >= 0)
			close(fd);
		err = there
		    ? 0
		    : kernel_pin_over(k->set.maps.fd[m], k->ask.pin, "maps", kernel_map_name(m));
		if (err < 0)
			return err;
	}
	return 0;
}

static int
pin_progs(const struct dp_kernel *k)
{
	int err = kernel_pin_over(k->set.rodata, k->ask.pin, "maps", "rodata");

	for (enum kp_prog p = 0; p < KP_NR && err == 0; p++) {
		if (k->set.prog[p] >= 0)
			err = kernel_pin_over(k->set.prog[p], k->ask.pin, "progs", kp_name(p));
	}
	return err;
}

/*
 * The kernel empties a program array as soon as neither a pin nor a descriptor is left of it, also
 * while programs hand over through it.  So the new one is pinned beside the old one until the
 * devices are exchanged, whatever becomes of us in between.
 */
static int
commit(struct dp_kernel *k, char *why)
{
	char beside[32], from[KERNEL_PATH], to[KERNEL_PATH];
	bool kept = k->set.kept;
	int err = 0;

	snprintf(beside, sizeof(beside), "slow-%d", (int)getpid());
	kernel_pin_path(from, k->ask.pin, "next", beside);
	kernel_pin_path(to, k->ask.pin, "maps", "slow");
	if (!kept) {
		kernel_keep_forget(k->ask.pin);
		unlink(from);
		err = bpf_obj_pin(k->set.maps.fd[DP_MAP_SLOW], from) < 0 ? -errno : 0;
	}
	if (err == 0)
		err = pin_maps(k);
	if (err < 0) {
		snprintf(why, KERNEL_WHY, "cannot pin maps under %s: %s%s", k->ask.pin,
		    strerror(-err), kernel_advice(err));
		return err;
	}
	/* One device that cannot is no reason to leave the others behind. */
	if (kernel_exchange(k->ask.pin, &k->set, why) < 0 ||
	    kernel_sock_exchange(k->ask.pin, &k->set, why) < 0)
		log_error("datapath-exchange-failed", LOG_S("why", why));
	err = kept ? 0 : pin_progs(k);
	if (err == 0 && !kept && rename(from, to) < 0)
		err = -errno;
	if (err < 0) {
		snprintf(why, KERNEL_WHY, "cannot pin programs under %s: %s%s", k->ask.pin,
		    strerror(-err), kernel_advice(err));
		return err;
	}
	kernel_pin_each(k->ask.pin, "next", drop_next, k);
	if (!kept)
		kernel_keep_note(&k->ask, &k->set);
	log_info("datapath-loaded", LOG_S("pin", k->ask.pin), LOG_B("adopted", k->set.adopted),
	    LOG_B("kept", kept), LOG_U("load_us", k->load_us));
	return 0;
}

/* What the former programs made since the last time. */
static void
follow_flows(struct dp_kernel *k)
{
	const uint16_t now = (uint16_t)lb_now();

	if (k->set.copied)
		kernel_maps_follow_flows(&k->ask, &k->set.maps, k->set.copied_at);
	k->set.copied_at = now;
}

static int
take_over(struct dp_kernel *k)
{
	struct kernel_set old = k->set;
	bool had = k->have;
	int err = k->err;

	if (err < 0) {
		kernel_set_fini(&k->next);
		snprintf(k->why, sizeof(k->why), "%s", k->next_why);
		return err;
	}
	k->set = k->next;
	kernel_set_init(&k->next);
	/* Growing is no adoption, but it keeps the answer to whether there was one. */
	if (had)
		k->set.adopted = k->set.adopted && old.adopted;
	k->load_us = k->next_us;
	k->have = true;
	if (!had)
		k->pending = !k->set.adopted && kernel_is_attached(k->ask.pin);
	if (k->pending) {
		log_warn("datapath-maps-replaced", LOG_S("pin", k->ask.pin),
		    LOG_S("why", "another layout; flows begin anew"));
	} else {
		follow_flows(k); /* so that little is left for afterwards */
		err = commit(k, k->why);
		if (err == 0)
			follow_flows(k);
	}
	if (err < 0) {
		kernel_set_fini(&k->set);
		k->set = old;
		k->have = had;
	} else if (had) {
		kernel_set_fini(&old);
	}
	return err;
}

static void
on_loaded(void *arg, int fd, unsigned what)
{
	struct dp_kernel *k = arg;
	uint64_t count;
	int err;

	(void)what;
	/* Also when all was taken out between the thread's word and our hearing it: what it gave is
	 * gone then, and pinning it again would undo that. */
	if (read(fd, &count, sizeof(count)) < 0 || !k->running)
		return;
	pthread_join(k->thread, NULL);
	k->running = false;
	err = take_over(k);
	from_close(k);
	k->done(k->arg, err, err < 0 ? k->why : "");
}

/* ---- for the room ---- */

struct dp_kernel *
dp_kernel_new(struct loop *loop, const struct dp_conf *conf, const struct dp_sizes *sizes,
    dp_kernel_done *done, void *arg)
{
	struct dp_kernel *k = xnew(struct dp_kernel);

	k->loop = loop;
	k->done = done;
	k->arg = arg;
	k->ask.sizes = *sizes;
	kernel_set_init(&k->set);
	kernel_set_init(&k->next);
	k->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	k->watch = k->wake < 0 ? NULL : loop_fd_new(loop, k->wake, LOOP_READ, on_loaded, k);
	if (!k->watch ||
	    (size_t)snprintf(k->ask.pin, sizeof(k->ask.pin), "%s", conf->pin_path) >=
		sizeof(k->ask.pin) ||
	    thread_start(k) < 0) {
		dp_kernel_free(k);
		return NULL;
	}
	return k;
}

void
dp_kernel_free(struct dp_kernel *k)
{
	if (!k)
		return;
	thread_join(k);
	loop_fd_free(k->watch);
	if (k->wake >= 0)
		close(k->wake);
	kernel_set_fini(&k->next);
	kernel_set_fini(&k->set);
	free(k);
}

void
dp_kernel_remove(struct dp_kernel *k)
{
	int err;

	thread_join(k);
	err = kernel_pin_remove(k->ask.pin);
	if (err < 0)
		log_error("datapath-remove-failed", LOG_S("pin", k->ask.pin), LOG_ERR(-err));
	kernel_set_fini(&k->next);
	kernel_set_fini(&k->set);
	k->have = k->pending = false;
}

const struct dp_maps *
dp_kernel_maps(const struct dp_kernel *k)
{
	return k->have ? &k->set.maps : NULL;
}

bool
dp_kernel_adopted(const struct dp_kernel *k)
{
	return k->have && k->set.adopted;
}

uint64_t
dp_kernel_load_us(const struct dp_kernel *k)
{
	return k->load_us;
}

int
dp_kernel_grow(struct dp_kernel *k, const struct dp_sizes *sizes, dp_kernel_done *done, void *arg)
{
	if (k->running)
		return -EBUSY;
	k->ask.sizes = *sizes;
	k->done = done;
	k->arg = arg;
	return thread_start(k);
}

int
dp_kernel_exchange(struct dp_kernel *k, const char **why)
{
	int err = 0;

	*why = "";
	if (k->have && k->pending) {
		err = commit(k, k->why);
		if (err < 0)
			*why = k->why;
		else
			k->pending = false;
	}
	return err;
}
