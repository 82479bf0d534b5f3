//! A typed host module `kernel`: the kind of object a handle refers to is known
//! when the guest is compiled, and dropping a handle clears its entry in the
//! module's table of references.

use core::fmt;
use externref::{Resource, externref};

/// Kinds of objects; only used as type parameters, never instantiated.
pub mod kind {
    /// The right to write to the console.
    pub struct Console(());
    /// The right to read the clock.
    pub struct Clock(());
    /// Some physical memory.
    pub struct Block(());
    /// A counter shared by all who open its name.
    pub struct Counter(());
}

mod raw {
    use super::{Resource, externref, kind};

    #[externref]
    #[link(wasm_import_module = "kernel")]
    unsafe extern "C" {
        pub(super) fn console_open() -> Option<Resource<kind::Console>>;
        pub(super) fn console_write(console: &Resource<kind::Console>, text: *const u8, len: usize);
        pub(super) fn clock_open() -> Option<Resource<kind::Clock>>;
        pub(super) fn clock_now_ns(clock: &Resource<kind::Clock>) -> i64;
        pub(super) fn block_alloc(bytes: usize) -> Option<Resource<kind::Block>>;
        pub(super) fn block_len(block: &Resource<kind::Block>) -> usize;
        pub(super) fn block_read(
            block: &Resource<kind::Block>,
            offset: usize,
            to: *mut u8,
            len: usize,
        ) -> i32;
        pub(super) fn block_write(
            block: &Resource<kind::Block>,
            offset: usize,
            from: *const u8,
            len: usize,
        ) -> i32;
        pub(super) fn counter_open(name: *const u8, len: usize) -> Option<Resource<kind::Counter>>;
        pub(super) fn counter_add(counter: &Resource<kind::Counter>, amount: i64) -> i64;
    }
}

/// The offset and length do not lie inside the block.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfRange;

/// A console; text is formatted directly into it.
pub struct Console(Resource<kind::Console>);

impl Console {
    pub fn open() -> Option<Self> {
        // SAFETY: there are no arguments.
        unsafe { raw::console_open() }.map(Self)
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: the pointer and the length are those of `text`, which the
        // kernel only reads, and only during the call.
        unsafe { raw::console_write(&self.0, text.as_ptr(), text.len()) };
        Ok(())
    }
}

/// A clock.
pub struct Clock(Resource<kind::Clock>);

impl Clock {
    pub fn open() -> Option<Self> {
        // SAFETY: there are no arguments.
        unsafe { raw::clock_open() }.map(Self)
    }

    pub fn now_ns(&self) -> i64 {
        // SAFETY: the only argument is a handle of the right type.
        unsafe { raw::clock_now_ns(&self.0) }
    }
}

/// A block of physical memory.
pub struct Block(Resource<kind::Block>);

impl Block {
    /// `None` if the kernel has no memory left.
    pub fn new(len_bytes: usize) -> Option<Self> {
        // SAFETY: the only argument is a number.
        unsafe { raw::block_alloc(len_bytes) }.map(Self)
    }

    pub fn from_resource(block: Resource<kind::Block>) -> Self {
        Self(block)
    }

    pub fn into_resource(self) -> Resource<kind::Block> {
        self.0
    }

    pub fn len_bytes(&self) -> usize {
        // SAFETY: the only argument is a handle of the right type.
        unsafe { raw::block_len(&self.0) }
    }

    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result<(), OutOfRange> {
        // SAFETY: the pointer and the length are those of `to`, which is
        // borrowed exclusively; the kernel keeps neither.
        match unsafe { raw::block_read(&self.0, offset, to.as_mut_ptr(), to.len()) } {
            0 => Ok(()),
            _ => Err(OutOfRange),
        }
    }

    pub fn write(&mut self, offset: usize, from: &[u8]) -> Result<(), OutOfRange> {
        // SAFETY: the pointer and the length are those of `from`, which the
        // kernel only reads, and only during the call.
        match unsafe { raw::block_write(&self.0, offset, from.as_ptr(), from.len()) } {
            0 => Ok(()),
            _ => Err(OutOfRange),
        }
    }
}

/// A shared counter.
pub struct Counter(Resource<kind::Counter>);

impl Counter {
    pub fn open(name: &str) -> Option<Self> {
        // SAFETY: the pointer and the length are those of `name`, which the
        // kernel only reads, and only during the call.
        unsafe { raw::counter_open(name.as_ptr(), name.len()) }.map(Self)
    }

    /// Returns the new value.
    pub fn add(&self, amount: i64) -> i64 {
        // SAFETY: the arguments are a handle of the right type and a number.
        unsafe { raw::counter_add(&self.0, amount) }
    }
}
