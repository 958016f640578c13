# bfd/: bidirectional forwarding detection, in a thread of its own.
ROOMS += bfd
bfd_SRC := $(wildcard bfd/*.c)
bfd_USES = lib
bfd_LIBS = -pthread
