//! Threads from their start to their end, and how they wait.

use super::queue::{Id, MAX_THREADS, Priority};
use super::{CONTEXTS, locked, wish};
use crate::arch;
use crate::embedder::paged_memory;
use crate::lock::Lock;
use crate::smp;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use kernref::alloc::{StackMemory, StackSource};

/// Bytes of a thread's stack: as many as the boot stack has.
const STACK_BYTES: usize = 1 << 20;

/// Names, for reports of what was running.
static NAMES: [Lock<Option<Arc<str>>>; MAX_THREADS] = [const { Lock::new(None) }; MAX_THREADS];

/// Where their stacks end.
static STACK_ENDS: [AtomicUsize; MAX_THREADS] = [const { AtomicUsize::new(0) }; MAX_THREADS];

/// A thread that may be waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread(Id);

impl Thread {
    /// Ends the thread's [`park`], or its next one. May be called from an
    /// interrupt handler.
    pub fn unpark(self) {
        locked(|scheduler| scheduler.queue.unpark(self.0));
    }

    /// Tells the thread from the others that exist.
    pub fn number(self) -> usize {
        self.0
    }
}

/// The thread that runs this; `None` before there are threads, and while a
/// processor idles.
pub fn current() -> Option<Thread> {
    match smp::is_started() {
        true => locked(|scheduler| scheduler.queue.running(smp::this())).map(Thread),
        false => None,
    }
}

/// The name of the thread that runs this.
pub fn name() -> Option<Arc<str>> {
    NAMES[current()?.0].lock().clone()
}

/// The same for reports of what has gone wrong: waits for nobody, and leaves
/// interrupts masked.
pub fn name_of_failed() -> Option<Arc<str>> {
    arch::mask_interrupts();
    if !smp::is_started() {
        return None;
    }
    let id = super::SCHEDULER.try_lock()?.queue.running(smp::this())?;
    NAMES[id].try_lock()?.clone()
}

/// Names the thread that runs this from now on.
pub fn rename(name: &str) {
    if let Some(thread) = current() {
        let name = Some(Arc::from(name));
        let before = core::mem::replace(&mut *NAMES[thread.0].lock(), name);
        drop(before);
    }
}

/// The stack of the thread that runs this.
pub fn current_stack() -> Option<Range<usize>> {
    let thread = current()?;
    let end = STACK_ENDS[thread.0].load(Ordering::Relaxed);
    Some(end - STACK_BYTES..end)
}

/// Another thread's turn.
pub fn give_way() {
    arch::wish(wish::GIVE_WAY, 0);
}

/// Waits until [`Thread::unpark`], or not at all if that has happened since the
/// last time.
pub fn park() {
    park_until(u64::MAX);
}

/// The same until a time, as [`crate::timer::now_ns`] tells it, at the latest.
pub fn park_until(until_ns: u64) {
    arch::wish(wish::PARK, until_ns);
}

/// Waits for so many nanoseconds.
pub fn sleep(ns: u64) {
    let until = arch::now_ns() + ns;
    while arch::now_ns() < until {
        park_until(until);
    }
}

type Body = Box<dyn FnOnce() + Send>;

/// A thread that was started. Dropping this waits for the thread's end.
pub struct JoinHandle<R> {
    thread: Thread,
    stack: Option<StackMemory>,
    result: Arc<Lock<Option<R>>>,
}

/// Starts a thread.
///
/// # Panics
/// If there are [`MAX_THREADS`], or no memory for another.
pub fn spawn<R: Send + 'static>(
    name: &str,
    priority: Priority,
    body: impl FnOnce() -> R + Send + 'static,
) -> JoinHandle<R> {
    let stack = StackSource::reserve(&*paged_memory(), STACK_BYTES).expect("memory for a stack");
    let result = Arc::new(Lock::new(None));
    let place = result.clone();
    let body: Body = Box::new(move || {
        let result = body();
        *place.lock() = Some(result);
    });
    let argument = Box::into_raw(Box::new(body)) as usize;
    let top = stack.base().addr().get() + stack.len_bytes();
    let name: Arc<str> = Arc::from(name);
    let id = locked(|scheduler| {
        let id = scheduler.queue.add(priority)?;
        // SAFETY: under the lock; the thread is on no processor yet.
        unsafe { *CONTEXTS.0[id].get() = arch::Context::new(begin, top, argument) };
        // Before anyone can see the thread fail. Nobody else wants this place's.
        *NAMES[id].lock() = Some(name);
        STACK_ENDS[id].store(top, Ordering::Relaxed);
        Some(id)
    });
    let thread = Thread(id.expect("fewer threads"));
    JoinHandle { thread, stack: Some(stack), result }
}

/// The first function of every thread, on its stack.
extern "C" fn begin(body: usize) -> ! {
    // SAFETY: `spawn` passes it to this thread alone.
    let body = unsafe { Box::from_raw(body as *mut Body) };
    (*body)();
    loop {
        arch::wish(wish::END, 0);
    }
}

impl<R> JoinHandle<R> {
    /// The thread.
    pub fn thread(&self) -> Thread {
        self.thread
    }

    /// Waits for the thread's end; what it returned.
    pub fn join(mut self) -> R {
        self.wait();
        let result = self.result.lock().take();
        result.expect("a thread that has ended has a result")
    }

    fn wait(&mut self) {
        let Some(stack) = self.stack.take() else { return };
        let this = current().expect("threads wait for threads");
        while !locked(|scheduler| scheduler.queue.has_ended(self.thread.0, this.0)) {
            park();
        }
        let name = NAMES[self.thread.0].lock().take();
        drop(name);
        // SAFETY: the thread has ended, so nothing runs on its stack any more.
        unsafe { StackSource::release(&*paged_memory(), stack) };
        locked(|scheduler| scheduler.queue.remove(self.thread.0));
    }
}

impl<R> Drop for JoinHandle<R> {
    fn drop(&mut self) {
        self.wait();
    }
}
