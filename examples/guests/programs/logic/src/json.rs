//! A document of nested records: serialised, parsed both with and without
//! types, changed, and serialised again.

use crate::{Checksum, generate::Generator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const RECORDS: u32 = 120;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Document {
    title: String,
    seed: i32,
    records: Vec<Record>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    id: u64,
    name: String,
    /// With quotes, line ends and control characters that must be escaped.
    note: Option<String>,
    offset: i64,
    ratio: f64,
    state: State,
    tags: Vec<String>,
    sizes: BTreeMap<String, u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
enum State {
    Free,
    Held { by: String, count: u32 },
    Queued { position: u16 },
}

fn record(generator: &mut Generator, id: u64) -> Record {
    let note = match generator.below(3) {
        0 => None,
        1 => Some(format!("\"{}\"\n\t\\{}\u{1}", generator.word(), generator.word())),
        _ => Some(generator.word().into()),
    };
    let state = match generator.below(3) {
        0 => State::Free,
        1 => State::Held { by: generator.word().into(), count: generator.below(1000) },
        _ => State::Queued { position: generator.below(1 << 16) as u16 },
    };
    // A quotient of small numbers is finite and the same on every machine.
    let ratio = f64::from(generator.below(1 << 20)) / f64::from(1 + generator.below(999));
    Record {
        id,
        name: format!("{}-{}", generator.word(), generator.word()),
        note,
        offset: generator.number() as i64,
        ratio,
        state,
        tags: (0..generator.below(4)).map(|_| generator.word().into()).collect(),
        sizes: (0..generator.below(4))
            .map(|_| (generator.word().into(), generator.below(1 << 30)))
            .collect(),
    }
}

/// Sums the numbers of a value and changes some along the way.
fn visit(value: &mut Value, sum: &mut Checksum) {
    match value {
        Value::Null => sum.number(0),
        Value::Bool(bool) => sum.number(1 + u64::from(*bool)),
        Value::Number(number) => {
            if let Some(unsigned) = number.as_u64() {
                sum.number(unsigned);
                *value = json!(unsigned ^ 1);
            } else if let Some(float) = number.as_f64() {
                sum.number(float.to_bits());
            }
        }
        Value::String(text) => {
            sum.bytes(text.as_bytes());
            text.push('!');
        }
        Value::Array(values) => {
            values.reverse();
            values.iter_mut().for_each(|value| visit(value, sum));
        }
        Value::Object(map) => {
            for (key, value) in map {
                sum.bytes(key.as_bytes());
                visit(value, sum);
            }
        }
    }
}

/// Runs the program.
///
/// # Panics
///
/// If what is parsed differs from what was serialised.
pub fn run(seed: i32) -> i64 {
    let mut generator = Generator::new(seed);
    let document = Document {
        title: format!("{} {}", generator.word(), generator.word()),
        seed,
        records: (0..u64::from(RECORDS)).map(|id| record(&mut generator, id)).collect(),
    };
    let mut checksum = Checksum::default();

    let text = serde_json::to_string(&document).expect("nothing in it can fail");
    checksum.bytes(text.as_bytes());
    let parsed: Document = serde_json::from_str(&text).expect("it was just serialised");
    assert!(parsed == document, "a typed round trip lost something");

    let mut value: Value = serde_json::from_str(&text).expect("it was just serialised");
    visit(&mut value, &mut checksum);
    let pretty = serde_json::to_string_pretty(&value).expect("nothing in it can fail");
    checksum.bytes(pretty.as_bytes());
    let again: Value = serde_json::from_str(&pretty).expect("it was just serialised");
    assert!(again == value, "an untyped round trip lost something");

    // Invalid JSON is refused at the place where it becomes invalid.
    let cut = text.len() / 2 + text[text.len() / 2..].find('{').unwrap_or(0);
    let error = serde_json::from_str::<Value>(&text[..cut]).expect_err("half a document");
    checksum.number(error.column() as u64);
    checksum.finish()
}
