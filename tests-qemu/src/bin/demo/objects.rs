//! The kernel objects that guests hold. Each prints to the console when it is
//! handed out and when it is released; where there are many guests, there is a list
//! instead of who holds what ([`keep_lists`]).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};
use kernref::Printable;
use kernref_qemu::frames::{self, FRAME_BYTES};
use kernref_qemu::lock::Lock;
use kernref_qemu::sched::{self, queue::MAX_THREADS};
use kernref_qemu::{print, println};
use spin::Mutex;

static MADE: AtomicU32 = AtomicU32::new(0);
static RELEASED: AtomicU32 = AtomicU32::new(0);

/// Objects handed out and released so far.
pub fn census() -> (u32, u32) {
    (MADE.load(Ordering::Relaxed), RELEASED.load(Ordering::Relaxed))
}

static LISTED: AtomicBool = AtomicBool::new(false);
/// The kinds of the objects that are alive, by owner and number.
static ALIVE: Lock<BTreeMap<(usize, u32), &'static str>> = Lock::new(BTreeMap::new());
/// Which guest each thread runs.
static OWNERS: [AtomicUsize; MAX_THREADS] = [const { AtomicUsize::new(0) }; MAX_THREADS];
static KEPT: Lock<Option<Tag>> = Lock::new(None);

/// From now on, objects are listed rather than printed.
pub fn keep_lists() {
    LISTED.store(true, Ordering::Relaxed);
}

fn are_listed() -> bool {
    LISTED.load(Ordering::Relaxed)
}

/// What this thread is handed belongs to that guest from now on.
pub fn belong_to(guest: usize) {
    if let Some(thread) = sched::current() {
        OWNERS[thread.number()].store(guest, Ordering::Relaxed);
    }
}

/// The guest that this thread runs; zero if there is only one.
pub fn guest() -> usize {
    match are_listed() {
        true => sched::current().map_or(0, |t| OWNERS[t.number()].load(Ordering::Relaxed)),
        false => 0,
    }
}

/// How many objects a guest holds.
pub fn held_by(guest: usize) -> usize {
    ALIVE.lock().range((guest, 0)..(guest + 1, 0)).count()
}

/// Keeps an object of this thread's guest: what a kernel must not do, and what the
/// list must show.
pub fn keep_one() {
    let tag = Tag::new("forgotten object");
    let before = KEPT.lock().replace(tag);
    drop(before);
}

/// What a guest holds, as text.
pub struct List(pub usize);

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 6;
        let alive = ALIVE.lock();
        let held = alive.range((self.0, 0)..(self.0 + 1, 0));
        let count = held.clone().count();
        if count == 0 {
            return f.write_str("nothing");
        }
        for (at, ((_, number), kind)) in held.take(SHOWN).enumerate() {
            write!(f, "{}{kind} #{number}", if at == 0 { "" } else { ", " })?;
        }
        match count.checked_sub(SHOWN) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, " and {more} more"),
        }
    }
}

/// A kind and a number, printed or listed when the object is made and when it is
/// dropped.
struct Tag {
    kind: &'static str,
    number: u32,
    owner: usize,
}

impl Tag {
    fn new(kind: &'static str) -> Self {
        let number = MADE.fetch_add(1, Ordering::Relaxed) + 1;
        let owner = guest();
        match are_listed() {
            true => drop(ALIVE.lock().insert((owner, number), kind)),
            false => println!("[kernel] + {kind} #{number}"),
        }
        Self { kind, number, owner }
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        RELEASED.fetch_add(1, Ordering::Relaxed);
        match are_listed() {
            true => drop(ALIVE.lock().remove(&(self.owner, self.number))),
            false => println!("[kernel] - {} #{} released", self.kind, self.number),
        }
    }
}

/// The right to write to the console.
pub struct Console {
    /// A line that has no end yet, where others write as well.
    line: Mutex<String>,
    tag: Tag,
}

/// Maximum bytes of such a line.
const LINE_LIMIT_BYTES: usize = 256;

impl Console {
    pub fn new() -> Self {
        Self { line: Mutex::new(String::new()), tag: Tag::new("console") }
    }

    pub fn write(&self, text: &str) {
        if are_listed() {
            return self.write_lines(text);
        }
        // A guest's text may end lines, but not act on the terminal.
        for line in text.split_inclusive('\n') {
            let shown = line.trim_end_matches('\n');
            let end = &line[shown.len()..];
            print!("{}{end}", Printable(shown));
        }
    }

    /// Writes whole lines, with the guest's number.
    fn write_lines(&self, text: &str) {
        let mut line = self.line.lock();
        for piece in text.split_inclusive('\n') {
            line.push_str(piece.trim_end_matches('\n'));
            if piece.ends_with('\n') || line.len() > LINE_LIMIT_BYTES {
                println!("guest {}: {}", self.tag.owner, Printable(&line));
                line.clear();
            }
        }
    }
}

/// The right to read the clock.
pub struct Clock(#[expect(dead_code, reason = "tells when it is dropped")] Tag);

impl Clock {
    pub fn new() -> Self {
        Self(Tag::new("clock"))
    }

    pub fn now_ns(&self) -> i64 {
        kernref_qemu::timer::now_ns() as i64
    }
}

/// Some physical memory, in page frames.
pub struct Block {
    frames: Mutex<Vec<usize>>,
    len_bytes: usize,
    #[expect(dead_code, reason = "tells when it is dropped")]
    tag: Tag,
}

/// Maximum size of one block.
const BLOCK_LIMIT_BYTES: usize = 16 << 20;

impl Block {
    /// `None` when there is not enough memory.
    pub fn new(len_bytes: usize) -> Option<Self> {
        let count = len_bytes.div_ceil(FRAME_BYTES);
        if len_bytes > BLOCK_LIMIT_BYTES || count > frames::available() {
            return None;
        }
        let mut list = Vec::new();
        list.try_reserve_exact(count).ok()?;
        for _ in 0..count {
            match frames::allocate() {
                Some(frame) => list.push(frame),
                None => {
                    free(&list);
                    return None;
                }
            }
        }
        Some(Self { frames: Mutex::new(list), len_bytes, tag: Tag::new("block") })
    }

    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Whether `[offset, offset + len)` lies inside the block.
    pub fn contains(&self, offset: usize, len: usize) -> bool {
        offset.checked_add(len).is_some_and(|end| end <= self.len_bytes)
    }

    /// Passes the pieces of `[offset, offset + len)` to `visit`: where the
    /// piece starts, relative to `offset`, and its bytes. Call only if
    /// [`contains`] is true.
    ///
    /// [`contains`]: Self::contains
    pub fn for_each_piece<E>(
        &self,
        offset: usize,
        len: usize,
        mut visit: impl FnMut(usize, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let frames = self.frames.lock();
        let mut done = 0;
        while done < len {
            let at = offset + done;
            let (Some(frame), inside) = (frames.get(at / FRAME_BYTES), at % FRAME_BYTES) else {
                break;
            };
            let piece = (FRAME_BYTES - inside).min(len - done);
            let start = (*frame + inside) as *mut u8;
            // SAFETY: the frame belongs to this block alone, the lock is held,
            // and the piece ends inside the frame.
            visit(done, unsafe { core::slice::from_raw_parts_mut(start, piece) })?;
            done += piece;
        }
        Ok(())
    }
}

fn free(list: &[usize]) {
    for frame in list {
        // SAFETY: the frame is the block's own, and nobody can reach the block
        // any more.
        unsafe { frames::release(*frame) };
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        free(self.frames.get_mut());
    }
}

/// A handle to a counter shared by all who open its name.
pub struct Counter {
    value: Arc<AtomicI64>,
    #[expect(dead_code, reason = "tells when it is dropped")]
    tag: Tag,
}

/// A counter's name and value.
type Named = (String, Arc<AtomicI64>);
static COUNTERS: Mutex<Vec<Named>> = Mutex::new(Vec::new());
const COUNTERS_LIMIT: usize = 64;

impl Counter {
    /// `None` when there are too many names.
    pub fn open(name: &str) -> Option<Self> {
        let mut counters = COUNTERS.lock();
        let found = counters.iter().find(|(known, _)| known == name);
        let value = match found {
            Some((_, value)) => Arc::clone(value),
            None if counters.len() < COUNTERS_LIMIT => {
                let value = Arc::new(AtomicI64::new(0));
                counters.push((name.into(), Arc::clone(&value)));
                value
            }
            None => return None,
        };
        Some(Self { value, tag: Tag::new("counter") })
    }

    pub fn add(&self, amount: i64) -> i64 {
        self.value.fetch_add(amount, Ordering::Relaxed).wrapping_add(amount)
    }
}

/// Prints and drops the counters.
pub fn forget_counters() {
    for (name, value) in core::mem::take(&mut *COUNTERS.lock()) {
        let value = value.load(Ordering::Relaxed);
        println!("[kernel] counter `{}` stands at {value}", Printable(&name));
    }
}
