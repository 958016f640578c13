/*
 * daemon/notify.c: see notify.h.  A datagram to the socket that NOTIFY_SOCKET names.
 */
#include "daemon/notify.h"

#include "lib/text.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void
notify_systemd(const char *state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (len < 2 || len >= sizeof(sun.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(sun.sun_path, path, len);
	if (path[0] == '@') /* the abstract name space */
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	/* Nothing depends on its arrival: systemd times out and says so itself. */
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&sun,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

unsigned
notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t us, who;

	if (!usec || text_u64(usec, 3600000000ull, &us) < 0)
		return 0;
	/* It may be meant for a parent of ours (sd_watchdog_enabled(3)). */
	if (pid && (text_u64(pid, INT32_MAX, &who) < 0 || who != (uint64_t)getpid()))
		return 0;
	return us >= 4000 ? (unsigned)(us / 4000) * 2 : 0;
}
