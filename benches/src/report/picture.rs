//! The ratios as bars on a logarithmic scale: a bar shorter than the line at 1
//! means faster than the peer.

use crate::measure::{Outcome, Who};
use svg::Document;
use svg::node::element::{Group, Line, Rectangle, Text, Title};

const LABEL_WIDTH: f64 = 330.0;
const PLOT_WIDTH: f64 = 560.0;
const TOP: f64 = 58.0;
const ROW_HEIGHT: f64 = 34.0;
const BAR_HEIGHT: f64 = 11.0;
/// Ratios outside this range are drawn at its edge.
const RANGE: (f64, f64) = (0.01, 10.0);
const TICKS: [f64; 7] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
const PEERS: [(Who, &str); 2] = [(Who::W1, "#3b6ea8"), (Who::W2, "#8fb4d9")];
const GOAL_COLOR: &str = "#c0392b";

/// Draws all rows that have a ratio.
pub fn draw(outcomes: &[Outcome]) -> String {
    let rows: Vec<_> = outcomes
        .iter()
        .filter(|outcome| PEERS.iter().any(|(who, _)| outcome.ratio(*who).is_some()))
        .collect();
    let bottom = TOP + rows.len() as f64 * ROW_HEIGHT;
    let (width, height) = (LABEL_WIDTH + PLOT_WIDTH + 70.0, bottom + 16.0);
    let mut document = Document::new()
        .set("viewBox", (0.0, 0.0, width, height))
        .set("width", width)
        .set("height", height)
        .set("font-family", "sans-serif")
        .set("font-size", 12)
        .add(Title::new("Kernref's medians as multiples of Wasmtime's"))
        .add(Rectangle::new().set("width", "100%").set("height", "100%").set("fill", "white"));
    document = document.add(legend()).add(grid(bottom));
    for (at, outcome) in rows.into_iter().enumerate() {
        document = document.add(row(outcome, TOP + at as f64 * ROW_HEIGHT));
    }
    document.to_string()
}

/// The horizontal position of a ratio.
fn position(ratio: f64) -> f64 {
    let (low, high) = (RANGE.0.ln(), RANGE.1.ln());
    // Net times can be zero or negative; a logarithm's argument cannot.
    let ratio = ratio.max(RANGE.0).ln();
    LABEL_WIDTH + ((ratio - low) / (high - low)).clamp(0.0, 1.0) * PLOT_WIDTH
}

fn text(content: impl Into<String>, x: f64, y: f64, anchor: &str) -> Text {
    Text::new(content).set("x", x).set("y", y).set("text-anchor", anchor)
}

fn vertical(x: f64, from: f64, to: f64) -> Line {
    Line::new().set("x1", x).set("x2", x).set("y1", from).set("y2", to)
}

fn legend() -> Group {
    let mut group = Group::new().add(text("Kernref as a multiple of", LABEL_WIDTH, 18.0, "start"));
    let mut x = LABEL_WIDTH + 150.0;
    for (who, color) in PEERS {
        let square = Rectangle::new().set("x", x).set("y", 8).set("width", 11).set("height", 11);
        group = group.add(square.set("fill", color)).add(text(who.name(), x + 16.0, 18.0, "start"));
        x += 55.0;
    }
    let mark = vertical(x + 4.0, 7.0, 20.0).set("stroke", GOAL_COLOR).set("stroke-width", 3);
    group.add(mark).add(text("goal, for its peer", x + 16.0, 18.0, "start"))
}

fn grid(bottom: f64) -> Group {
    let mut group = Group::new();
    for tick in TICKS {
        let (x, is_one) = (position(tick), tick == 1.0);
        let line = vertical(x, TOP - 8.0, bottom)
            .set("stroke", if is_one { "black" } else { "#dddddd" })
            .set("stroke-width", if is_one { 1.5 } else { 1.0 });
        group = group.add(line).add(text(tick.to_string(), x, TOP - 14.0, "middle"));
    }
    group
}

fn row(outcome: &Outcome, top: f64) -> Group {
    let label = text(outcome.name.as_str(), LABEL_WIDTH - 10.0, top + ROW_HEIGHT / 2.0, "end");
    let mut group = Group::new().add(label);
    for (at, (who, color)) in PEERS.into_iter().enumerate() {
        let Some(ratio) = outcome.ratio(who) else { continue };
        let y = top + 4.0 + at as f64 * (BAR_HEIGHT + 2.0);
        let end = position(ratio);
        let bar = Rectangle::new()
            .set("x", LABEL_WIDTH)
            .set("y", y)
            .set("width", end - LABEL_WIDTH)
            .set("height", BAR_HEIGHT)
            .set("fill", color);
        let number = text(format!("{ratio:.2}"), end + 5.0, y + BAR_HEIGHT - 1.0, "start");
        group = group.add(bar).add(number.set("font-size", 10));
        let goal = outcome.goal.as_ref().filter(|goal| goal.of.contains(&who));
        if let Some(goal) = goal {
            let mark = vertical(position(goal.at_most), y - 1.0, y + BAR_HEIGHT + 1.0);
            group = group.add(mark.set("stroke", GOAL_COLOR).set("stroke-width", 3));
        }
    }
    group
}
