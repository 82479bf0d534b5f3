//! Reproducible stack pointers: each destruction on a thread is lower than the
//! one before, starting from where the test places the stack.

use std::cell::Cell;

loom::thread_local! {
    static STACK: Cell<usize> = Cell::new(1 << 20);
}

/// Puts this thread's stack at `address`.
pub fn set_stack(address: usize) {
    STACK.with(|stack| stack.set(address));
}

/// The function the library calls.
pub fn stack_pointer() -> usize {
    STACK.with(|stack| {
        stack.set(stack.get() - 64);
        stack.get()
    })
}
