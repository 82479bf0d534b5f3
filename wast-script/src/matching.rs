//! Whether the outcome is what a script expects.

use crate::script::{Expected, Float};
use alloc::format;
use alloc::string::String;
use kernref::{ExternRef, Trap, Val};

/// What an externref of a script refers to: its number.
pub(crate) struct Numbered {
    pub(crate) number: u32,
    pub(crate) census: crate::host::Census,
}

impl Drop for Numbered {
    fn drop(&mut self) {
        self.census.leave();
    }
}

/// The number behind an externref; `None` if it is not one of the script's.
fn number(reference: &ExternRef) -> Option<u32> {
    reference.downcast_ref::<Numbered>().ok().map(|object| object.number)
}

fn f32_matches(bits: u32, expected: Float<u32>) -> bool {
    match expected {
        Float::Value(value) => bits == value,
        Float::CanonicalNan => bits & 0x7fff_ffff == 0x7fc0_0000,
        Float::ArithmeticNan => bits & 0x7fc0_0000 == 0x7fc0_0000,
    }
}

fn f64_matches(bits: u64, expected: Float<u64>) -> bool {
    const QUIET: u64 = 0x7ff8_0000_0000_0000;
    match expected {
        Float::Value(value) => bits == value,
        Float::CanonicalNan => bits & 0x7fff_ffff_ffff_ffff == QUIET,
        Float::ArithmeticNan => bits & QUIET == QUIET,
    }
}

fn matches(value: &Val, expected: &Expected) -> bool {
    match (value, expected) {
        (Val::I32(value), Expected::I32(wanted)) => *value as u32 == *wanted,
        (Val::I64(value), Expected::I64(wanted)) => *value as u64 == *wanted,
        (Val::F32(bits), Expected::F32(wanted)) => f32_matches(*bits, *wanted),
        (Val::F64(bits), Expected::F64(wanted)) => f64_matches(*bits, *wanted),
        (Val::V128(bits), Expected::V128(wanted)) => bits == wanted,
        (Val::V128(bits), Expected::F32x4(lanes)) => lanes
            .iter()
            .enumerate()
            .all(|(lane, wanted)| f32_matches((bits >> (32 * lane)) as u32, *wanted)),
        (Val::V128(bits), Expected::F64x2(lanes)) => lanes
            .iter()
            .enumerate()
            .all(|(lane, wanted)| f64_matches((bits >> (64 * lane)) as u64, *wanted)),
        (Val::ExternRef(None) | Val::FuncRef(None), Expected::Null) => true,
        (Val::ExternRef(Some(_)), Expected::Extern(None)) => true,
        (Val::ExternRef(Some(object)), Expected::Extern(Some(wanted))) => {
            number(object) == Some(*wanted)
        }
        (Val::FuncRef(Some(_)), Expected::Func) => true,
        _ => false,
    }
}

/// Compares each result with its expected alternatives.
pub(crate) fn results(found: &[Val], expected: &[alloc::vec::Vec<Expected>]) -> Result<(), String> {
    let fits = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(value, one_of)| one_of.iter().any(|wanted| matches(value, wanted)));
    match fits {
        true => Ok(()),
        false => Err(format!("expected {expected:x?}, got {}", shown(found))),
    }
}

fn shown(values: &[Val]) -> String {
    let mut text = String::from("[");
    for value in values {
        text.push_str(&match value {
            Val::ExternRef(Some(object)) => match number(object) {
                Some(number) => format!(" externref {number}"),
                None => " externref of the host".into(),
            },
            other => format!(" {other:x?}"),
        });
    }
    text + " ]"
}

/// Whether a script's `message` names this trap. Scripts follow the wording of
/// the specification's interpreter, and may say more or less.
pub(crate) fn trap(trap: Trap, message: &str) -> bool {
    let wording: &[&str] = match trap {
        Trap::StackOverflow => &["call stack exhausted"],
        Trap::MemoryOutOfBounds => &["out of bounds memory access"],
        Trap::TableOutOfBounds => &["out of bounds table access", "undefined element"],
        Trap::UndefinedElement => &["undefined element", "undefined", "out of bounds table access"],
        Trap::IndirectCallToNull => &["uninitialized element", "uninitialized"],
        Trap::BadSignature => &["indirect call type mismatch", "indirect call"],
        Trap::IntegerOverflow => &["integer overflow"],
        Trap::IntegerDivisionByZero => &["integer divide by zero"],
        Trap::BadConversionToInteger => &["invalid conversion to integer"],
        Trap::UnreachableCodeReached => &["unreachable"],
        _ => &[],
    };
    let fits = |wording: &&str| message.starts_with(*wording) || wording.starts_with(message);
    !message.is_empty() && wording.iter().any(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nans_are_told_apart() {
        assert!(f32_matches(0xffc0_0000, Float::CanonicalNan));
        assert!(!f32_matches(0x7fc0_0001, Float::CanonicalNan));
        assert!(f32_matches(0x7fc0_0001, Float::ArithmeticNan));
        assert!(!f32_matches(0x7fa0_0000, Float::ArithmeticNan));
        assert!(f64_matches(0x7ff8_0000_0000_0000, Float::CanonicalNan));
        assert!(!f64_matches(0x7ff0_0000_0000_0000, Float::ArithmeticNan));
        assert!(!f32_matches(0x8000_0000, Float::Value(0)));
    }

    #[test]
    fn a_trap_has_its_wording() {
        assert!(trap(Trap::MemoryOutOfBounds, "out of bounds"));
        assert!(trap(Trap::MemoryOutOfBounds, "out of bounds memory access: more"));
        assert!(trap(Trap::IndirectCallToNull, "uninitialized element 2"));
        assert!(!trap(Trap::MemoryOutOfBounds, "out of bounds table access"));
        assert!(!trap(Trap::MemoryOutOfBounds, ""));
        assert!(!trap(Trap::UnreachableCodeReached, "integer overflow"));
    }

    #[test]
    fn one_alternative_is_enough() {
        let either = [alloc::vec![Expected::I32(1), Expected::I32(2)]];
        assert!(results(&[Val::I32(2)], &either).is_ok());
        assert!(results(&[Val::I32(3)], &either).is_err());
        assert!(results(&[], &either).is_err());
    }
}
