//! The name section: module and function names for backtraces. Names are
//! decoration: a malformed section is ignored, as the specification asks.

use crate::abi::FuncIndex;
use crate::artifact::ModuleInfo;
use std_alloc::{boxed::Box, string::String};
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
pub(super) fn read(section: NameSectionReader<'_>, info: &mut ModuleInfo) {
    for subsection in section {
        match subsection {
            Ok(Name::Module { name, .. }) => info.name = Some(String::from(clip(name))),
            Ok(Name::Function(map)) => {
                info.func_names.clear();
                for naming in map {
                    let Ok(naming) = naming else { break };
                    if (naming.index as usize) < info.funcs.len() {
                        info.func_names
                            .push((FuncIndex(naming.index), Box::from(clip(naming.name))));
                    }
                }
                info.func_names.sort_by_key(|(index, _)| *index);
                info.func_names.dedup_by_key(|(index, _)| *index);
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}
