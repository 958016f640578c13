/*
 * datapath/helper_main.c: the helper process: ends sockets in the network namespaces of pods, for a
 * daemon that has no right to enter them.
 *
 * It is this program begun anew, so that nothing of the daemon's memory is in it.  It has one socket, no
 * configuration, and takes requests of one form only (sock_words.h): which socket, by its cookie and whom
 * it talks to.  It ends when the other end of its socket is closed, which the end of the daemon does,
 * and nothing else ends it but a signal that cannot be blocked.
 */
#include "datapath/datapath.h"

#include "datapath/sock_end.h"
#include "lib/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMESPACES_MAX 65536
#define NICE 10

enum { EXIT_FINE = 0, EXIT_FAULT = 1, EXIT_USAGE = 2 };

struct walk {
	struct sock_ends ends;
	int home; /* our own network namespace, and its number */
	ino_t home_ino;
	ino_t *seen;
	size_t nr, cap;
	uint32_t entered, closed;
};

struct helper_room { /* all the memory there is, but for walk.seen */
	uint8_t request[SOCK_REQUEST_MAX + 1];
	uint8_t answer[SOCK_ANSWER_MAX];
	struct sock_id ids[SOCK_IDS_MAX];
	uint32_t rx[SOCK_RX_BYTES / sizeof(uint32_t)];
};

/* Is it the first time? */
static bool
is_new(struct walk *w, ino_t ino)
{
	if (ino == w->home_ino)
		return false;
	for (size_t i = 0; i < w->nr; i++)
		if (w->seen[i] == ino)
			return false;
	if (w->nr >= NAMESPACES_MAX ||
	    mem_grow((void **)&w->seen, &w->cap, w->nr, sizeof(*w->seen), NAMESPACES_MAX) < 0)
		return false;
	w->seen[w->nr++] = ino;
	return true;
}

static void
process_look(struct walk *w, const char *pid)
{
	struct stat st;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/ns/net", pid);
	if (stat(path, &st) < 0 || !is_new(w, st.st_ino))
		return; /* it has ended, or is known */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && setns(fd, CLONE_NEWNET) == 0) {
		w->entered++;
		sock_end_here(&w->ends);
	} else {
		w->closed++;
	}
	if (fd >= 0)
		close(fd);
}

/* Each network namespace that a process is in, but ours, once.  Back at home at the end: a namespace
 * that somebody stays in outlives its pod. */
static int
walk_all(struct walk *w)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;

	w->nr = w->entered = w->closed = 0;
	while (proc && (d = readdir(proc)))
		if (d->d_name[0] >= '0' && d->d_name[0] <= '9')
			process_look(w, d->d_name);
	if (proc)
		closedir(proc);
	else
		w->closed++;
	return setns(w->home, CLONE_NEWNET) < 0 ? -errno : 0;
}

static int
say(int fd, struct helper_room *room, const struct sock_answer *answer)
{
	const size_t len = sock_answer_encode(room->answer, answer);

	return send(fd, room->answer, len, MSG_NOSIGNAL) < 0 ? EXIT_FAULT : EXIT_FINE;
}

static int
give_up(int fd, struct helper_room *room, const char *why)
{
	struct sock_answer a = { .kind = SOCK_FAULT };

	snprintf(a.text, sizeof(a.text), "%s", why);
	(void)say(fd, room, &a);
	return EXIT_FAULT;
}

/* One request; -1: go on, else the exit status. */
static int
serve(int fd, struct helper_room *room, struct walk *w)
{
	struct sock_answer a = { .kind = SOCK_DONE };
	ssize_t n = recv(fd, room->request, sizeof(room->request), 0);
	int nr, err;

	if (n < 0 && errno == EINTR)
		return -1;
	if (n <= 0)
		return EXIT_FINE; /* the daemon is gone */
	/* What is longer than any request is cut by the kernel to one byte more than the longest. */
	nr = sock_request_decode(room->request, (size_t)n, &a.seq, room->ids);
	if (nr < 0)
		return give_up(fd, room, "it was asked something that is no request");
	w->ends = (struct sock_ends){ .ids = room->ids, .nr = (size_t)nr, .rx = room->rx };
	err = walk_all(w);
	if (err < 0)
		return give_up(fd, room, "it could not leave a pod's network namespace");
	a.ended = (uint32_t)w->ends.ended;
	a.err = w->ends.err;
	a.entered = w->entered;
	a.closed = w->closed;
	return say(fd, room, &a) == EXIT_FINE ? -1 : EXIT_FINE;
}

static bool
is_socket(int fd)
{
	int type = 0, domain = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET &&
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

/* Nothing else open, in nobody's way, and gone when the daemon is, also in the middle of a request. */
static void
be_small(void)
{
	const struct rlimit no_core = { 0 };

	(void)close_range(DP_HELPER_FD + 1, ~0u, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "herald-sockets");
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)setpriority(PRIO_PROCESS, 0, NICE);
	(void)!chdir("/");
}

int
dp_helper_main(int (*confine)(char **error))
{
	const struct sock_answer ready = { .kind = SOCK_READY };
	struct helper_room *room;
	struct walk w = { 0 };
	struct stat st;
	char *error = NULL;
	int status;

	if (!is_socket(DP_HELPER_FD)) {
		fputs("herald: the daemon starts its helper itself\n", stderr);
		return EXIT_USAGE;
	}
	be_small();
	room = xnew(struct helper_room);
	w.home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (w.home < 0 || fstat(w.home, &st) < 0) {
		status = give_up(DP_HELPER_FD, room, "it cannot look into /proc");
	} else {
		w.home_ino = st.st_ino;
		if (confine(&error) < 0)
			status = give_up(DP_HELPER_FD, room, error);
		else
			status = say(DP_HELPER_FD, room, &ready) == EXIT_FINE ? -1 : EXIT_FAULT;
	}
	while (status < 0)
		status = serve(DP_HELPER_FD, room, &w);
	mem_free(w.seen);
	free(error);
	free(room);
	return status;
}
