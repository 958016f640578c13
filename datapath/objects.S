/*
 * datapath/objects.S: the compiled BPF programs, brought into the archive as bytes; objects.h names
 * them.  The loader gives them to libbpf.
 */
	.macro object symbol file
	.global \symbol
	.balign 16
\symbol:
	.incbin "\file"
	.set \symbol\()_bytes, . - \symbol
	.balign 4
	.global \symbol\()_len
\symbol\()_len:
	.long \symbol\()_bytes
	.endm

	.section .rodata
	object object_lb datapath/bpf/lb.bpf.o
	object object_lb_old datapath/bpf/lb-old.bpf.o
	object object_sock datapath/bpf/sock.bpf.o

	.section .note.GNU-stack,"",%progbits
