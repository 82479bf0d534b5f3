//! What is printed to the console when a run ends.

use crate::objects;
use kernref::{Error, ExternType, Module, Printable, Store, Trap};
use kernref_qemu::{Verdict, println};

/// Reports a module that was not run.
pub fn refusal(name: &str, error: &Error) -> Verdict {
    if matches!(error, Error::Interrupted) {
        println!("deadline: {name} was still being compiled");
        return Verdict::Deadline;
    }
    println!("refused: {name}: {error}");
    Verdict::Refused
}

/// Reports a call that failed.
pub fn trap<T>(what: &str, store: &Store<T>, error: &Error) -> Verdict {
    match error {
        Error::Trap(trap) => println!("trap in {what}: {trap}"),
        Error::Misuse(_) => {
            println!("refused: {what}: {error}");
            return Verdict::Refused;
        }
        other => println!("error in {what}: {other}"),
    }
    if let Some(backtrace) = store.last_backtrace() {
        println!("backtrace of Wasm functions, innermost first:");
        kernref_qemu::print!("{backtrace}");
    }
    match error.as_trap() {
        Some(Trap::Interrupt) => Verdict::Deadline,
        _ => Verdict::Failure,
    }
}

/// Reports the collector's statistics.
pub fn statistics(when: &str, store: &Store<()>) {
    let stats = store.gc_stats();
    println!(
        "[gc] {when}: {} of {} slots used, {} in the activations table, {} collections \
         ({} activations, {} frames walked), {} released",
        stats.slots_used,
        stats.slots_capacity,
        stats.table_len,
        stats.collections,
        stats.activations_walked,
        stats.frames_walked,
        stats.released,
    );
}

/// Lists what a module exports.
pub fn exports(module: &Module) {
    for export in module.exports() {
        if let Ok(ExternType::Func(ty)) = export.ty() {
            let name = export.name();
            match name.is_ascii() {
                true => println!("  exports {} {ty}", Printable(name)),
                // Another script's letters may look like these.
                false => println!("  exports {} ({}) {ty}", Printable(name), CodePoints(name)),
            }
        }
    }
}

/// A string whose every character outside of ASCII is shown as a number.
struct CodePoints<'s>(&'s str);

impl core::fmt::Display for CodePoints<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            ' '..='~' => write!(f, "{character}"),
            _ => write!(f, "{}", character.escape_unicode()),
        })
    }
}

/// Reports how many kernel objects were handed out and how many released.
pub fn objects() {
    let (made, released) = objects::census();
    println!("[kernel] objects: {made} handed out, {released} released");
}
