/* The host module `kernel`: objects of the kernel as WebAssembly references.
 *
 * An externref can be a parameter, a result, a local, or an element of a static
 * table. It has no address and no size: it cannot be a member of a struct, and
 * there are no pointers to it. What linear memory holds is an index into a table.
 */
#ifndef KERNEL_H
#define KERNEL_H

typedef unsigned char u8;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;

typedef __externref_t object;

#define KERNEL(name) __attribute__((import_module("kernel"), import_name(#name))) name
#define EXPORT(name) __attribute__((export_name(#name))) name

/* Consoles. */
object KERNEL(console_open)(void);
void KERNEL(console_write)(object console, const char *text, u32 len);

/* Clocks: nanoseconds since an arbitrary moment. */
object KERNEL(clock_open)(void);
i64 KERNEL(clock_now_ns)(object clock);

/* Blocks of physical memory. Null if there is no memory; 0, or -1 out of range. */
object KERNEL(block_alloc)(u32 bytes);
i32 KERNEL(block_len)(object block);
i32 KERNEL(block_read)(object block, u32 offset, void *to, u32 len);
i32 KERNEL(block_write)(object block, u32 offset, const void *from, u32 len);

/* Counters shared by all who open a name. */
object KERNEL(counter_open)(const char *name, u32 len);
i64 KERNEL(counter_add)(object counter, i64 amount);

/* Whether a reference is null. Clang 19 has no builtin for the instruction:
 * `objects.c` defines the function. */
i32 is_null(object reference);

#endif
