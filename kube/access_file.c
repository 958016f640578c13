/*
 * kube/access_file.c: small files that say who we are: certificates, and tokens that others replace
 * while we run (a kubelet swaps the symlink of the whole folder).  See access_parts.h.
 */
#include "kube/access_parts.h"

#include "kube/words.h"

#include "lib/mem.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REREAD_MS 60000u /* also when nothing seems to have changed */

/* All of @fd, which is @size bytes long; a file that grows meanwhile is read as it was. */
static int
read_all(int fd, size_t size, char **text, const char **why)
{
	char *to = mem_calloc(size + 1, 1);
	size_t len = 0;
	ssize_t n;

	if (!to) {
		*why = strerror(ENOMEM);
		return -ENOMEM;
	}
	while (len < size) {
		n = read(fd, to + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (strlen(to) != len) {
		mem_wipe(to, size);
		mem_free(to);
		*why = "it holds zero bytes: it is no text";
		return -EINVAL;
	}
	*text = to;
	return 0;
}

static int
open_file(const char *path, size_t max, struct stat *st, const char **why)
{
	/* A pipe must not hold us up. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;

	if (fd < 0 || fstat(fd, st) < 0) {
		err = errno;
		*why = strerror(err);
	} else if (!S_ISREG(st->st_mode)) {
		err = EINVAL;
		*why = "it is no regular file";
	} else if ((uintmax_t)st->st_size > max) {
		err = EFBIG;
		*why = "it is too large";
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -err;
}

int
access_read_file(const char *path, size_t max, char **text, const char **why)
{
	struct stat st = { 0 };
	int fd = open_file(path, max, &st, why), err;

	if (fd < 0)
		return fd;
	err = read_all(fd, (size_t)st.st_size, text, why);
	close(fd);
	return err;
}

/* ---- files that others replace ---- */

bool
access_is_token(const char *text)
{
	const char *c = text;

	while (*c > ' ' && *c <= '~')
		c++;
	return *text && !*c;
}

void
kept_file_fini(struct kept_file *f)
{
	free(f->path);
	secret_free(f->text);
	*f = (struct kept_file){ 0 };
}

/* Takes @text over, which is PEM as it should be, or not. */
static int
pem_take(struct kept_file *f, char *text, const char **why)
{
	*why = access_check_pem(text, f->label);
	if (*why) {
		secret_free(text);
		return -EINVAL;
	}
	secret_free(f->text);
	f->text = text;
	return 0;
}

/* Takes @text over; blanks around the token are no part of it. */
static int
token_take(struct kept_file *f, char *text, const char **why)
{
	char *from = text, *token;
	size_t len;

	while (isspace((unsigned char)*from))
		from++;
	len = strlen(from);
	while (len > 0 && isspace((unsigned char)from[len - 1]))
		len--;
	from[len] = '\0';
	*why = len == 0 ? "it is empty" : "what it holds is no token";
	token = access_is_token(from) ? mem_strndup(from, len) : NULL;
	secret_free(text);
	if (!token)
		return -EINVAL;
	secret_free(f->text);
	f->text = token;
	return 0;
}

static bool
is_same_file(const struct kept_file *f, const struct stat *st)
{
	return f->dev == st->st_dev && f->ino == st->st_ino && f->size == st->st_size &&
	    f->mtime.tv_sec == st->st_mtim.tv_sec && f->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

static int
kept_file_read(struct kept_file *f, uint64_t now_ms, const char **why)
{
	size_t max = f->label ? ACCESS_FILE_MAX : ACCESS_TOKEN_MAX;
	struct stat st = { 0 };
	char *text = NULL;
	int fd = open_file(f->path, max, &st, why), err;

	if (fd < 0)
		return fd;
	err = read_all(fd, (size_t)st.st_size, &text, why);
	close(fd);
	if (err == 0)
		err = f->label ? pem_take(f, text, why) : token_take(f, text, why);
	if (err < 0)
		return err;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->size = st.st_size;
	f->mtime = st.st_mtim;
	f->read_ms = now_ms;
	return 0;
}

int
kept_file_refresh(struct kept_file *f, struct loop *loop, bool now, const char **why)
{
	uint64_t now_ms = loop_now_ms(loop);
	struct stat st;
	int err;

	/* Through the symlinks: those of a kubelet are swapped, the files never change. */
	if (f->text && !now && now_ms - f->read_ms < REREAD_MS && stat(f->path, &st) == 0 &&
	    is_same_file(f, &st))
		return 0;
	err = kept_file_read(f, now_ms, why);
	if (err == 0 || !f->text || now)
		return err;
	/* Half a swap, or a disk that fails: what we have may still be good, the server will say. */
	if (log_allow(&f->limit, now_ms, 1, NULL))
		log_warn(f->label ? "kube-certificate-unreadable" : "kube-token-unreadable",
		    LOG_S("file", f->path), LOG_S("error", *why));
	return 0;
}
