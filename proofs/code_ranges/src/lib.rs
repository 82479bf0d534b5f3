//! The list of code under loom, which runs each test with every interleaving of its
//! threads (up to a number of preemptions) and every value the C11 memory model lets a
//! load observe. The file under test is the library's own, included unchanged, with
//! loom's atomics and cells for `sync.rs`.

extern crate alloc as std_alloc;

/// Allocation, which does not fail here.
mod alloc {
    pub(crate) fn try_vec_with_capacity<T>(capacity: usize) -> kernref::Result<Vec<T>> {
        Ok(Vec::with_capacity(capacity))
    }
}

/// What the library knows of its entry; not modelled.
#[allow(dead_code, reason = "not modelled")]
mod arch {
    pub struct EntryFacts {
        pub return_address: usize,
        pub record_below_fp: usize,
    }

    pub fn entry_facts() -> EntryFacts {
        EntryFacts { return_address: 0, record_below_fp: 0 }
    }
}

/// The library's own errors.
mod error {
    pub use kernref::Result;
}

mod engine;

pub use engine::{List, plant_no_waiting};
