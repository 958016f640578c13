# daemon/: herald itself.  main.c is the program, the rest an archive that tests can link.
ROOMS += daemon
daemon_SRC := $(filter-out daemon/main.c,$(wildcard daemon/*.c)) daemon/page_assets.S daemon/call_filters.S
daemon_USES = kube resource bgpd bfd ipam fib datapath podipam l2 cluster lib
daemon_LIBS = $(JANSSON_LIBS) $(LIBEVENT_EXTRA_LIBS) $(LIBCAP_NG_LIBS)

# Filters of system calls are made here, by a program that runs here: it is built for this machine.
$(O)/daemon/%.filter: $(O)/callfilter
	@mkdir -p $(@D)
	$(call say,GEN,$@)$(O)/callfilter $* >$@.tmp && mv $@.tmp $@
$(O)/daemon/call_filters.o: $(O)/daemon/daemon.filter $(O)/daemon/helper.filter

$(O)/daemon/page_assets.o: $(wildcard daemon/page/*)

PROGRAMS += $(if $(wildcard daemon/main.c),herald)
herald_MAIN = daemon/main.c
herald_ROOM = daemon
