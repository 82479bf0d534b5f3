//! Arguments of a guest's function as people write them: what only a WebAssembly parser
//! understands is turned into bits here, because a kernel has none.

use crate::Result;

/// What the kernel is asked for. Hexadecimal floats and NaNs with a payload become
/// `bits:` and their bits as f32 and as f64, `-` for what does not exist as such.
///
/// # Errors
/// A message, if the text looks like such a number but is none.
pub fn request(text: &str) -> Result<String> {
    let digits = text.trim_start_matches(['+', '-']);
    let is_hex = digits.starts_with("0x") && digits.contains(['.', 'p', 'P']);
    if !is_hex && !digits.starts_with("nan:") {
        return Ok(format!("arg={text}"));
    }
    // Nothing that could end the instruction.
    let is_number = |c: char| c.is_ascii_alphanumeric() || "+-.:_".contains(c);
    let parse = |ty: &str| {
        let module = format!("(module (global {ty} ({ty}.const {text})))");
        wat::parse_str(module).ok().filter(|_| text.chars().all(is_number))
    };
    // The constant is followed by the end of its expression.
    let bits = |ty: &str, len: usize| {
        let module = parse(ty)?;
        let constant = module.len().checked_sub(1 + len)?;
        let bytes = module.get(constant..constant + len)?;
        Some(bytes.iter().rev().map(|byte| format!("{byte:02x}")).collect::<String>())
    };
    match (bits("f32", 4), bits("f64", 8)) {
        (None, None) => Err(format!("`{text}` is no number")),
        (f32, f64) => {
            let shown = |bits: Option<String>| bits.unwrap_or_else(|| "-".into());
            Ok(format!("arg=bits:{}:{}", shown(f32), shown(f64)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::request;

    #[test]
    fn numbers_that_only_a_parser_knows_become_bits() {
        for (text, expected) in [
            ("1.5", "arg=1.5"),
            ("-7", "arg=-7"),
            ("0x10", "arg=0x10"),
            ("block:0x1.p", "arg=block:0x1.p"),
            ("0x1.8p1", "arg=bits:40400000:4008000000000000"),
            ("-0x1p-2", "arg=bits:be800000:bfd0000000000000"),
            ("0x1p200", "arg=bits:-:4c70000000000000"),
            ("nan:0x1", "arg=bits:7f800001:7ff0000000000001"),
            ("-nan:0xf_ffff_ffff_ffff", "arg=bits:-:ffffffffffffffff"),
        ] {
            assert_eq!(request(text).as_deref(), Ok(expected));
        }
        for wrong in ["0x1p99999", "nan:", "nan:0x0", "0x1.) (global f32", "nan:0x1)) ;;"] {
            assert!(request(wrong).is_err(), "{wrong}");
        }
    }
}
