//! [`ValRaw`]: the 16-byte cell in which one value crosses between the host
//! and generated code.
//!
//! Values always cross in memory and as bits, never in registers, because a
//! soft-float kernel and Cranelift disagree on where floats are passed.

/// One value in an argument or result array: 16 bytes, little endian, the
/// value in the low bytes. Which interpretation applies is known from the
/// function type, never from the cell.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct ValRaw(u128);

impl ValRaw {
    /// Size of a cell in an argument array.
    pub const SIZE_BYTES: u32 = 16;
    /// Reads a cell of which only the low 4 bytes need be initialised: generated code
    /// writes no more of a value than it has.
    ///
    /// # Safety
    /// `cell` can be read, and these bytes of it are initialised.
    #[inline]
    pub const unsafe fn read_u32(cell: *const Self) -> Self {
        // SAFETY: by this function's contract; little-endian, so they come first.
        Self(unsafe { cell.cast::<u32>().read() } as u128)
    }
    /// The same for 8 bytes.
    ///
    /// # Safety
    /// As for [`Self::read_u32`].
    #[inline]
    pub const unsafe fn read_u64(cell: *const Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { cell.cast::<u64>().read() } as u128)
    }
    /// An `i32`, an `f32`'s bits, or an externref's slot number.
    pub const fn from_u32(value: u32) -> Self {
        Self(value as u128)
    }
    /// An `i64` or an `f64`'s bits.
    pub const fn from_u64(value: u64) -> Self {
        Self(value as u128)
    }
    /// A `v128`'s bits.
    pub const fn from_u128(value: u128) -> Self {
        Self(value)
    }
    /// Null of every reference type.
    pub const fn null() -> Self {
        Self(super::NULL_SLOT as u128)
    }
    /// A funcref: the address of a `VmFuncRef`, or null.
    pub fn from_func_ref(value: *mut super::VmFuncRef) -> Self {
        Self(value.expose_provenance() as u128)
    }
    /// The low 32 bits.
    pub const fn u32(self) -> u32 {
        self.0 as u32
    }
    /// The low 64 bits.
    pub const fn u64(self) -> u64 {
        self.0 as u64
    }
    /// An index into a memory or table; `is_64` tells its width.
    pub const fn index(self, is_64: bool) -> u64 {
        if is_64 { self.u64() } else { self.u32() as u64 }
    }
    /// All bits.
    pub const fn u128(self) -> u128 {
        self.0
    }
    /// The cell read as a funcref.
    pub fn func_ref(self) -> *mut super::VmFuncRef {
        core::ptr::with_exposed_provenance_mut(self.0 as u64 as usize)
    }
}

impl core::fmt::Debug for ValRaw {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ValRaw({:#x})", self.0)
    }
}
