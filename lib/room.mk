# lib/: the ground, free of the product.
ROOMS += lib
lib_SRC := $(wildcard lib/*.c)
lib_LIBS = $(LIBBPF_LIBS) $(LIBEVENT_LIBS) $(LIBNL_ROUTE_LIBS) $(LIBNL_LIBS) $(JANSSON_LIBS) $(LIBCAP_NG_LIBS)
