/* A small record store in C whose records are blocks of kernel memory.
 *
 * What a C program does with file descriptors, this one does with references:
 * linear memory holds small numbers, a table holds the objects. The difference is
 * that nobody can make a number up and reach an object that was never handed out.
 *
 *   blocks[]    table: one block for each record
 *   devices[]   table: console, clock and counter
 *   records[]   memory: key, length, and the index into blocks[]
 *
 * Exports:
 *   run() -> i32                     0, or the number of the step that failed
 *   checksum(block) -> i64           FNV-1a over a block that the host passes in
 *   duplicate(block) -> block        a new block with the same bytes, or null
 */
#include "kernel.h"

/* Tables start empty, whatever size is declared, and are grown. */
static object blocks[0];
static object devices[0];

enum { CONSOLE, CLOCK, COUNTER, DEVICES };
enum { RECORDS = 12, STEPS = 120, LARGEST = 512, PIECE = 64 };
enum {
    OK,
    NO_DEVICE,
    NO_TABLE,
    NO_BLOCK,
    NOT_STORED,
    WRONG_LENGTH,
    WRONG_CONTENTS,
    WRONG_COUNT,
};

struct record {
    u32 key;
    u32 len; /* 0: no record here */
    u64 seed;
};

static struct record records[RECORDS];
static u8 buffer[LARGEST];

/* Clang 19 has builtins for table operations, but not for this one. */
__asm__(".globl is_null\n"
        ".type is_null,@function\n"
        "is_null:\n"
        "  .functype is_null (externref) -> (i32)\n"
        "  local.get 0\n"
        "  ref.is_null\n"
        "  end_function\n");

/* ---- helpers ------------------------------------------------------------- */

static object null(void) {
    return __builtin_wasm_ref_null_extern();
}

static object device(u32 which) {
    return __builtin_wasm_table_get(devices, which);
}

static u64 next(u64 *state) {
    u64 x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

static void fill(u64 seed, u32 len) {
    for (u32 i = 0; i < len; i++)
        buffer[i] = (u8)(next(&seed) >> 32);
}

#define SAY(text) console_write(device(CONSOLE), text, sizeof(text) - 1)

static void say_number(u64 number) {
    char digits[20];
    u32 at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    console_write(device(CONSOLE), digits + at, sizeof digits - at);
}

/* ---- records ------------------------------------------------------------- */

/* A record's index is its block's. */
static i32 put(u32 index, u32 key, u64 seed, u32 len) {
    object block = block_alloc(len);
    if (is_null(block))
        return NO_BLOCK;
    fill(seed, len);
    if (block_write(block, 0, buffer, len))
        return NOT_STORED;
    /* Whatever block stood here is dropped by this. */
    __builtin_wasm_table_set(blocks, index, block);
    records[index] = (struct record){key, len, seed};
    counter_add(device(COUNTER), 1);
    return OK;
}

static void forget(u32 index) {
    __builtin_wasm_table_set(blocks, index, null());
    records[index].len = 0;
}

static i32 check(u32 index) {
    struct record *record = &records[index];
    object block = __builtin_wasm_table_get(blocks, index);
    if (!record->len)
        return is_null(block) ? OK : WRONG_LENGTH;
    if (block_len(block) != (i32)record->len)
        return WRONG_LENGTH;
    if (block_read(block, 0, buffer, record->len))
        return WRONG_CONTENTS;
    u64 seed = record->seed;
    for (u32 i = 0; i < record->len; i++)
        if (buffer[i] != (u8)(next(&seed) >> 32))
            return WRONG_CONTENTS;
    return OK;
}

/* Puts, replaces, forgets and checks records in an order that looks random. */
static i32 exercise(u32 *stored) {
    u64 state = 0x9e3779b97f4a7c15;
    for (u32 step = 0; step < STEPS; step++) {
        u32 index = (u32)(next(&state) >> 33) % RECORDS;
        u32 choice = (u32)(next(&state) >> 33) % 8;
        i32 status = check(index);
        if (status)
            return status;
        if (choice == 0) {
            forget(index);
            continue;
        }
        u32 len = 1 + (u32)(next(&state) >> 33) % LARGEST;
        status = put(index, step, state, len);
        if (status)
            return status;
        ++*stored;
    }
    for (u32 index = 0; index < RECORDS; index++) {
        i32 status = check(index);
        if (status)
            return status;
    }
    return OK;
}

static i32 perform(void) {
    static const char name[] = "c.records";
    __builtin_wasm_table_set(devices, CONSOLE, console_open());
    __builtin_wasm_table_set(devices, CLOCK, clock_open());
    __builtin_wasm_table_set(devices, COUNTER, counter_open(name, sizeof name - 1));
    for (u32 which = 0; which < DEVICES; which++)
        if (is_null(device(which)))
            return NO_DEVICE;

    SAY("C guest: records in kernel memory\n");
    i64 started = clock_now_ns(device(CLOCK));
    i64 before = counter_add(device(COUNTER), 0);
    u32 stored = 0;
    i32 status = exercise(&stored);
    if (status)
        return status;
    /* Others may count under the same name. */
    if (counter_add(device(COUNTER), 0) - before < (i64)stored)
        return WRONG_COUNT;

    u32 held = 0;
    for (u32 index = 0; index < RECORDS; index++)
        held += records[index].len != 0;
    SAY("C guest: stored ");
    say_number(stored);
    SAY(" records, holds ");
    say_number(held);
    SAY(", took ");
    say_number((u64)(clock_now_ns(device(CLOCK)) - started) / 1000);
    SAY(" us\n");
    return OK;
}

i32 EXPORT(run)(void) {
    if (__builtin_wasm_table_size(blocks) < RECORDS &&
        __builtin_wasm_table_grow(blocks, null(), RECORDS) < 0)
        return NO_TABLE;
    if (__builtin_wasm_table_size(devices) < DEVICES &&
        __builtin_wasm_table_grow(devices, null(), DEVICES) < 0)
        return NO_TABLE;
    i32 status = perform();
    for (u32 index = 0; index < RECORDS; index++)
        forget(index);
    __builtin_wasm_table_fill(devices, 0, null(), DEVICES);
    return status;
}

/* ---- objects that the host passes in ------------------------------------- */

i64 EXPORT(checksum)(object block) {
    u64 hash = 0xcbf29ce484222325;
    u32 len = (u32)block_len(block);
    for (u32 at = 0; at < len; at += PIECE) {
        u32 piece = len - at < PIECE ? len - at : PIECE;
        if (block_read(block, at, buffer, piece))
            return -1;
        for (u32 i = 0; i < piece; i++)
            hash = (hash ^ buffer[i]) * 0x100000001b3;
    }
    return (i64)hash;
}

object EXPORT(duplicate)(object block) {
    u32 len = (u32)block_len(block);
    object copy = block_alloc(len);
    if (is_null(copy))
        return copy;
    for (u32 at = 0; at < len; at += PIECE) {
        u32 piece = len - at < PIECE ? len - at : PIECE;
        if (block_read(block, at, buffer, piece) || block_write(copy, at, buffer, piece))
            return null();
    }
    return copy;
}
