//! Stack pointers that are the same in every run: each destruction of a thread
//! lies below the one before, from where the test says that its stack is.

use std::cell::Cell;

loom::thread_local! {
    static STACK: Cell<usize> = Cell::new(1 << 20);
}

/// Puts this thread's stack at `address`.
pub fn set_stack(address: usize) {
    STACK.with(|stack| stack.set(address));
}

/// What the library asks for.
pub fn stack_pointer() -> usize {
    STACK.with(|stack| {
        stack.set(stack.get() - 64);
        stack.get()
    })
}
