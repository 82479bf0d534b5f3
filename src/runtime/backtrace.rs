//! [`WasmBacktrace`]: where Wasm was when it last trapped. Addresses are
//! resolved to functions and names only when someone looks.

use crate::engine::Module;
use crate::engine::limits::BACKTRACE_FRAMES;
use crate::error::Printable;
use crate::vm::store::StoreOpaque;

/// The Wasm frames that were on the stack when Wasm last trapped.
#[derive(Clone, Copy)]
pub struct WasmBacktrace<'s> {
    store: &'s StoreOpaque,
}

impl<'s> WasmBacktrace<'s> {
    pub(crate) fn new(store: &'s StoreOpaque) -> Option<Self> {
        (!store.backtrace.addresses().is_empty()).then_some(Self { store })
    }

    /// The frames, innermost first; at most 32.
    pub fn frames(&self) -> impl Iterator<Item = FrameInfo<'s>> + use<'s> {
        let store = self.store;
        store.backtrace.addresses().iter().filter_map(|address| {
            // A call may be the last instruction of a function; the byte
            // before the return address still belongs to it.
            let (module, offset) = store.code.lookup(*address)?;
            let (func, start) = module.function_at(offset.checked_sub(1)?)?;
            let site = module.site(offset);
            let code_offset = site.map_or(offset, |site| site.code_offset).checked_sub(start)?;
            let module_offset = site.map(|site| site.module_offset);
            Some(FrameInfo { module, func_index: func.0, code_offset, module_offset })
        })
    }

    /// Whether there may have been more frames than are kept.
    pub fn is_truncated(&self) -> bool {
        self.store.backtrace.addresses().len() == BACKTRACE_FRAMES
    }
}

/// One frame of a [`WasmBacktrace`].
#[derive(Clone, Copy, Debug)]
pub struct FrameInfo<'s> {
    module: &'s Module,
    func_index: u32,
    code_offset: u32,
    module_offset: Option<u32>,
}

impl<'s> FrameInfo<'s> {
    fn same_place(&self, other: &Self) -> bool {
        self.module.same(other.module)
            && (self.func_index, self.code_offset) == (other.func_index, other.code_offset)
    }

    /// The module the function belongs to.
    pub fn module(&self) -> &'s Module {
        self.module
    }

    /// Name of that module.
    pub fn module_name(&self) -> Option<&'s str> {
        self.module.name()
    }

    /// Index of the function in its module.
    pub fn func_index(&self) -> u32 {
        self.func_index
    }

    /// Name of the function.
    pub fn func_name(&self) -> Option<&'s str> {
        self.module.function_name(self.func_index)
    }

    /// Bytes from the start of the function's machine code to where it was: to
    /// the check that failed or the access that faulted, or behind the call that
    /// it made.
    pub fn code_offset(&self) -> u32 {
        self.code_offset
    }

    /// Bytes from the start of the module's Wasm to the instruction that
    /// trapped, or that made a call. Of several accesses to one address, that is
    /// the first, whose check covers the others. `None` if the code generator has merged an
    /// access that faulted ([`crate::Config::hardware_traps`]) into another
    /// instruction.
    pub fn module_offset(&self) -> Option<u32> {
        self.module_offset
    }
}

impl core::fmt::Display for FrameInfo<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.module_name() {
            Some(name) => write!(f, "{}", Printable(name))?,
            None => f.write_str("<unnamed>")?,
        }
        match self.func_name() {
            Some(name) => write!(f, "!{}", Printable(name))?,
            None => write!(f, "!<wasm function {}>", self.func_index)?,
        }
        match self.module_offset {
            Some(offset) => write!(f, "@{offset:#x}"),
            None => write!(f, "+{:#x}", self.code_offset),
        }
    }
}

/// One line per frame; equal frames in a row, as a recursion leaves them,
/// share a line.
impl core::fmt::Display for WasmBacktrace<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut frames = self.frames().enumerate().peekable();
        while let Some((depth, frame)) = frames.next() {
            let mut last = depth;
            while let Some((at, _)) = frames.next_if(|(_, next)| next.same_place(&frame)) {
                last = at;
            }
            match last == depth {
                true => writeln!(f, "{depth:>4}: {frame}")?,
                false => {
                    writeln!(f, "{depth:>4}: {frame} ({} times, to {last})", last - depth + 1)?
                }
            }
        }
        if self.is_truncated() {
            writeln!(f, "   ...: only the innermost {BACKTRACE_FRAMES} frames are kept")?;
        }
        Ok(())
    }
}

impl core::fmt::Debug for WasmBacktrace<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.frames()).finish()
    }
}
