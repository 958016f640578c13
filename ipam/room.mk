# ipam/: pools and allocation.
ROOMS += ipam
ipam_SRC := $(wildcard ipam/*.c)
ipam_USES = lib
ipam_LIBS = $(JANSSON_LIBS)
