//! Arguments from text and results to text.

use crate::host;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use kernref::{FuncType, Val, ValType};

fn integer(text: &str, bits: u32) -> Option<u64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let value = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => digits.parse::<u64>().ok()?,
    };
    let largest = match negative {
        true => 1_u64 << (bits - 1),
        false => u64::MAX >> (64 - bits),
    };
    (value <= largest).then_some(if negative { value.wrapping_neg() } else { value })
}

/// Bits that the host found, as f32 and as f64.
fn bits(text: &str, at: usize) -> Option<&str> {
    text.strip_prefix("bits:")?.split(':').nth(at)
}

/// Whether a float is spelled out (`inf`, `nan`): a number that is too large is no
/// infinity.
fn is_word(text: &str) -> bool {
    !text.bytes().any(|byte| byte.is_ascii_digit())
}

fn parse(text: &str, ty: ValType) -> Option<Val> {
    Some(match ty {
        ValType::I32 => Val::I32(integer(text, 32)? as u32 as i32),
        ValType::I64 => Val::I64(integer(text, 64)? as i64),
        ValType::F32 => Val::F32(match bits(text, 0) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => text.parse::<f32>().ok().filter(|v| v.is_finite() || is_word(text))?.to_bits(),
        }),
        ValType::F64 => Val::F64(match bits(text, 1) {
            Some(digits) => u64::from_str_radix(digits, 16).ok()?,
            None => text.parse::<f64>().ok().filter(|v| v.is_finite() || is_word(text))?.to_bits(),
        }),
        ValType::V128 => Val::V128(u128::from_str_radix(text.strip_prefix("0x")?, 16).ok()?),
        ValType::FUNCREF => (text == "null").then_some(Val::FuncRef(None))?,
        ValType::EXTERNREF if text == "null" => Val::ExternRef(None),
        ValType::EXTERNREF => Val::ExternRef(Some(host::object(text)?.ok()?)),
        ValType::Ref(_) => return None,
    })
}

/// The arguments for a function of this type; the error is meant for the user.
pub fn parse_all(texts: &[&str], ty: &FuncType) -> Result<Vec<Val>, String> {
    if texts.len() != ty.params().len() {
        return Err(format!("takes {} arguments {ty}, got {}", ty.params().len(), texts.len()));
    }
    let pairs = texts.iter().zip(ty.params());
    pairs
        .map(|(text, ty)| {
            let hint = match *ty {
                ValType::EXTERNREF => " (null, console, clock, block:BYTES or counter:NAME)",
                ValType::FUNCREF => " (only null can be passed)",
                ValType::F32 | ValType::F64 => {
                    " (a decimal or hexadecimal number in range, inf or nan)"
                }
                ValType::V128 => " (0x and up to 32 hexadecimal digits)",
                _ => "",
            };
            parse(text, *ty).ok_or_else(|| format!("`{text}` is not of type {ty}{hint}"))
        })
        .collect()
}

/// Results as text.
pub struct Shown<'v>(pub &'v [Val]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() != 1 {
            f.write_str("(")?;
        }
        for (at, value) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            match value {
                Val::I32(value) => write!(f, "{value}")?,
                Val::I64(value) => write!(f, "{value}")?,
                Val::F32(bits) => write!(f, "{:?}", f32::from_bits(*bits))?,
                Val::F64(bits) => write!(f, "{:?}", f64::from_bits(*bits))?,
                Val::V128(bits) => write!(f, "{bits:#034x}")?,
                Val::ExternRef(None) | Val::FuncRef(None) => f.write_str("null")?,
                Val::ExternRef(Some(object)) => {
                    write!(f, "externref (count {})", object.strong_count())?;
                }
                Val::FuncRef(Some(_)) => f.write_str("funcref")?,
            }
        }
        if self.0.len() != 1 {
            f.write_str(")")?;
        }
        Ok(())
    }
}
