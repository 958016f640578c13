/*
 * tests/bench/pods_pairs.c: how many ADD/DEL pairs a second an IPAM plugin makes with so many callers at
 * once: each caller starts the plugin as a container runtime does, again and again.
 *
 *     pods_pairs PLUGIN CONFIG CALLERS SECONDS     one line of JSON
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALLERS_MAX 64
#define SAMPLES_MAX 200000

struct run {
	const char *plugin, *conf;
	double until;
};

struct caller {
	const struct run *run;
	pthread_t thread;
	unsigned number;
	unsigned long pairs, failed;
	float *add_ms; /* of each ADD */
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Run the plugin once; did it end well? */
static bool
call(const struct caller *c, const char *command, unsigned long n)
{
	char id[64], what[32];
	char *env[] = { what, id, "CNI_IFNAME=eth0", "CNI_NETNS=/proc/self/ns/net",
		"CNI_PATH=/usr/lib/cni",
		"CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=bench", NULL };
	char *argv[] = { (char *)(uintptr_t)c->run->plugin, NULL };
	posix_spawn_file_actions_t files;
	int status = -1;
	pid_t pid;

	snprintf(id, sizeof(id), "CNI_CONTAINERID=bench-%u-%lu", c->number, n);
	snprintf(what, sizeof(what), "CNI_COMMAND=%s", command);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, c->run->conf, O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	if (posix_spawn(&pid, c->run->plugin, &files, NULL, argv, env) == 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	posix_spawn_file_actions_destroy(&files);
	return status == 0;
}

static void *
work(void *arg)
{
	struct caller *c = arg;
	double start;

	for (unsigned long n = 0; (start = now()) < c->run->until && n < SAMPLES_MAX; n++) {
		const bool added = call(c, "ADD", n);

		c->add_ms[c->pairs] = (float)((now() - start) * 1000);
		if (call(c, "DEL", n) && added)
			c->pairs++;
		else
			c->failed++;
	}
	return NULL;
}

/* Of all plugins that ran: what does not depend on who else uses the machine. */
static double
children_cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int
by_size(const void *a, const void *b)
{
	const float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	static struct caller callers[CALLERS_MAX];
	unsigned long pairs = 0, failed = 0;
	unsigned nr;
	struct run run;
	double start, took;
	float *all;

	if (argc != 5 || (nr = (unsigned)strtoul(argv[3], NULL, 10)) < 1 || nr > CALLERS_MAX) {
		fprintf(stderr, "usage: pods_pairs PLUGIN CONFIG CALLERS SECONDS\n");
		return 2;
	}
	start = now();
	run = (struct run){ argv[1], argv[2], start + strtod(argv[4], NULL) };
	for (unsigned i = 0; i < nr; i++) {
		callers[i] = (struct caller){ .run = &run, .number = i };
		callers[i].add_ms = calloc(SAMPLES_MAX + 1, sizeof(float));
		if (!callers[i].add_ms ||
		    pthread_create(&callers[i].thread, NULL, work, &callers[i]))
			return 3;
	}
	for (unsigned i = 0; i < nr; i++)
		pthread_join(callers[i].thread, NULL);
	took = now() - start;
	for (unsigned i = 0; i < nr; i++) {
		pairs += callers[i].pairs;
		failed += callers[i].failed;
	}
	all = calloc(pairs + 1, sizeof(float));
	if (!all)
		return 3;
	for (unsigned i = 0, at = 0; i < nr; at += (unsigned)callers[i].pairs, i++)
		memcpy(all + at, callers[i].add_ms, callers[i].pairs * sizeof(float));
	qsort(all, pairs, sizeof(float), by_size);
	printf("{\"pairsPerSecond\": %.0f, \"pairs\": %lu, \"failed\": %lu, \"addMs50\": %.2f, "
	       "\"addMs99\": %.2f, \"cpuSeconds\": %.3f}\n",
	    (double)pairs / took, pairs, failed, pairs ? (double)all[pairs / 2] : 0.0,
	    pairs ? (double)all[pairs * 99 / 100] : 0.0, children_cpu_s());
	return 0;
}
