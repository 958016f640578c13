/*
 * podipam/ns.c: see ns.h.
 */
#include "podipam/ns.h"

#include "lib/mem.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* st_dev of the folder that @path is in; of /proc for what is below it, since a process's own folder
 * goes with the process.  0: not there. */
static uint64_t
anchor_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct stat st;
	char *folder;

	if (strncmp(path, "/proc/", 6) == 0)
		folder = xstrdup("/proc");
	else
		folder =
		    slash && slash != path ? xstrndup(path, (size_t)(slash - path)) : xstrdup("/");
	if (stat(folder, &st) < 0)
		st.st_dev = 0;
	free(folder);
	return st.st_dev;
}

struct ns_id
ns_look(const char *path)
{
	const struct ns_id none = { 0 };
	struct statfs fs;
	struct stat st;

	if (*path != '/' || statfs(path, &fs) < 0 || fs.f_type != NSFS_MAGIC || stat(path, &st) < 0)
		return none;
	return (struct ns_id){ st.st_dev, st.st_ino, anchor_of(path) };
}

bool
ns_is_gone(const char *path, const struct ns_id *id)
{
	struct statfs fs;
	struct stat st;

	if (!id->ino || !id->anchor || anchor_of(path) != id->anchor)
		return false;
	if (statfs(path, &fs) < 0 || stat(path, &st) < 0)
		return errno == ENOENT;
	return fs.f_type != NSFS_MAGIC || st.st_dev != id->dev || st.st_ino != id->ino;
}
