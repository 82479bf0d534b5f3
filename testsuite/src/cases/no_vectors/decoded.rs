//! Machine code, instruction by instruction: which of them name a vector register.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use kernref::__internals::ArtifactParts;

/// How many instructions a module's code has, and those that name a vector
/// register. The raise thunk, which ends with two addresses, is left out: it is
/// not made of the module.
pub fn vectors(parts: &ArtifactParts) -> (usize, Vec<String>) {
    let end = parts.raise_thunk.map_or(parts.code.len(), |thunk| thunk as usize);
    let code = &parts.code[..end];
    let (mut at, mut count, mut found) = (0, 0, Vec::new());
    while at < code.len() {
        // Between pieces, which begin at multiples of 16.
        let next = at.next_multiple_of(16);
        if at < next && code[at..].iter().take(next - at).all(|byte| *byte == 0) {
            at = next;
            continue;
        }
        let step = instruction(code, at, end);
        if let Some(text) = step.vector {
            found.push(format!("{at:#x}: {text}"));
        }
        count += 1;
        let is_trap = code[at..].starts_with(&[0x0f, 0x0b]);
        at += step.len;
        if is_trap && !code[at..].starts_with(&[0x0f, 0x0b]) {
            at = behind_constants(code, at, end);
        }
    }
    (count, found)
}

/// On x86_64, a function's constants may lie behind its traps, and what its checks call
/// behind these: a row of `push`, and a call of the raise thunk.
fn behind_constants(code: &[u8], from: usize, thunk: usize) -> usize {
    let is_raise = |at: &usize| match code[*at..] {
        [0xe8, a, b, c, d, ..] => {
            let target = *at as i64 + 5 + i64::from(i32::from_le_bytes([a, b, c, d]));
            (thunk as i64..thunk as i64 + 48).contains(&target)
        }
        _ => false,
    };
    let Some(call) = (from..code.len().min(from + 256)).find(is_raise) else { return from };
    let steps = code[from..call].iter().rev().take(15).take_while(|byte| **byte == 0x50).count();
    call - steps
}

/// An instruction, with the data that follows it.
struct Step {
    len: usize,
    vector: Option<String>,
}

/// Where a table of jumps ends: at the first piece of code that it leads to, or at a
/// word that leads nowhere. Its words are distances from its beginning.
fn table_end(code: &[u8], table: usize) -> usize {
    let (mut at, mut first) = (table, code.len());
    while at + 4 <= first {
        let word = i32::from_le_bytes(code[at..at + 4].try_into().unwrap());
        match table.checked_add_signed(word as isize) {
            Some(target) if target < code.len() && target != table => {
                first = if target > table { first.min(target) } else { first };
            }
            _ => break,
        }
        at += 4;
    }
    at.min(first)
}

#[cfg(target_arch = "x86_64")]
fn instruction(code: &[u8], at: usize, thunk: usize) -> Step {
    use yaxpeax_arch::LengthedInstruction;
    use yaxpeax_x86::amd64::InstDecoder;
    let decoder = InstDecoder::default();
    let rest = &code[at..];
    let one = decoder.decode_slice(rest).unwrap_or_else(|error| {
        panic!("{error:?} at {at:#x}: {:02x?}", &rest[..rest.len().min(16)])
    });
    let mut len = one.len().to_const() as usize;
    let text = format!("{one}");
    let names = ["xmm", "ymm", "zmm", " mm", "st("].iter().any(|name| text.contains(name));
    match rest {
        // A shared call of the raise thunk, and the size of the frame.
        [0xe8, a, b, c, d, ..]
            if at as i64 + 5 + i64::from(i32::from_le_bytes([*a, *b, *c, *d])) == thunk as i64 =>
        {
            len += 1;
        }
        // `jmp` to a register, after `lea` of what follows, `movsxd` and `add`.
        [0xff, 0xe0..=0xe7, ..] | [0x41, 0xff, 0xe0..=0xe7, ..] if is_table(code, at, at + len) => {
            len = table_end(code, at + len) - at;
        }
        _ => {}
    }
    Step { len, vector: names.then_some(text) }
}

/// Whether one of the instructions before `jump` is a `lea` of `table`.
#[cfg(target_arch = "x86_64")]
fn is_table(code: &[u8], jump: usize, table: usize) -> bool {
    (jump.saturating_sub(20)..jump).any(|at| match code[at..] {
        [0x48 | 0x4c, 0x8d, modrm, a, b, c, d, ..] if modrm & 0xc7 == 5 => {
            at as i64 + 7 + i64::from(i32::from_le_bytes([a, b, c, d])) == table as i64
        }
        _ => false,
    })
}

/// Vector registers are named by the groups "data processing, scalar floating
/// point and advanced SIMD", and loads and stores with bit 26 set (Arm ARM, C4.1).
#[cfg(target_arch = "aarch64")]
fn instruction(code: &[u8], at: usize, _: usize) -> Step {
    let word = |at: usize| u32::from_le_bytes(code[at..at + 4].try_into().unwrap());
    let one = word(at);
    let group = one >> 25 & 0xf;
    let names = group & 0b111 == 0b111 || (group & 0b101 == 0b100 && one >> 26 & 1 == 1);
    // `adr` of what follows three more: a load from the table, `add`, `br`.
    let is_table =
        at >= 12 && word(at - 12) & 0x9fff_ffe0 == 0x1000_0080 && one & 0xffff_fc1f == 0xd61f_0000;
    let len = if is_table { table_end(code, at + 4) - at } else { 4 };
    Step { len, vector: names.then(|| format!("{one:#010x}")) }
}
