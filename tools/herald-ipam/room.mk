# tools/herald-ipam/: the CNI plugin that asks the daemon for a pod's addresses.  It is put into other
# systems' /opt/cni/bin and started for each pod: linked statically, it needs nothing there and starts
# in half the time.  (Sanitizers and coverage want the libraries.)
ROOMS += herald-ipam
herald-ipam_SRC := $(filter-out tools/herald-ipam/main.c,$(wildcard tools/herald-ipam/*.c))
herald-ipam_USES = lib
herald-ipam_LIBS = $(JANSSON_LIBS)

PROGRAMS += $(if $(wildcard tools/herald-ipam/main.c),herald-ipam)
herald-ipam_MAIN = tools/herald-ipam/main.c
herald-ipam_ROOM = herald-ipam
herald-ipam_LDFLAGS := $(if $(SANITIZE)$(strip $(COVERAGE_CFLAGS)),,$(shell echo 'int main(void){return 0;}' | \
	$(CC) -static-pie -x c - -o /dev/null $(JANSSON_LIBS) 2>/dev/null && echo -static-pie))
