# tests/bench/datapath/rules.mk: builds the yardstick into OUT; called by `make bench-datapath`.
# Needs clang (for BPF) and libbpf; of Herald only datapath/lb_abi.h and
# datapath/maglev.c, as sources.

OUT ?= build/bench
CC ?= gcc
BPF_CLANG ?= clang
HERE := tests/bench/datapath
BPF := $(OUT)/harness.bpf.o $(OUT)/floor.bpf.o
TOOLS := $(patsubst %,$(OUT)/%,testrun gen floor rr watch hand balance)
MULTIARCH := $(shell $(CC) -print-multiarch)

BENCH_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Wconversion -Werror -D_GNU_SOURCE -I.
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -Wall -Werror -I. $(MULTIARCH:%=-I/usr/include/%)

all: $(BPF) $(TOOLS)
.PHONY: all

$(OUT)/%.bpf.o: $(HERE)/%.bpf.c $(HERE)/layout.h datapath/lb_abi.h
	@mkdir -p $(@D)
	$(BPF_CLANG) $(BPF_CFLAGS) -c -o $@ $<

$(OUT)/%: $(HERE)/%.c $(HERE)/kit.c $(HERE)/kit.h $(HERE)/layout.h datapath/lb_abi.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^) -lbpf -pthread

$(OUT)/balance: datapath/maglev.c lib/hash.c
