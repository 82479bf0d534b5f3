//! Vector operators.

use crate::compile::translator::Translator;
use wasmparser::Operator;

pub(super) fn translate(_t: &mut Translator<'_, '_>, _op: &Operator<'_>) -> bool {
    false
}
