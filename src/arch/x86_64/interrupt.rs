//! The frame of interrupted code.

use crate::abi::FaultRegisters;

/// See [`crate::arch::settled_frame`]. A frame that is made anew, `diff` bytes
/// further down, for the arguments of a tail call:
///
/// ```text
///         sub rsp, diff
///         mov rbp, rsp
///    0    mov r11, [rsp + diff]       the saved frame pointer
///    1    mov [rsp], r11
///    2    mov r11, [rsp + diff + 8]   the return address
///    3    mov [rsp + 8], r11
/// ```
///
/// At 0 to 3 the frame is still where it was, at `rsp + diff`. No other code can
/// be taken for this: nothing else writes to `[rsp]` while `rsp` and `rbp` are the
/// same, because a saved frame pointer is there.
pub fn settled_frame(code: &[u8], at: usize, registers: &FaultRegisters) -> usize {
    match registers.fp == registers.sp {
        true => diff(code, at).map_or(registers.fp, |diff| registers.sp.wrapping_add(diff)),
        false => registers.fp,
    }
}

const MOV_RBP_RSP: &[u8] = &[0x48, 0x89, 0xe5];
const STORE_AT_RSP: &[u8] = &[0x4c, 0x89, 0x1c, 0x24];
const STORE_AT_RSP_8: &[u8] = &[0x4c, 0x89, 0x5c, 0x24, 0x08];

/// How far a frame is moved at `code[at]`, if one is.
fn diff(code: &[u8], at: usize) -> Option<usize> {
    // The loads are 5 or 8 bytes long.
    for (first, second) in [(5, 5), (5, 8), (8, 8)] {
        let store = STORE_AT_RSP.len();
        for before in [0, first, first + store, first + store + second] {
            let Some(start) = at.checked_sub(before + MOV_RBP_RSP.len()) else { continue };
            if let Some(diff) = code.get(start..).and_then(moved_by) {
                return Some(diff);
            }
        }
    }
    None
}

/// How far a frame is moved by the code that begins here.
fn moved_by(code: &[u8]) -> Option<usize> {
    let code = code.strip_prefix(MOV_RBP_RSP)?;
    let (frame, code) = load_from_stack(code)?;
    let code = code.strip_prefix(STORE_AT_RSP)?;
    let (return_address, code) = load_from_stack(code)?;
    code.strip_prefix(STORE_AT_RSP_8)?;
    (return_address == frame + 8).then_some(frame)
}

/// `mov r11, [rsp + n]`: the number, and what follows.
fn load_from_stack(code: &[u8]) -> Option<(usize, &[u8])> {
    match *code {
        [0x4c, 0x8b, 0x5c, 0x24, n @ 0..0x80, ..] => Some((n.into(), &code[5..])),
        [0x4c, 0x8b, 0x9c, 0x24, a, b, c, d @ 0..0x80, ..] => {
            Some((u32::from_le_bytes([a, b, c, d]) as usize, &code[8..]))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn load(n: u32) -> Vec<u8> {
        match u8::try_from(n) {
            Ok(n @ 0..0x80) => [0x4c, 0x8b, 0x5c, 0x24, n].to_vec(),
            _ => [&[0x4c, 0x8b, 0x9c, 0x24][..], &n.to_le_bytes()].concat(),
        }
    }

    /// The code, and where its instructions begin.
    fn moving(diff: u32, return_address: u32) -> (Vec<u8>, Vec<usize>) {
        let parts = [
            &[0x90][..],
            MOV_RBP_RSP,
            &load(diff),
            STORE_AT_RSP,
            &load(return_address),
            STORE_AT_RSP_8,
            &[0x90],
        ];
        let starts = parts.iter().scan(0, |end, part| {
            *end += part.len();
            Some(*end - part.len())
        });
        (parts.concat(), starts.collect())
    }

    fn settled(code: &[u8], at: usize, fp: usize) -> usize {
        settled_frame(code, at, &FaultRegisters { sp: 4096, fp, ..Default::default() })
    }

    #[test]
    fn a_frame_that_moves_is_where_it_was() {
        for diff in [16, 112, 128, 1 << 20] {
            let (code, starts) = moving(diff, diff + 8);
            for (at, start) in starts.into_iter().enumerate() {
                let moves = (2..6).contains(&at);
                let expected = if moves { 4096 + diff as usize } else { 4096 };
                assert_eq!(settled(&code, start, 4096), expected, "{diff}, {at}");
                assert_eq!(settled(&code, start, 4112), 4112, "a frame of its own");
            }
        }
    }

    #[test]
    fn what_only_resembles_it_moves_nothing() {
        let (code, starts) = moving(32, 32);
        assert!(starts.iter().all(|start| settled(&code, *start, 4096) == 4096));
        let (code, starts) = moving(32, 40);
        let cut = &code[..code.len() - 2];
        assert!(starts.iter().all(|start| settled(cut, *start, 4096) == 4096));
        assert_eq!(settled(&code[4..], 0, 4096), 4096, "it begins before the code");
    }
}
