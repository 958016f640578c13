# datapath/: the BPF load balancer.  bpf/ runs in the kernel; its objects are inside the archive.
ROOMS += datapath
datapath_SRC := $(wildcard datapath/*.c) $(if $(and $(wildcard \
	datapath/bpf/lb.bpf.c),$(wildcard datapath/bpf/sock.bpf.c)),datapath/objects.S)
datapath_USES = lib
datapath_LIBS = $(LIBBPF_LIBS) -lpthread

# lb.bpf.c gives two objects: one for kernels with atomics that return what was there (5.12), one
# that runs from 5.10 on.
BPF_OBJS := $(patsubst %.c,$(O)/%.o,$(wildcard datapath/bpf/*.bpf.c)) \
	$(patsubst %/lb.bpf.c,$(O)/%/lb-old.bpf.o,$(wildcard datapath/bpf/lb.bpf.c))
# Where the processor keeps its stores in order a flow is published by a plain one.
$(BPF_OBJS): BPF_CPPFLAGS += $(if $(filter x86_64%,$(shell $(CC) -dumpmachine)),-DLB_STORES_IN_ORDER)
$(O)/datapath/objects.o: $(BPF_OBJS)
$(O)/datapath/bpf/lb-old.bpf.o: BPF_ISA = -mcpu=v2 -DLB_NO_ATOMICS
$(O)/datapath/bpf/lb-old.bpf.o: datapath/bpf/lb.bpf.c $(BUILD)/config.mk
	@mkdir -p $(@D)
	$(BPF_COMPILE)
-include $(BPF_OBJS:.o=.d)
