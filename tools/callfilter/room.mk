# tools/callfilter/: makes the filters of system calls, while Herald is built.
ROOMS += callfilter
callfilter_SRC := tools/callfilter/filter.c
callfilter_LIBS = $(LIBSECCOMP_LIBS)

PROGRAMS += callfilter
callfilter_MAIN = tools/callfilter/main.c
callfilter_ROOM = callfilter
