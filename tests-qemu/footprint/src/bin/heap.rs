//! Kernref's heap in place of the bump heap.
#![no_std]
#![no_main]

use core::hint::black_box;
use kernref::alloc::KernelHeap;
use kernref_footprint::kernel;

kernref_footprint::entry!(main, KernelHeap);

fn main() {
    // SAFETY: never run.
    let added = unsafe { HEAP.add_region(kernel::given::<u8>(), black_box(1)) };
    HEAP.set_largest_request(black_box(1));
    black_box((added.is_ok(), HEAP.usage()));
}
