# fib/: kernel routes and next hops.
ROOMS += fib
fib_SRC := $(wildcard fib/*.c)
fib_USES = lib
fib_LIBS = $(LIBNL_ROUTE_LIBS) $(LIBNL_LIBS) $(JANSSON_LIBS)
