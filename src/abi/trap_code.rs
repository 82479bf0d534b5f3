//! [`Trap`]: the numbered reasons for which Wasm code stops.

macro_rules! traps {
    ($($(#[$doc:meta])* $name:ident = $code:literal => $text:literal,)+) => {
        /// Why Wasm code trapped. Codes are the activation statuses that
        /// generated code and the runtime exchange; 0 is "no trap".
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Trap { $($(#[$doc])* $name = $code,)+ }

        impl Trap {
            /// Every trap, in order of its code.
            pub const ALL: &'static [Trap] = &[$(Trap::$name,)+];
            /// Name, as in this enumeration.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Trap::$name => stringify!($name),)+ }
            }
            /// The trap with this code, if there is one.
            pub const fn from_code(code: u64) -> Option<Self> {
                match code { $($code => Some(Trap::$name),)+ _ => None }
            }
        }

        impl core::fmt::Display for Trap {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self { $(Trap::$name => $text,)+ })
            }
        }
    };
}

traps! {
    /// The stack limit was reached.
    StackOverflow = 1 => "call stack exhausted",
    /// A load, store or bulk operation outside a linear memory.
    MemoryOutOfBounds = 2 => "out of bounds memory access",
    /// An access outside a table, or outside an element segment.
    TableOutOfBounds = 3 => "out of bounds table access",
    /// `call_indirect` on an index outside the table.
    UndefinedElement = 4 => "undefined element",
    /// `call_indirect` on a null element.
    IndirectCallToNull = 5 => "uninitialized element",
    /// `call_indirect` on a function of another type.
    BadSignature = 6 => "indirect call type mismatch",
    /// Integer overflow in a division or conversion.
    IntegerOverflow = 7 => "integer overflow",
    /// Division or remainder by zero.
    IntegerDivisionByZero = 8 => "integer divide by zero",
    /// A NaN was converted to an integer.
    BadConversionToInteger = 9 => "invalid conversion to integer",
    /// `unreachable` was executed.
    UnreachableCodeReached = 10 => "wasm `unreachable` instruction executed",
    /// The epoch deadline passed.
    Interrupt = 11 => "interrupt",
    /// All fuel was consumed.
    OutOfFuel = 12 => "all fuel consumed by WebAssembly",
    /// A null reference where none is allowed.
    NullReference = 13 => "null reference",
    /// The store's reference arena is too small for what is alive: a collection made
    /// no room, or the last one made too little to be worth another so soon.
    ReferenceArenaFull = 14 => "reference arena exhausted: too small for what is alive",
    /// Memory for a table, or for host bookkeeping, is not available.
    OutOfMemory = 15 => "out of memory",
    /// The stack walk found a frame it could not account for; nothing was released.
    StackWalkFailed = 16 => "stack walk failed",
    /// A host function returned an error; the error itself is kept by the store.
    HostError = 17 => "error in a host function",
}

impl core::error::Error for Trap {}
