//! [`RaiseCalls`]: where the checks of a function go when they fail. Each is
//! directed to a call of the raise thunk; what the call returns to, or would,
//! names the check (`arch/*/check.rs`).
//!
//! Invariant: no two checks have the same name, and no name is the return
//! address of a call that returns.

use super::failed_checks::FailedCheck;
use crate::arch;
use crate::artifact::CodeSite;
use crate::error::{Error, Result};
use std_alloc::vec::Vec;

const STRANGE: Error = Error::Bug("the code generator made a check of another form");

/// Where the calls end that are to be linked.
#[derive(Default)]
pub(super) struct RaiseCalls {
    /// Those of one check.
    own: Vec<u32>,
    /// Those of several.
    shared: Vec<u32>,
}

impl RaiseCalls {
    pub(super) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.shared.is_empty()
    }

    /// Where each ends, and where in the raise thunk it arrives.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        let own = self.own.iter().map(|end| (*end, arch::RAISE_ENTRY));
        own.chain(self.shared.iter().map(|end| (*end, 0)))
    }

    /// Directs the checks of the piece at `start`, the last in `code`, to calls of
    /// the raise thunk, and adds their sites. At all but the first `before_frame` of
    /// them, the stack pointer is `frame_bytes` below the frame pointer.
    pub(super) fn place(
        &mut self,
        code: &mut Vec<u8>,
        start: usize,
        frame_bytes: Option<u32>,
        (before_frame, checks): (usize, &[FailedCheck<'_>]),
        sites: &mut Vec<CodeSite>,
    ) -> Result<()> {
        for check in checks {
            let trap = start + check.trap_at as usize;
            if code.get(trap..trap + arch::CHECK_TRAP.len()) != Some(arch::CHECK_TRAP) {
                return Err(STRANGE);
            }
        }
        if arch::RAISE_CALL_IN_PLACE {
            return checks.iter().try_for_each(|check| {
                let trap = start + check.trap_at as usize;
                direct(code, start, check, trap)?;
                let end = trap + arch::RAISE_CALL.len();
                code[trap..end].copy_from_slice(arch::RAISE_CALL);
                self.own.push(end as u32);
                sites.push(site(start, check, end));
                Ok(())
            });
        }
        cut_traps(code, start, checks);
        let frame = frame_bytes.and_then(arch::shared_call_frame);
        let most = if frame.is_some() { arch::CHECKS_PER_CALL } else { 1 };
        let (before_frame, checks) = checks.split_at(before_frame);
        for sharing in before_frame.chunks(1).chain(checks.chunks(most)) {
            let steps = sharing.len() - 1;
            let first = code.len();
            let end = first + steps + arch::RAISE_CALL.len();
            for (at, check) in sharing.iter().enumerate() {
                direct(code, start, check, first + at)?;
                sites.push(site(start, check, end - (steps - at)));
            }
            code.resize(first + steps, arch::RAISE_STEP);
            code.extend_from_slice(arch::RAISE_CALL);
            match frame.filter(|_| steps > 0) {
                None => self.own.push(end as u32),
                Some(frame) => {
                    code.push(frame);
                    self.shared.push(end as u32);
                }
            }
        }
        Ok(())
    }
}

/// Directs a check of the piece at `start` to what is, or will be, at `to`.
fn direct(code: &mut [u8], start: usize, check: &FailedCheck<'_>, to: usize) -> Result<()> {
    let piece = code.get_mut(start..).ok_or(STRANGE)?;
    let ranges = check.ranges.iter().map(|(_, range)| range.clone());
    let ends = (check.trap_at, (to - start) as u32);
    match arch::redirect_check(piece, ranges, ends, check.site.most_branches()) {
        true => Ok(()),
        false => Err(STRANGE),
    }
}

/// The site of a check that `name` names, an offset in the code.
fn site(start: usize, check: &FailedCheck<'_>, name: usize) -> CodeSite {
    CodeSite {
        return_offset: name as u32,
        code_offset: start as u32 + check.ranges[0].1.start,
        module_offset: check.site.module_offset,
        trap: Some(check.trap),
    }
}

/// Takes the checks' traps off the end of the code: nothing leads to them any more.
fn cut_traps(code: &mut Vec<u8>, start: usize, checks: &[FailedCheck<'_>]) {
    let mut traps: Vec<usize> = checks.iter().map(|check| start + check.trap_at as usize).collect();
    traps.sort_unstable();
    while traps.pop_if(|trap| *trap + arch::CHECK_TRAP.len() == code.len()).is_some() {
        code.truncate(code.len() - arch::CHECK_TRAP.len());
    }
}
