# daemon/: herald itself.  main.c is the program, the rest an archive that tests can link.
ROOMS += daemon
daemon_SRC := $(filter-out daemon/main.c,$(wildcard daemon/*.c)) daemon/page_assets.S
daemon_USES = kube resource bgpd bfd ipam fib datapath podipam l2 cluster lib
daemon_LIBS = $(JANSSON_LIBS) $(LIBEVENT_EXTRA_LIBS) $(LIBCAP_NG_LIBS) $(LIBSECCOMP_LIBS)

$(O)/daemon/page_assets.o: $(wildcard daemon/page/*)

PROGRAMS += $(if $(wildcard daemon/main.c),herald)
herald_MAIN = daemon/main.c
herald_ROOM = daemon
