/*
 * podipam/journal.c: see journal.h.
 *
 * Between the two threads stands one batch at a time: the loop hands it over and goes on collecting,
 * the writer writes and syncs it and says so by an eventfd.  A batch is lines to append, or a whole new
 * file.  Nothing but the batch is shared.
 */
#include "podipam/journal.h"

#include "lib/buf.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMPACT_MIN ((size_t)256 << 10) /* a smaller file is never written anew */

/* What the writer is to do, and what came of it. */
struct batch {
	struct buf bytes;
	bool whole;   /* a new file */
	uint64_t seq; /* of its last line */
	int err;
};

struct journal {
	struct loop *loop;
	struct journal_ops ops;
	char *path, *temp, *folder;
	struct loop_fd *watch;
	struct loop_work hand_over;
	struct buf pending;
	uint64_t seq; /* of the last line appended */
	size_t size, live;
	bool broken; /* the file may have half a line: write it anew */
	bool busy;   /* the writer has the batch */
	struct batch batch;

	/* ---- the writer's ---- */
	int fd;
	int event; /* eventfd: the batch is done */
	pthread_t thread;
	bool has_thread;

	/* ---- both, under the lock ---- */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool given, quit;
};

/* ---- the disk ---- */

static int
write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		const ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
sync_folder(const char *folder)
{
	const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* A new file in place of the old one, whole or not at all. */
static int
write_whole(struct journal *j, const struct buf *b)
{
	const int fd = open(j->temp, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return -errno;
	err = write_all(fd, buf_text(b), b->len);
	if (err == 0 && fsync(fd) < 0)
		err = -errno;
	if (err == 0 && rename(j->temp, j->path) < 0)
		err = -errno;
	if (err == 0)
		err = sync_folder(j->folder);
	if (err < 0) {
		close(fd);
		return err;
	}
	if (j->fd >= 0)
		close(j->fd);
	j->fd = fd;
	return 0;
}

static int
do_batch(struct journal *j, struct batch *b)
{
	int err;

	if (b->bytes.failed)
		return -ENOMEM;
	if (b->whole)
		return write_whole(j, &b->bytes);
	err = write_all(j->fd, buf_text(&b->bytes), b->bytes.len);
	if (err == 0 && fdatasync(j->fd) < 0)
		err = -errno;
	return err;
}

static void *
writer(void *arg)
{
	struct journal *j = arg;
	const uint64_t one = 1;

	pthread_mutex_lock(&j->lock);
	for (;;) {
		while (!j->given && !j->quit)
			pthread_cond_wait(&j->wake, &j->lock);
		if (!j->given)
			break;
		pthread_mutex_unlock(&j->lock);
		j->batch.err = do_batch(j, &j->batch);
		pthread_mutex_lock(&j->lock);
		j->given = false;
		(void)!write(j->event, &one, sizeof(one));
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

int
journal_read(const char *path, char **text, size_t *len)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int err = 0;
	ssize_t n;

	*text = NULL;
	*len = 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size > (off_t)JOURNAL_MAX)
		err = -EFBIG;
	else if (!(*text = mem_calloc((size_t)st.st_size + 1, 1)))
		err = -ENOMEM;
	while (err == 0 && *len < (size_t)st.st_size) {
		n = read(fd, *text + *len, (size_t)st.st_size - *len);
		if (n < 0 && errno != EINTR)
			err = -errno;
		if (n == 0)
			break;
		*len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (err < 0) {
		mem_free(*text);
		*text = NULL;
		*len = 0;
	}
	return err;
}

/* ---- the loop's side ---- */

/* Fill the batch: what is pending, or all of it. */
static void
fill(struct journal *j)
{
	struct batch *b = &j->batch;

	buf_reset(&b->bytes);
	b->whole = j->broken || (j->size > COMPACT_MIN && j->size > 4 * j->live);
	b->seq = j->seq;
	if (b->whole)
		j->ops.snapshot(j->ops.arg, &b->bytes);
	else
		buf_add(&b->bytes, buf_text(&j->pending), j->pending.len);
	b->bytes.failed = b->bytes.failed || (!b->whole && j->pending.failed);
	buf_reset(&j->pending);
}

static void
batch_settle(struct journal *j)
{
	const struct batch *b = &j->batch;

	j->busy = false;
	j->broken = b->err < 0;
	if (b->err == 0)
		j->size = (b->whole ? 0 : j->size) + b->bytes.len;
}

/* Signals are the loop's: the writer starts with all of them blocked. */
static int
start_writer(struct journal *j)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&j->thread, NULL, writer, j);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	j->has_thread = err == 0;
	return err;
}

static void
give(void *arg)
{
	struct journal *j = arg;

	if (j->busy || (!j->pending.len && !j->pending.failed))
		return;
	fill(j);
	j->batch.err = j->has_thread ? 0 : start_writer(j);
	if (j->batch.err < 0) {
		batch_settle(j);
		j->ops.done(j->ops.arg, j->batch.seq, j->batch.err);
		return;
	}
	j->busy = true;
	pthread_mutex_lock(&j->lock);
	j->given = true;
	pthread_cond_signal(&j->wake);
	pthread_mutex_unlock(&j->lock);
}

static void
batch_done(void *arg, int fd, unsigned what)
{
	struct journal *j = arg;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
		return;
	batch_settle(j);
	j->ops.done(j->ops.arg, j->batch.seq, j->batch.err);
	give(j);
}

uint64_t
journal_append(struct journal *j, const char *line, size_t len)
{
	buf_add(&j->pending, line, len);
	work_post(&j->hand_over);
	return ++j->seq;
}

void
journal_live(struct journal *j, size_t live)
{
	j->live = live;
}

struct journal *
journal_new(struct loop *loop, const char *path, const struct journal_ops *ops, int *err)
{
	struct journal *j = xnew(struct journal);
	const char *slash = strrchr(path, '/');

	j->loop = loop;
	j->ops = *ops;
	j->path = xstrdup(path);
	j->temp = xasprintf("%s.tmp", path);
	j->folder =
	    slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrdup(".");
	j->fd = -1;
	buf_init(&j->pending, JOURNAL_MAX);
	buf_init(&j->batch.bytes, JOURNAL_MAX);
	work_init(&j->hand_over, loop, give, j);
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->wake, NULL);
	j->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	*err = j->event < 0 ? -errno : 0;
	if (*err == 0 && !(j->watch = loop_fd_new(loop, j->event, LOOP_READ, batch_done, j)))
		*err = -ENOMEM;
	/* Most nodes never give a pod its address, and a start has no time for a disk: the file that is
	 * there stays until there is something to say, and the first one that we write is a new one. */
	j->broken = true;
	if (*err < 0) {
		journal_free(j);
		return NULL;
	}
	return j;
}

void
journal_free(struct journal *j)
{
	if (!j)
		return;
	if (j->has_thread) {
		pthread_mutex_lock(&j->lock);
		j->quit = true;
		pthread_cond_signal(&j->wake);
		pthread_mutex_unlock(&j->lock);
		pthread_join(j->thread, NULL);
		/* No thread any more: what is left is written here. */
		if (j->busy)
			batch_settle(j);
		if (j->pending.len) {
			fill(j);
			(void)!do_batch(j, &j->batch);
		}
	}
	work_cancel(&j->hand_over);
	loop_fd_free(j->watch);
	if (j->event >= 0)
		close(j->event);
	if (j->fd >= 0)
		close(j->fd);
	pthread_cond_destroy(&j->wake);
	pthread_mutex_destroy(&j->lock);
	buf_fini(&j->pending);
	buf_fini(&j->batch.bytes);
	free(j->path);
	free(j->temp);
	free(j->folder);
	free(j);
}
