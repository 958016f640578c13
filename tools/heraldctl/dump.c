/*
 * tools/heraldctl/dump.c: see dump.h.  The daemon sends records, this program writes them: so the file is
 * the caller's, and no daemon writes as root what somebody else names.
 */
#include "tools/heraldctl/dump.h"

#include "lib/mem.h"
#include "tools/heraldctl/answer.h"
#include "tools/heraldctl/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct dump {
	const char *path; /* "-": standard output */
	int fd;
	unsigned long long records, lost, bytes;
	int err; /* of writing */
	uint8_t *record;
	size_t cap;
};

static int
nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A record at once, so that whoever interrupts leaves whole ones. */
static int
write_all(int fd, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		const ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
take_hex(struct dump *d, const char *hex)
{
	const size_t len = strlen(hex) / 2;

	if (d->cap < len) {
		d->record = xrealloc(d->record, len, 1);
		d->cap = len;
	}
	for (size_t i = 0; i < len; i++) {
		const int hi = nibble(hex[2 * i]), lo = nibble(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -EBADMSG;
		d->record[i] = (uint8_t)(hi << 4 | lo);
	}
	d->records++;
	d->bytes += len;
	return write_all(d->fd, d->record, len);
}

static bool
take(void *arg, const json_t *o)
{
	struct dump *d = arg;
	const char *hex = json_string_value(json_object_get(o, "mrt"));

	d->lost += (unsigned long long)answer_int(o, "lost");
	if (hex)
		d->err = take_hex(d, hex);
	return d->err == 0;
}

static void
begun(void *arg)
{
	const struct dump *d = arg;

	/* What was there goes only now that there is something to put in its place; of a pipe nothing does. */
	if (d->fd != STDOUT_FILENO && ftruncate(d->fd, 0) < 0 && errno != EINVAL)
		fprintf(stderr, "heraldctl: bgp dump: %s: %s\n", d->path, strerror(errno));
	fprintf(stderr, "heraldctl: writing to %s; interrupt to end\n", d->path);
}

/* What is asked of the daemon: all words but the file. */
static int
ask(const char *socket, int argc, const char *const *argv, struct dump *d)
{
	const char *words[6] = { "bgp", "dump", argv[0] };
	char *error = NULL;
	int nr = 3, status;

	for (int i = 2; i < argc && nr < 6; i++)
		words[nr++] = argv[i];
	status = client_listen(socket, nr, words, "json", begun, take, d, &error);
	if (status != CTL_OK)
		fprintf(stderr, "heraldctl: %s\n", error);
	free(error);
	return status;
}

int
dump_run(const char *socket, int argc, const char *const *argv)
{
	struct dump d = { .path = argv[1], .fd = STDOUT_FILENO };
	int status;

	if (strcmp(d.path, "-") != 0)
		d.fd = open(d.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	if (d.fd < 0) {
		fprintf(
		    stderr, "heraldctl: bgp dump: cannot write %s: %s\n", d.path, strerror(errno));
		return CTL_USAGE;
	}
	status = ask(socket, argc, argv, &d);
	if (d.err < 0)
		fprintf(stderr, "heraldctl: bgp dump: %s: %s\n", d.path, strerror(-d.err));
	if (status == CTL_OK)
		fprintf(stderr, "heraldctl: %llu records, %llu bytes%s\n", d.records, d.bytes,
		    d.lost ? "" : ", none lost");
	if (d.lost)
		fprintf(stderr, "heraldctl: %llu records were lost: this reader was too slow\n",
		    d.lost);
	free(d.record);
	if (d.fd != STDOUT_FILENO && close(d.fd) < 0 && d.err == 0)
		d.err = -errno;
	return d.err < 0 ? CTL_REFUSED : status;
}
