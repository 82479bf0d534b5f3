//! From QEMU's PVH entry (32-bit protected mode, paging off) to `kernel_main`
//! in 64-bit mode, on 1 GiB of identity-mapped memory.
//!
//! Source: Xen's PVH boot protocol; Intel SDM volume 3, 11.8.5.

core::arch::global_asm!(
    r#"
    .section .note.Xen, "a", @note
    .balign 4
    .long 4
    .long 8
    .long 18
    .asciz "Xen"
    .quad pvh_start

    .section .text.boot, "ax", @progbits
    .code32
    .global pvh_start
pvh_start:
    cld
    movl %ebx, boot_start_info
    movl $boot_pdpt, %eax
    orl $3, %eax
    movl %eax, boot_pml4
    movl $boot_pd, %eax
    orl $3, %eax
    movl %eax, boot_pdpt
    xorl %ecx, %ecx
2:  movl %ecx, %eax
    shll $21, %eax
    orl $0x83, %eax
    movl %eax, boot_pd(,%ecx,8)
    incl %ecx
    cmpl $512, %ecx
    jne 2b
    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x620, %eax            # PAE, OSFXSR, OSXMMEXCPT
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax            # LME, NXE
    wrmsr
    movl %cr0, %eax
    andl $0xfffffffb, %eax      # not EM
    orl $0x80010002, %eax       # PG, WP, MP
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmpl $8, $3f
    .code64
3:  movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    leaq boot_stack_top(%rip), %rsp
    xorl %ebp, %ebp
    call kernel_main
4:  hlt
    jmp 4b

    .section .rodata.boot, "a", @progbits
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00209b0000000000
    .quad 0x0000930000000000
    .global boot_gdt_pointer
boot_gdt_pointer:
    .word 23
    .long boot_gdt

    .section .bss.boot.info, "aw", @nobits
    .balign 8
    .global boot_start_info
boot_start_info: .skip 8

    .section .bss.boot, "aw", @nobits
    .balign 4096
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd: .skip 4096
    .global boot_stack_guard
boot_stack_guard: .skip 4096
    .skip 0x200000
    .global boot_stack_top
boot_stack_top:
    "#,
    options(att_syntax)
);
