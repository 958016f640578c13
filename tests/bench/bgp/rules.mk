# tests/bench/bgp/rules.mk: builds the bench's own speaker into OUT; called by `make bench-bgp`.

OUT ?= build/bench/bgp
CC ?= gcc
HERE := tests/bench/bgp
SOURCES := $(wildcard $(HERE)/*.c)

BENCH_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Wconversion -Werror -D_GNU_SOURCE -I.

$(OUT)/gun: $(SOURCES) $(HERE)/gun.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $(SOURCES)
