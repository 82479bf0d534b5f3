//! Bytes per live reference in a table, without the value's own box: the
//! difference in resident memory between two fresh processes, one with many
//! references and one with hardly any. This program starts itself for that.

use crate::measure::{Goal, Row, Sample, Who};
use crate::rig;
use std::any::Any;
use std::process::Command;

/// The argument that makes this program measure memory instead of the rows.
pub const ARGUMENT: &str = "--footprint";

const REFERENCES: u32 = 1_000_000;
const CONTENDERS: [Who; 4] = [Who::Kernref, Who::W1, Who::W2, Who::Wasmi];

const GUEST: &str = r#"(module
    (import "h" "make" (func $make (param i32) (result externref)))
    (table $t 0 externref)
    (func (export "fill") (param $count i32) (result i64)
        (drop (table.grow $t (ref.null extern) (local.get $count)))
        (loop $l
            (local.set $count (i32.sub (local.get $count) (i32.const 1)))
            (table.set $t (local.get $count) (call $make (local.get $count)))
            (br_if $l (local.get $count)))
        (i64.extend_i32_u (table.size $t))))"#;

/// The rows.
pub fn rows() -> Vec<Row> {
    let goal = Goal { at_most: 24.0, of: &[] };
    let mut row = Row::new("memory: per live reference in a table", Some(goal), || {
        CONTENDERS.iter().map(|who| (*who, sample(*who))).collect()
    });
    row.unit = "bytes";
    row.exact = true;
    vec![row]
}

fn sample(who: Who) -> Sample {
    Box::new(move |_| (child(who, REFERENCES) - child(who, 1)) / f64::from(REFERENCES - 1))
}

/// Resident bytes of a child process with `count` references.
fn child(who: Who, count: u32) -> f64 {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program).args([ARGUMENT, who.name(), &count.to_string()]).output();
    let output = output.expect("this program can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| {
        panic!("footprint of {who:?}: {}", String::from_utf8_lossy(&output.stderr))
    })
}

/// What a child process does: holds `count` references, and returns the
/// resident memory less that of the values' own boxes.
pub fn measure(name: &str, count: &str) -> Result<f64, String> {
    let who = CONTENDERS.into_iter().find(|who| who.name() == name);
    let who = who.ok_or_else(|| format!("no contender is called `{name}`"))?;
    let count = count.parse().map_err(|_| format!("`{count}` is not a number"))?;
    // Huge pages become resident as a whole, so they are disabled.
    rustix::thread::disable_transparent_huge_pages(true).map_err(|error| error.to_string())?;
    let before = resident_bytes()?;
    own_boxes(who, count);
    let own = resident_bytes()? - before;
    let mut rig = rig::load_with_slots(who, GUEST.as_bytes(), &["fill"], count + 1);
    assert_eq!(rig.run(0, count as i32), i64::from(count));
    Ok(resident_bytes()? - 2.0 * own)
}

/// Makes the boxes that a contender keeps the values in. Handles are leaked one
/// by one, because a list of them would take memory as well.
fn own_boxes(who: Who, count: u32) {
    for number in 0..count as i32 {
        match who {
            Who::Kernref => std::mem::forget(kernref::ExternRef::new(number)),
            _ => std::mem::forget(Box::new(number) as Box<dyn Any>),
        }
    }
}

fn resident_bytes() -> Result<f64, String> {
    let status = std::fs::read_to_string("/proc/self/statm").map_err(|error| error.to_string())?;
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok());
    Ok(pages.ok_or("no resident pages in /proc/self/statm")? * rustix::param::page_size() as f64)
}
