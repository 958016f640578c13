/*
 * tests/bench/datapath/watch.c: looks into Herald's pinned maps: when are so many frontends served,
 * and what do the maps weigh.
 *
 *     watch --pin DIR --rows 10000     waits; tells CLOCK_MONOTONIC of the moment
 *     watch --pin DIR --memory         the kernel's account of each map
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "datapath/lb_abi.h"
#include "tests/bench/datapath/kit.h"

#define STEP_US 1000
#define LOADING_S 30

/* Herald may still be loading: wait for the pin, not for more than a while. */
static int
map_of(const char *dir, const char *name)
{
	double end = now() + LOADING_S;
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/maps/%s", dir, name);
	while ((fd = bpf_obj_get(path)) < 0 && now() < end)
		usleep(STEP_US);
	if (fd < 0)
		fail("%s is not pinned", path);
	return fd;
}

static struct bpf_map_info
info_of(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		fail("a map tells nothing of itself");
	return info;
}

/* How many frontends the map holds that have backends. */
static uint32_t
live_rows(int fd, uint32_t entries)
{
	size_t size = (size_t)entries * sizeof(struct lb_fe_row);
	const volatile struct lb_fe_row *row = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	uint32_t live = 0;

	if (row == MAP_FAILED)
		fail("fe_rows cannot be mapped");
	for (uint32_t i = 0; i < entries; i++)
		live += (row[i].flags & LB_FE_LIVE) && LB_TABLE_NR(row[i].table[LB_INTERNAL]);
	munmap((void *)(uintptr_t)row, size);
	return live;
}

/* The map is looked for each time, since it may be exchanged for a larger one. */
static void
wait_rows(const char *dir, uint32_t wanted)
{
	uint32_t live = 0;
	double at = 0;
	int fd;

	while (live < wanted) {
		if (at > 0)
			usleep(STEP_US);
		fd = map_of(dir, "fe_rows");
		at = now();
		live = live_rows(fd, info_of(fd).max_entries);
		close(fd);
	}
	printf("{\"at\": %.6f, \"rows\": %u}\n", at, live);
}

static void
memory(const char *dir)
{
	double tables = 0, flow4 = 0, flow6 = 0, bytes;
	struct bpf_map_info info;
	struct dirent *d;
	char path[512];
	DIR *maps;
	int fd;

	snprintf(path, sizeof(path), "%s/maps", dir);
	maps = opendir(path);
	if (!maps)
		fail("%s", path);
	printf("{");
	while ((d = readdir(maps))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/maps/%s", dir, d->d_name);
		fd = bpf_obj_get(path);
		if (fd < 0)
			continue;
		bytes = (double)memory_of(fd);
		info = info_of(fd);
		printf("\"%s\": %.0f, ", d->d_name, bytes);
		if (!strcmp(d->d_name, "flows4"))
			flow4 = bytes / info.max_entries / LB_BLOCK_WAYS;
		else if (!strcmp(d->d_name, "flows6"))
			flow6 = bytes / info.max_entries / LB_BLOCK_WAYS;
		else if (strcmp(d->d_name, "socks") != 0 && strcmp(d->d_name, "affinity") != 0 &&
		    strcmp(d->d_name, "hops") != 0 && strcmp(d->d_name, "frags") != 0)
			tables += bytes; /* what grows with Services */
		close(fd);
	}
	closedir(maps);
	printf("\"tables_mb\": %.1f, \"flow4_bytes\": %.1f, \"flow6_bytes\": %.1f}\n", tables / 1e6,
	    flow4, flow6);
}

int
main(int argc, char **argv)
{
	const char *pin = NULL;
	bool weigh = false;
	uint32_t rows = 0;
	const struct option_row opts[] = { { "pin", OPT_TEXT, &pin }, { "rows", OPT_NUMBER, &rows },
		{ "memory", OPT_SWITCH, &weigh }, { 0 } };

	options(argc, argv, opts);
	errno = EINVAL;
	if (!pin)
		fail("needs --pin");
	if (weigh)
		memory(pin);
	else
		wait_rows(pin, rows);
	return 0;
}
