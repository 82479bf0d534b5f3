//! [`Poll`]: during long work, asks now and then whether it may go on.
//!
//! Invariant: between two questions lie at most [`OPERATORS`] operators or entries of
//! sections, the validation of one section other than code, or the code generation
//! of one function.

use crate::error::Result;

/// What the compiler is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CompilePhase {
    /// Reading all of the module and deciding whether it is valid.
    Validating,
    /// Making machine code, function by function.
    Compiling,
}

/// How far a compilation has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileProgress {
    /// What it is doing.
    pub phase: CompilePhase,
    /// Where it is in the module, in bytes from its start.
    pub at_bytes: u64,
    /// The module's size in bytes.
    pub of_bytes: u64,
}

/// Operators or entries between two questions: some ten microseconds of work.
const OPERATORS: u32 = 256;

/// Is asked whether to go on; an error ends the work and is passed on.
type Ask<'a> = &'a mut dyn FnMut(CompileProgress) -> Result<()>;

/// Asks, or does not.
pub(super) struct Poll<'a> {
    ask: Option<Ask<'a>>,
    progress: CompileProgress,
    until: u32,
}

impl<'a> Poll<'a> {
    /// For a module of this size.
    pub(super) fn new(module_bytes: usize, ask: Option<Ask<'a>>) -> Self {
        let of_bytes = module_bytes as u64;
        let progress = CompileProgress { phase: CompilePhase::Validating, at_bytes: 0, of_bytes };
        Self { ask, progress, until: OPERATORS }
    }

    /// What follows is another phase.
    pub(super) fn begin(&mut self, phase: CompilePhase) {
        self.progress.phase = phase;
    }

    /// An operator at this place comes next.
    ///
    /// # Errors
    /// What the answer was, if it was asked.
    #[inline]
    pub(super) fn operator(&mut self, at_bytes: u64) -> Result<()> {
        self.progress.at_bytes = at_bytes;
        self.until -= 1;
        if self.until > 0 { Ok(()) } else { self.longer_work() }
    }

    /// Another entry of a section, or of a list in one, comes next.
    ///
    /// # Errors
    /// What the answer was, if it was asked.
    #[inline]
    pub(super) fn entry(&mut self) -> Result<()> {
        self.until -= 1;
        if self.until > 0 { Ok(()) } else { self.longer_work() }
    }

    /// Asks, because something that takes longer comes next.
    ///
    /// # Errors
    /// What the answer was.
    pub(super) fn longer_work(&mut self) -> Result<()> {
        self.until = OPERATORS;
        match &mut self.ask {
            Some(ask) => ask(self.progress),
            None => Ok(()),
        }
    }
}
