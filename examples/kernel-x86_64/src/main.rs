//! A kernel for QEMU's `q35` that compiles a Wasm module and lends it one of its objects.
//!
//! RAM: the image at 1 MiB, a heap from 64 MiB to 320 MiB, frames from there to 512 MiB.
//! `boot.s` maps all of it as it is, writable and executable, which a real kernel would not.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::sync::Arc;
use core::{fmt, ops::Range, sync::atomic::AtomicU64, sync::atomic::Ordering::Relaxed};
use kernref::alloc::{
    CompileAllocator, FramePool, KernelHeap, MapperTables, PagedMemory, WithMapper,
};
use kernref::{
    Caller, CompileMemory, Config, Engine, Error, ExternRef, Linker, Module, Rooted, Store,
};
use spin::Mutex;
use uart_16550::{Uart16550, backend::PioBackend};
use x86_64::VirtAddr;
use x86_64::instructions::{port::PortWriteOnly, tlb};
use x86_64::registers::control::Cr3;
use x86_64::structures::paging::{OffsetPageTable, PageTable};

core::arch::global_asm!(include_str!("boot.s"), options(att_syntax));

const HEAP_START: usize = 64 << 20;
const HEAP_BYTES: usize = 256 << 20;
/// Addresses that nothing else in the kernel uses.
const FOR_WASM: Range<usize> = 1 << 44..1 << 46;

#[global_allocator]
static HEAP: CompileAllocator<KernelHeap> = CompileAllocator::new(KernelHeap::new());
// SAFETY: RAM that nothing else uses, mapped where it is.
static FRAMES: FramePool = unsafe { FramePool::new(320 << 20..512 << 20, 0) };
static SERIAL: Mutex<Option<Uart16550<PioBackend>>> = Mutex::new(None);

struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        SERIAL.lock().iter_mut().for_each(|port| port.send_bytes_exact(text.as_bytes()));
        Ok(())
    }
}

macro_rules! print {
    ($($part:tt)*) => { let _ = fmt::Write::write_fmt(&mut Console, format_args!($($part)*)); };
}

struct Tables(Mutex<(OffsetPageTable<'static>, &'static FramePool)>);

// SAFETY: these are the tables in use, EFER.NXE is set, and there is one processor.
unsafe impl WithMapper for Tables {
    type Mapper = OffsetPageTable<'static>;
    type Frames = &'static FramePool;

    fn with<R>(&self, work: impl FnOnce(&mut Self::Mapper, &mut Self::Frames) -> R) -> R {
        let (mapper, frames) = &mut *self.0.lock();
        work(mapper, frames)
    }

    fn flush(&self, pages: Range<usize>) {
        pages.step_by(4096).for_each(|page| tlb::flush(VirtAddr::new(page as u64)));
    }
}

/// What the guest is lent.
struct Counter(AtomicU64);

impl Drop for Counter {
    fn drop(&mut self) {
        print!("the counter is released at {}\n", self.0.load(Relaxed));
    }
}

fn run(wasm: &[u8]) -> Result<(), Error> {
    // SAFETY: the tables that the processor uses, through the identity mapping; nobody
    // else has them, and nobody else uses the addresses.
    let memory = unsafe {
        let root = Cr3::read().0.start_address().as_u64() as *mut PageTable;
        let mapper = OffsetPageTable::new(&mut *root, VirtAddr::zero());
        let tables = Tables(Mutex::new((mapper, &FRAMES)));
        Arc::new(PagedMemory::new(MapperTables::new(tables), FOR_WASM)?)
    };
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
    // SAFETY: the first serial port of every PC; RAM that nothing else uses.
    unsafe {
        *SERIAL.lock() = Uart16550::new_port(0x3f8).ok();
        HEAP.inner().add_region(HEAP_START as *mut u8, HEAP_BYTES).expect("a heap");
    }
    let outcome = run(include_bytes!(concat!(env!("OUT_DIR"), "/guest.wasm")));
    if let Err(error) = &outcome {
        print!("{error}\n");
    }
    exit(u32::from(outcome.is_err()))
}

/// Ends QEMU, whose exit status is then `33 + 2 * code`.
fn exit(code: u32) -> ! {
    // SAFETY: the device `isa-debug-exit`.
    unsafe { PortWriteOnly::new(0xf4).write(16 + code) };
    loop {
        x86_64::instructions::hlt();
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    print!("{info}\n");
    exit(3)
}
