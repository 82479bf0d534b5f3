//! The name section: module and function names for backtraces. Names are
//! decoration: a malformed section is ignored, as the specification asks.

use crate::abi::FuncIndex;
use crate::artifact::{FuncNames, ModuleInfo, Text};
use crate::error::Result;
use std_alloc::vec::Vec;
use wasmparser::{Name, NameSectionReader};

/// Longest name kept, in bytes; a backtrace line is not the place for more.
const NAME_BYTES: usize = 512;

fn clip(name: &str) -> &str {
    let mut end = name.len().min(NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// Reads the useful parts, up to the first error.
pub(super) fn read(section: NameSectionReader<'_>, info: &mut ModuleInfo) -> Result<()> {
    for subsection in section {
        match subsection {
            Ok(Name::Module { name, .. }) => info.name = Some(Text::copied(clip(name))?),
            Ok(Name::Function(map)) => {
                let mut names = Vec::new();
                for naming in map {
                    let Ok(naming) = naming else { break };
                    if (naming.index as usize) < info.funcs.len() {
                        names.push((FuncIndex(naming.index), clip(naming.name)));
                    }
                }
                names.sort_by_key(|(index, _)| *index);
                names.dedup_by_key(|(index, _)| *index);
                info.func_names = FuncNames::new(names.into_iter())?;
            }
            Ok(_) => {}
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}
