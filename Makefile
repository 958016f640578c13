# Herald's one Makefile.  `make help` lists the targets.
#
# BUILD=dir      where everything goes (default build); each has its own configuration, so that
#                `make BUILD=build/clang CC=clang` stands beside the first one
# SANITIZE=list  build with these sanitizers, into $(BUILD)/san-<list>
# TESTS=words    check-unit runs only the programs with one of these in their path
# LAB_JOBS=n     lab tests at a time; LAB_ARGS= goes to pytest
#
# Each room brings a room.mk: ROOMS += name, name_SRC, name_USES (rooms), name_LIBS (libraries).
# A room becomes the archive $(O)/lib<name>.a; a program is its main.c with its room's archives.

BUILD ?= build
PYTHON := /usr/bin/python3
LAB_JOBS ?= $(NPROC)
SHELL := /bin/sh
NPROC := $(shell nproc 2>/dev/null || echo 2)
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:

# These need no configuration: they bring in what they need and call make again, or only sweep.
PLAIN := check check-lab check-kube check-fuzz conformance demo soak bgp-soak bench bench-bgp bench-datapath bench-ipam bench-kube bench-l2 bench-pods deb check-deb kube-server \
	help clean distclean format format-check lint deps configure
ifneq ($(if $(MAKECMDGOALS),$(filter-out $(PLAIN),$(MAKECMDGOALS)),all),)
include $(BUILD)/config.mk
endif

SANITIZE ?= $(DEFAULT_SANITIZE)
comma := ,
O := $(BUILD)$(if $(SANITIZE),/san-$(subst $(comma),-,$(SANITIZE)))$(if $(FUZZING),/fuzz)

# ---- flags ------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes \
	-Wformat=2 -Wvla -Werror
HARDEN := $(if $(SANITIZE)$(FUZZING),,-D_FORTIFY_SOURCE=2 -fstack-protector-strong $(HARDEN_CFLAGS))
# gcc takes the sanitizers' own arithmetic for a conversion; the plain build warns of the real ones.
# What sanitizers put in between makes gcc see conversions and writes that are not there.
SAN_FLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -Wno-conversion \
	$(if $(findstring clang,$(notdir $(CC))),,-Wno-stringop-overflow))
ifdef FUZZING
SAN_FLAGS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
endif

H_CPPFLAGS = -I$(BUILD) -I. -D_GNU_SOURCE $(LIBEVENT_CFLAGS) $(YAML_CFLAGS) $(LIBNL_CFLAGS) \
	$(LIBNL_ROUTE_CFLAGS) $(JANSSON_CFLAGS) $(CURL_CFLAGS) $(LIBCAP_NG_CFLAGS) $(LIBBPF_CFLAGS) \
	$(LIBCRYPTO_CFLAGS) $(NCURSES_CFLAGS) \
	$(LIBSECCOMP_CFLAGS) $(CPPFLAGS)
H_CFLAGS = -std=gnu11 $(CFLAGS) $(WARNINGS) $(HARDEN) -fPIE -fno-common $(SAN_FLAGS) \
	$(COVERAGE_CFLAGS)
H_LDFLAGS = -pie -Wl,-O1,--as-needed,-z,relro,-z,now,--hash-style=gnu $(SAN_FLAGS) \
	$(COVERAGE_CFLAGS) $(LDFLAGS)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)';)

# ---- rooms ------------------------------------------------------------------------------------

ROOMS :=
PROGRAMS :=
include $(sort $(wildcard */room.mk tools/*/room.mk))

archive = $(O)/lib$(1).a
objects = $(patsubst %,$(O)/%.o,$(basename $(1)))
# A room's archives and libraries, with those of the rooms that it uses.
room_archives = $(foreach r,$(1) $($(1)_USES),$(call archive,$(r)))
room_libs = $(foreach r,$(1) $($(1)_USES),$($(r)_LIBS))

OBJS := $(call objects,$(foreach r,$(ROOMS),$($(r)_SRC)) $(foreach p,$(PROGRAMS),$($(p)_MAIN)))
UNIT_SRC := $(sort $(wildcard tests/unit/*/*.c))
UNIT_TESTS := $(patsubst %.c,$(O)/%,$(filter tests/unit/%,$(foreach s,$(UNIT_SRC),$(if \
	$(filter test_%,$(notdir $(s))),$(s)))))
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZERS := $(FUZZ_NAMES:%=$(O)/fuzz_%)

.PHONY: all programs unit-tests fuzzers
all: programs $(if $(WITH_FUZZERS),fuzz-all)
programs: $(PROGRAMS:%=$(O)/%) $(foreach r,$(ROOMS),$(call archive,$(r)))
unit-tests: $(if $(TESTS),$(foreach t,$(UNIT_TESTS),$(if $(strip $(foreach w,$(TESTS),$(findstring \
	$(w),$(t)))),$(t))),$(UNIT_TESTS))

# ---- configuration ----------------------------------------------------------------------------

# Written aside and moved into place, so that two builds at once do not read half a script.
configure: configure.ac VERSION
	@tools/install-deps --tools || { tools/install-deps --check build; exit 1; }
	$(call say,CONF,configure)autoconf -o configure.tmp.$$$$ && mv configure.tmp.$$$$ $@

CONFIGURE_ARGS ?=
$(BUILD)/config.mk: configure config.mk.in config.h.in
	$(Q)mkdir -p $(BUILD)
	$(call say,CONF,$@)cd $(BUILD) && $(CURDIR)/configure -q \
		$(if $(filter default undefined,$(origin CC)),,CC='$(CC)') $(CONFIGURE_ARGS) >config.out 2>&1 \
		|| { cat config.out >&2; exit 1; }; touch config.mk config.h
$(BUILD)/config.h: $(BUILD)/config.mk ;

# ---- compiling --------------------------------------------------------------------------------

$(O)/%.o: %.c $(BUILD)/config.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(H_CPPFLAGS) $(H_CFLAGS) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<

# BPF programs: datapath/bpf/<name>.bpf.c, each an object that runs in the kernel.  What the kernel
# is given are instructions and types (BTF); the rest of the debug information is taken out.
BPF_FLAGS := -target bpf -O2 -g -Wall -Wextra -Werror -I.
BPF_ISA := -mcpu=v3
BPF_COMPILE = $(call say,BPF,$@)$(CLANG) $(BPF_FLAGS) $(BPF_ISA) $(BPF_CPPFLAGS) -MMD -MP -c -o $@ $< \
	$(if $(LLVM_STRIP),&& $(LLVM_STRIP) -g $@)
$(O)/%.bpf.o: %.bpf.c $(BUILD)/config.mk
	@mkdir -p $(@D)
	$(BPF_COMPILE)

# An assembler file brings files into a room as bytes, looked for from the build directory.
$(O)/%.o: %.S $(BUILD)/config.mk
	@mkdir -p $(@D)
	$(call say,AS,$<)$(CC) -I. -Wa,-I$(O) -c -o $@ $<

# The list of a room's objects; changes when a source is removed, which dates alone do not show.
.PHONY: FORCE
$(O)/%.objs: FORCE
	@mkdir -p $(@D); echo '$(call objects,$($*_SRC))' | cmp -s - $@ || \
		echo '$(call objects,$($*_SRC))' >$@

define room_rule
$(call archive,$(1)): $(O)/$(1).objs $(call objects,$($(1)_SRC))
	$$(call say,AR,$$@)rm -f $$@ && $(AR) rcsD $$@ $(call objects,$($(1)_SRC))
endef
$(foreach r,$(ROOMS),$(eval $(call room_rule,$(r))))

define program_rule
$(O)/$(1): $(call objects,$($(1)_MAIN)) $(call room_archives,$($(1)_ROOM))
	$$(call say,LD,$$@)$$(CC) $$(H_LDFLAGS) $($(1)_LDFLAGS) -o $$@ $(call objects,$($(1)_MAIN)) \
		-Wl,--start-group $(call room_archives,$($(1)_ROOM)) -Wl,--end-group \
		$(call room_libs,$($(1)_ROOM))
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

# ---- unit tests -------------------------------------------------------------------------------

# tests/unit/<room>/test_<module>.c is a program of its own, linked with the archives of its room
# and those that the room may use; other .c files beside it are helpers of all of them.
define unit_rule
$(O)/$(1): $(O)/$(1).o $(call objects,$(2)) $(call room_archives,$(3))
	$$(call say,LD,$$@)$$(CC) $$(H_LDFLAGS) -o $$@ $(O)/$(1).o $(call objects,$(2)) \
		-Wl,--start-group $(call room_archives,$(3)) -Wl,--end-group \
		$(call room_libs,$(3)) $$(CHECK_LIBS)
endef
unit_room = $(notdir $(patsubst %/,%,$(dir $(1))))
unit_helpers = $(filter-out $(dir $(1))test_%,$(wildcard $(dir $(1))*.c))
$(foreach t,$(patsubst $(O)/%,%,$(UNIT_TESTS)),$(eval \
	$(call unit_rule,$(t),$(call unit_helpers,$(t)),$(call unit_room,$(t)))))
$(O)/tests/unit/%.o: TEST_CFLAGS = $(CHECK_CFLAGS)

.PHONY: check check-unit check-valgrind check-lab check-kube check-fuzz conformance fuzz-all demo soak bgp-soak bench \
	bench-bgp bench-datapath bench-ipam bench-kube bench-l2 bench-pods
check-unit: unit-tests
	@tools/check/run-unit --build $(O) --jobs $(NPROC) $(TESTS)

check-valgrind: unit-tests
	@tools/check/run-unit --build $(O) --jobs $(NPROC) --valgrind $(TESTS)

# ---- fuzzing ----------------------------------------------------------------------------------

# A target links every room: it may decode what any of them decodes.
define fuzz_rule
$(O)/fuzz_$(1): $(O)/tests/fuzz/fuzz_$(1).o $(call room_archives,daemon) $(call archive,herald-ipam)
	$$(call say,LD,$$@)$$(CC) -fsanitize=fuzzer,address,undefined -pie -Wl,--as-needed -o $$@ $$< \
		-Wl,--start-group $(call room_archives,daemon) $(call archive,herald-ipam) -Wl,--end-group \
		$(call room_libs,daemon)
endef
ifdef FUZZING
$(foreach f,$(FUZZ_NAMES),$(eval $(call fuzz_rule,$(f))))
endif
fuzzers: $(FUZZERS)

fuzz-all:
	@$(MAKE) BUILD=$(BUILD)/clang CC=clang SANITIZE= FUZZING=1 fuzzers
check-fuzz: fuzz-all
	@tools/check/run-fuzz --jobs $(NPROC) --build $(BUILD)/clang/fuzz $(FUZZ_NAMES)

# ---- benches ----------------------------------------------------------------------------------

# tests/bench/<name>.c is a program; like a fuzz target it may measure any room.
BENCHES := $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/bench/*.c)))
.PHONY: benches
benches: $(BENCHES)
define bench_rule
$(1): $(1).o $(call room_archives,daemon)
	$$(call say,LD,$$@)$$(CC) $$(H_LDFLAGS) -o $$@ $$< \
		-Wl,--start-group $(call room_archives,daemon) -Wl,--end-group $(call room_libs,daemon)
endef
$(foreach b,$(BENCHES),$(eval $(call bench_rule,$(b))))

# ---- everything that can run here -------------------------------------------------------------

# Root gets what is missing installed; anybody else is told what it is and how.
.PHONY: deps
deps:
	@tools/install-deps --ensure all

check: deps
	@tools/check/grounded tools/check/run-all --build $(BUILD)

# With SANITIZE= (or VALGRIND=1) the programs are run under these; what they find, in daemons that a test
# kills too, is told at the end.
FINDS := $(if $(SANITIZE)$(VALGRIND),$(abspath $(O))/finds)
UNDER := $(if $(VALGRIND),valgrind -q --leak-check=full --show-leak-kinds=definite$(comma)indirect \
	--log-file=$(FINDS)/find.%p --suppressions=$(CURDIR)/tools/check/valgrind.supp)
check-lab: deps
	@$(MAKE) -j$(NPROC) all
	@HERALD_BUILD=$(abspath $(O)) HERALD_FINDS=$(FINDS) HERALD_UNDER='$(UNDER)' \
		tools/check/grounded tools/check/watched $(PYTHON) -m pytest -q -rs -n $(LAB_JOBS) \
		$(LAB_ARGS) $(if $(findstring tests/lab/,$(LAB_ARGS)),,--ignore tests/lab/kube tests/lab)

# Takes packages that nothing else needs, and builds an API server at the first call.
.PHONY: kube-server
kube-server:
	@tools/install-deps --ensure kube
	@tools/kube/build

check-kube: kube-server
	@$(MAKE) -j$(NPROC) all
	@HERALD_BUILD=$(abspath $(O)) tools/check/grounded $(PYTHON) -m pytest -q -rs -n $(LAB_JOBS) \
		$(LAB_ARGS) tests/lab/kube

demo: deps
	@$(MAKE) -j$(NPROC) all
	@HERALD_BUILD=$(abspath $(O)) tools/check/grounded $(PYTHON) tests/lab/demo.py

# The catalogue of tests/lab/conformance against Herald and four others; writes the matrix of
# doc/conformance.md.  CONFORMANCE_ARGS='--dut herald --case refresh'
conformance: deps
	@$(MAKE) -j$(NPROC) all
	@HERALD_BUILD=$(abspath $(O)) tools/check/grounded $(PYTHON) tests/lab/conformance/run.py \
		$(CONFORMANCE_ARGS)

# SOAK_ARGS='--seconds 60 --seed 7'
soak: deps
	@$(MAKE) -j$(NPROC) all
	@HERALD_BUILD=$(abspath $(O)) tools/check/grounded $(PYTHON) tests/lab/soak.py $(SOAK_ARGS)

# A day of flaps in half an hour, and no memory more; BGP_SOAK_ARGS='--seconds 900 --seed 7'
bgp-soak: deps
	@$(MAKE) -j$(NPROC) all
	@HERALD_BUILD=$(abspath $(O)) tools/check/grounded $(PYTHON) tests/lab/bgp_soak.py \
		$(BGP_SOAK_ARGS)

bench: deps
	@$(MAKE) -j$(NPROC) all benches
	@HERALD_BUILD=$(abspath $(O)) tools/check/grounded tests/bench/run

# BENCH_ARGS= is how many Services.
bench-ipam: deps
	@$(MAKE) -j$(NPROC) $(O)/tests/bench/ipam_bench
	@tools/check/grounded $(O)/tests/bench/ipam_bench $(BENCH_ARGS)

# Takes packages that nothing else needs; BENCH_ARGS= goes to tests/bench/datapath/run (--full).
bench-datapath:
	@tools/install-deps --ensure bench
	@$(MAKE) -j$(NPROC) all benches
	@$(MAKE) -f tests/bench/datapath/rules.mk OUT=$(O)/bench/datapath CC='$(CC)'
	@HERALD_BUILD=$(abspath $(O)) HERALD_BENCH=$(abspath $(O))/bench/datapath \
		tools/check/grounded $(PYTHON) tests/bench/datapath/run $(BENCH_ARGS)

# Takes packages that nothing else needs; BENCH_ARGS= goes to tests/bench/l2/run (--quick).
bench-l2:
	@tools/install-deps --ensure lab
	@tools/install-deps --ensure bench
	@$(MAKE) -j$(NPROC) all
	@HERALD_BUILD=$(abspath $(O)) tools/check/grounded $(PYTHON) tests/bench/l2/run $(BENCH_ARGS)

# BENCH_ARGS= goes to tests/bench/bgp/run (--quick, --only T1,T3, --with herald,bird, --json FILE --resume).
bench-bgp: deps
	@$(MAKE) -j$(NPROC) all
	@$(MAKE) -s -f tests/bench/bgp/rules.mk OUT=$(O)/bench/bgp CC='$(CC)'
	@HERALD_BUILD=$(abspath $(O)) HERALD_BENCH=$(abspath $(O))/bench/bgp \
		tools/check/grounded $(PYTHON) tests/bench/bgp/run $(BENCH_ARGS)

# BENCH_ARGS= goes to tests/bench/pods/run (--seconds N --dir DIR).
bench-pods: deps
	@$(MAKE) -j$(NPROC) all benches
	@HERALD_BUILD=$(abspath $(O)) tools/check/grounded $(PYTHON) tests/bench/pods/run $(BENCH_ARGS)

# ---- what is printed from the field tables ------------------------------------------------------

# CRDs, JSON Schema, reference page: committed, and held against the tables by lint.
.PHONY: crdgen generate
crdgen: $(O)/crdgen
generate: crdgen
	@tools/lint/generated --build $(O) --write

# BENCH_ARGS= goes to tests/bench/kube/run (--quick).
bench-kube: kube-server
	@$(MAKE) -j$(NPROC) all
	@HERALD_BUILD=$(abspath $(O)) tools/check/grounded $(PYTHON) tests/bench/kube/run $(BENCH_ARGS)

# ---- gates on the text ------------------------------------------------------------------------

.PHONY: lint format format-check coverage
lint:
	@tools/lint/run
format:
	@tools/lint/format --fix
format-check:
	@tools/lint/format
coverage:
	@tools/check/coverage $(O)

# ---- installing -------------------------------------------------------------------------------

# The unit file and the man pages are installed when they are there.
INSTALL := install
unitdir ?= $(prefix)/lib/systemd/system
MAN_PAGES := $(wildcard doc/*.[158] doc/man/*.[158])
UNIT_FILES := $(wildcard etc/systemd/*.service etc/*.service)
EXAMPLES := $(shell find etc/examples etc/kubernetes etc/cni etc/schema -type f 2>/dev/null | sort)
SBIN := $(filter herald,$(PROGRAMS))
# crdgen and callfilter are of use only where their tables are.
BIN := $(filter-out herald herald-ipam crdgen callfilter,$(PROGRAMS))
# Where container runtimes look for plugins: Debian's place; others say cnidir=/opt/cni/bin.
cnidir ?= $(prefix)/lib/cni
CNI := $(filter herald-ipam,$(PROGRAMS))
bashcompdir ?= $(datadir)/bash-completion/completions
zshcompdir ?= $(datadir)/zsh/vendor-completions
man_path = $(mandir)/man$(subst .,,$(suffix $(1)))/$(notdir $(1))
INSTALLED = $(SBIN:%=$(sbindir)/%) $(BIN:%=$(bindir)/%) $(CNI:%=$(cnidir)/%) $(UNIT_FILES:%=$(unitdir)/%) \
	$(foreach m,$(MAN_PAGES),$(call man_path,$(m))) $(EXAMPLES:etc/%=$(docdir)/%) \
	$(bashcompdir)/heraldctl $(zshcompdir)/_heraldctl

.PHONY: install uninstall
install: all
	$(foreach p,$(SBIN),$(INSTALL) -D -m 755 $(O)/$(p) '$(DESTDIR)$(sbindir)/$(p)';)
	$(foreach p,$(BIN),$(INSTALL) -D -m 755 $(O)/$(p) '$(DESTDIR)$(bindir)/$(p)';)
	$(foreach p,$(CNI),$(INSTALL) -D -m 755 $(O)/$(p) '$(DESTDIR)$(cnidir)/$(p)';)
	$(foreach m,$(MAN_PAGES),$(INSTALL) -D -m 644 $(m) '$(DESTDIR)$(call man_path,$(m))';)
	$(foreach u,$(UNIT_FILES),sed 's|/usr/sbin/|$(sbindir)/|g' $(u) >$(O)/$(notdir $(u)); \
		$(INSTALL) -D -m 644 $(O)/$(notdir $(u)) '$(DESTDIR)$(unitdir)/$(notdir $(u))';)
	$(foreach e,$(EXAMPLES),$(INSTALL) -D -m 644 $(e) '$(DESTDIR)$(docdir)/$(e:etc/%=%)';)
	$(INSTALL) -D -m 644 etc/completion/heraldctl.bash '$(DESTDIR)$(bashcompdir)/heraldctl'
	$(INSTALL) -D -m 644 etc/completion/_heraldctl '$(DESTDIR)$(zshcompdir)/_heraldctl'

uninstall: $(BUILD)/config.mk
	$(foreach p,$(SBIN),rm -f '$(DESTDIR)$(sbindir)/$(p)';)
	$(foreach p,$(BIN),rm -f '$(DESTDIR)$(bindir)/$(p)';)
	$(foreach p,$(CNI),rm -f '$(DESTDIR)$(cnidir)/$(p)';)
	$(foreach m,$(MAN_PAGES),rm -f '$(DESTDIR)$(call man_path,$(m))';)
	$(foreach u,$(UNIT_FILES),rm -f '$(DESTDIR)$(unitdir)/$(notdir $(u))';)
	$(foreach e,$(EXAMPLES),rm -f '$(DESTDIR)$(docdir)/$(e:etc/%=%)';)
	rm -f '$(DESTDIR)$(bashcompdir)/heraldctl' '$(DESTDIR)$(zshcompdir)/_heraldctl'
	if [ -d '$(DESTDIR)$(docdir)' ]; then \
		find '$(DESTDIR)$(docdir)' -depth -type d -empty -delete; fi

.PHONY: deb check-deb
deb:
	tools/deb $(O)/deb
check-deb:
	tools/deb --try $(O)/deb

# ---- sweeping ---------------------------------------------------------------------------------

.PHONY: clean distclean help
clean:
	rm -rf $(BUILD)
distclean: clean
	rm -rf build configure configure.tmp.* config.log config.status autom4te.cache

help:
	@echo 'all            herald and heraldctl, into $(BUILD)/ (the default)'
	@echo 'bgp-soak       a day of BGP flaps in half an hour, and no memory more (root)'
	@echo 'deb            the Debian package, into $(BUILD)/deb/'
	@echo 'check-deb      likewise, installed here and removed again (root; for a clean root, see tools/check/clean-root)'
	@echo 'demo           three nodes and an FRR router in network namespaces (root)'
	@echo 'check          everything below that can run here; last line: N passed, N failed'
	@echo 'check-unit     unit tests; no root, no network (also: check-unit SANITIZE=address,undefined)'
	@echo 'check-valgrind unit tests under valgrind'
	@echo 'check-fuzz     seeds replayed, then a short run of each fuzz target with a fixed seed'
	@echo 'check-lab      network namespaces and real peers (root); LAB_ARGS= goes to pytest'
	@echo '               with SANITIZE=address,undefined or VALGRIND=1: under these, and what they found'
	@echo 'check-kube     likewise, with a real Kubernetes API server that is built first (minutes)'
	@echo 'conformance    what the RFCs demand, seen from the wire: Herald beside four others (root)'
	@echo 'soak           ten minutes of requests while endpoints change and daemons are killed (root);'
	@echo '               SOAK_ARGS= goes to it (--seconds N)'
	@echo 'bench          measurements'
	@echo 'bench-bgp      BGP beside FRR, BIRD, GoBGP and OpenBGPD (root); BENCH_ARGS='
	@echo 'bench-datapath the load balancer beside nftables, iptables and the floor (root); BENCH_ARGS='
	@echo 'bench-kube     from a change in the API to the wire, a start, an API server that is away (root)'
	@echo 'bench-ipam     many Services at once, one more, a restart: the allocator by itself; BENCH_ARGS='
	@echo 'bench-l2       owners that go and links that are cut, keepalived beside it (root)'
	@echo 'bench-pods     ADD/DEL pairs a second of herald-ipam, beside host-local (root); BENCH_ARGS='
	@echo 'lint           the gates on the text: includes, size, format, words, clang-tidy, cppcheck'
	@echo 'generate       CRDs, JSON Schema and reference page anew, from the field tables'
	@echo 'format         put every C file into the house format'
	@echo 'coverage       the share of lines that ran (after ./configure --enable-coverage)'
	@echo 'install        into prefix=$(or $(prefix),/usr/local), below DESTDIR when given'
	@echo 'uninstall      take out what install put there'
	@echo 'clean          remove $(BUILD)/;  distclean: and what configure left'
	@echo 'variables      BUILD=dir CC=compiler SANITIZE=address,undefined CONFIGURE_ARGS=... V=1'

-include $(OBJS:.o=.d) $(patsubst %.c,$(O)/%.d,$(UNIT_SRC)) $(wildcard $(O)/tests/fuzz/*.d $(O)/tests/bench/*.d)
