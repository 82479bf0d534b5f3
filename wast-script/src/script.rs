//! The compact form of a script, run by both kernels and hosts. Plain data;
//! `codec` converts it to bytes, `encode` makes it from text.

use alloc::string::String;
use alloc::vec::Vec;
use kernref::WasmFeatures;

/// A script.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// The file it came from.
    pub name: String,
    /// Proposals its modules may use.
    pub features: WasmFeatures,
    /// Its directives, in order.
    pub directives: Vec<Directive>,
}

impl Script {
    /// A script whose only directive fails for `reason`.
    pub fn failing(name: &str, reason: &str) -> Self {
        let action = Action::Decided(Err(reason.into()));
        let directives = alloc::vec![Directive { line: 0, action }];
        Self { name: name.into(), features: WasmFeatures::all(), directives }
    }
}

/// A directive and its line, counted from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Directive {
    /// Line number in the text.
    pub line: u32,
    /// The directive itself.
    pub action: Action,
}

/// What a directive requires.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Compile and instantiate; the instance becomes the current one.
    Module {
        /// The name it is given, if any.
        name: Option<String>,
        /// The module.
        bytes: Vec<u8>,
    },
    /// Compile only.
    Definition {
        /// The name it is given, if any.
        name: Option<String>,
        /// The module.
        bytes: Vec<u8>,
    },
    /// Instantiate the module compiled under a name, or the last one compiled.
    Instance {
        /// The name it is given, if any.
        name: Option<String>,
        /// Which definition; `None` means the last one.
        definition: Option<String>,
    },
    /// Make an instance's exports importable.
    Register {
        /// The module name that imports use.
        import_name: String,
        /// Which instance; `None` means the current one.
        instance: Option<String>,
    },
    /// Execute; it must end normally.
    Perform(Execute),
    /// Execute; each result must match one of its alternatives.
    Return(Execute, Vec<Vec<Expected>>),
    /// Execute; it must trap.
    Trap(Execute, String),
    /// Execute; the stack must overflow.
    Exhaustion(Execute),
    /// Compiling must fail.
    Refused(Vec<u8>),
    /// Compiling must succeed; instantiating must fail because of an import.
    Unlinkable(Vec<u8>),
    /// Execute; it must end with an exception.
    Exception(Execute),
    /// Decided when the script was encoded: `Ok` if text that had to be
    /// malformed was, otherwise the reason why this directive fails.
    Decided(Result<(), String>),
}

/// Something to execute.
#[derive(Clone, Debug, PartialEq)]
pub enum Execute {
    /// Call an exported function.
    Invoke {
        /// Which instance; `None` means the current one.
        instance: Option<String>,
        /// The export.
        name: String,
        /// The arguments.
        args: Vec<Argument>,
    },
    /// Read an exported global.
    Get {
        /// Which instance; `None` means the current one.
        instance: Option<String>,
        /// The export.
        name: String,
    },
    /// Instantiate a module and discard it.
    Instantiate(Vec<u8>),
}

/// An argument value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Argument {
    /// `i32.const`.
    I32(u32),
    /// `i64.const`.
    I64(u64),
    /// `f32.const`, bits.
    F32(u32),
    /// `f64.const`, bits.
    F64(u64),
    /// `v128.const`, bits.
    V128(u128),
    /// `ref.null func`.
    NullFunc,
    /// `ref.null extern`.
    NullExtern,
    /// `ref.extern N`.
    Extern(u32),
}

/// What a float result must match.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Float<Bits> {
    /// Exactly these bits.
    Value(Bits),
    /// A canonical NaN: only the payload's most significant bit is set.
    CanonicalNan,
    /// An arithmetic NaN: the payload's most significant bit is set.
    ArithmeticNan,
}

/// What a result must match.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// An `i32`.
    I32(u32),
    /// An `i64`.
    I64(u64),
    /// An `f32`.
    F32(Float<u32>),
    /// An `f64`.
    F64(Float<u64>),
    /// A vector, all bits.
    V128(u128),
    /// A vector of four floats.
    F32x4([Float<u32>; 4]),
    /// A vector of two floats.
    F64x2([Float<u64>; 2]),
    /// A null reference.
    Null,
    /// A non-null externref, with this number if one is given.
    Extern(Option<u32>),
    /// A non-null funcref.
    Func,
}
