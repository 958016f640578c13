/*
 * datapath/helper.c: the daemon's side of its helper for sockets of pods: starts it, asks it, and knows
 * when it is gone.  helper_main.c is the other side, sock_words.h what they say.
 *
 * Nothing here waits: requests go one after the other, each when the one before is answered, and a
 * helper that does not answer is ended.  Nobody starts another one, for the rights that it has are
 * given up by then.
 */
#include "datapath/core.h"

#include "datapath/sock_words.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A node of thousands of pods is looked through in a second.  Counted in small steps: a process that was
 * held up itself has only lost one. */
#define PATIENCE_MS 5000
#define PATIENCE_STEPS 12

struct dp_helper {
	struct loop *loop;
	pid_t pid; /* 0: has ended */
	int pidfd, fd;
	struct loop_fd *life, *talk;
	struct loop_timer patience;
	unsigned silent; /* steps of patience that are over */
	bool ready, asked, stopped;
	char *why; /* NULL: it is there */
	uint32_t seq;
	/* what is asked, borrowed from the asker: [at, nr) is to come, or under way */
	const struct sock_id *ids;
	size_t nr, at;
	struct helper_done sum;
	helper_cb *cb; /* NULL: nothing is asked */
	void *arg;
};

static void
job_end(struct dp_helper *h, int err)
{
	helper_cb *cb = h->cb;

	timer_stop(&h->patience);
	h->asked = false;
	h->ids = NULL;
	h->cb = NULL;
	if (err < 0)
		h->sum.err = err;
	if (cb)
		cb(h->arg, &h->sum);
}

static void
talk_end(struct dp_helper *h)
{
	loop_fd_free(h->talk);
	h->talk = NULL;
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
	h->ready = false;
}

/* It is of no use any more, and said so once. @why: taken. */
static void
lose(struct dp_helper *h, char *why)
{
	talk_end(h);
	if (h->why) {
		free(why);
		return;
	}
	h->why = why;
	if (h->pid > 0)
		(void)kill(h->pid, SIGKILL);
	if (!h->stopped)
		log_warn("sockets-helper-lost", LOG_S("reason", why),
		    LOG_S("hint",
			"connected UDP sockets of pods keep a backend that is gone until herald is "
			"started again"));
	job_end(h, -EPIPE);
}

/* ---- asking ---- */

static void
wait_for_it(struct dp_helper *h)
{
	h->silent = 0;
	timer_set(&h->patience, PATIENCE_MS);
}

static void
ask_next(struct dp_helper *h)
{
	const size_t left = h->nr - h->at, nr = left < SOCK_IDS_MAX ? left : SOCK_IDS_MAX;
	uint8_t *bytes;
	ssize_t n;

	if (!h->ready || h->asked || !h->cb)
		return;
	bytes = xnew_n(uint8_t, SOCK_REQUEST_MAX);
	n = send(h->fd, bytes, sock_request_encode(bytes, ++h->seq, &h->ids[h->at], nr),
	    MSG_NOSIGNAL | MSG_DONTWAIT);
	free(bytes);
	if (n < 0) {
		lose(h, xasprintf("it cannot be asked: %s", strerror(errno)));
		return;
	}
	h->at += nr;
	h->asked = true;
	wait_for_it(h);
}

static void
answered(struct dp_helper *h, const struct sock_answer *a)
{
	h->asked = false;
	timer_stop(&h->patience);
	h->sum.ended += a->ended;
	h->sum.entered = a->entered;
	h->sum.closed = a->closed;
	if (h->sum.err == 0)
		h->sum.err = a->err;
	if (h->cb && h->at < h->nr)
		ask_next(h);
	else
		job_end(h, 0);
}

static void
on_answer(void *arg, int fd, unsigned what)
{
	struct dp_helper *h = arg;
	uint8_t bytes[SOCK_ANSWER_MAX + 1];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	struct sock_answer a;

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* how it ended is told by on_end() */
		loop_fd_set(h->talk, 0);
		h->ready = false;
	} else if (sock_answer_decode(bytes, (size_t)n, &a) < 0) {
		lose(h, xstrdup("its answer is none"));
	} else if (a.kind == SOCK_FAULT) {
		lose(h, xstrdup(a.text));
	} else if (a.kind == SOCK_READY && !h->ready) {
		h->ready = true;
		timer_stop(&h->patience);
		ask_next(h);
	} else if (a.kind == SOCK_DONE && h->asked && a.seq == h->seq) {
		answered(h, &a);
	} else {
		lose(h, xstrdup("it answered what nobody asked"));
	}
}

static void
on_silence(void *arg)
{
	struct dp_helper *h = arg;

	if (++h->silent < PATIENCE_STEPS)
		timer_set(&h->patience, PATIENCE_MS);
	else
		lose(h,
		    xasprintf(
			"it did not answer for %d seconds", PATIENCE_STEPS * PATIENCE_MS / 1000));
}

static void
on_end(void *arg, int fd, unsigned what)
{
	struct dp_helper *h = arg;
	int status = 0;

	(void)fd;
	(void)what;
	if (waitpid(h->pid, &status, WNOHANG) != h->pid)
		return;
	h->pid = 0;
	loop_fd_free(h->life);
	h->life = NULL;
	/* It may have said why. */
	if (h->talk && !h->why)
		on_answer(h, h->fd, LOOP_READ);
	if (WIFSIGNALED(status))
		lose(h,
		    xasprintf("it was ended by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status))));
	else
		lose(h, xasprintf("it ended with status %d", WEXITSTATUS(status)));
}

void
helper_ask(struct dp_helper *h, const struct sock_id *ids, size_t nr, helper_cb *cb, void *arg)
{
	h->ids = ids;
	h->nr = nr;
	h->at = 0;
	h->sum = (struct helper_done){ 0 };
	h->cb = cb;
	h->arg = arg;
	ask_next(h); /* or when it is ready */
}

bool
helper_is_there(const struct dp_helper *h)
{
	return h && !h->why && !h->cb && !h->asked;
}

void
helper_forget(struct dp_helper *h)
{
	if (h) {
		h->cb = NULL;
		h->ids = NULL;
	}
}

/* ---- its life ---- */

/* A new process of this program with @fd as its third descriptor; signals for the daemon are not for it. */
static int
spawn(int fd, pid_t *pid)
{
	char *argv[] = { (char *)"herald", (char *)DP_HELPER_OPTION, NULL };
	char *no_environment[] = { NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t blocked;
	int err = posix_spawn_file_actions_init(&files);

	if (err)
		return -err;
	err = posix_spawnattr_init(&attr);
	if (err) {
		posix_spawn_file_actions_destroy(&files);
		return -err;
	}
	sigfillset(&blocked);
	(void)posix_spawnattr_setsigmask(&attr, &blocked);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	err = posix_spawn_file_actions_adddup2(&files, fd, DP_HELPER_FD);
	if (err == 0)
		err = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
	if (err == 0)
		err = posix_spawn_file_actions_adddup2(&files, 0, 1);
	/* Not by name: another version may have taken its place. */
	if (err == 0)
		err = posix_spawn(pid, "/proc/self/exe", &files, &attr, argv, no_environment);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -err;
}

static int
begin(struct dp_helper *h)
{
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	h->fd = pair[0];
	err = spawn(pair[1], &h->pid);
	close(pair[1]);
	if (err < 0)
		return err;
	h->pidfd = pidfd_open(h->pid, 0);
	if (h->pidfd < 0)
		return -errno;
	h->life = loop_fd_new(h->loop, h->pidfd, LOOP_READ, on_end, h);
	h->talk = loop_fd_new(h->loop, h->fd, LOOP_READ, on_answer, h);
	return h->life && h->talk ? 0 : -ENOMEM;
}

struct dp_helper *
dp_helper_start(struct loop *loop)
{
	struct dp_helper *h = xnew(struct dp_helper);
	int err;

	h->loop = loop;
	h->fd = h->pidfd = -1;
	timer_init(&h->patience, loop, on_silence, h);
	err = begin(h);
	if (err == 0)
		wait_for_it(h);
	else
		lose(h, xasprintf("it cannot be started: %s", strerror(-err)));
	return h;
}

void
dp_helper_stop(struct dp_helper *h, const char *why)
{
	if (!h || h->why)
		return;
	h->stopped = true;
	lose(h, xstrdup(why));
}

void
dp_helper_free(struct dp_helper *h)
{
	if (!h)
		return;
	timer_stop(&h->patience);
	talk_end(h); /* ends it */
	if (h->pid > 0) {
		(void)kill(h->pid, SIGKILL);
		(void)waitpid(h->pid, NULL, WNOHANG); /* else it is whose we are */
	}
	loop_fd_free(h->life);
	if (h->pidfd >= 0)
		close(h->pidfd);
	free(h->why);
	free(h);
}

void
dp_helper_info(const struct dp_helper *h, struct dp_helper_info *info)
{
	*info = (struct dp_helper_info){ .works = !h->why, .pid = h->pid, .why = h->why };
}
