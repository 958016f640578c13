/*
 * daemon/control_access.c: who may ask what on the control socket.  Beside control.c.
 */
#include "daemon/control.h"

#include "lib/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUPS_MAX 65536 /* of a process, by the kernel (NGROUPS_MAX) */

/* Is the other end in @group, as its first or any other? */
static bool
is_in_group(int fd, const struct ucred *peer, gid_t group)
{
	gid_t few[64], *list = few;
	socklen_t len = sizeof(few);
	bool found = peer->gid == group;
	int err;

	if (found || group == CONTROL_NO_GROUP)
		return found;
	err = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &len);
	if (err < 0 && errno == ERANGE && len <= GROUPS_MAX * sizeof(gid_t)) {
		list = mem_calloc(1, len);
		err = list ? getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &len) : -1;
	}
	for (size_t i = 0; err == 0 && i < len / sizeof(gid_t) && !found; i++)
		found = list[i] == group;
	if (list != few)
		mem_free(list);
	return found;
}

enum control_right
control_access_of(int fd, const struct control_access *a)
{
	struct ucred peer = { .uid = (uid_t)-1, .gid = CONTROL_NO_GROUP };
	socklen_t len = sizeof(peer);

	/* Without readers the file's mode has decided. */
	if (a->readers == CONTROL_NO_GROUP)
		return CONTROL_ALL;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return CONTROL_NOTHING;
	if (peer.uid == 0 || peer.uid == geteuid() || is_in_group(fd, &peer, a->group))
		return CONTROL_ALL;
	return is_in_group(fd, &peer, a->readers) ? CONTROL_READ : CONTROL_NOTHING;
}

/* Two groups cannot be told apart by the mode of one file: then anybody may connect, and is asked who he is. */
int
control_access_file(const char *path, const struct control_access *a, char **error)
{
	const mode_t mode = a->readers == CONTROL_NO_GROUP ? 0660 : 0666;
	int err = 0;

	if (a->group != CONTROL_NO_GROUP && lchown(path, (uid_t)-1, a->group) < 0)
		err = -errno;
	if (err == 0 && chmod(path, mode) < 0)
		err = -errno;
	if (err < 0)
		*error = xasprintf(
		    "control socket %s: cannot give it to its group: %s", path, strerror(-err));
	return err;
}
