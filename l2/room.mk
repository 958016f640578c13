# l2/: ARP and neighbour discovery.  bpf/ runs in the kernel; its object is inside the archive.
ROOMS += l2
l2_SRC := $(wildcard l2/*.c) $(if $(wildcard l2/bpf/l2.bpf.c),l2/objects.S)
l2_USES = lib
l2_LIBS = $(LIBBPF_LIBS) $(LIBNL_LIBS)

$(O)/l2/objects.o: $(O)/l2/bpf/l2.bpf.o
-include $(O)/l2/bpf/l2.bpf.d
