//! A kernel for QEMU's `virt` that compiles a Wasm module and lends it one of its objects.
//!
//! RAM, from 1 GiB: the image at 2 MiB, a heap from 64 MiB to 320 MiB, frames from there to
//! 512 MiB. All of it is mapped as it is, writable and executable, which a real kernel
//! would not do.
#![no_std]
#![no_main]

extern crate alloc;

mod boot;

use aarch64_paging::Mapping;
use aarch64_paging::descriptor::{El1Attributes as Attributes, PhysicalAddress};
use aarch64_paging::paging::{Constraints, El1And0, MemoryRegion, VaRange};
use alloc::{boxed::Box, sync::Arc};
use arm_pl011_uart::{PL011Registers, Uart, UniqueMmioPointer};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::{fmt, ops::Range, ptr::NonNull};
use kernref::alloc::{
    CompileAllocator, FramePool, KernelHeap, MappingTables, PagedMemory, WithMapping,
};
use kernref::{
    Caller, CompileMemory, Config, Engine, Error, ExternRef, Linker, Module, Rooted, Store,
};
use spin::Mutex;

const RAM: usize = 1 << 30;
const HEAP_START: usize = RAM + (64 << 20);
const HEAP_BYTES: usize = 256 << 20;
/// Addresses that nothing else in the kernel uses.
const FOR_WASM: Range<usize> = 1 << 36..1 << 38;

#[global_allocator]
static HEAP: CompileAllocator<KernelHeap> = CompileAllocator::new(KernelHeap::new());
// SAFETY: RAM that nothing else uses, mapped where it is.
static FRAMES: FramePool = unsafe { FramePool::new(RAM + (320 << 20)..RAM + (512 << 20), 0) };
static SERIAL: Mutex<Option<Uart<'static>>> = Mutex::new(None);

struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        SERIAL.lock().as_mut().map_or(Ok(()), |port| fmt::Write::write_str(port, text))
    }
}

macro_rules! print {
    ($($part:tt)*) => { let _ = fmt::Write::write_fmt(&mut Console, format_args!($($part)*)); };
}

/// Never dropped: the processor uses them.
struct Tables(&'static Mutex<Mapping<&'static FramePool, El1And0>>);

// SAFETY: the mapping is the one in use, by `activate`.
unsafe impl WithMapping for Tables {
    type Translation = &'static FramePool;
    type Regime = El1And0;
    type Frames = &'static FramePool;

    fn with<R>(
        &self,
        work: impl FnOnce(&mut Mapping<&'static FramePool, El1And0>, &mut Self::Frames) -> R,
    ) -> R {
        work(&mut self.0.lock(), &mut &FRAMES)
    }

    fn normal_memory(&self) -> Attributes {
        Attributes::ATTRIBUTE_INDEX_1 | Attributes::INNER_SHAREABLE
    }
}

fn map_everything() -> Tables {
    let mut tables = Mapping::with_asid_and_va_range(&FRAMES, 0, 1, El1And0, VaRange::Lower);
    let both = Attributes::VALID | Attributes::ACCESSED | Attributes::UXN;
    let ram = both | Attributes::ATTRIBUTE_INDEX_1 | Attributes::INNER_SHAREABLE;
    for (start, attributes) in [(0, both | Attributes::PXN), (RAM, ram)] {
        let (region, to) = (MemoryRegion::new(start, start + (1 << 30)), PhysicalAddress(start));
        tables.map_range(&region, to, attributes, Constraints::empty()).expect("a new table");
    }
    // SAFETY: they map everything where it is, as before.
    unsafe { tables.activate() };
    Tables(Box::leak(Box::new(Mutex::new(tables))))
}

/// What the guest is lent.
struct Counter(AtomicU64);

impl Drop for Counter {
    fn drop(&mut self) {
        print!("the counter is released at {}\n", self.0.load(Relaxed));
    }
}

fn run(wasm: &[u8]) -> Result<(), Error> {
    // SAFETY: nobody else uses these addresses.
    let memory = unsafe { PagedMemory::new(MappingTables::new(map_everything()), FOR_WASM)? };
    let memory = Arc::new(memory);
    // SAFETY: there are no handlers of interrupts, and there is no logger.
    let compile = unsafe { CompileMemory::new(&HEAP, memory.clone()) };
    let mut config = Config::new();
    config.memory_source(memory.clone()).code_memory(memory).compile_memory(compile);
    let engine = Engine::new(config.max_wasm_stack(256 << 10))?;
    let module = Module::new(&engine, wasm)?;
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("kernel", "add", |caller: Caller<'_, ()>, object: Rooted, n: u64| {
        let counter = object.get(&caller)?.downcast_ref::<Counter>()?;
        Ok::<u64, Error>(counter.0.fetch_add(n, Relaxed) + n)
    })?;
    let mut store = Store::new(&engine, ())?;
    let instance = linker.instantiate(&mut store, &module)?;
    let keep = instance.get_typed_func::<ExternRef, ()>(&mut store, "keep")?;
    let count = instance.get_typed_func::<u64, u64>(&mut store, "count")?;
    let forget = instance.get_typed_func::<(), ()>(&mut store, "forget")?;
    keep.call(&mut store, ExternRef::new(Counter(AtomicU64::new(0)))?)?;
    print!("the guest holds a counter\n");
    print!("it has counted to {}\n", count.call(&mut store, 10)?);
    forget.call(&mut store, ())?;
    print!("the guest holds nothing\n");
    Ok(())
}

#[unsafe(no_mangle)]
extern "C" fn kernel_main() -> ! {
    boot::turn_mmu_on();
    let port = NonNull::new(0x0900_0000 as *mut PL011Registers).expect("an address");
    // SAFETY: the machine's serial port; RAM that nothing else uses.
    unsafe {
        *SERIAL.lock() = Some(Uart::new(UniqueMmioPointer::new(port)));
        HEAP.inner().add_region(HEAP_START as *mut u8, HEAP_BYTES).expect("a heap");
    }
    let outcome = run(include_bytes!(concat!(env!("OUT_DIR"), "/guest.wasm")));
    if let Err(error) = &outcome {
        print!("{error}\n");
    }
    semihosting::process::exit(64 + i32::from(outcome.is_err()))
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    print!("{info}\n");
    semihosting::process::exit(64 + 3)
}
