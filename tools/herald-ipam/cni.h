/*
 * tools/herald-ipam/cni.h: the Container Network Interface as an IPAM plugin sees it: what stands in the
 * environment and on standard input, and what is to be printed.  Pure: main.c reads and writes, ask.c
 * talks to the daemon.
 *
 * CNI specification 0.3.1, 0.4.0, 1.0.0 and 1.1.0; the results and the handling of routes and dns are
 * those of the reference plugin host-local, so that ptp and bridge work with either.
 */
#ifndef HERALD_TOOLS_IPAM_CNI_H
#define HERALD_TOOLS_IPAM_CNI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define CNI_SOCKET "/run/herald/herald-ipam.sock"
#define CNI_STDIN_MAX ((size_t)1 << 20)

/* "Error" of the specification. */
enum cni_code {
	CNI_OK = 0,
	CNI_BAD_VERSION = 1,
	CNI_UNSUPPORTED_FIELD = 2,
	CNI_UNKNOWN_CONTAINER = 3,
	CNI_BAD_ENVIRONMENT = 4,
	CNI_IO = 5,
	CNI_CANNOT_DECODE = 6,
	CNI_BAD_CONFIG = 7,
	CNI_TRY_LATER = 11,
	CNI_NOT_AVAILABLE = 50,
	CNI_CHECK_FAILED = 110, /* from 100 on: ours */
};

enum cni_command { CNI_ADD, CNI_DEL, CNI_CHECK, CNI_VERSION, CNI_STATUS, CNI_GC, CNI_NR_COMMANDS };

/* The variables, NULL where they are not set. */
struct cni_env {
	const char *command, *container, *netns, *ifname, *args;
};

struct cni_call {
	enum cni_command command;
	const char *version; /* of the configuration, one that we know */
	json_t *conf;	     /* all of it */
	const char *socket;
	json_t *request; /* to the daemon; NULL for VERSION */
};

/* What is wrong; strings in it. */
struct cni_fault {
	int code;
	char msg[128], details[512];
};

/* 0, or -1 with *fault.  cni_call_fini() in both cases. */
int cni_read(struct cni_call *, const struct cni_env *, const char *text, size_t len,
    struct cni_fault *fault);
void cni_call_fini(struct cni_call *);

/*
 * From the daemon's answer to what is printed, NULL: nothing.  @resolv: the text of the file that the
 * configuration names as resolvConf, or NULL.  0, or -1 with *fault.
 */
int cni_result(const struct cni_call *, const json_t *answer, const char *resolv, json_t **out,
    struct cni_fault *fault);
/* ipam.resolvConf, or NULL. */
const char *cni_resolv_path(const struct cni_call *);

/* {"cniVersion", "supportedVersions"} and {"cniVersion", "code", "msg", "details"}. */
json_t *cni_versions(const char *version);
json_t *cni_error(const char *version, const struct cni_fault *);

void cni_fault_set(struct cni_fault *, int code, const char *msg, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- ask.c ---- */

/* One line of JSON to the daemon, and its line back.  0; -errno: it could not be asked, *why says what was
 * tried. */
int ask_daemon(const char *socket, const json_t *request, json_t **answer, char *why, size_t size);

#endif
