//! Decides what a module is, before anything of it is compiled: malformed,
//! refused because proposals are missing, beyond a limit, or fine.
//!
//! A module that is fine is validated once, in the order of its bytes: sections,
//! and bodies as they come. One that the validator refuses is read once more
//! with every proposal on. If that fails, the module is malformed. Otherwise it
//! lacks proposals, and [`Needs`] has seen all that it uses. So each byte is
//! validated twice at most, and the work per byte is limited (`work.rs`).
//!
//! Invariant: what comes out as fine is valid under the enabled proposals, within
//! the limits that the bytes alone decide. Translation relies on it and
//! validates nothing.

use super::declare::{Declarations, Failure};
use super::features::{self, ParserFeatures, WasmFeatures};
use super::limits;
use super::needs::Needs;
use super::pass::{self, Reader, ValidationCost};
use super::poll::Poll;
use crate::artifact::ModuleInfo;
use crate::error::{Error, Result};
use std_alloc::{boxed::Box, vec::Vec};
use wasmparser::{FunctionBody, Payload};

/// A module that is fine.
#[derive(Default)]
pub(super) struct Contents<'b> {
    /// Everything but the bodies.
    pub(super) info: ModuleInfo,
    /// Bodies of the functions that the module defines.
    pub(super) bodies: Vec<FunctionBody<'b>>,
}

/// What a module is, and what it took to decide.
///
/// # Errors
/// Those of [`compile`](super::compile) that do not come from compiling.
pub fn validate(wasm: &[u8], enabled: WasmFeatures) -> (Result<()>, ValidationCost) {
    let mut cost = ValidationCost::default();
    let outcome = decide(wasm, enabled, &mut cost, &mut Poll::new(wasm.len(), None));
    (outcome.map(|_| ()), cost)
}

/// The contents of a module that is fine.
pub(super) fn contents<'b>(
    wasm: &'b [u8],
    enabled: WasmFeatures,
    poll: &mut Poll<'_>,
) -> Result<Contents<'b>> {
    decide(wasm, enabled, &mut ValidationCost::default(), poll)
}

fn decide<'b>(
    wasm: &'b [u8],
    enabled: WasmFeatures,
    cost: &mut ValidationCost,
    poll: &mut Poll<'_>,
) -> Result<Contents<'b>> {
    crate::artifact::limits::MODULE_BYTES.check(wasm.len() as u64)?;
    let enabled = enabled.parser_features();
    let mut collected = Collected::default();
    let error = match pass::run(wasm, enabled, &mut collected, cost, poll) {
        Ok(()) => return Ok(collected.finish()),
        Err(Failure::Own(error)) => return Err(error),
        Err(Failure::Parse(error)) => error,
    };
    drop(collected);
    if let Some(reached) = limits::reached(&error, wasm) {
        return Err(reached);
    }
    // The validator knows components, but this build of it does not accept them.
    let missing = error.missing_wasm_feature().unwrap_or(ParserFeatures::empty());
    if missing.contains(ParserFeatures::COMPONENT_MODEL) {
        return Err(unsupported(missing, error.offset()));
    }
    let mut needs = Needs::new(wasm, enabled);
    match pass::run(wasm, ParserFeatures::all(), &mut needs, cost, poll) {
        Ok(()) => {}
        Err(Failure::Own(error)) => return Err(error),
        Err(Failure::Parse(error)) => {
            return Err(limits::reached(&error, wasm).unwrap_or_else(|| malformed(&error)));
        }
    }
    // If nothing that has a name is missing, what the validator said stands.
    Err(needs
        .missing()
        .map_or_else(|| malformed(&error), |(missing, offset)| unsupported(missing, offset)))
}

fn unsupported(missing: ParserFeatures, offset: u64) -> Error {
    Error::Unsupported { offset: position(offset), proposals: features::proposals(missing) }
}

fn malformed(error: &wasmparser::Error) -> Error {
    // The validator prints lists over several lines.
    let words: Vec<&str> = error.message().split_whitespace().collect();
    Error::Malformed { offset: position(error.offset()), message: Box::new(words.join(" ")) }
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Collects the contents.
#[derive(Default)]
struct Collected<'b> {
    declarations: Declarations,
    bodies: Vec<FunctionBody<'b>>,
}

impl<'b> Collected<'b> {
    fn finish(mut self) -> Contents<'b> {
        self.declarations.settle_escapes();
        Contents { info: self.declarations.info, bodies: self.bodies }
    }
}

impl<'b> Reader<'b> for Collected<'b> {
    fn section(&mut self, payload: Payload<'b>, poll: &mut Poll<'_>) -> Result<(), Failure> {
        self.declarations.payload(payload, poll)
    }

    fn body(&mut self, body: FunctionBody<'b>) {
        self.bodies.push(body);
    }
}
