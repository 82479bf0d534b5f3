//! Instruction counts of calls, references and collections, under both deferral
//! policies. Needs a QEMU run with `-icount shift=0`, so that the counts are
//! reproducible.
//!
//! Prints `row INSTRUCTIONS OPERATIONS NAME` per row. The guests are files
//! passed by the host's runner, which assembles `guests/*.wat`.
#![no_std]
#![no_main]

extern crate alloc;

mod guest;
mod measure;
mod rows;

use kernref::DeferralPolicy;
use kernref_qemu::{Verdict, println};

kernref_qemu::entry!(main);

fn main() -> Verdict {
    if !measure::counts_instructions() {
        println!("this machine does not count instructions: -icount shift=0");
        return Verdict::Refused;
    }
    for policy in [DeferralPolicy::ZeroCount, DeferralPolicy::CloneOnRead] {
        if let Err(error) = rows::run(policy) {
            println!("{error}");
            return Verdict::Failure;
        }
    }
    Verdict::Success
}
