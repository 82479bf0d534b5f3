//! One pass of the validator over a module, in the order of its bytes: sections,
//! and bodies as they come. A [`Reader`] is shown each part once it is valid.
//!
//! Invariant: limits are checked and work is counted before the validator does it.

use super::declare::Failure;
use super::features::ParserFeatures;
use super::limits;
use super::poll::Poll;
use super::work::{self, Work};
use wasmparser::{
    FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, OperatorsReader, Parser,
    Payload, ValType, ValidPayload, Validator, ValidatorResources,
};

/// What deciding took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ValidationCost {
    /// How often the module was read.
    pub passes: u32,
    /// Bytes of bodies that were validated, each time counted.
    pub body_bytes: u64,
    /// Steps, as [`crate::limits::VALIDATION_STEPS`] counts them.
    pub steps: u64,
}

/// Is shown a module while it is validated: each part after it was found valid.
pub(super) trait Reader<'b> {
    /// Anything but a body.
    fn section(&mut self, payload: Payload<'b>, poll: &mut Poll<'_>) -> Result<(), Failure>;
    /// The type of locals that a body declares at `offset`.
    fn locals(&mut self, _offset: u64, _ty: ValType) {}
    /// An operator of a body.
    fn operator(&mut self, _offset: u64, _op: &Operator<'b>) {}
    /// A whole body.
    fn body(&mut self, _body: FunctionBody<'b>) {}
}

/// Validates a module, and shows it to a reader.
pub(super) fn run<'b>(
    wasm: &'b [u8],
    features: ParserFeatures,
    reader: &mut impl Reader<'b>,
    cost: &mut ValidationCost,
    poll: &mut Poll<'_>,
) -> Result<(), Failure> {
    let mut validator = Validator::new_with_features(features);
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let mut bodies =
        Bodies { allocations: FuncValidatorAllocations::default(), work: Work::new(wasm.len()) };
    cost.passes += 1;
    let outcome = parser.parse_all(wasm).try_for_each(|payload| {
        let payload = payload?;
        poll.longer_work()?;
        limits::section(&payload, validator.types(0))?;
        match validator.payload(&payload)? {
            ValidPayload::Func(func, body) => {
                let range = body.range();
                cost.body_bytes += range.end - range.start;
                bodies.validate(func, &body, reader, poll)?;
                reader.body(body);
                Ok(())
            }
            _ => reader.section(payload, poll),
        }
    });
    cost.steps += bodies.work.steps();
    outcome
}

/// Validates bodies, one after another.
struct Bodies {
    allocations: FuncValidatorAllocations,
    work: Work,
}

impl Bodies {
    fn validate<'b>(
        &mut self,
        func: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'b>,
        reader: &mut impl Reader<'b>,
        poll: &mut Poll<'_>,
    ) -> Result<(), Failure> {
        let mut validator = func.into_validator(core::mem::take(&mut self.allocations));
        // Parameters have been done by now; there are few enough.
        self.work.add(validator.len_locals().into())?;
        let mut locals = body.get_locals_reader()?;
        for _ in 0..locals.get_count() {
            poll.entry()?;
            let offset = locals.original_position();
            let (count, ty) = locals.read()?;
            limits::locals(validator.len_locals(), count)?;
            self.work.add(count.into())?;
            validator.define_locals(offset, count, ty)?;
            reader.locals(offset, ty);
        }
        let mut operators = OperatorsReader::new(locals.get_binary_reader());
        while !operators.eof() {
            let (op, offset) = operators.read_with_offset()?;
            poll.operator(offset)?;
            limits::operator(&op, validator.control_stack_height())?;
            self.work.add(work::steps(&op, &validator))?;
            validator.op(offset, &op)?;
            reader.operator(offset, &op);
        }
        operators.finish()?;
        self.allocations = validator.into_allocations();
        Ok(())
    }
}
