//! [`Outlined`]: what takes many instructions, and is left to a stub by a large
//! function. There is one for each kind and module. A call takes as much heap to
//! compile as five or six instructions of the intermediate form, and less to run
//! than it takes to compile.
//!
//! Invariant: a stub is the code that other functions have in place.

use super::signature::{POINTER, plain};
use cranelift_codegen::ir::{Signature, Type, types};
use cranelift_codegen::isa::CallConv;
use std_alloc::format;
use std_alloc::string::{String, ToString};

/// What a stub does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Outlined {
    /// Converts a float to an integer, or traps.
    Truncate(Truncation),
    /// Divides signed integers of 64 bits, or else of 32, or traps.
    Divide { is_64: bool },
    /// The read barrier.
    Read,
    /// Stores a reference, and counts: address, reference.
    Store,
}

/// A conversion from float to integer that may trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Truncation {
    /// From f64 rather than f32.
    pub(super) from_64: bool,
    /// To i64 rather than i32.
    pub(super) to_64: bool,
    /// To a signed integer.
    pub(super) signed: bool,
}

impl Truncation {
    pub(super) fn types(self) -> (Type, Type) {
        let from = if self.from_64 { types::F64 } else { types::F32 };
        (from, if self.to_64 { types::I64 } else { types::I32 })
    }
}

impl Outlined {
    /// Tells it from the others.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Truncate(Truncation { from_64, to_64, signed }) => {
                u32::from(from_64) | u32::from(to_64) << 1 | u32::from(signed) << 2
            }
            Self::Divide { is_64 } => 8 | u32::from(is_64),
            Self::Read => 10,
            Self::Store => 11,
        }
    }

    /// The one with this number.
    pub(super) fn of_number(number: u32) -> Option<Self> {
        let bit = |at: u32| number & 1 << at != 0;
        let truncation = Truncation { from_64: bit(0), to_64: bit(1), signed: bit(2) };
        match number {
            ..8 => Some(Self::Truncate(truncation)),
            8 | 9 => Some(Self::Divide { is_64: bit(0) }),
            10 => Some(Self::Read),
            11 => Some(Self::Store),
            _ => None,
        }
    }

    /// What it is called in listings.
    pub(super) fn name(self) -> String {
        let bits = |is_64| if is_64 { 64 } else { 32 };
        match self {
            Self::Truncate(Truncation { from_64, to_64, signed }) => {
                let sign = if signed { 's' } else { 'u' };
                format!("i{}.trunc_f{}_{sign}", bits(to_64), bits(from_64))
            }
            Self::Divide { is_64 } => format!("i{}.div_s", bits(is_64)),
            Self::Read => "reading a reference".to_string(),
            Self::Store => "storing a reference".to_string(),
        }
    }

    /// The stub's signature: the context, then the operands.
    pub(super) fn signature(self) -> Signature {
        let (operands, results): (&[Type], &[Type]) = match self {
            Self::Truncate(truncation) => {
                let (from, to) = truncation.types();
                (&[from], &[to])
            }
            Self::Divide { is_64: true } => (&[types::I64; 2], &[types::I64]),
            Self::Divide { is_64: false } => (&[types::I32; 2], &[types::I32]),
            Self::Read => (&[types::I32], &[]),
            Self::Store => (&[POINTER, types::I32], &[]),
        };
        plain(CallConv::Tail, &[&[POINTER], operands].concat(), results)
    }
}

#[cfg(test)]
mod tests {
    use super::Outlined;
    use std::collections::HashSet;
    use std::vec::Vec;

    #[test]
    fn each_has_a_number_and_a_name() {
        let all: Vec<_> = (0..12).map(|number| Outlined::of_number(number).unwrap()).collect();
        assert!((0..12).zip(&all).all(|(number, what)| what.number() == number));
        assert_eq!(Outlined::of_number(12), None);
        let names: HashSet<_> = all.iter().map(|what| what.name()).collect();
        assert_eq!(names.len(), 12);
    }
}
