# tools/heraldctl/: the command line for a running daemon.
ROOMS += heraldctl
heraldctl_SRC := $(filter-out tools/heraldctl/main.c,$(wildcard tools/heraldctl/*.c))
heraldctl_USES = resource lib
heraldctl_LIBS = $(JANSSON_LIBS) $(YAML_LIBS) $(NCURSES_LIBS)

PROGRAMS += $(if $(wildcard tools/heraldctl/main.c),heraldctl)
heraldctl_MAIN = tools/heraldctl/main.c
heraldctl_ROOM = heraldctl
