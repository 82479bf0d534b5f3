//! Bytes that a live reference in a table takes, without the value's own box:
//! resident memory of a fresh process, which this program starts for each
//! contender, before and after many references.

use crate::measure::{Goal, Row, Sample, Who};
use crate::rig;
use std::any::Any;
use std::process::Command;

/// The argument that makes this program measure in place of the rows.
pub const ARGUMENT: &str = "--footprint";

const REFERENCES: u32 = 200_000;
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
    Box::new(move |_| {
        let program = std::env::current_exe().expect("this program has a path");
        let output = Command::new(program).args([ARGUMENT, who.name()]).output();
        let output = output.expect("this program can be started");
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim().parse().unwrap_or_else(|_| {
            panic!("footprint of {who:?}: {}", String::from_utf8_lossy(&output.stderr))
        })
    })
}

/// What the child process does for the contender with this name.
pub fn measure(name: &str) -> Result<f64, String> {
    let who = CONTENDERS.into_iter().find(|who| who.name() == name);
    let who = who.ok_or_else(|| format!("no contender is called `{name}`"))?;
    let mut rig = rig::load_with_slots(who, GUEST.as_bytes(), &["fill"], REFERENCES + 1000);
    // What exists once is there after the first reference.
    rig.run(0, 1);
    let before = resident_bytes()?;
    own_boxes(who);
    let with_boxes = resident_bytes()?;
    let own = with_boxes - before;
    assert_eq!(rig.run(0, REFERENCES as i32), i64::from(REFERENCES) + 1);
    let after = resident_bytes()?;
    Ok((after - with_boxes - own) / f64::from(REFERENCES))
}

/// As many boxes as a contender keeps the values in. Handles are leaked one by
/// one, lest a list of them take memory as well.
fn own_boxes(who: Who) {
    for number in 0..REFERENCES as i32 {
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
