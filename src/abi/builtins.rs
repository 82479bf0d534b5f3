//! The only list of calls out of generated code into the runtime.
//!
//! A module's code reaches a builtin through a stub that records the exit
//! frame pointer and return address, calls through
//! [`super::VmStoreContext::builtins`], and — for fallible builtins — goes to
//! the landing pad of its activation when the result is below −1.

/// A parameter or result as generated code passes it, in general registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltinType {
    /// 32 bits.
    I32,
    /// 64 bits, also for pointers.
    I64,
}

macro_rules! builtins {
    ($($(#[$doc:meta])* $variant:ident, $field:ident, ($($param:ident : $ty:ident),*), $fallible:literal;)+) => {
        /// A function of the runtime that generated code may call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Builtin { $($(#[$doc])* $variant,)+ }

        impl Builtin {
            /// Every builtin, in the order of [`VmBuiltins`].
            pub const ALL: &'static [Builtin] = &[$(Builtin::$variant,)+];
            /// Parameter types after the leading `*mut VmContext`.
            pub const fn params(self) -> &'static [BuiltinType] {
                match self { $(Builtin::$variant => &[$(BuiltinType::$ty,)*],)+ }
            }
            /// Whether a result below −1 means "trapped": `-(code + 1)`,
            /// with the pending error recorded in the store.
            pub const fn is_fallible(self) -> bool {
                match self { $(Builtin::$variant => $fallible,)+ }
            }
            /// Name used in listings.
            pub const fn name(self) -> &'static str {
                match self { $(Builtin::$variant => stringify!($field),)+ }
            }
            /// Byte offset of the function pointer within [`VmBuiltins`].
            pub const fn offset(self) -> u32 {
                self as u32 * core::mem::size_of::<usize>() as u32
            }
        }

        /// Function pointers for generated code, in the order of
        /// [`Builtin::ALL`]. All take the calling instance's context first and
        /// return an `i64`.
        ///
        /// # Safety
        /// For each function: generated code calls it through its module's stub,
        /// which has recorded the exit, and passes its own context: that of an
        /// instance of a live store that nobody has borrowed (V4).
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub struct VmBuiltins {
            $($(#[$doc])* pub $field: unsafe extern "C" fn(*mut super::VmContext $(, builtins!(@ty $ty))*) -> i64,)+
        }

        const _: () = {
            $(assert!(
                Builtin::$variant.offset() as usize == core::mem::offset_of!(VmBuiltins, $field),
                "builtins are numbered as their pointers lie",
            );)+
        };
    };
    (@ty I32) => { u32 };
    (@ty I64) => { u64 };
}

builtins! {
    /// `memory.grow`: the old size in pages, or −1.
    MemoryGrow, memory_grow, (memory: I32, delta: I64), true;
    /// Copies bytes between addresses that have been checked; they may overlap. Not
    /// zero if someone has asked that the guest end.
    CopyBytes, copy_bytes, (dst: I64, src: I64, len: I64), false;
    /// Fills bytes at an address that has been checked. Returns as
    /// [`Builtin::CopyBytes`].
    FillBytes, fill_bytes, (dst: I64, value: I32, len: I64), false;
    /// `memory.init`.
    MemoryInit, memory_init, (memory: I32, segment: I32, dst: I64, src: I32, len: I32), true;
    /// `data.drop`.
    DataDrop, data_drop, (segment: I32), true;
    /// `table.grow`: the old size, or −1. `init` is a slot number or a funcref address.
    TableGrow, table_grow, (table: I32, delta: I64, init: I64), true;
    /// `table.fill`. `value` is a slot number or a funcref address.
    TableFill, table_fill, (table: I32, dst: I64, value: I64, len: I64), true;
    /// `table.copy`.
    TableCopy, table_copy, (dst_table: I32, src_table: I32, dst: I64, src: I64, len: I64), true;
    /// `table.init`.
    TableInit, table_init, (table: I32, segment: I32, dst: I64, src: I32, len: I32), true;
    /// `elem.drop`.
    ElemDrop, elem_drop, (segment: I32), true;
    /// Slow path of a read barrier (`CloneOnRead`): the activations table has
    /// reached its threshold. A safepoint.
    ReadBarrierSlow, read_barrier_slow, (), true;
    /// Slow path of a write barrier: the count of `slot` went to zero.
    WriteBarrierZero, write_barrier_zero, (slot: I32), true;
    /// A loop head or entry saw the epoch deadline pass.
    EpochReached, epoch_reached, (), true;
    /// A loop head or entry saw the fuel go below zero.
    FuelExhausted, fuel_exhausted, (), true;
    /// Zeal: a safepoint at which the store may want to collect.
    ZealSafepoint, zeal_safepoint, (), true;
    /// As [`Builtin::CopyBytes`], in pieces, with a look at whether to go on after each.
    CopyPieces, copy_pieces, (dst: I64, src: I64, len: I64), true;
    /// As [`Builtin::FillBytes`], in pieces, with a look at whether to go on after each.
    FillPieces, fill_pieces, (dst: I64, value: I32, len: I64), true;
}
