//! Page protection as the processor enforces it.

use crate::running::engine;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use kernref::alloc::CodeMemory;
use kernref::{Engine, Memory, MemoryType, Store};
use kernref_qemu::embedder::{self, AliasedCode};
use kernref_qemu::frames::{self, FRAME_BYTES};
use kernref_qemu::paging::{each_mapping, frame_of};
use kernref_qemu::probe::{call_faults, read_faults, write_faults};
use kernref_testsuite::Setup;

#[cfg(target_arch = "x86_64")]
const RETURN: &[u8] = &[0xc3];
#[cfg(target_arch = "aarch64")]
const RETURN: &[u8] = &[0xc0, 0x03, 0x5f, 0xd6];

pub fn code_is_never_writable_and_executable(_: Setup) {
    let memory = embedder::paged_memory();
    let region = memory.allocate(RETURN.len()).expect("a page of code");
    let address = region.execute.addr().get();
    // SAFETY: fresh memory of ours, large enough.
    unsafe { region.write.as_ptr().copy_from_nonoverlapping(RETURN.as_ptr(), RETURN.len()) };
    // SAFETY: the page is ours; the code there returns at once.
    unsafe {
        kernref::__internals::synchronize_code(region.execute.as_ptr(), RETURN.len());
        assert!(!read_faults(address) && !write_faults(address));
        assert!(call_faults(address), "executable before it is published");
        memory.publish(&region).expect("published");
        assert!(!call_faults(address) && !read_faults(address));
        assert!(write_faults(address), "writable after it is published");
        CodeMemory::release(&*memory, region);
        assert!(read_faults(address) && call_faults(address), "usable after its release");
    }
}

/// Each frame that is executable somewhere: how often it is mapped.
fn executable_frames() -> BTreeMap<usize, usize> {
    let mut frames = BTreeMap::new();
    each_mapping(&mut |mapping| {
        if mapping.executable {
            for at in (0..mapping.bytes).step_by(FRAME_BYTES) {
                frames.insert(mapping.frame + at, 0);
            }
        }
    });
    each_mapping(&mut |mapping| {
        for (frame, times) in frames.range_mut(mapping.frame..mapping.frame + mapping.bytes) {
            assert!(!mapping.writable, "frame {frame:#x} runs and is writable: {mapping:x?}");
            *times += 1;
        }
    });
    frames
}

/// Whatever address maps a frame with code: it cannot be written there.
pub fn a_published_frame_is_writable_nowhere(_: Setup) {
    fn check(source: &dyn CodeMemory, mappings: usize) {
        let before = executable_frames();
        assert!(before.values().all(|times| *times == 1), "the kernel's own code");
        let free = frames::available();
        let region = source.allocate(3 * FRAME_BYTES).expect("pages of code");
        let (write, execute) = (region.write.addr().get(), region.execute.addr().get());
        assert_eq!(executable_frames(), before, "executable before it is published");
        let pages = || (0..3 * FRAME_BYTES).step_by(FRAME_BYTES);
        let frames = pages().map(|at| frame_of(write + at).expect("mapped"));
        let frames: Vec<usize> = frames.collect();
        // SAFETY: pages of ours, where nothing runs; the code there returns at once.
        unsafe {
            for at in pages() {
                let code = region.write.as_ptr().add(at);
                code.copy_from_nonoverlapping(RETURN.as_ptr(), RETURN.len());
            }
            assert!(frames.iter().all(|frame| !write_faults(*frame)), "where all RAM is");
            source.publish(&region).expect("published");
            for at in pages() {
                kernref::__internals::synchronize_code(region.execute.as_ptr().add(at), 16);
                assert!(!call_faults(execute + at));
                assert!(write_faults(execute + at) && write_faults(write + at));
            }
            assert!(frames.iter().all(|frame| write_faults(*frame)), "where all RAM is");
        }
        let now = executable_frames();
        assert_eq!(now.len(), before.len() + 3);
        for frame in &frames {
            assert_eq!(now.get(frame), Some(&mappings), "mappings of {frame:#x}");
        }
        // SAFETY: of this source, and unused.
        unsafe { source.release(region) };
        assert_eq!(executable_frames(), before);
        // SAFETY: frames that nobody uses.
        unsafe { assert!(frames.iter().all(|frame| !write_faults(*frame)), "given back") };
        assert_eq!(frames::available(), free);
    }
    // Where it runs, and where all RAM is.
    check(&*embedder::paged_memory(), 2);
    check(&AliasedCode, 2);
}

/// Modules in code memory with two addresses.
pub fn code_runs_at_another_address(setup: Setup) {
    let free = frames::available();
    let engine = engine(setup, |config| _ = config.code_memory(Arc::new(AliasedCode)));
    assert!(executable_frames().values().all(|times| *times > 0));
    crate::running::nested_references_on(&engine);
    crate::faults::a_stray_ends_on(&engine);
    assert!(executable_frames().values().all(|times| *times > 0));
    drop(engine);
    embedder::forget_engines();
    assert_eq!(frames::available(), free);
}

pub fn linear_memory_is_not_executable(_: Setup) {
    let engine = Engine::new(&embedder::config()).expect("an engine");
    let mut store = Store::new(&engine, ()).expect("a store");
    let ty = MemoryType { minimum: 1, maximum: Some(2), memory64: false };
    let memory = Memory::new(&mut store, ty).expect("a memory");
    memory.write(&mut store, 0, RETURN).expect("in bounds");
    let data = memory.data(&store).expect("of this store");
    let (start, len) = (data.as_ptr().addr(), data.len());
    // SAFETY: the memory is ours; the code there returns at once.
    unsafe {
        assert!(!write_faults(start + len - 1));
        assert!(call_faults(start), "linear memory is executable");
        assert!(read_faults(start + len), "mapped beyond its size");
    }
    drop(store);
    // SAFETY: reading has no side effects.
    assert!(unsafe { read_faults(start) }, "mapped after the store is gone");
}

pub fn the_kernel_is_protected_from_itself(_: Setup) {
    let code = the_kernel_is_protected_from_itself as *const () as usize;
    let constant = RETURN.as_ptr().addr();
    let local = 0_u8;
    // SAFETY: whatever must not fault is harmless: reads, and a byte written back.
    unsafe {
        assert!(!read_faults(code) && write_faults(code), "code");
        assert!(!read_faults(constant) && write_faults(constant), "constants");
        assert!(call_faults(constant), "constants are executable");
        assert!(!write_faults((&raw const local).addr()), "the stack");
        assert!(read_faults(0) && read_faults(4095), "the null page");
        assert!(read_faults(kernref_qemu::stack_guard()), "the page below the stack");
    }
}
