//! Page protection as the processor enforces it.

use kernref::alloc::CodeMemory;
use kernref::{Engine, Memory, MemoryType, Store};
use kernref_qemu::embedder::{self, KernelCode};
use kernref_qemu::probe::{call_faults, read_faults, write_faults};
use kernref_testsuite::Setup;

#[cfg(target_arch = "x86_64")]
const RETURN: &[u8] = &[0xc3];
#[cfg(target_arch = "aarch64")]
const RETURN: &[u8] = &[0xc0, 0x03, 0x5f, 0xd6];

pub fn code_is_never_writable_and_executable(_: Setup) {
    let region = KernelCode.allocate(RETURN.len()).expect("a page of code");
    let address = region.base.addr().get();
    // SAFETY: fresh memory of ours, large enough.
    unsafe { region.base.as_ptr().copy_from_nonoverlapping(RETURN.as_ptr(), RETURN.len()) };
    // SAFETY: the page is ours; the code there returns at once.
    unsafe {
        kernref::__internals::synchronize_code(region.base.as_ptr(), RETURN.len());
        assert!(!read_faults(address) && !write_faults(address));
        assert!(call_faults(address), "executable before it is published");
        KernelCode.publish(&region).expect("published");
        assert!(!call_faults(address) && !read_faults(address));
        assert!(write_faults(address), "writable after it is published");
        KernelCode.release(region);
        assert!(read_faults(address) && call_faults(address), "usable after its release");
    }
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
