//! `./x floors`: the source drawn as floors, from its imports.

use crate::layers::{FLOORS, Graph, Tree, floor_of};
use crate::{Result, layers, paths};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Arguments of `./x floors`.
#[derive(clap::Args)]
pub struct Args {
    /// Another checkout to draw.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Put the drawing into `docs/architecture.md`.
    #[arg(long)]
    write: bool,
}

const PAGE: &str = "docs/architecture.md";
const BEGIN: &str = "<!-- begin: written by ./x floors --write -->\n";
const END: &str = "<!-- end -->\n";
/// Columns inside a floor.
const WIDTH: usize = 88;

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    let root = args.root.as_deref().unwrap_or(paths::root());
    let drawing = drawing(root)?;
    match args.write {
        true => {
            let page = root.join(PAGE);
            let text = replaced(&read(&page)?, &drawing)?;
            std::fs::write(&page, text).map_err(|error| format!("{}: {error}", page.display()))
        }
        false => {
            print!("{drawing}");
            Ok(())
        }
    }
}

/// Checks that the page shows the source as it is.
pub fn check() -> Result<()> {
    let page = read(&paths::root().join(PAGE))?;
    let order = FLOORS.join(" → ");
    if !page.contains(&order) {
        return Err(format!("{PAGE} tells another order than {order}"));
    }
    match replaced(&page, &drawing(paths::root())?)? == page {
        true => Ok(()),
        false => Err(format!("{PAGE} shows other floors: ./x floors --write")),
    }
}

fn read(page: &Path) -> Result<String> {
    std::fs::read_to_string(page).map_err(|error| format!("{}: {error}", page.display()))
}

fn replaced(page: &str, drawing: &str) -> Result<String> {
    let parts = page
        .split_once(BEGIN)
        .and_then(|(before, rest)| rest.split_once(END).map(|(_, after)| (before, after)));
    let (before, after) = parts.ok_or_else(|| format!("{PAGE} has no place for the drawing"))?;
    Ok(format!("{before}{BEGIN}```text\n{drawing}```\n{END}{after}"))
}

fn drawing(root: &Path) -> Result<String> {
    let graph = Graph::of(&Tree::new(layers::read(&root.join("src"))?)?);
    Ok(draw(&graph))
}

fn draw(graph: &Graph) -> String {
    let mut out = String::new();
    let between = graph.between_floors();
    for (rank, floor) in FLOORS.iter().enumerate().rev() {
        let rooms: Vec<&str> = graph
            .rooms
            .iter()
            .filter(|room| floor_of(room) == Some(rank))
            .map(|room| room.strip_prefix(&format!("{floor}/")).unwrap_or(room))
            .collect();
        if rooms.is_empty() {
            continue;
        }
        let inside = between.get(&(Some(rank), Some(rank))).copied().unwrap_or(0);
        let used = (0..FLOORS.len()).rev().filter(|to| *to != rank).filter_map(|to| {
            let count = between.get(&(Some(rank), Some(to)))?;
            let up = if to > rank { " (up)" } else { "" };
            Some(format!("{} {count}{up}", FLOORS[to]))
        });
        let used = used.collect::<Vec<_>>().join(", ");
        let head =
            format!(" {floor}: {}, {} ", number(rooms.len(), "file"), number(inside, "arrow"));
        let _ = writeln!(out, "┌─{head:─<WIDTH$}┐");
        for line in wrap(&names(&rooms)) {
            let _ = writeln!(out, "│ {line:WIDTH$}│");
        }
        let foot = if used.is_empty() { String::new() } else { format!(" → {used} ") };
        let _ = writeln!(out, "└─{foot:─<WIDTH$}┘");
    }
    let _ = writeln!(out, "{}", counts(graph));
    for circle in graph.circles() {
        let names: Vec<String> = circle.iter().map(|file| file.to_string()).collect();
        let _ = writeln!(out, "circle of {}:", names.len());
        wrap(&names).iter().for_each(|line| out.push_str(&format!("  {line}\n")));
    }
    out
}

/// A drawing's totals in one line.
fn counts(graph: &Graph) -> String {
    let circles = graph.circles();
    let largest = circles.first().map_or(0, Vec::len);
    format!(
        "{}, {}, {} up; {}, the largest of {}",
        number(graph.rooms.len(), "file"),
        number(graph.arrows.len(), "arrow"),
        graph.upward().len(),
        number(circles.len(), "circle"),
        number(largest, "file"),
    )
}

fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The names of a floor's files, grouped by folder.
fn names(rooms: &[&str]) -> Vec<String> {
    let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for room in rooms {
        let (folder, file) = room.rsplit_once('/').unwrap_or(("", room));
        folders.entry(folder).or_default().push(file.trim_end_matches(".rs"));
    }
    let mut names = Vec::new();
    for (folder, files) in folders {
        match folder {
            "" => names.extend(files.into_iter().map(str::to_string)),
            folder => {
                let last = files.len() - 1;
                names.extend(files.into_iter().enumerate().map(|(at, file)| {
                    let open = if at == 0 { format!("{folder}/{{") } else { String::new() };
                    format!("{open}{file}{}", if at == last { "}" } else { "" })
                }));
            }
        }
    }
    names
}

fn wrap(words: &[String]) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words {
        let line = lines.last_mut().filter(|line| line.chars().count() + word.len() + 2 < WIDTH);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push_str("  ");
                line.push_str(word);
            }
            None => lines.push(word.clone()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, draw, replaced};
    use crate::layers::Graph;

    #[test]
    fn a_drawing_shows_files_arrows_and_circles() {
        let pair = |from: &str, to: &str| (from.to_string(), to.to_string());
        let graph = Graph {
            rooms: ["abi/raw.rs", "gc/heap.rs", "gc/deep/a.rs", "gc/deep/b.rs"]
                .map(String::from)
                .into(),
            arrows: [
                pair("gc/heap.rs", "abi/raw.rs"),
                pair("gc/deep/a.rs", "gc/deep/b.rs"),
                pair("gc/deep/b.rs", "gc/deep/a.rs"),
                pair("abi/raw.rs", "gc/heap.rs"),
            ]
            .into(),
        };
        let drawing = draw(&graph);
        for line in [
            "┌─ gc: 3 files, 2 arrows ─",
            "│ heap  deep/{a  b}  ",
            "└─ → abi 1 ─",
            "└─ → gc 1 (up) ─",
            "4 files, 4 arrows, 1 up; 2 circles, the largest of 2 files\n",
            "circle of 2:\n  abi/raw.rs  gc/heap.rs\n",
            "circle of 2:\n  gc/deep/a.rs  gc/deep/b.rs\n",
        ] {
            assert!(drawing.contains(line), "{line}\n{drawing}");
        }
    }

    #[test]
    fn a_page_changes_between_the_marks_alone() {
        let page = format!("before\n{BEGIN}old\n{END}after\n");
        let new = replaced(&page, "new\n").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}```text\nnew\n```\n{END}after\n"));
        assert!(replaced("nothing", "new").is_err());
    }
}
