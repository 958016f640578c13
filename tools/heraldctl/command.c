/*
 * tools/heraldctl/command.c: the table of commands, finding one by its words, and help.
 */
#include "tools/heraldctl/command.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "tools/heraldctl/render.h"

#include <stdbool.h>
#include <string.h>

#define MANY 100

/* clang-format off */
const struct command commands[] = {
	{ { "status" }, "", "Show everything that matters on one screen", NULL,
	  0, 0, COMMAND_ASK, render_status },
	{ { "bgp", "peers" }, "[-v] [PEER]", "Show BGP peers and their sessions",
	  "-v shows all there is to know: capabilities and messages both ways, timers, the last words, what\n"
	  "one that is not established waits for. So does PEER, a name or an address, of that one alone.",
	  0, 2, COMMAND_ASK, render_bgp_peers },
	{ { "bgp", "routes" },
	  "[available|received|advertised] [ipv4|ipv6 unicast] [--peer NAME] [PREFIX]",
	  "Show BGP routes",
	  "available: those that may be used, received: what peers sent, before the import rules,\n"
	  "advertised: what peers were told. Without a word: available, or with PREFIX everything there is of\n"
	  "it, and why each path is the best or is not. An address stands for the longest prefix it is in.",
	  0, 6, COMMAND_ASK, render_bgp_routes },
	{ { "bgp", "route-policies" }, "", "Show the policies made from the advertisements", NULL,
	  0, 0, COMMAND_ASK, render_bgp_policies },
	{ { "bgp", "bmp" }, "", "Show monitoring stations (BMP) and what they were told", NULL,
	  0, 0, COMMAND_ASK, render_bgp_bmp },
	{ { "bgp", "dump" }, "PEER|all|table FILE [--seconds N]",
	  "Write a peer's messages, or the table, to a file, for other tools",
	  "Records of MRT (RFC 6396) as bgpdump and others read them. PEER or all: all messages both ways and\n"
	  "the state, until interrupted or for N seconds. table: the routes that may be used, once.\n"
	  "FILE is replaced; - is standard output.",
	  2, 4, COMMAND_DUMP, NULL },
	{ { "bgp", "clear" }, "PEER [soft in|soft out]", "Reset a session, or refresh its routes",
	  "Without more the session is closed and opened again. soft in asks the peer to send its\n"
	  "routes again, soft out sends ours again; the session stays up.",
	  1, 3, COMMAND_ASK, NULL },
	{ { "bgp", "shutdown" }, "PEER [MESSAGE]", "Take a session down and keep it down",
	  "MESSAGE is sent to the peer (RFC 9003, at most 255 bytes). bgp enable undoes it.",
	  1, MANY, COMMAND_ASK, NULL },
	{ { "bgp", "enable" }, "PEER", "Let a session that was shut down come up again", NULL,
	  1, 1, COMMAND_ASK, NULL },
	{ { "bfd", "sessions" }, "", "Show whom BFD watches, and whether they are heard", NULL,
	  0, 0, COMMAND_ASK, render_bfd },
	{ { "service", "list" }, "[--stats]", "Show services, their frontends and backends",
	  "--stats adds what each frontend carried: packets and bytes of both directions, new flows.",
	  0, 1, COMMAND_ASK, render_services },
	{ { "lb", "list" }, "[--backends|--source-ranges]",
	  "Show what the load balancer holds, read back from the kernel",
	  "Slot 0 of each address has its flags. --backends lists backends alone, with what each\n"
	  "carried; --source-ranges who may reach which address.",
	  0, 1, COMMAND_ASK, render_lb_list },
	{ { "lb", "conntrack" }, "[--limit N]", "Show flows through the load balancer",
	  "At most N of them, 1000 unless told, in no order.",
	  0, 2, COMMAND_ASK, render_lb_conntrack },
	{ { "lb", "maglev" }, "[ADDRESS:PORT/PROTOCOL]", "Show how new flows are shared out",
	  "With an address, -o json has the table too: the place of a backend in the list, for each\n"
	  "slot. It is the same on every node.",
	  0, 1, COMMAND_ASK, render_lb_maglev },
	{ { "lb", "counters" }, "", "Show what became of packets, and why", NULL,
	  0, 0, COMMAND_ASK, render_lb_counters },
	{ { "monitor" }, "[--type TYPE,...] [--peer NAME] [--service NAMESPACE/NAME] [--last N]",
	  "Show what happens in the control plane, as it happens",
	  "TYPE is peer, bfd, route, address, l2, service, reload or drain. It goes on until interrupted, or for\n"
	  "N events, and comes back by itself when the daemon was restarted.",
	  0, 8, COMMAND_STREAM, render_monitored },
	{ { "observe" }, "[--service NAMESPACE/NAME] [--address IP] [--last N] [-f]",
	  "Show new flows and drops as they happen",
	  "Ends after N records, 20 unless told; with -f and without N it goes on until interrupted, also\n"
	  "when the daemon was restarted.\n"
	  "IP is a client's, a frontend's or a backend's. Nothing is recorded while nobody looks.",
	  0, 7, COMMAND_STREAM, render_observed },
	{ { "top" }, "[-d SECONDS]", "Show peers, Services by packets a second and layer 2, live",
	  "On a terminal, looked at anew every 2 seconds, or SECONDS. tab goes to the next pane, arrows\n"
	  "and page keys scroll, / filters, space pauses, q leaves.",
	  0, 2, COMMAND_TOP, NULL },
	{ { "ippools" }, "", "Show address pools", NULL,
	  0, 0, COMMAND_ASK, render_ippools },
	{ { "ipam", "release" }, "NAMESPACE/NAME", "Have a Service's addresses given anew",
	  "What it holds goes back and it is served by the pools that there are now. An address that it\n"
	  "asks for by name stays while its pool would give it. In a cluster, ask the node that leads.",
	  1, 1, COMMAND_ASK, NULL },
	{ { "ipam" }, "", "Show every address that was given out, and who waits for one", NULL,
	  0, 0, COMMAND_ASK, render_ipam },
	{ { "l2" }, "[ADDRESS]", "Show who answers for which address by ARP and neighbour discovery",
	  "With an address, also why each node does or does not.",
	  0, 1, COMMAND_ASK, render_l2 },
	{ { "drain" }, "[--wait SECONDS]", "Take this node out of the way without losing a packet",
	  "BGP peers are asked to take other paths (GRACEFUL_SHUTDOWN); after SECONDS (10), Services\n"
	  "are withdrawn; other nodes take its layer 2 addresses. PodCIDRs stay announced. It lasts until\n"
	  "undrain, whatever becomes of the daemon.",
	  0, 2, COMMAND_ASK, NULL },
	{ { "undrain" }, "", "Let this node take part again", NULL,
	  0, 0, COMMAND_ASK, NULL },
	{ { "routes" }, "", "Show the kernel routes that Herald installed", NULL,
	  0, 0, COMMAND_ASK, render_routes },
	{ { "explain" },
	  "service NAMESPACE/NAME [--node NODE] | address IP | peer NAME | route PREFIX",
	  "Show why something is as it is, step by step, and what to change",
	  "From the configuration to the packet; the first step that fails is marked. With --node it is\n"
	  "asked what that node would do, as far as it can be told from here.",
	  2, 4, COMMAND_ASK, render_explain },
	{ { "log" }, "[[SUBSYSTEM] LEVEL]", "Show or change what is logged, room by room",
	  "LEVEL is error, warn, info, debug, or default: what the HeraldConfig says. Without SUBSYSTEM\n"
	  "it is set for all. It holds until the daemon ends; a reload leaves it alone.",
	  0, 2, COMMAND_ASK, render_log },
	{ { "plan" }, "-f PATH...", "Show what a configuration would change; changes nothing",
	  "PATH is a file, a directory, or - for standard input; all of them together stand in for the\n"
	  "files that the daemon reads. What comes from the Kubernetes API stays as it is. --json is\n"
	  "-o json. Exit status: 0 nothing changes, 4 something does, 1 the configuration is bad.",
	  1, MANY, COMMAND_PLAN, render_plan },
	{ { "reload" }, "", "Read the configuration again and apply what changed", NULL,
	  0, 0, COMMAND_ASK, NULL },
	{ { "config", "check" }, "[-f PATH]...", "Check a configuration; needs no daemon",
	  "PATH is a file or a directory; without it, /etc/herald/. Every fault is one line.",
	  0, MANY, COMMAND_CHECK, NULL },
	{ { "config", "show" }, "", "Show the documents in force, defaults filled in", NULL,
	  0, 0, COMMAND_DOCUMENTS, NULL },
	{ { "convert" }, "-f PATH...", "Print MetalLB's or Cilium's documents as Herald's; needs no daemon",
	  "PATH is a file, a directory, or - for standard input: documents of metallb.io and cilium.io,\n"
	  "and MetalLB's old ConfigMap. What has no equivalent is told on standard error, and the exit\n"
	  "status is 1 then; everything else is printed.",
	  0, MANY, COMMAND_CONVERT, NULL },
	{ { "shutdown" }, "", "Withdraw everything and end the daemon", NULL,
	  0, 0, COMMAND_ASK, NULL },
	{ { NULL }, NULL, NULL, NULL, 0, 0, COMMAND_ASK, NULL },
};
/* clang-format on */

/* ---- finding ---- */

static int
nr_words_of(const struct command *c)
{
	int n = 0;

	while (n < 3 && c->words[n])
		n++;
	return n;
}

static bool
begins_with(const struct command *c, int argc, const char *const *argv)
{
	for (int i = 0; i < nr_words_of(c); i++)
		if (i >= argc || strcmp(c->words[i], argv[i]) != 0)
			return false;
	return true;
}

/* The words at place @at of all commands whose words before it are those of @argv. */
static size_t
words_at(int at, const char *const *argv, const char **words, size_t max)
{
	size_t n = 0;

	for (const struct command *c = commands; c->words[0] && n + 1 < max; c++) {
		if (at > 0 && strcmp(c->words[0], argv[0]) != 0)
			continue;
		if (at < nr_words_of(c) && (n == 0 || strcmp(words[n - 1], c->words[at]) != 0))
			words[n++] = c->words[at];
	}
	words[n] = NULL;
	return n;
}

static void
list_words(const char *const *words, struct buf *out)
{
	for (size_t i = 0; words[i]; i++)
		buf_printf(out, "%s%s", i ? ", " : "", words[i]);
}

/* Which of @words was meant, or all of them when none is near. */
static char *
not_found(const char *what, const char *word, const char *const *words)
{
	const char *near = text_nearest(word, words);
	struct buf out;

	buf_init(&out, 4096);
	buf_printf(&out, "%s \"%s\"; ", what, word);
	if (near) {
		buf_printf(&out, "did you mean \"%s\"?", near);
	} else {
		buf_puts(&out, "there are: ");
		list_words(words, &out);
	}
	return buf_steal(&out);
}

const struct command *
command_find(int argc, const char *const *argv, int *nr_words, char **why)
{
	const char *words[32];
	char *what;

	for (const struct command *c = commands; c->words[0]; c++)
		if (begins_with(c, argc, argv)) {
			*nr_words = nr_words_of(c);
			return c;
		}
	if (words_at(1, argv, words, 32) == 0) {
		words_at(0, argv, words, 32);
		*why = not_found("unknown command", argv[0], words);
	} else if (argc > 1) {
		what = xasprintf("%s: unknown command", argv[0]);
		*why = not_found(what, argv[1], words);
		mem_free(what);
	} else {
		struct buf out;

		buf_init(&out, 4096);
		buf_printf(&out, "%s: what of it? There are: ", argv[0]);
		list_words(words, &out);
		*why = buf_steal(&out);
	}
	return NULL;
}

static void
put_words(const struct command *c, struct buf *out)
{
	for (int i = 0; i < nr_words_of(c); i++)
		buf_printf(out, "%s%s", i ? " " : "", c->words[i]);
}

char *
command_check_args(const struct command *c, int argc, const char *const *argv)
{
	struct buf out;

	if ((unsigned)argc >= c->min && (unsigned)argc <= c->max)
		return NULL;
	buf_init(&out, 4096);
	put_words(c, &out);
	if ((unsigned)argc < c->min)
		buf_puts(&out, ": something is missing; usage: heraldctl ");
	else if (c->max == 0)
		buf_printf(
		    &out, ": takes no arguments, but got \"%s\"; usage: heraldctl ", argv[0]);
	else
		buf_printf(&out, ": \"%s\" is one too many; usage: heraldctl ", argv[c->max]);
	put_words(c, &out);
	buf_printf(&out, "%s%s", *c->args ? " " : "", c->args);
	return buf_steal(&out);
}

/* ---- help ---- */

static void
list_commands(const char *word, struct buf *out)
{
	static const char *const none[] = { "", "", NULL };
	struct text_table *t = text_table_new(none);
	struct buf line;

	for (const struct command *c = commands; c->words[0]; c++) {
		if (word && strcmp(c->words[0], word) != 0)
			continue;
		buf_init(&line, 4096);
		buf_puts(&line, "  ");
		put_words(c, &line);
		text_cell(t, buf_text(&line));
		text_cell(t, c->help);
		buf_fini(&line);
	}
	buf_init(&line, 65536);
	text_table_print(t, &line);
	/* The header line is empty; what counts comes behind it. */
	buf_puts(out, strchr(buf_text(&line), '\n') ? strchr(buf_text(&line), '\n') + 1 : "");
	buf_fini(&line);
	text_table_free(t);
}

void
command_usage(struct buf *out)
{
	buf_puts(out,
	    "usage: heraldctl [-s SOCKET] [-o table|json|yaml] COMMAND [ARGUMENTS]\n"
	    "       heraldctl COMMAND --help\n\n");
	list_commands(NULL, out);
	buf_puts(out,
	    "\n  -s, --socket SOCKET  of the daemon; else HERALD_SOCKET, else "
	    "/run/herald/herald.sock\n"
	    "  -o, --output FORMAT  table, json or yaml\n"
	    "  -h, --help           this, or the help of a command\n"
	    "  -V, --version        the version of heraldctl\n\n"
	    "Exit status: 0 fine, 1 the daemon said no, 2 usage, 3 no daemon there.\n");
}

bool
command_is_group(const char *word)
{
	for (const struct command *c = commands; c->words[0]; c++)
		if (strcmp(c->words[0], word) == 0)
			return true;
	return false;
}

void
command_group_usage(const char *word, struct buf *out)
{
	buf_printf(out, "usage: heraldctl %s COMMAND [ARGUMENTS]\n\n", word);
	list_commands(word, out);
}

void
command_help(const struct command *c, struct buf *out)
{
	buf_puts(out, "usage: heraldctl ");
	put_words(c, out);
	buf_printf(out, "%s%s\n\n%s.\n", *c->args ? " " : "", c->args, c->help);
	if (c->more)
		buf_printf(out, "%s\n", c->more);
}
