# podipam/: addresses of this node's pods, one by one.
ROOMS += podipam
podipam_SRC := $(wildcard podipam/*.c)
podipam_USES = lib
podipam_LIBS = $(JANSSON_LIBS) -lpthread
