//! Arguments and results as text.

use crate::Result;
use kernref::{ExternRef, FuncType, Printable, Val, ValType};

/// An integer of this many bits: decimal or 0x…, with or without sign.
fn integer(text: &str, bits: u32) -> Option<u64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let value = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => digits.parse().ok()?,
    };
    let largest = match negative {
        true => 1 << (bits - 1),
        false => u64::MAX >> (64 - bits),
    };
    (value <= largest).then_some(if negative { value.wrapping_neg() } else { value })
}

fn parse(text: &str, ty: ValType) -> Option<Val> {
    Some(match ty {
        ValType::I32 => Val::I32(integer(text, 32)? as i32),
        ValType::I64 => Val::I64(integer(text, 64)? as i64),
        ValType::F32 => Val::F32(text.parse::<f32>().ok()?.to_bits()),
        ValType::F64 => Val::F64(text.parse::<f64>().ok()?.to_bits()),
        ValType::V128 => Val::V128(u128::from_str_radix(text.strip_prefix("0x")?, 16).ok()?),
        ValType::Ref(ty) if text == "null" => Val::null_ref(ty),
        ValType::EXTERNREF => {
            let object = text.strip_prefix("text:")?.to_string();
            Val::ExternRef(Some(ExternRef::new(object).ok()?))
        }
        ValType::Ref(_) => return None,
    })
}

/// The arguments for a function of this type.
pub fn parse_all(texts: &[String], ty: &FuncType) -> Result<Vec<Val>> {
    if texts.len() != ty.params().len() {
        return Err(format!("takes {} arguments {ty}, got {}", ty.params().len(), texts.len()));
    }
    let pairs = texts.iter().zip(ty.params());
    pairs
        .map(|(text, ty)| {
            let hint = match *ty {
                ValType::EXTERNREF => " (null, or text:WORDS for an object of the host)",
                ValType::FUNCREF => " (only null can be passed)",
                ValType::V128 => " (0x and up to 32 hexadecimal digits)",
                _ => "",
            };
            parse(text, *ty).ok_or_else(|| format!("`{text}` is not of type {ty}{hint}"))
        })
        .collect()
}

/// A result.
pub fn shown(value: &Val) -> String {
    match value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(bits) => format!("{:?}", f32::from_bits(*bits)),
        Val::F64(bits) => format!("{:?}", f64::from_bits(*bits)),
        Val::V128(bits) => format!("{bits:#034x}"),
        Val::ExternRef(None) | Val::FuncRef(None) => "null".to_string(),
        Val::ExternRef(Some(object)) => match object.downcast_ref::<String>() {
            Ok(text) => format!("text:{}", Printable(text)),
            Err(_) => "externref".to_string(),
        },
        Val::FuncRef(Some(_)) => "funcref".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_the_range_of_their_type() {
        for (text, bits, value) in [
            ("7", 32, Some(7)),
            ("-1", 32, Some(u64::MAX)),
            ("0xffffffff", 32, Some(0xffff_ffff)),
            ("4294967296", 32, None),
            ("-2147483648", 32, Some(0xffff_ffff_8000_0000)),
            ("-2147483649", 32, None),
            ("18446744073709551615", 64, Some(u64::MAX)),
            ("-0x8000000000000000", 64, Some(1 << 63)),
            ("", 64, None),
            ("one", 64, None),
        ] {
            assert_eq!(integer(text, bits), value, "{text}");
        }
    }
}
