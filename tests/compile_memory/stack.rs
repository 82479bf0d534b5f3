//! How much stack compiling needs, whatever the module.

use super::shapes::SHAPES;
use super::{HEAP, engine};
use kernref::alloc::{HeapStackSource, StackMemory, StackSource};
use kernref::{CompileMemory, Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What fresh stacks are filled with.
const PAINT: u8 = 0x5c;

/// Stacks that are painted, and looked at when they are given back.
struct Painted {
    deepest_bytes: AtomicUsize,
}

// SAFETY: the heap's stacks, which may hold anything.
unsafe impl StackSource for Painted {
    fn reserve(&self, len_bytes: usize) -> Result<StackMemory> {
        let stack = HeapStackSource.reserve(len_bytes)?;
        // SAFETY: this stack's bytes.
        unsafe { stack.base().write_bytes(PAINT, len_bytes) };
        Ok(stack)
    }

    unsafe fn release(&self, stack: StackMemory) {
        let len = stack.len_bytes();
        // SAFETY: this stack's bytes, all of which `reserve` has written.
        let bytes = unsafe { std::slice::from_raw_parts(stack.base().as_ptr(), len) };
        let untouched = bytes.iter().take_while(|byte| **byte == PAINT).count();
        self.deepest_bytes.fetch_max(len - untouched, Ordering::Relaxed);
        // SAFETY: passed on.
        unsafe { HeapStackSource.release(stack) };
    }
}

#[test]
fn no_module_needs_more_stack_than_is_stated() {
    let painted = Arc::new(Painted { deepest_bytes: AtomicUsize::new(0) });
    // SAFETY: as for the other tests; the stacks are much larger than what is stated.
    let memory = unsafe { CompileMemory::new(&HEAP, painted.clone()) };
    let engine = engine(memory.region_bytes(256 << 20).stack_bytes(1 << 20));
    let mut table = String::new();
    for shape in SHAPES {
        painted.deepest_bytes.store(0, Ordering::Relaxed);
        let outcome = engine.precompile_module((shape.make)(shape.size));
        assert!(matches!(outcome, Ok(_) | Err(Error::Limit(_))), "{}: {outcome:?}", shape.name);
        let deepest = painted.deepest_bytes.load(Ordering::Relaxed);
        table += &format!("{}: {deepest}\n", shape.name);
        assert!(deepest <= CompileMemory::MIN_STACK_BYTES, "{}: {deepest}", shape.name);
    }
    println!("{table}");
}
