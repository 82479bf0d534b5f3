    # QEMU enters in 32-bit mode. Maps 1 GiB as it is, and calls `kernel_main` in 64-bit mode.
    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 8, 18
    .asciz "Xen"
    .quad pvh_start

    .text
    .code32
    .global pvh_start
pvh_start:
    movl $boot_pdpt + 3, boot_pml4
    movl $boot_pd + 3, boot_pdpt
    xorl %ecx, %ecx
1:  movl %ecx, %eax
    shll $21, %eax
    orl $0x83, %eax
    movl %eax, boot_pd(,%ecx,8)
    incl %ecx
    cmpl $512, %ecx
    jne 1b
    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl $0x620, %eax           # CR4: PAE, and vector instructions on: OSFXSR, OSXMMEXCPT
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax            # EFER: LME, and NXE for pages that are not executable
    wrmsr
    movl $0x80010013, %eax      # CR0: PG, WP, MP, PE, and not EM
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmpl $8, $2f
    .code64
2:  xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    leaq boot_stack_top(%rip), %rsp
    xorl %ebp, %ebp
    call kernel_main

    .section .rodata
    .balign 8
boot_gdt: .quad 0, 0x00209b0000000000
boot_gdt_pointer:
    .word 15
    .long boot_gdt

    .bss
    .balign 4096
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd: .skip 4096
    .skip 0x100000
boot_stack_top:
