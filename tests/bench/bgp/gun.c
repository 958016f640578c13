/*
 * tests/bench/bgp/gun.c: commands, one a line, from standard input; one JSON line out for each.  The
 * driver (world.py) speaks it.  Also the null daemon of the bench: no table, no policy, just sockets.
 *
 *     set NAME=VALUE ...              gr v6 add_path forward autosend bare hold retry_ms base len
 *     universe N4 N6                  so many prefixes there are; before peers
 *     peers LOCAL REMOTE AS NR PASSIVE SINK [STEP_LOCAL STEP_REMOTE STEP_AS]
 *     start | stop | cut S            listen and dial | cut all connections | cut one, to dial again
 *     own N                           the daemon's own: the first N prefixes are to be there
 *     load S FAMILY FIRST N SETS shuf|seq   SETS 0: withdrawals.  Made, not sent
 *     end FAMILY                      End-of-RIB behind what is loaded
 *     send S                          what is loaded; then it is forgotten
 *     wait up N | have N4 N6 | heard N | eor | sent S | at INDEX VALUE, then a limit in seconds
 *     compare                         every sink's table with what was sent, route by route
 *     stats | clear | churn S RATE SECONDS FIRST SLOTS | quit
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/bench/bgp/gun.h"

#define MAX_WORDS 16

static unsigned long
number(const char *word)
{
	return word ? strtoul(word, NULL, 10) : 0;
}

/* ---- replies ---- */

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The state of all sinks together. */
static void
report(const struct gun *g, bool ok)
{
	uint64_t up_first = UINT64_MAX, up = 0, last = 0, eor = 0, first = 0, sent = 0, updates = 0,
		 bytes = 0, announced = 0, withdrawn = 0, strange = 0, downs = 0,
		 since[MAX_SESSIONS];
	unsigned nr = 0, nr_eor = 0, nr_up = 0;

	for (unsigned i = 0; i < g->nr_sessions; i++) {
		const struct session *p = g->sessions[i];

		nr_up += p->state == ESTABLISHED;
		downs += p->downs;
		sent = p->t_sent > sent ? p->t_sent : sent;
		up = p->t_up > up ? p->t_up : up;
		up_first = p->t_up && p->t_up < up_first ? p->t_up : up_first;
		if (!p->sink)
			continue;
		since[nr++] = p->t_last > p->t_up ? p->t_last - p->t_up : 0;
		nr_eor += p->t_eor != 0;
		eor = p->t_eor > eor ? p->t_eor : eor;
		last = p->t_last > last ? p->t_last : last;
		first = p->t_first && (!first || p->t_first < first) ? p->t_first : first;
		updates += p->updates;
		bytes += p->bytes;
		announced += p->announced;
		withdrawn += p->withdrawn;
		strange += p->strange;
	}
	qsort(since, nr, sizeof(since[0]), by_value);
	printf("{\"ok\":%s,\"up\":%u,\"sinks\":%u,\"eors\":%u,\"t_up_first\":%lu,\"t_up\":%lu,"
	       "\"t_first\":%lu,\"t_last\":%lu,\"t_eor\":%lu,\"t_sent\":%lu,\"updates\":%lu,"
	       "\"bytes\":%lu,\"announced\":%lu,\"withdrawn\":%lu,\"strange\":%lu,\"downs\":%lu,"
	       "\"since_up_median\":%.6f,\"since_up_max\":%.6f}\n",
	    ok ? "true" : "false", nr_up, nr, nr_eor, up_first, up, first, last, eor, sent, updates,
	    bytes, announced, withdrawn, strange, downs, nr ? (double)since[nr / 2] / 1e9 : 0,
	    nr ? (double)since[nr - 1] / 1e9 : 0);
}

/* Route by route; the first few that differ are told. */
static void
compare(const struct gun *g)
{
	uint64_t wrong = 0, routes = 0;
	unsigned sinks = 0;

	for (unsigned i = 0; i < g->nr_sessions; i++) {
		const struct session *p = g->sessions[i];

		if (!p->sink)
			continue;
		sinks++;
		for (int f = 0; f < NR_FAMILIES; f++) {
			for (uint32_t k = 0; k < p->tab[f].nr; k++) {
				routes += p->tab[f].at[k] != 0;
				if (p->tab[f].at[k] == g->want[f].at[k])
					continue;
				if (wrong++ < 5)
					fprintf(stderr,
					    "sink %u: family %d, prefix %u: %u, not %u\n", i, f, k,
					    p->tab[f].at[k], g->want[f].at[k]);
			}
		}
		wrong += p->strange;
	}
	printf("{\"ok\":%s,\"sinks\":%u,\"routes\":%lu,\"wrong\":%lu}\n", wrong ? "false" : "true",
	    sinks, routes, wrong);
}

/* ---- waiting ---- */

static bool
sinks_have(const struct gun *g, uint32_t n4, uint32_t n6)
{
	for (unsigned i = 0; i < g->nr_sessions; i++) {
		const struct session *p = g->sessions[i];

		if (p->sink && (p->tab[V4].have != n4 || p->tab[V6].have != n6))
			return false;
	}
	return true;
}

static bool
sinks_have_at(const struct gun *g, uint32_t index, uint32_t value)
{
	for (unsigned i = 0; i < g->nr_sessions; i++) {
		const struct session *p = g->sessions[i];

		if (p->sink && (index >= p->tab[V4].nr || p->tab[V4].at[index] != value))
			return false;
	}
	return true;
}

static bool
holds(const struct gun *g, char **w)
{
	unsigned nr = 0;
	int queued = 0;

	if (strcmp(w[1], "have") == 0)
		return sinks_have(g, (uint32_t)number(w[2]), (uint32_t)number(w[3]));
	if (strcmp(w[1], "at") == 0)
		return sinks_have_at(g, (uint32_t)number(w[2]), (uint32_t)number(w[3]));
	if (strcmp(w[1], "sent") == 0) {
		const struct session *p = g->sessions[number(w[2])];

		return p->fd < 0 ||
		    (p->t_sent && ioctl(p->fd, SIOCOUTQ, &queued) == 0 && queued == 0);
	}
	for (unsigned i = 0; i < g->nr_sessions; i++) {
		const struct session *p = g->sessions[i];

		if (strcmp(w[1], "eor") == 0)
			nr += p->sink && !p->t_eor;
		else if (strcmp(w[1], "heard") == 0)
			nr += p->sink && p->announced < number(w[2]);
		else
			nr += p->state == ESTABLISHED;
	}
	return strcmp(w[1], "up") == 0 ? nr >= number(w[2]) : nr == 0;
}

static void
wait_for(struct gun *g, char **w, int nr)
{
	uint64_t limit = now_ns() + number(w[nr - 1]) * 1000000000ull;
	bool ok;

	while (!(ok = holds(g, w)) && now_ns() < limit)
		turn(g, strcmp(w[1], "sent") == 0 ? 5000000 : 50000000);
	report(g, ok);
}

/* ---- commands ---- */

static bool
option(struct gun *g, const char *name, const char *value)
{
	unsigned long v = number(value);
	struct in_addr a;

	if (strcmp(name, "gr") == 0)
		g->gr = v;
	else if (strcmp(name, "v6") == 0)
		g->v6 = v;
	else if (strcmp(name, "add_path") == 0)
		g->add_path = v;
	else if (strcmp(name, "forward") == 0)
		g->forward = v;
	else if (strcmp(name, "autosend") == 0)
		g->autosend = v;
	else if (strcmp(name, "bare") == 0)
		g->bare = v;
	else if (strcmp(name, "hold") == 0)
		g->hold_s = (unsigned)v;
	else if (strcmp(name, "retry_ms") == 0)
		g->retry_ms = (unsigned)v;
	else if (strcmp(name, "len") == 0)
		g->len = (unsigned)v;
	else if (strcmp(name, "base") == 0 && inet_pton(AF_INET, value, &a) == 1)
		g->base = ntohl(a.s_addr);
	else
		return false;
	return true;
}

static bool
set_options(struct gun *g, char **w, int nr)
{
	for (int i = 1; i < nr; i++) {
		char *eq = strchr(w[i], '=');

		if (!eq)
			return false;
		*eq = 0;
		if (!option(g, w[i], eq + 1))
			return false;
	}
	return true;
}

static bool
universe(struct gun *g, char **w)
{
	for (int f = 0; f < NR_FAMILIES; f++) {
		uint32_t nr = (uint32_t)number(w[1 + f]);

		g->want[f] = (struct table){ .nr = nr, .at = calloc(nr + 1u, sizeof(uint32_t)) };
		if (!g->want[f].at)
			return false;
	}
	return true;
}

static bool
peers(struct gun *g, char **w, int nr)
{
	uint32_t step[3] = { 1, 0, 1 };
	struct in_addr local, remote;

	if (nr < 7 || inet_pton(AF_INET, w[1], &local) != 1 ||
	    inet_pton(AF_INET, w[2], &remote) != 1)
		return false;
	for (int i = 0; i < 3 && 7 + i < nr; i++)
		step[i] = (uint32_t)number(w[7 + i]);
	for (uint32_t i = 0; i < number(w[4]); i++) {
		struct in_addr l = { htonl(ntohl(local.s_addr) + i * step[0]) };
		struct in_addr r = { htonl(ntohl(remote.s_addr) + i * step[1]) };
		struct session *p =
		    session_make(g, l, r, (uint32_t)number(w[3]) + i * step[2], number(w[5]));

		p->sink = number(w[6]);
	}
	return true;
}

static bool
load(struct gun *g, char **w, int nr)
{
	int family = number(w[2]) == 6 ? V6 : V4;

	if (nr < 7 || number(w[1]) >= g->nr_sessions ||
	    number(w[3]) + number(w[4]) > g->want[family].nr)
		return false;
	stream_routes(&g->streams[0], g->sessions[number(w[1])], family, (uint32_t)number(w[3]),
	    (uint32_t)number(w[4]), (uint32_t)number(w[5]), strcmp(w[6], "shuf") == 0);
	return true;
}

static void
send_loaded(struct gun *g, struct session *p)
{
	struct stream *out = &g->streams[1];

	/* What is being sent has to stay while the next is made. */
	out->len = 0;
	stream_add(out, g->streams[0].bytes, g->streams[0].len);
	g->streams[0].len = 0;
	printf("{\"ok\":true,\"t\":%lu,\"bytes\":%zu}\n", now_ns(), out->len);
	fflush(stdout);
	session_bulk(p, out);
}

static void
stop(struct gun *g)
{
	g->started = false;
	for (unsigned i = 0; i < g->nr_sessions; i++)
		session_down(g->sessions[i]);
}

static bool
start(struct gun *g)
{
	bool passive = false;

	for (unsigned i = 0; i < g->nr_sessions; i++)
		passive |= g->sessions[i]->passive;
	if (passive && g->listener < 0 && sessions_listen(g) < 0)
		fatal("listen");
	g->started = true;
	return true;
}

static void
clear(struct gun *g)
{
	for (unsigned i = 0; i < g->nr_sessions; i++) {
		struct session *p = g->sessions[i];

		p->t_first = p->t_last = p->updates = p->bytes = p->announced = p->withdrawn = 0;
	}
}

/* Commands that answer with nothing but whether they were understood. */
static bool
simple(struct gun *g, char **w, int nr)
{
	if (strcmp(w[0], "set") == 0)
		return set_options(g, w, nr);
	if (strcmp(w[0], "universe") == 0)
		return nr == 3 && universe(g, w);
	if (strcmp(w[0], "peers") == 0)
		return peers(g, w, nr);
	if (strcmp(w[0], "load") == 0)
		return load(g, w, nr);
	if (strcmp(w[0], "start") == 0)
		return start(g);
	if (strcmp(w[0], "end") == 0)
		stream_end_of_rib(&g->streams[0], number(w[1]) == 6 ? V6 : V4);
	else if (strcmp(w[0], "stop") == 0)
		stop(g);
	else if (strcmp(w[0], "cut") == 0 && number(w[1]) < g->nr_sessions)
		session_down(g->sessions[number(w[1])]);
	else if (strcmp(w[0], "clear") == 0)
		clear(g);
	else if (strcmp(w[0], "own") == 0 && number(w[1]) <= g->want[V4].nr)
		for (uint32_t i = 0; i < g->want[V4].nr; i++)
			g->want[V4].at[i] = i < number(w[1]) ? OWN : 0;
	else
		return false;
	return true;
}

static void
command(struct gun *g, char *line)
{
	char *w[MAX_WORDS + 1] = { NULL }, *save = NULL, *word;
	int nr = 0;

	for (word = strtok_r(line, " \r\n", &save); word && nr < MAX_WORDS;
	     word = strtok_r(NULL, " \r\n", &save))
		w[nr++] = word;
	if (!nr)
		return;
	if (strcmp(w[0], "quit") == 0)
		exit(0);
	if (strcmp(w[0], "wait") == 0 && nr > 2)
		wait_for(g, w, nr);
	else if (strcmp(w[0], "compare") == 0)
		compare(g);
	else if (strcmp(w[0], "stats") == 0)
		report(g, true);
	else if (strcmp(w[0], "send") == 0 && number(w[1]) < g->nr_sessions)
		send_loaded(g, g->sessions[number(w[1])]);
	else if (strcmp(w[0], "churn") == 0 && nr == 6 && number(w[1]) < g->nr_sessions)
		churn_run(g->sessions[number(w[1])], strtod(w[2], NULL), strtod(w[3], NULL),
		    (uint32_t)number(w[4]), (uint32_t)number(w[5]));
	else if (simple(g, w, nr))
		printf("{\"ok\":true,\"t\":%lu}\n", now_ns());
	else
		printf("{\"ok\":false,\"error\":\"not understood: %s\"}\n", w[0]);
	fflush(stdout);
}

/* Every whole line that came in. */
static void
commands(struct gun *g, char *in, size_t *nr)
{
	char *end;

	while ((end = memchr(in, '\n', *nr))) {
		size_t len = (size_t)(end - in) + 1;
		char line[1024] = "";

		memcpy(line, in, len < sizeof(line) ? len - 1 : sizeof(line) - 1);
		memmove(in, in + len, *nr - len);
		*nr -= len;
		command(g, line);
	}
}

int
main(void)
{
	static struct gun gun = { .listener = -1,
		.hold_s = 90,
		.retry_ms = 20,
		.port = 179,
		.base = 0x10000000,
		.len = 24 };
	static char in[65536];
	struct epoll_event e = { .events = EPOLLIN };
	size_t nr = 0;

	gun.ep = epoll_create1(EPOLL_CLOEXEC);
	if (gun.ep < 0 || epoll_ctl(gun.ep, EPOLL_CTL_ADD, 0, &e) < 0)
		fatal("epoll");
	if (fcntl(0, F_SETFL, O_NONBLOCK) < 0)
		fatal("standard input");
	for (;;) {
		ssize_t n = read(0, in + nr, sizeof(in) - nr);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			return 0;
		if (n > 0) {
			nr += (size_t)n;
			commands(&gun, in, &nr);
			continue;
		}
		turn(&gun, 200000000);
	}
}
