//! All interleavings of three destructions that meet at one entry of the drop
//! queue, step by step as `drop_queue.rs` takes them: each object is destroyed
//! exactly once, and the entry ends closed. Sequentially consistent: what the
//! orderings promise on top is Miri's and the thread tests' to see.

use std::collections::HashSet;
use std::vec::Vec;

const THREADS: usize = 3;
const CLOSED: i8 = -1;
const CLAIMED: i8 = -2;
const NULL: i8 = 0;

/// What a thread does next.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum At {
    /// `hand_over` loads the list.
    Load,
    /// `hand_over` links its object to the head it saw and exchanges.
    Exchange(i8),
    /// `claim` exchanges `CLOSED`.
    Claim,
    /// `claim` opens the list.
    Open,
    /// Destroys its object; the flag says whether it owns the entry.
    Destroy(bool),
    /// `work_off` takes the list.
    Take,
    /// `work_off` closes the list if it is still empty.
    Close,
    /// `work_off` destroys what it took.
    Work(i8),
    Done,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    list: i8,
    /// Link and number of destructions of each object, the null one included.
    link: [i8; THREADS + 1],
    destroyed: [u8; THREADS + 1],
    at: [At; THREADS],
}

impl State {
    fn destroy(&mut self, object: i8) {
        let times = &mut self.destroyed[object as usize];
        *times += 1;
        assert_eq!(*times, 1, "destroyed twice");
    }

    fn step(mut self, thread: usize) -> Self {
        let own = thread as i8 + 1;
        self.at[thread] = match self.at[thread] {
            At::Load if self.list < NULL => At::Claim,
            At::Load => At::Exchange(self.list),
            At::Exchange(head) if self.list == head => {
                self.link[own as usize] = head;
                self.list = own;
                At::Done
            }
            At::Exchange(_) => At::Load,
            At::Claim if self.list == CLOSED => {
                self.list = CLAIMED;
                At::Open
            }
            At::Claim => At::Destroy(false),
            At::Open => {
                self.list = NULL;
                At::Destroy(true)
            }
            At::Destroy(owner) => {
                self.destroy(own);
                if owner { At::Take } else { At::Done }
            }
            At::Take => match core::mem::replace(&mut self.list, NULL) {
                NULL => At::Close,
                head => At::Work(head),
            },
            At::Close if self.list == NULL => {
                self.list = CLOSED;
                At::Done
            }
            At::Close | At::Work(NULL) => At::Take,
            At::Work(object) => {
                let next = self.link[object as usize];
                self.destroy(object);
                At::Work(next)
            }
            At::Done => At::Done,
        };
        self
    }
}

#[test]
fn every_interleaving_destroys_each_object_once() {
    let start = State {
        list: CLOSED,
        link: [NULL; THREADS + 1],
        destroyed: [0; THREADS + 1],
        at: [At::Load; THREADS],
    };
    let (mut seen, mut open, mut ends) = (HashSet::new(), Vec::from([start]), 0);
    while let Some(state) = open.pop() {
        if !seen.insert(state.clone()) {
            continue;
        }
        if state.at == [At::Done; THREADS] {
            assert!(state.list == CLOSED, "left open");
            assert_eq!(state.destroyed, [0, 1, 1, 1], "lost");
            ends += 1;
        }
        for thread in 0..THREADS {
            if state.at[thread] != At::Done {
                open.push(state.clone().step(thread));
            }
        }
    }
    assert!(ends > 0 && seen.len() > 100, "{} states, {ends} ends", seen.len());
}
