//! From text to the compact form.

use crate::features::features_of;
use crate::script::{Action, Argument, Directive, Execute, Expected, Float, Script};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::token::{Id, Span};
use wast::{QuoteWat, Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet, Wat};

/// Encodes the script `text` of the file at `path`, whose folders decide which
/// proposals are on. A directive that cannot be encoded becomes one that fails;
/// nothing is left out.
///
/// # Errors
/// What is wrong with the text, with line and column.
pub fn encode(path: &str, text: &str) -> Result<Script, String> {
    let told = |mut error: wast::Error| {
        error.set_path(path.as_ref());
        error.set_text(text);
        error.to_string()
    };
    let mut lexer = Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).map_err(told)?;
    let wast = parser::parse::<Wast<'_>>(&buffer).map_err(told)?;
    let mut directives = Vec::new();
    for directive in wast.directives {
        let line = directive.span().linecol_in(text).0 as u32 + 1;
        let action = action(directive).unwrap_or_else(|reason| Action::Decided(Err(reason)));
        directives.push(Directive { line, action });
    }
    Ok(Script { name: path.to_string(), features: features_of(path), directives })
}

type Encoded<T> = Result<T, String>;

fn name(id: Option<Id<'_>>) -> Option<String> {
    id.map(|id| id.name().to_string())
}

fn bytes(mut module: QuoteWat<'_>) -> Encoded<Vec<u8>> {
    module.encode().map_err(|error| format!("cannot be assembled: {}", error.message()))
}

fn wat_bytes(mut module: Wat<'_>) -> Encoded<Vec<u8>> {
    module.encode().map_err(|error| format!("cannot be assembled: {}", error.message()))
}

fn action(directive: WastDirective<'_>) -> Encoded<Action> {
    Ok(match directive {
        WastDirective::Module(module) => {
            Action::Module { name: name(module.name()), bytes: bytes(module)? }
        }
        WastDirective::ModuleDefinition(module) => {
            Action::Definition { name: name(module.name()), bytes: bytes(module)? }
        }
        WastDirective::ModuleInstance { instance, module, span: _ } => {
            Action::Instance { name: name(instance), definition: name(module) }
        }
        WastDirective::Register { name: import_name, module, span: _ } => {
            Action::Register { import_name: import_name.to_string(), instance: name(module) }
        }
        WastDirective::Invoke(call) => Action::Perform(invoke(call)?),
        WastDirective::AssertReturn { exec, results, span: _ } => {
            let expected = results.into_iter().map(expected).collect::<Encoded<_>>()?;
            Action::Return(execute(exec)?, expected)
        }
        WastDirective::AssertTrap { exec, message, span: _ } => {
            Action::Trap(execute(exec)?, message.to_string())
        }
        WastDirective::AssertExhaustion { call, .. } => Action::Exhaustion(invoke(call)?),
        WastDirective::AssertException { exec, span: _ } => Action::Exception(execute(exec)?),
        WastDirective::AssertUnlinkable { module, .. } => Action::Unlinkable(wat_bytes(module)?),
        WastDirective::AssertInvalid { module, .. } => Action::Refused(bytes(module)?),
        WastDirective::AssertMalformed { module, message, span } => {
            malformed(module, message, span)
        }
        WastDirective::AssertInvalidCustom { .. } | WastDirective::AssertMalformedCustom { .. } => {
            return Err("assertions about custom sections are not supported".into());
        }
        WastDirective::AssertSuspension { .. } => {
            return Err("suspensions are not supported".into());
        }
        WastDirective::Thread(_) | WastDirective::Wait { .. } => {
            return Err("threads are not supported".into());
        }
    })
}

/// Text that must be malformed is judged here, because only an assembler sees
/// text. If it can be assembled, its bytes must be refused.
fn malformed(mut module: QuoteWat<'_>, _message: &str, _span: Span) -> Action {
    match module.encode() {
        Ok(bytes) => Action::Refused(bytes),
        Err(_) => Action::Decided(Ok(())),
    }
}

fn execute(execute: WastExecute<'_>) -> Encoded<Execute> {
    Ok(match execute {
        WastExecute::Invoke(call) => invoke(call)?,
        WastExecute::Wat(module) => Execute::Instantiate(wat_bytes(module)?),
        WastExecute::Get { module, global, span: _ } => {
            Execute::Get { instance: name(module), name: global.to_string() }
        }
    })
}

fn invoke(call: WastInvoke<'_>) -> Encoded<Execute> {
    let args = call.args.into_iter().map(argument).collect::<Encoded<_>>()?;
    Ok(Execute::Invoke { instance: name(call.module), name: call.name.to_string(), args })
}

fn argument(argument: WastArg<'_>) -> Encoded<Argument> {
    let WastArg::Core(argument) = argument else {
        return Err("component values are not supported".into());
    };
    Ok(match argument {
        WastArgCore::I32(value) => Argument::I32(value as u32),
        WastArgCore::I64(value) => Argument::I64(value as u64),
        WastArgCore::F32(value) => Argument::F32(value.bits),
        WastArgCore::F64(value) => Argument::F64(value.bits),
        WastArgCore::V128(value) => Argument::V128(u128::from_le_bytes(value.to_le_bytes())),
        WastArgCore::RefNull(HeapType::Abstract { ty: AbstractHeapType::Func, .. }) => {
            Argument::NullFunc
        }
        WastArgCore::RefNull(HeapType::Abstract { ty: AbstractHeapType::Extern, .. }) => {
            Argument::NullExtern
        }
        WastArgCore::RefExtern(number) => Argument::Extern(number),
        other => return Err(format!("the argument {other:?} is not supported")),
    })
}

fn f32_pattern(pattern: NanPattern<wast::token::F32>) -> Float<u32> {
    match pattern {
        NanPattern::CanonicalNan => Float::CanonicalNan,
        NanPattern::ArithmeticNan => Float::ArithmeticNan,
        NanPattern::Value(value) => Float::Value(value.bits),
    }
}

fn f64_pattern(pattern: NanPattern<wast::token::F64>) -> Float<u64> {
    match pattern {
        NanPattern::CanonicalNan => Float::CanonicalNan,
        NanPattern::ArithmeticNan => Float::ArithmeticNan,
        NanPattern::Value(value) => Float::Value(value.bits),
    }
}

/// Joins lanes, the first one in the low bits.
fn lanes<const N: usize>(values: [u64; N]) -> u128 {
    let width = 128 / N;
    values
        .into_iter()
        .enumerate()
        .fold(0, |bits, (lane, value)| bits | u128::from(value) << (lane * width))
}

fn vector(pattern: V128Pattern) -> Expected {
    match pattern {
        V128Pattern::I8x16(values) => Expected::V128(lanes(values.map(|v| u64::from(v as u8)))),
        V128Pattern::I16x8(values) => Expected::V128(lanes(values.map(|v| u64::from(v as u16)))),
        V128Pattern::I32x4(values) => Expected::V128(lanes(values.map(|v| u64::from(v as u32)))),
        V128Pattern::I64x2(values) => Expected::V128(lanes(values.map(|v| v as u64))),
        V128Pattern::F32x4(values) => Expected::F32x4(values.map(f32_pattern)),
        V128Pattern::F64x2(values) => Expected::F64x2(values.map(f64_pattern)),
    }
}

/// The alternatives that one result may match.
fn expected(result: WastRet<'_>) -> Encoded<Vec<Expected>> {
    let WastRet::Core(result) = result else {
        return Err("component values are not supported".into());
    };
    core_expected(result)
}

fn core_expected(result: WastRetCore<'_>) -> Encoded<Vec<Expected>> {
    Ok(vec![match result {
        WastRetCore::I32(value) => Expected::I32(value as u32),
        WastRetCore::I64(value) => Expected::I64(value as u64),
        WastRetCore::F32(pattern) => Expected::F32(f32_pattern(pattern)),
        WastRetCore::F64(pattern) => Expected::F64(f64_pattern(pattern)),
        WastRetCore::V128(pattern) => vector(pattern),
        WastRetCore::RefNull(_) => Expected::Null,
        WastRetCore::RefExtern(number) => Expected::Extern(number),
        WastRetCore::RefFunc(None) => Expected::Func,
        WastRetCore::Either(alternatives) => {
            let alternatives: Encoded<Vec<_>> =
                alternatives.into_iter().map(core_expected).collect();
            return Ok(alternatives?.into_iter().flatten().collect());
        }
        other => return Err(format!("the result {other:?} is not supported")),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_directive_has_its_line_and_form() {
        let script = encode(
            "proposals/simd/x.wast",
            "(module $m (func (export \"f\") (param externref) (result i32) i32.const 1))\n\
             (register \"m\" $m)\n\
             (assert_return (invoke \"f\" (ref.extern 3)) (either (i32.const 1) (i32.const 2)))\n\
             (assert_malformed (module quote \"(func\") \"unexpected end\")\n\
             (assert_return (invoke \"f\" (ref.null extern)) (v128.const i16x8 1 0 0 0 0 0 0 2))",
        );
        let directives = script.unwrap().directives;
        assert_eq!(directives.iter().map(|d| d.line).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        let Action::Return(_, expected) = &directives[2].action else { panic!() };
        assert_eq!(expected[0], [Expected::I32(1), Expected::I32(2)]);
        assert_eq!(directives[3].action, Action::Decided(Ok(())));
        let Action::Return(_, expected) = &directives[4].action else { panic!() };
        assert_eq!(expected[0], [Expected::V128(1 | 2 << 112)]);
    }
}
