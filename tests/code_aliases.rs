//! Code that is written at one address and runs at another, which never was writable:
//! two mappings of the same memory. And code that cannot be published.
#![cfg(all(target_os = "linux", feature = "compile", feature = "std"))]

use kernref::alloc::{CodeMemory, CodeRegion};
use kernref::{
    Caller, Config, Engine, Error, ExternRef, Linker, Module, Result, Rooted, Store, Trap,
};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const PAGE: usize = 4096;

/// Two mappings of a file in memory: the second is executable from the start. The
/// first is gone when code is published.
#[derive(Default)]
struct Aliased {
    refuse: bool,
    held: AtomicUsize,
}

/// A mapping of all of the file behind `file`.
fn map(file: i32, bytes: usize, protection: i32) -> Result<NonNull<u8>> {
    let flags = libc::MAP_SHARED;
    // SAFETY: a fresh mapping touches no memory in use.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, file, 0) };
    match at {
        libc::MAP_FAILED => Err(Error::OutOfMemory { bytes }),
        at => Ok(NonNull::new(at.cast()).unwrap()),
    }
}

fn unmap(at: NonNull<u8>, bytes: usize) {
    // SAFETY: called for a mapping of this file's that nobody uses.
    assert_eq!(unsafe { libc::munmap(at.as_ptr().cast(), bytes) }, 0);
}

// SAFETY: the file is the region's alone; it is written through one mapping until that
// is gone, and runs in the other.
unsafe impl CodeMemory for Aliased {
    fn allocate(&self, len_bytes: usize) -> Result<CodeRegion> {
        let len_bytes = len_bytes.next_multiple_of(PAGE);
        // SAFETY: makes a file, and closes it once it is mapped.
        unsafe {
            let file = libc::memfd_create(c"kernref-code".as_ptr(), libc::MFD_CLOEXEC);
            assert!(file >= 0 && libc::ftruncate(file, len_bytes as i64) == 0);
            let write = map(file, len_bytes, libc::PROT_READ | libc::PROT_WRITE)?;
            let execute = map(file, len_bytes, libc::PROT_READ | libc::PROT_EXEC)?;
            libc::close(file);
            self.held.fetch_add(1, Ordering::Relaxed);
            Ok(CodeRegion { write, execute, len_bytes })
        }
    }

    unsafe fn publish(&self, region: &CodeRegion) -> Result<()> {
        unmap(region.write, region.len_bytes);
        match self.refuse {
            true => Err(Error::CodeMemory("no code today")),
            false => Ok(()),
        }
    }

    unsafe fn release(&self, region: CodeRegion) {
        unmap(region.execute, region.len_bytes);
        self.held.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the system says of mappings of such files: their protections.
fn protections() -> Vec<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let ours = maps.lines().filter(|line| line.contains("kernref-code"));
    ours.map(|line| line.split(' ').nth(1).unwrap().to_string()).collect()
}

fn engine(memory: Arc<Aliased>, hardware_traps: bool) -> Engine {
    let mut config = Config::new();
    config.code_memory(memory).hardware_traps(hardware_traps);
    Engine::new(&config).unwrap()
}

/// Calls of each kind, checks, builtins, references in frames, a guard.
const TEXT: &str = r#"(module
    (import "h" "gc" (func $gc (param externref) (result i32)))
    (memory 1)
    (table funcref (elem $nest))
    (type $nest (func (param i32 externref) (result i32)))
    (func $nest (export "nest") (type $nest)
        (if (i32.eqz (local.get 0)) (then (return (call $gc (local.get 1)))))
        (i32.add (i32.const 1)
            (call_indirect (type $nest)
                (i32.sub (local.get 0) (i32.const 1)) (local.get 1) (i32.const 0))))
    (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 6) (local.get 0)))
    (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
    (func (export "grow") (result i32) (memory.grow (i32.const 1))))"#;

fn run(hardware_traps: bool) {
    let memory = Arc::new(Aliased::default());
    let engine = engine(memory.clone(), hardware_traps);
    let mut linker = Linker::<()>::new(&engine);
    let gc = |mut caller: Caller<'_, ()>, object: Rooted| -> Result<u32> {
        caller.gc()?;
        Ok(*object.get(&caller)?.downcast_ref::<u32>()?)
    };
    linker.func_wrap("h", "gc", gc).unwrap();
    let module = Module::new(&engine, wat::parse_str(TEXT).unwrap()).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    assert_eq!(protections(), ["r-xs"], "only where it runs, and never writable");

    let nest = instance.get_typed_func::<(u32, ExternRef), u32>(&mut store, "nest").unwrap();
    let object = ExternRef::new(7_u32).unwrap();
    assert_eq!(nest.call(&mut store, (100, object)).unwrap(), 107);
    let divide = instance.get_typed_func::<u32, u32>(&mut store, "divide").unwrap();
    assert_eq!(divide.call(&mut store, 2).unwrap(), 3);
    let error = divide.call(&mut store, 0).unwrap_err();
    assert_eq!(error.as_trap(), Some(Trap::IntegerDivisionByZero));
    let frames = store.last_backtrace().unwrap().frames().count();
    assert_eq!(frames, 1, "the frame of the check that failed");
    let load = instance.get_typed_func::<u32, u32>(&mut store, "load").unwrap();
    let error = load.call(&mut store, 1 << 16).unwrap_err();
    assert_eq!(error.as_trap(), Some(Trap::MemoryOutOfBounds));
    let grow = instance.get_typed_func::<(), u32>(&mut store, "grow").unwrap();
    assert_eq!(grow.call(&mut store, ()).unwrap(), 1);
    assert_eq!(load.call(&mut store, 1 << 16).unwrap(), 0);

    drop((store, module, linker, engine));
    assert_eq!(memory.held.load(Ordering::Relaxed), 0);
    assert_eq!(protections(), [""; 0]);
}

#[test]
fn code_runs_at_another_address_than_it_was_written_at() {
    run(false);
    run(true);
    refused_publishing_says_why();
}

fn refused_publishing_says_why() {
    let memory = Arc::new(Aliased { refuse: true, ..Aliased::default() });
    let engine = engine(memory.clone(), false);
    let error = Module::new(&engine, wat::parse_str(TEXT).unwrap()).unwrap_err();
    assert!(matches!(error, Error::CodeMemory("no code today")), "{error:?}");
    assert_eq!(error.to_string(), "memory for code cannot be published: no code today");
    assert_eq!(memory.held.load(Ordering::Relaxed), 0);
    assert_eq!(protections(), [""; 0]);
}

/// Gives two pages that have nothing to do with each other, or one at an odd address.
struct Mistaken {
    odd: bool,
}

// SAFETY: it does not keep to the contract, but nothing runs: what is tested is that the
// engine notices.
unsafe impl CodeMemory for Mistaken {
    fn allocate(&self, len_bytes: usize) -> Result<CodeRegion> {
        let len_bytes = len_bytes.next_multiple_of(PAGE) + PAGE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let page = || {
            // SAFETY: a fresh mapping touches no memory in use.
            let at =
                unsafe { libc::mmap(std::ptr::null_mut(), len_bytes, protection, flags, -1, 0) };
            assert_ne!(at, libc::MAP_FAILED);
            NonNull::new(at.cast::<u8>()).unwrap()
        };
        let write = page();
        Ok(match self.odd {
            // SAFETY: within the mapping.
            true => CodeRegion::in_place(unsafe { write.add(16) }, len_bytes - PAGE),
            false => CodeRegion { write, execute: page(), len_bytes },
        })
    }

    unsafe fn publish(&self, _: &CodeRegion) -> Result<()> {
        Ok(())
    }

    unsafe fn release(&self, _: CodeRegion) {}
}

#[test]
fn code_that_is_not_where_it_should_run_is_refused_before_it_runs() {
    for (odd, why) in [(true, "multiples of 4096"), (false, "not what was written")] {
        let mut config = Config::new();
        config.code_memory(Arc::new(Mistaken { odd }));
        let engine = Engine::new(&config).unwrap();
        let wasm = wat::parse_str("(module (func (export \"f\")))").unwrap();
        let refused = Module::new(&engine, wasm).unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    }
}
