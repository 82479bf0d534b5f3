//! Scripts to bytes and back. Little endian; a sequence or text is its length
//! as `u32` followed by its elements; a variant is a byte. Reading trusts
//! nothing: every length is checked against the remaining bytes.

use crate::script::{Action, Argument, Directive, Execute, Expected, Float, Script};
use alloc::string::String;
use alloc::vec::Vec;
use kernref::WasmFeatures;

const MAGIC: &[u8; 8] = b"KREFWST1";

/// The bytes are not a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The bytes still to be read.
struct Reader<'b>(&'b [u8]);

type Read<T> = Result<T, Malformed>;

/// Something with a byte encoding.
trait Coded: Sized {
    fn write(&self, out: &mut Vec<u8>);
    fn read(from: &mut Reader<'_>) -> Read<Self>;
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = tail;
        Ok(*head)
    }
}

macro_rules! numbers {
    ($($ty:ty)+) => {$(
        impl Coded for $ty {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }
            fn read(from: &mut Reader<'_>) -> Read<Self> {
                Ok(<$ty>::from_le_bytes(from.take()?))
            }
        }
    )+};
}
numbers!(u8 u32 u64 u128);

impl<T: Coded> Coded for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u32).write(out);
        self.iter().for_each(|element| element.write(out));
    }
    fn read(from: &mut Reader<'_>) -> Read<Self> {
        let len = u32::read(from)? as usize;
        // Every element takes at least one byte.
        if len > from.0.len() {
            return Err(Malformed);
        }
        (0..len).map(|_| T::read(from)).collect()
    }
}

impl<T: Coded, const N: usize> Coded for [T; N] {
    fn write(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|element| element.write(out));
    }
    fn read(from: &mut Reader<'_>) -> Read<Self> {
        let elements: Vec<T> = (0..N).map(|_| T::read(from)).collect::<Read<_>>()?;
        elements.try_into().map_err(|_| Malformed)
    }
}

impl Coded for String {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u32).write(out);
        out.extend(self.as_bytes());
    }
    fn read(from: &mut Reader<'_>) -> Read<Self> {
        String::from_utf8(Vec::<u8>::read(from)?).map_err(|_| Malformed)
    }
}

impl<T: Coded> Coded for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        u8::from(self.is_some()).write(out);
        self.iter().for_each(|value| value.write(out));
    }
    fn read(from: &mut Reader<'_>) -> Read<Self> {
        match u8::read(from)? {
            0 => Ok(None),
            1 => T::read(from).map(Some),
            _ => Err(Malformed),
        }
    }
}

impl Coded for Result<(), String> {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_ref().err().cloned().write(out);
    }
    fn read(from: &mut Reader<'_>) -> Read<Self> {
        Ok(Option::<String>::read(from)?.map_or(Ok(()), Err))
    }
}

/// Gives a type an encoding: its name, then for each variant a code and its fields.
macro_rules! choices {
    ($(impl[$($generic:tt)*] $ty:ty { $($code:literal => $variant:ident $(($($field:ident),+))? $({$($named:ident),+})?,)+ })+) => {$(
        impl<$($generic)*> Coded for $ty {
            fn write(&self, out: &mut Vec<u8>) {
                match self {$(
                    Self::$variant $(($($field),+))? $({$($named),+})? => {
                        out.push($code);
                        $($($field.write(out);)+)?
                        $($($named.write(out);)+)?
                    }
                )+}
            }
            fn read(from: &mut Reader<'_>) -> Read<Self> {
                Ok(match u8::read(from)? {
                    $($code => {
                        $($(let $field = Coded::read(from)?;)+)?
                        $($(let $named = Coded::read(from)?;)+)?
                        Self::$variant $(($($field),+))? $({$($named),+})?
                    })+
                    _ => return Err(Malformed),
                })
            }
        }
    )+};
}

choices! {
    impl[] Action {
        0 => Module { name, bytes },
        1 => Definition { name, bytes },
        2 => Instance { name, definition },
        3 => Register { import_name, instance },
        4 => Perform(execute),
        5 => Return(execute, expected),
        6 => Trap(execute, message),
        7 => Exhaustion(execute),
        8 => Refused(bytes),
        9 => Unlinkable(bytes),
        10 => Exception(execute),
        11 => Decided(outcome),
    }
    impl[] Execute {
        0 => Invoke { instance, name, args },
        1 => Get { instance, name },
        2 => Instantiate(bytes),
    }
    impl[] Argument {
        0 => I32(value),
        1 => I64(value),
        2 => F32(value),
        3 => F64(value),
        4 => V128(value),
        5 => NullFunc,
        6 => NullExtern,
        7 => Extern(number),
    }
    impl[Bits: Coded] Float<Bits> {
        0 => Value(bits),
        1 => CanonicalNan,
        2 => ArithmeticNan,
    }
    impl[] Expected {
        0 => I32(value),
        1 => I64(value),
        2 => F32(value),
        3 => F64(value),
        4 => V128(value),
        5 => F32x4(lanes),
        6 => F64x2(lanes),
        7 => Null,
        8 => Extern(number),
        9 => Func,
    }
}

impl Coded for Directive {
    fn write(&self, out: &mut Vec<u8>) {
        self.line.write(out);
        self.action.write(out);
    }
    fn read(from: &mut Reader<'_>) -> Read<Self> {
        Ok(Self { line: u32::read(from)?, action: Action::read(from)? })
    }
}

impl Script {
    /// The script's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        self.name.write(&mut out);
        self.features.bits().write(&mut out);
        self.directives.write(&mut out);
        out
    }

    /// Reads a script.
    ///
    /// # Errors
    /// [`Malformed`] for anything other than the output of [`Script::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader(bytes.strip_prefix(MAGIC).ok_or(Malformed)?);
        let name = String::read(&mut from)?;
        let features = WasmFeatures::from_bits(u32::read(&mut from)?).ok_or(Malformed)?;
        let script = Self { name, features, directives: Coded::read(&mut from)? };
        from.0.is_empty().then_some(script).ok_or(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn script() -> Script {
        let invoke = Execute::Invoke {
            instance: Some("a".into()),
            name: "f".into(),
            args: vec![Argument::I32(1), Argument::V128(2), Argument::Extern(3)],
        };
        let expected = vec![
            vec![Expected::F32x4([Float::CanonicalNan; 4])],
            vec![Expected::Extern(None), Expected::Null],
        ];
        let actions = [
            Action::Module { name: None, bytes: vec![1, 2] },
            Action::Return(invoke.clone(), expected),
            Action::Trap(invoke, "unreachable".into()),
            Action::Decided(Err("no".into())),
        ];
        let directives = actions.into_iter().map(|action| Directive { line: 7, action }).collect();
        Script { name: "x.wast".into(), features: WasmFeatures::all(), directives }
    }

    #[test]
    fn scripts_survive_encoding() {
        assert_eq!(Script::from_bytes(&script().to_bytes()), Ok(script()));
    }

    #[test]
    fn damaged_bytes_are_refused_or_another_script() {
        let bytes = script().to_bytes();
        for len in 0..bytes.len() {
            assert_eq!(Script::from_bytes(&bytes[..len]), Err(Malformed));
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            assert_ne!(Script::from_bytes(&changed), Ok(script()));
        }
    }
}
