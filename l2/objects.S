/*
 * l2/objects.S: the compiled BPF program, brought into the archive as bytes; objects.h names it.
 */
	.section .rodata
	.global object_l2
	.balign 16
object_l2:
	.incbin "l2/bpf/l2.bpf.o"
	.set object_l2_bytes, . - object_l2
	.balign 4
	.global object_l2_len
object_l2_len:
	.long object_l2_bytes

	.section .note.GNU-stack,"",%progbits
