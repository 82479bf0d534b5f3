//! The walker on synthetic stacks: arrays that look like frames.

use super::{WalkError, WalkStats, backtrace, walk};
use crate::abi::{ActivationRecord, HostFrame, StackMapLookup, ValRaw, VmStoreContext};
use core::ptr;
use std::vec::Vec;

/// Return addresses and the distances of their maps.
struct Maps(&'static [(usize, &'static [u32])]);

// SAFETY: the tests know which cells their arrays have.
unsafe impl StackMapLookup for Maps {
    fn stack_map(&self, return_address: usize) -> Option<(u32, &[u32])> {
        let (_, distances) = self.0.iter().find(|(at, _)| *at == return_address)?;
        Some((32, distances))
    }
}

const MAPS: Maps = Maps(&[(0x100, &[8]), (0x200, &[8, 12, 16]), (0x300, &[])]);

/// 64 words, aligned as a stack is; index 0 is the lowest address.
#[repr(C, align(16))]
pub(crate) struct Stack([usize; 64]);

/// Owns a stack by a raw pointer: moving a `Box` would end the walker's
/// permission to read what is in it.
pub(crate) struct StackMemory {
    words: *mut Stack,
}

impl StackMemory {
    pub(crate) fn new() -> Self {
        Self { words: std::boxed::Box::into_raw(std::boxed::Box::new(Stack([0; 64]))) }
    }

    /// Address of a word, for whoever reads it.
    pub(crate) fn address(&self, word: usize) -> usize {
        self.words.expose_provenance() + word * 8
    }

    /// The words, lowest address first.
    pub(crate) fn words(&mut self) -> &mut [usize; 64] {
        // SAFETY: this is the owner.
        unsafe { &mut (*self.words).0 }
    }
}

impl Drop for StackMemory {
    fn drop(&mut self) {
        // SAFETY: from `Box::into_raw`; nobody walks it any more.
        drop(unsafe { std::boxed::Box::from_raw(self.words) });
    }
}

struct Machine {
    stack: StackMemory,
    vm: VmStoreContext,
    host: std::boxed::Box<HostFrame>,
}

/// Frames (word index of fp, return address into it) from the exit to the
/// entry; then the record at words 50.. with its entry frame at 60.
fn machine(frames: &[(usize, usize)]) -> Machine {
    let mut stack = StackMemory::new();
    let base = stack.address(0);
    let address = |word: usize| base + word * 8;
    let exit_word = 2;
    let mut at = exit_word;
    for (fp, return_address) in frames {
        stack.words()[at] = address(*fp);
        stack.words()[at + 1] = *return_address;
        at = *fp;
    }
    stack.words()[at] = address(60);
    stack.words()[at + 1] = 0x999;
    let record = ActivationRecord {
        store: ptr::null_mut(),
        previous: ptr::null_mut(),
        saved_exit_fp: 0,
        saved_exit_pc: 0,
        entry_fp: address(60),
        reserved: 0,
    };
    let place: *mut ActivationRecord = ptr::with_exposed_provenance_mut(address(50));
    // SAFETY: words 50 to 55 of the array, aligned to 16.
    unsafe { place.write(record) };
    let vm = VmStoreContext {
        exit_fp: address(exit_word),
        exit_pc: frames[0].1,
        activation: place,
        ..crate::arch::detached_context()
    };
    let host = std::boxed::Box::new(HostFrame {
        previous: ptr::null_mut(),
        values: ptr::null(),
        len: 0,
        is_rooted: ptr::null(),
        serial: 1,
    });
    Machine { stack, vm, host }
}

fn visit_all(machine: &Machine) -> Result<(WalkStats, Vec<u32>), WalkError> {
    let mut seen = Vec::new();
    // SAFETY: the machine's records and frames are its own arrays.
    let stats = unsafe {
        walk(&machine.vm, &MAPS, &mut |slot| {
            seen.push(slot);
            Ok(())
        })?
    };
    Ok((stats, seen))
}

fn put(machine: &mut Machine, fp_word: usize, distance: usize, value: u32) {
    let base = machine.stack.words().as_mut_ptr();
    // SAFETY: a cell of the array.
    unsafe { base.cast::<u8>().add(fp_word * 8 - distance).cast::<u32>().write(value) };
}

const TWO: &[(usize, usize)] = &[(12, 0x200), (20, 0x100), (30, 0x300)];

#[test]
fn visits_exactly_what_the_maps_name() {
    let mut machine = machine(TWO);
    for (distance, value) in [(8, 7), (12, 8), (16, 9), (20, 99)] {
        put(&mut machine, 12, distance, value);
    }
    put(&mut machine, 20, 8, 3);
    let (stats, seen) = visit_all(&machine).unwrap();
    assert_eq!(seen, [7, 8, 9, 3]);
    assert_eq!(stats, WalkStats { frames: 3, activations: 1 });
    let mut buffer = [0; 8];
    // SAFETY: as in `visit_all`.
    let filled = unsafe { backtrace(&machine.vm, &mut buffer) };
    assert_eq!(buffer[..filled], [0x200, 0x100, 0x300]);
    // SAFETY: as above; the buffer bounds what is written.
    assert_eq!(unsafe { backtrace(&machine.vm, &mut buffer[..2]) }, 2);
}

#[test]
fn host_frames_are_roots() {
    let mut machine = machine(TWO);
    let values = [ValRaw::from_u32(5), ValRaw::from_u32(6)];
    let is_rooted = [false, true];
    machine.host.values = values.as_ptr();
    machine.host.is_rooted = is_rooted.as_ptr();
    machine.host.len = 2;
    machine.vm.host_frames = &raw mut *machine.host;
    assert_eq!(visit_all(&machine).unwrap().1, [0, 0, 0, 0, 6]);
}

#[test]
fn nothing_runs_nothing_is_walked() {
    let mut machine = machine(TWO);
    machine.vm.activation = ptr::null_mut();
    machine.vm.exit_fp = 0xdead;
    assert_eq!(visit_all(&machine).unwrap(), (WalkStats::default(), Vec::new()));
}

#[test]
fn fails_closed() {
    let error = |change: &dyn Fn(&mut Machine)| {
        let mut machine = machine(TWO);
        change(&mut machine);
        visit_all(&machine).unwrap_err()
    };
    let base = |m: &Machine| m.stack.address(0);
    assert_eq!(error(&|m| m.vm.exit_pc = 0x201), WalkError::NoStackMap);
    assert_eq!(error(&|m| m.stack.words()[13] = 0x101), WalkError::NoStackMap);
    assert_eq!(error(&|m| m.stack.words()[12] += 8), WalkError::Misaligned);
    assert_eq!(error(&|m| m.stack.words()[12] = base(m) + 12 * 8), WalkError::OutOfOrder, "a loop");
    assert_eq!(
        error(&|m| m.stack.words()[12] = base(m) + 2 * 8),
        WalkError::OutOfOrder,
        "backwards"
    );
    assert_eq!(
        error(&|m| m.stack.words()[12] = base(m) + 62 * 8),
        WalkError::OutOfOrder,
        "too far"
    );
    assert_eq!(error(&|m| m.stack.words()[12] = 0), WalkError::OutOfOrder);
    assert_eq!(error(&|m| m.vm.exit_fp += 8), WalkError::Misaligned);
    assert_eq!(error(&|m| m.vm.exit_fp = 0), WalkError::OutOfOrder);
    assert_eq!(
        error(&|m| m.stack.words()[2] = base(m) + 4 * 8),
        WalkError::CellOutsideFrame,
        "a map larger than the frame it is applied to"
    );
}
