//! The host module `kernel`. Handles are externrefs. A wrong or null handle is
//! an error that names the expected kind; memory out of bounds is a trap.

pub use crate::objects::forget_counters;
use crate::objects::{self, Block, Clock, Console, Counter};
use alloc::string::String;
use kernref::{Caller, Error, Extern, ExternRef, Linker, Memory, Result, Rooted, Trap};

/// Maximum bytes of text per call.
const TEXT_LIMIT_BYTES: u32 = 64 << 10;

type Env<'a> = Caller<'a, ()>;

#[derive(Debug)]
struct Refused(&'static str);

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for Refused {}

fn refused(why: &'static str) -> Error {
    Error::Host(alloc::boxed::Box::new(Refused(why)))
}

fn memory(caller: &mut Env<'_>) -> Result<Memory> {
    caller
        .get_export("memory")
        .and_then(Extern::into_memory)
        .ok_or_else(|| refused("the guest exports no memory named `memory`"))
}

/// The guest's `[start, start + len)`, or a trap.
fn guest<'m>(caller: &'m Env<'_>, memory: Memory, start: u32, len: u32) -> Result<&'m [u8]> {
    memory
        .data(caller)?
        .get(start as usize..)
        .and_then(|tail| tail.get(..len as usize))
        .ok_or(Error::Trap(Trap::MemoryOutOfBounds))
}

fn text(caller: &mut Env<'_>, start: u32, len: u32) -> Result<String> {
    if len > TEXT_LIMIT_BYTES {
        return Err(refused("text longer than 64 KiB"));
    }
    let memory = memory(caller)?;
    Ok(String::from_utf8_lossy(guest(caller, memory, start, len)?).into_owned())
}

fn block_read(
    mut caller: Env<'_>,
    block: Rooted,
    offset: u32,
    start: u32,
    len: u32,
) -> Result<i32> {
    let memory = memory(&mut caller)?;
    guest(&caller, memory, start, len)?;
    let handle = block.get(&caller)?.clone();
    let block = handle.downcast_ref::<Block>()?;
    if !block.contains(offset as usize, len as usize) {
        return Ok(-1);
    }
    block.for_each_piece(offset as usize, len as usize, |done, piece| {
        memory.write(&mut caller, start as usize + done, piece)
    })?;
    Ok(0)
}

fn block_write(
    mut caller: Env<'_>,
    block: Rooted,
    offset: u32,
    start: u32,
    len: u32,
) -> Result<i32> {
    let memory = memory(&mut caller)?;
    let bytes = guest(&caller, memory, start, len)?;
    let block = block.get(&caller)?.downcast_ref::<Block>()?;
    if !block.contains(offset as usize, len as usize) {
        return Ok(-1);
    }
    block.for_each_piece(offset as usize, len as usize, |done, piece| {
        let source = bytes.get(done..done + piece.len());
        piece.copy_from_slice(source.ok_or(Error::Trap(Trap::MemoryOutOfBounds))?);
        Ok::<_, Error>(())
    })?;
    Ok(0)
}

/// Defines the module.
pub fn define(linker: &mut Linker<()>) -> Result<()> {
    linker.func_wrap("kernel", "console_open", || ExternRef::new(Console::new()))?;
    linker.func_wrap(
        "kernel",
        "console_write",
        |mut caller: Env<'_>, console: Rooted, start: u32, len: u32| -> Result<()> {
            let text = text(&mut caller, start, len)?;
            console.get(&caller)?.downcast_ref::<Console>()?.write(&text);
            Ok(())
        },
    )?;
    linker.func_wrap("kernel", "guest_number", || objects::guest() as u32)?;
    linker.func_wrap("kernel", "clock_open", || ExternRef::new(Clock::new()))?;
    linker.func_wrap(
        "kernel",
        "clock_now_ns",
        |caller: Env<'_>, clock: Rooted| -> Result<i64> {
            Ok(clock.get(&caller)?.downcast_ref::<Clock>()?.now_ns())
        },
    )?;
    linker.func_wrap("kernel", "block_alloc", |bytes: u32| -> Result<Option<ExternRef>> {
        Block::new(bytes as usize).map(ExternRef::new).transpose()
    })?;
    linker.func_wrap("kernel", "block_len", |caller: Env<'_>, block: Rooted| -> Result<i32> {
        Ok(block.get(&caller)?.downcast_ref::<Block>()?.len_bytes() as i32)
    })?;
    linker.func_wrap("kernel", "block_read", block_read)?;
    linker.func_wrap("kernel", "block_write", block_write)?;
    linker.func_wrap(
        "kernel",
        "counter_open",
        |mut caller: Env<'_>, start: u32, len: u32| -> Result<Option<ExternRef>> {
            let name = text(&mut caller, start, len)?;
            Counter::open(&name).map(ExternRef::new).transpose()
        },
    )?;
    linker.func_wrap(
        "kernel",
        "counter_add",
        |caller: Env<'_>, counter: Rooted, amount: i64| -> Result<i64> {
            Ok(counter.get(&caller)?.downcast_ref::<Counter>()?.add(amount))
        },
    )?;
    Ok(())
}

/// Makes an object from a command line argument: `console`, `clock`,
/// `block:BYTES` or `counter:NAME`.
pub fn object(text: &str) -> Option<Result<ExternRef>> {
    Some(match text.split_once(':') {
        None if text == "console" => ExternRef::new(Console::new()),
        None if text == "clock" => ExternRef::new(Clock::new()),
        Some(("block", bytes)) => ExternRef::new(Block::new(bytes.parse().ok()?)?),
        Some(("counter", name)) => ExternRef::new(Counter::open(name)?),
        _ => return None,
    })
}
