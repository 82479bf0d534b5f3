//! Typed indices into a module's index spaces, imports first.

macro_rules! index {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(pub u32);
        impl $name {
            /// The index as a `usize`, for indexing Rust slices.
            pub const fn index(self) -> usize { self.0 as usize }
        }
    )+};
}

index! {
    /// A function type of the module's type section.
    TypeIndex,
    /// A function, imported ones first.
    FuncIndex,
    /// A table, imported ones first.
    TableIndex,
    /// A linear memory, imported ones first.
    MemoryIndex,
    /// A global, imported ones first.
    GlobalIndex,
    /// An element segment.
    ElemIndex,
    /// A data segment.
    DataIndex,
}
