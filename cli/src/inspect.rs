//! `kernref inspect`: what an artifact says about itself.

use crate::code::{FunctionNames, pieces, shown};
use crate::files::{self, Opened};
use crate::{Result, flavor, keys};
use kernref::__internals::{ExportKind, FEATURE_NAMES, ImportKind, ModuleInfo};
use kernref::{ArtifactSection, Printable};
use serde::Serialize;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Arguments of `kernref inspect`.
#[derive(clap::Args)]
#[command(after_help = "\
The signature is shown, not verified: `kernref run --key` does that.

Examples:
  kernref inspect app.kna
  kernref inspect app.kna --maps
  kernref inspect app.kna --json | jq '.functions[] | select(.bytes > 1000) | .name'")]
pub struct Args {
    /// An artifact.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// List the stack map of every call.
    #[arg(long)]
    maps: bool,
}

/// What is shown; the fields of the JSON form.
#[derive(Serialize)]
struct Report {
    /// Without the signature.
    bytes: usize,
    architecture: &'static str,
    settings: Vec<&'static str>,
    processor_features: Vec<String>,
    /// Fingerprint of version and layouts.
    layout: String,
    /// The key with which it says it is signed.
    signer: Option<String>,
    module: Option<String>,
    sections: Vec<Section>,
    imports: Vec<Import>,
    exports: Vec<Export>,
    functions: Vec<Function>,
    calls: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack_maps: Option<Vec<StackMap>>,
}

#[derive(Serialize)]
struct Section {
    name: &'static str,
    bytes: usize,
}

#[derive(Serialize)]
struct Import {
    module: String,
    name: String,
    #[serde(rename = "type")]
    ty: String,
}

#[derive(Serialize)]
struct Export {
    name: String,
    index: u32,
    #[serde(rename = "type")]
    ty: String,
}

#[derive(Serialize)]
struct Function {
    index: u32,
    name: Option<String>,
    #[serde(rename = "type")]
    ty: String,
    offset: u32,
    bytes: u32,
    /// Calls that it makes.
    calls: usize,
    /// Can be reached from outside.
    escapes: bool,
}

#[derive(Serialize)]
struct StackMap {
    return_offset: u32,
    function: Option<u32>,
    frame_bytes: u32,
    references: Vec<u32>,
}

pub fn run(args: &Args) -> Result<()> {
    let bytes = files::artifact(&args.file)?;
    let report = report(&Opened::new(&args.file, &bytes)?, args.maps);
    match args.json {
        true => {
            let json = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
            files::print(&(files::plain_json(&json) + "\n"));
        }
        false => files::print(&text(&report)),
    }
    Ok(())
}

fn report(opened: &Opened<'_>, with_maps: bool) -> Report {
    let Opened { bytes, file, parts, signer } = opened;
    let info = &parts.info;
    let names = FunctionNames::new(info);
    let escaping: HashSet<_> = info.escaping.iter().map(|func| func.0).collect();
    let pieces = pieces(parts, &names);
    let is_here = parts.flavor.architecture == crate::compile::engine_architecture();
    let features = (0..64).filter(|bit| parts.flavor.processor >> bit & 1 == 1);
    let maps: Vec<_> = parts
        .stack_maps
        .iter()
        .map(|(return_offset, frame_bytes, distances)| {
            let at = pieces.partition_point(|piece| piece.range.end < return_offset);
            let function = pieces.get(at).and_then(|piece| piece.function);
            StackMap { return_offset, function, frame_bytes, references: distances.to_vec() }
        })
        .collect();
    let functions =
        parts.functions.iter().zip(info.counts.imported_funcs..).map(|(code, index)| {
            let first = maps.partition_point(|map| map.return_offset <= code.start);
            let behind = maps.partition_point(|map| map.return_offset <= code.end);
            Function {
                index,
                name: names.get(index).map(str::to_string),
                ty: func_type(info, index),
                offset: code.start,
                bytes: code.end - code.start,
                calls: behind - first,
                escapes: escaping.contains(&index),
            }
        });
    let sections = file.sections();
    Report {
        bytes: bytes.len(),
        architecture: parts.flavor.architecture.name(),
        settings: flavor::described(&parts.flavor),
        processor_features: features
            .map(|bit| match FEATURE_NAMES.get(bit).filter(|_| is_here) {
                Some(name) => name.trim_start_matches("has_").to_string(),
                None => format!("feature {bit}"),
            })
            .collect(),
        layout: format!("{:016x}", parts.flavor.layout),
        signer: signer.as_ref().map(keys::shown),
        module: info.name.as_ref().map(|name| name.to_string()),
        sections: sections
            .map(|(section, bytes): (ArtifactSection, _)| Section {
                name: section.name(),
                bytes: bytes.len(),
            })
            .collect(),
        imports: imports(info),
        exports: exports(info),
        functions: functions.collect(),
        calls: maps.len(),
        stack_maps: with_maps.then_some(maps),
    }
}

fn func_type(info: &ModuleInfo, index: u32) -> String {
    info.types[info.funcs[index as usize].index()].to_string()
}

fn imports(info: &ModuleInfo) -> Vec<Import> {
    let ty = |kind| match kind {
        ImportKind::Func(ty) => info.types[ty.index()].to_string(),
        ImportKind::Table(ty) => ty.to_string(),
        ImportKind::Memory(ty) => ty.to_string(),
        ImportKind::Global(ty) => ty.to_string(),
    };
    let imports = info.imports.iter();
    imports
        .map(|import| Import {
            module: import.module.to_string(),
            name: import.name.to_string(),
            ty: ty(import.kind),
        })
        .collect()
}

fn exports(info: &ModuleInfo) -> Vec<Export> {
    let described = |kind| match kind {
        ExportKind::Func(func) => (func.0, func_type(info, func.0)),
        ExportKind::Table(table) => (table.0, info.tables[table.index()].to_string()),
        ExportKind::Memory(memory) => (memory.0, info.memories[memory.index()].to_string()),
        ExportKind::Global(global) => (global.0, info.globals[global.index()].ty.to_string()),
    };
    let exports = info.exports.iter();
    exports
        .map(|export| {
            let (index, ty) = described(export.kind);
            Export { name: export.name.to_string(), index, ty }
        })
        .collect()
}

/// The report for people. Names that a guest chose are escaped.
fn text(report: &Report) -> String {
    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        let _ = out.write_fmt(text);
        out.push('\n');
    };
    if let Some(name) = &report.module {
        line(format_args!("module {}", Printable(name)));
    }
    line(format_args!("{} bytes for {}", report.bytes, report.architecture));
    line(format_args!("settings: {}", report.settings.join(", ")));
    let features = match &*report.processor_features {
        [] => "none".to_string(),
        features => features.join(", "),
    };
    line(format_args!("processor features: {features}"));
    line(format_args!("layout: {}", report.layout));
    match &report.signer {
        Some(key) => line(format_args!("signed with {key} (not verified)")),
        None => line(format_args!("not signed")),
    }
    line(format_args!("\nsections:"));
    for Section { name, bytes } in &report.sections {
        line(format_args!("  {bytes:10}  {name}"));
    }
    line(format_args!("\nimports: {}", report.imports.len()));
    for Import { module, name, ty } in &report.imports {
        line(format_args!("  {}::{} {ty}", Printable(module), Printable(name)));
    }
    line(format_args!("\nexports: {}", report.exports.len()));
    for Export { name, index, ty } in &report.exports {
        line(format_args!("  {} = {index} {ty}", Printable(name)));
    }
    line(format_args!("\nfunctions: {} with {} calls", report.functions.len(), report.calls));
    line(format_args!("  {:>8}  {:>8}  {:>6}  {:>6}", "offset", "bytes", "calls", "index"));
    for Function { index, name, ty, offset, bytes, calls, escapes: _ } in &report.functions {
        let name = shown(name.as_deref().unwrap_or_default());
        line(format_args!("  {offset:8x}  {bytes:8}  {calls:6}  {index:6}  {name} {ty}"));
    }
    if let Some(maps) = &report.stack_maps {
        line(format_args!("\nstack maps (offset of return, function, frame bytes, references):"));
        for StackMap { return_offset, function, frame_bytes, references } in maps {
            let function = function.map_or("-".to_string(), |index| index.to_string());
            line(format_args!(
                "  {return_offset:8x}  {function:>6}  {frame_bytes:6}  {references:?}"
            ));
        }
    }
    out
}
