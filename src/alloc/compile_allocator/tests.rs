//! Slots, regions, and what runs in them, with the allocator used by hand: the
//! tests' global allocator is another.
