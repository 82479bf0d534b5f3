//! What the host requests.

use alloc::string::String;
use alloc::vec::Vec;
use kernref::signing::KEY_BYTES;
use kernref_qemu::payload::Payload;
use kernref_qemu::smp;

/// More have no room for their stacks and instances.
const MOST_GUESTS: usize = 48;

/// A module and what to do with it.
pub struct Request {
    /// File name and bytes.
    pub module: (&'static str, &'static [u8]),
    /// Export to call.
    pub invoke: Option<&'static str>,
    /// Arguments, as text.
    pub args: Vec<&'static str>,
    /// Keys with which an artifact may be signed.
    pub keys: Vec<[u8; KEY_BYTES]>,
    /// Use the other deferral policy.
    pub clone_on_read: bool,
    /// Collect at every safepoint.
    pub zeal: bool,
    /// Leave bounds checks of linear memories to the hardware.
    pub hardware_traps: bool,
    /// The guest is interrupted after this time.
    pub timeout_seconds: u32,
    /// On how many processors guests run, and when threads are switched there.
    pub processors: Option<smp::Request>,
    /// How many guests, if there are several processors.
    pub guests: Option<usize>,
    /// Have the kernel keep an object, to see that it is missed.
    pub keep: bool,
    /// What only programs for WASI have.
    pub wasi: WasiRequest,
}

/// What a program for WASI is handed.
#[derive(Default)]
pub struct WasiRequest {
    /// Variables of the environment: names and values.
    pub env: Vec<(&'static str, &'static str)>,
    /// Standard input.
    pub stdin: Option<&'static [u8]>,
    /// Directories: their paths, and their contents as archives.
    pub dirs: Vec<(&'static str, &'static [u8])>,
    /// Nanoseconds since 1970 when the machine was started.
    pub started_ns: u64,
    /// Where random bytes come from.
    pub seed: [u8; 32],
}

impl Request {
    /// Reads a payload; the error is meant for the user.
    pub fn parse(payload: &Payload) -> Result<Self, String> {
        let Some(module) = payload.files.first().copied() else {
            return Err("nothing to run: the host passed no module".into());
        };
        let mut request = Request {
            module,
            invoke: None,
            args: Vec::new(),
            keys: Vec::new(),
            clone_on_read: false,
            zeal: false,
            hardware_traps: false,
            timeout_seconds: 60,
            processors: smp::Request::of(&payload.args),
            guests: None,
            keep: false,
            wasi: WasiRequest::default(),
        };
        for (name, bytes) in payload.files.iter().skip(1).copied() {
            match name.split_once('=') {
                Some(("stdin", _)) => request.wasi.stdin = Some(bytes),
                Some(("dir", path)) => request.wasi.dirs.push((path, bytes)),
                Some(("seed", _)) => {
                    request.wasi.seed = bytes.try_into().map_err(|_| "a seed has 32 bytes")?;
                }
                _ => return Err(alloc::format!("unknown file `{name}`")),
            }
        }
        for pair in &payload.args {
            let wrong = || alloc::format!("unknown request `{pair}`");
            match pair.split_once('=').ok_or_else(wrong)? {
                ("invoke", name) => request.invoke = Some(name),
                ("arg", value) => request.args.push(value),
                ("key", digits) => request.keys.push(key(digits).ok_or_else(wrong)?),
                ("policy", "zero-count") => request.clone_on_read = false,
                ("policy", "clone-on-read") => request.clone_on_read = true,
                ("zeal", "1") => request.zeal = true,
                ("hardware-traps", "1") => request.hardware_traps = true,
                ("timeout", seconds) => {
                    request.timeout_seconds = seconds.parse().map_err(|_| wrong())?;
                }
                ("smp" | "tick-us" | "random", number) => {
                    number.parse::<u32>().map_err(|_| wrong())?;
                }
                ("guests", count) => {
                    let count = count.parse().map_err(|_| wrong())?;
                    let most = MOST_GUESTS;
                    if !(1..=most).contains(&count) {
                        return Err(alloc::format!("{count} guests: 1 to {most} can run"));
                    }
                    request.guests = Some(count);
                }
                ("keep", "1") => request.keep = true,
                ("env", variable) => {
                    request.wasi.env.push(variable.split_once('=').ok_or_else(wrong)?);
                }
                ("started", nanoseconds) => {
                    request.wasi.started_ns = nanoseconds.parse().map_err(|_| wrong())?;
                }
                _ => return Err(wrong()),
            }
        }
        Ok(request)
    }
}

/// A public key in hexadecimal digits.
fn key(digits: &str) -> Option<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != KEY_BYTES {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(key)
}
