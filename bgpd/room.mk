# bgpd/: the BGP speaker.
ROOMS += bgpd
bgpd_SRC := $(wildcard bgpd/*.c)
bgpd_USES = lib
bgpd_LIBS = $(JANSSON_LIBS)
