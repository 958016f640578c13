/*
 * daemon/state.c: see state.h.  Small files in stateDir; the rooms never see them, only what they
 * say.
 */
#include "daemon/state.h"

#include "lib/addr.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_MAX 64

static char *
path_in(const char *dir, const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

int
state_prepare(const char *dir)
{
	if (mkdir(dir, 0750) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int
write_all(int fd, const char *text, size_t len, bool sync)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return sync && fsync(fd) < 0 ? -errno : 0;
}

/* The rename itself has to reach the disk as well. */
static int
sync_folder(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int
replace_file(const char *dir, const char *name, const char *text, bool sync)
{
	char *path = path_in(dir, name);
	char *temp = xasprintf("%s.tmp", path);
	int err, fd;

	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0) {
		err = -errno;
		goto free_paths;
	}
	err = write_all(fd, text, strlen(text), sync);
	close(fd);
	if (err == 0 && rename(temp, path) < 0)
		err = -errno;
	if (err == 0 && sync)
		err = sync_folder(dir);
	if (err < 0)
		unlink(temp);
free_paths:
	free(temp);
	free(path);
	return err;
}

/* Has it a readable address, and a pool's name? */
static bool
is_allocation(json_t *o)
{
	const char *text = json_string_value(json_object_get(o, "address"));
	struct addr addr;

	return text && addr_parse(text, &addr) == 0 && json_is_string(json_object_get(o, "pool"));
}

/* ---- reading: owners with their lists, so that the log can overrule the file ---- */

/* {"owner": [{"address", "pool"}, ...]} out of the file's list; false: not what we write. */
static bool
add_file(json_t *owners, json_t *root)
{
	json_t *list = json_object_get(root, "allocations");
	const char *owner;
	json_t *one, *to;
	size_t i;

	if (!json_is_array(list))
		return false;
	json_array_foreach(list, i, one)
	{
		owner = json_string_value(json_object_get(one, "owner"));
		if (!owner || !is_allocation(one))
			return false;
		to = json_object_get(owners, owner);
		if (!to) {
			to = json_array();
			json_object_set_new(owners, owner, to);
		}
		json_array_append(to, one);
	}
	return true;
}

/* Lines {"owner", "addresses": [...]}; one that is not whole is the last that was being written. */
static void
add_log(json_t *owners, const char *path)
{
	FILE *in = fopen(path, "re");
	const char *owner;
	char *line = NULL;
	json_t *root, *list, *one;
	size_t cap = 0, i;
	bool good;

	if (!in)
		return;
	while (getline(&line, &cap, in) > 0) {
		root = json_loads(line, 0, NULL);
		owner = json_string_value(json_object_get(root, "owner"));
		list = json_object_get(root, "addresses");
		good = owner && json_is_array(list);
		json_array_foreach(list, i, one) good = good && is_allocation(one);
		if (good)
			json_object_set(owners, owner, list);
		json_decref(root);
	}
	free(line);
	fclose(in);
}

static void
give_allocations(json_t *owners, state_allocation_fn *fn, void *arg)
{
	const char *owner;
	struct addr addr;
	json_t *list, *one;
	size_t i;

	json_object_foreach(owners, owner, list)
	{
		json_array_foreach(
		    list, i, one) if (addr_parse(json_string_value(json_object_get(one, "address")),
					  &addr) == 0)
		    fn(arg, owner, &addr, json_string_value(json_object_get(one, "pool")));
	}
}

int
state_load_allocations(const char *dir, state_allocation_fn *fn, void *arg, char **error)
{
	char *path = path_in(dir, "allocations.json");
	char *log_path = path_in(dir, "allocations.log");
	json_t *owners = json_object(), *root = NULL;
	char *aside;
	json_error_t bad;
	int err = 0;

	if (access(path, R_OK) < 0) {
		if (errno != ENOENT) {
			err = -errno;
			*error = xasprintf("%s: %s", path, strerror(-err));
			goto done;
		}
	} else {
		root = json_load_file(path, 0, &bad);
		if (!root || !add_file(owners, root)) {
			aside = xasprintf("%s.bad", path);
			err = -EBADMSG;
			*error = xasprintf(
			    "%s: not a file of allocations that herald wrote%s%s; kept as %s", path,
			    root ? "" : ": ", root ? "" : bad.text, aside);
			(void)rename(path, aside);
			free(aside);
			json_object_clear(owners);
		}
	}
	add_log(owners, log_path);
	give_allocations(owners, fn, arg);
done:
	json_decref(root);
	json_decref(owners);
	free(log_path);
	free(path);
	return err;
}

/* ---- writing ---- */

int
state_save_allocations(const char *dir, json_t *allocations)
{
	json_t *root = json_pack("{s:i, s:O}", "version", 1, "allocations", allocations);
	char *text = json_dumps(root, JSON_INDENT(1));
	char *log_path;
	int err;

	json_decref(root);
	if (!text)
		return -ENOMEM;
	err = replace_file(dir, "allocations.json", text, true);
	free(text);
	if (err < 0)
		return err;
	log_path = path_in(dir, "allocations.log");
	unlink(log_path);
	free(log_path);
	return 0;
}

int
state_log_allocation(const char *dir, const char *owner, json_t *addresses)
{
	char *path = path_in(dir, "allocations.log");
	json_t *root = json_pack("{s:s, s:O}", "owner", owner, "addresses", addresses);
	char *text = json_dumps(root, JSON_COMPACT);
	int err = -ENOMEM, fd;
	size_t len;

	json_decref(root);
	if (!text)
		goto free_path;
	len = strlen(text);
	text[len++] =
	    '\n'; /* in the place of the NUL; one write, so that a line is whole or the last */
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0) {
		err = -errno;
		goto free_text;
	}
	err = write_all(fd, text, len, false);
	close(fd);
free_text:
	free(text);
free_path:
	free(path);
	return err;
}

/* ---- what rests ---- */

int
state_save_resting(const char *dir, json_t *resting)
{
	json_t *root = json_pack("{s:i, s:O}", "version", 1, "resting", resting);
	char *text = json_dumps(root, JSON_INDENT(1));
	int err = -ENOMEM;

	json_decref(root);
	if (text)
		err = replace_file(dir, "resting.json", text, false);
	free(text);
	return err;
}

int
state_load_resting(const char *dir, state_resting_fn *fn, void *arg, char **error)
{
	char *path = path_in(dir, "resting.json");
	json_t *root = NULL, *one;
	const char *text, *last;
	struct addr addr;
	json_error_t bad;
	int err = 0;
	size_t i;

	if (access(path, R_OK) < 0)
		goto done;
	root = json_load_file(path, 0, &bad);
	if (!json_is_array(json_object_get(root, "resting"))) {
		*error = xasprintf("%s: not a file of resting addresses that herald wrote", path);
		err = -EBADMSG;
	}
	json_array_foreach(json_object_get(root, "resting"), i, one)
	{
		text = json_string_value(json_object_get(one, "address"));
		last = json_string_value(json_object_get(one, "last"));
		if (text && last && addr_parse(text, &addr) == 0)
			fn(arg, &addr, last,
			    (int64_t)json_integer_value(json_object_get(one, "untilMs")));
	}
done:
	json_decref(root);
	free(path);
	return err;
}

int
state_save_drain(const char *dir, const struct state_drain *d)
{
	char *path, *text;
	int err = 0;

	if (d) {
		text = xasprintf("{\"person\": %s, \"withdrawn\": %s, \"waitSeconds\": %u}\n",
		    d->person ? "true" : "false", d->withdrawn ? "true" : "false", d->wait_s);
		err = replace_file(dir, "drain.json", text, true);
		free(text);
		return err;
	}
	path = path_in(dir, "drain.json");
	if (unlink(path) < 0 && errno != ENOENT)
		err = -errno;
	free(path);
	return err;
}

int
state_load_drain(const char *dir, struct state_drain *d, char **error)
{
	char *path = path_in(dir, "drain.json");
	json_t *root = NULL;
	json_error_t bad;
	json_int_t wait;
	int err = 0;

	if (access(path, R_OK) < 0)
		goto done;
	root = json_load_file(path, 0, &bad);
	wait = json_integer_value(json_object_get(root, "waitSeconds"));
	if (!json_is_boolean(json_object_get(root, "person")) || wait < 0 || wait > UINT16_MAX) {
		*error = xasprintf("%s: not what herald wrote; is this node drained? heraldctl "
				   "drain, undrain say so",
		    path);
		err = -EBADMSG;
		goto done;
	}
	*d = (struct state_drain){ .person = json_is_true(json_object_get(root, "person")),
		.withdrawn = json_is_true(json_object_get(root, "withdrawn")),
		.wait_s = (unsigned)wait };
done:
	json_decref(root);
	free(path);
	return err;
}

/* The first line of a small file; "" when there is none. */
static void
read_line(const char *path, char *line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	line[0] = '\0';
	if (fd < 0)
		return;
	n = read(fd, line, size - 1);
	close(fd);
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
}

bool
state_was_running(const char *dir)
{
	char now[BOOT_ID_MAX], then[BOOT_ID_MAX];
	char *path = path_in(dir, "running");

	read_line(BOOT_ID, now, sizeof(now));
	read_line(path, then, sizeof(then));
	free(path);
	return now[0] && strcmp(now, then) == 0;
}

int
state_mark_running(const char *dir)
{
	char now[BOOT_ID_MAX];

	read_line(BOOT_ID, now, sizeof(now));
	/* Not synced: what the machine forgets when it dies is of another boot by then. */
	return replace_file(dir, "running", now, false);
}

void
state_mark_gone(const char *dir)
{
	char *path = path_in(dir, "running");

	unlink(path);
	free(path);
}
