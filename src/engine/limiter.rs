//! [`ResourceLimiter`]: the embedder's say before a store and what is in it
//! grow, and a ready-made one. Owns no state of the store.

/// Asked before anything that a guest can make grow does so.
pub trait ResourceLimiter {
    /// Whether a memory may grow from `current_bytes` to `desired_bytes`. A
    /// new memory grows from 0.
    fn memory_growing(
        &mut self,
        current_bytes: usize,
        desired_bytes: usize,
        maximum_bytes: Option<usize>,
    ) -> bool;

    /// Whether a table may grow from `current` to `desired` elements. A new
    /// table grows from 0.
    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool;

    /// Whether all that the store holds for its guest may grow from
    /// `current_bytes` to `desired_bytes`: linear memories and tables, the contexts of
    /// instances, and what is kept of each entity, functions and globals that the
    /// host made included. Asked in addition to the other methods, and again when
    /// a memory that was allowed to grow does. Neither references, which
    /// have an arena of their own, nor modules, which stores share, are part of it.
    fn store_growing(&mut self, current_bytes: usize, desired_bytes: usize) -> bool {
        let _ = (current_bytes, desired_bytes);
        true
    }

    /// How many instances the store may have.
    fn instances(&self) -> usize {
        usize::MAX
    }

    /// How many tables the store may have.
    fn tables(&self) -> usize {
        usize::MAX
    }

    /// How many memories the store may have.
    fn memories(&self) -> usize {
        usize::MAX
    }
}

/// A limiter with fixed limits.
#[derive(Clone, Copy, Debug)]
pub struct StoreLimits {
    store_bytes: usize,
    memory_bytes: usize,
    table_elements: usize,
    instances: usize,
    tables: usize,
    memories: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            store_bytes: usize::MAX,
            memory_bytes: usize::MAX,
            table_elements: usize::MAX,
            instances: usize::MAX,
            tables: usize::MAX,
            memories: usize::MAX,
        }
    }
}

/// Builds [`StoreLimits`]. Nothing is limited unless a method says so.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct StoreLimitsBuilder(StoreLimits);

impl StoreLimitsBuilder {
    /// No limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that the store can hold for its guest in all:
    /// see [`ResourceLimiter::store_growing`].
    pub fn store_size(mut self, bytes: usize) -> Self {
        self.0.store_bytes = bytes;
        self
    }

    /// Bytes that each memory can have.
    pub fn memory_size(mut self, bytes: usize) -> Self {
        self.0.memory_bytes = bytes;
        self
    }

    /// Elements that each table can have.
    pub fn table_elements(mut self, elements: usize) -> Self {
        self.0.table_elements = elements;
        self
    }

    /// Instances that the store can have.
    pub fn instances(mut self, instances: usize) -> Self {
        self.0.instances = instances;
        self
    }

    /// Tables that the store can have.
    pub fn tables(mut self, tables: usize) -> Self {
        self.0.tables = tables;
        self
    }

    /// Memories that the store can have.
    pub fn memories(mut self, memories: usize) -> Self {
        self.0.memories = memories;
        self
    }

    /// The limits.
    pub fn build(self) -> StoreLimits {
        self.0
    }
}

impl ResourceLimiter for StoreLimits {
    fn memory_growing(&mut self, _: usize, desired_bytes: usize, _: Option<usize>) -> bool {
        desired_bytes <= self.memory_bytes
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> bool {
        desired <= self.table_elements
    }

    fn store_growing(&mut self, _: usize, desired_bytes: usize) -> bool {
        desired_bytes <= self.store_bytes
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        self.memories
    }
}
