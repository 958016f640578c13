/*
 * tests/unit/datapath/kernelkit.h: what the tests of the loader share; see kernelkit.c.
 */
#ifndef HERALD_TESTS_UNIT_DATAPATH_KERNELKIT_H
#define HERALD_TESTS_UNIT_DATAPATH_KERNELKIT_H

#include "tests/unit/unit.h"

#include "datapath/kernel.h"

#include <bpf/bpf.h>

#define TCX_INGRESS ((enum bpf_attach_type)46)
#define TCX_EGRESS ((enum bpf_attach_type)47)

extern const struct dp_sizes small;
extern char base[64], pin[128]; /* the file system, and the pin path on it */
extern struct loop *loop;
extern struct dp_kernel *kernel;
extern unsigned va; /* the device that kit_attach() means */
/* What the last call of kit_on_done() was told. */
extern int done_err;
extern bool is_done;
extern char done_why[KERNEL_WHY];

/* Enter namespaces; false: not permitted, or no BPF here. */
bool kernel_namespaces(void);
void kernel_setup(void);
void kernel_teardown(void);
/* A test case with those two around each test. */
TCase *kernel_tcase(Suite *, const char *name);

int kit_ip(const char *args); /* the exit status of ip(8) */
void kit_on_done(void *arg, int err, const char *why);
int kit_start_at(const char *path); /* begin, and wait for the end; gives its error */
void kit_start(void);
void kit_stop(void);
void kit_restart(void);
void kit_grow(const struct dp_sizes *);
enum dp_link_how kit_attach(bool pods, enum dp_attach, bool veth);
/* The programs that stand on va, asked of the kernel: how many, and the first one's number. */
unsigned kit_on_tc(enum bpf_attach_type, uint32_t *id);
uint32_t kit_on_xdp(void);
uint32_t kit_id_of(enum kp_prog);
bool kit_is_pinned(const char *name);

#endif
