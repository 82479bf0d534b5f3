//! Links the collector's entry points with a panic handler that needs an
//! undefined symbol: the link succeeds exactly if no panic path is reachable
//! from them. Never run.
//!
//! The store's own entry points pull in the stack map lookup. Not covered: what
//! is called through pointers and belongs to the embedder (destructors, its
//! allocator).
#![no_std]
#![no_main]

use core::alloc::{GlobalAlloc, Layout};
use core::hint::black_box;
use kernref::__internals::{RefHeap, StackMapLookup, VmContext};
use kernref::{ExternRef, OwnedRooted, Store};

/// The library requires an allocator; no entry point reaches it.
struct NoMemory;

// SAFETY: never returns memory.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;

unsafe extern "C" {
    fn kernref_a_panic_is_reachable() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: the function does not exist, so the program cannot be linked.
    unsafe { kernref_a_panic_is_reachable() }
}

/// What a store calls on its heap at run time.
#[unsafe(no_mangle)]
extern "C" fn entry_points(
    heap: &mut RefHeap,
    maps: &&dyn StackMapLookup,
    object: &ExternRef,
    number: u32,
) {
    let maps: &dyn StackMapLookup = *maps;
    black_box(heap.collect(maps).is_ok());
    black_box(heap.step(number, maps).is_ok());
    black_box(heap.reserve(number, maps).is_ok());
    black_box(heap.intern_reserved(object.clone()).is_ok());
    black_box(heap.intern_counted(object.clone()).is_ok());
    black_box(heap.borrow(number));
    heap.increment(number);
    heap.decrement(number);
    heap.decremented_to_zero(number);
    heap.note_read(number);
    heap.outermost_returned();
    black_box(heap.drain(number as usize));
    black_box(heap.wants_collection());
    black_box(heap.zeal_is_due());
    black_box(heap.stats());
    object.revoke();
    black_box(object.downcast_ref::<u32>().is_ok());
    // SAFETY: never run.
    unsafe { core::ptr::drop_in_place(heap) };
    #[cfg(feature = "control")]
    black_box([1_u32, 2][number as usize]);
}

/// What an embedder calls on its store, and compiled code on the runtime.
#[unsafe(no_mangle)]
extern "C" fn store_entry_points(
    store: &mut Store<()>,
    context: *mut VmContext,
    object: &ExternRef,
    number: u32,
) {
    black_box(store.gc().is_ok());
    black_box(store.gc_step(number).is_ok());
    black_box(store.drain_released(number as usize));
    store.set_auto_drain(number == 1);
    black_box(store.gc_stats());
    if let Ok(root) = OwnedRooted::new(&mut *store, object.clone()) {
        black_box(root.get(store).is_ok());
        black_box(root.to_rooted().to_owned_rooted(&mut *store).is_ok());
        black_box(root.unroot(&mut *store).is_ok());
    }
    // SAFETY: never run.
    black_box(unsafe { kernref::__internals::collector_builtins(context, number) });
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    black_box(entry_points as *const ());
    black_box(store_entry_points as *const ());
    loop {}
}
