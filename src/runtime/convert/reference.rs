//! References: owned, rooted, and to functions.

use super::values::clone_reference;
use super::{FromWasm, HostArg, ToWasm};
use crate::abi::{NULL_SLOT, Trap, ValRaw};
use crate::artifact::ValType;
use crate::error::Result;
use crate::gc::ExternRef;
use crate::runtime::func::Func;
use crate::runtime::rooted::Rooted;
use crate::vm::pinned::Pinned;
use crate::vm::roots::NO_ROOT;
use crate::vm::store::StoreOpaque;

// SAFETY: a fresh slot that owns the reference (G2); one slot.
unsafe impl ToWasm for ExternRef {
    const TYPE: ValType = ValType::EXTERNREF;

    #[inline]
    fn slots(&self) -> u32 {
        1
    }

    #[inline]
    fn lower(self, store: &mut StoreOpaque) -> Result<ValRaw> {
        Ok(ValRaw::from_u32(store.heap.intern_reserved(self)?))
    }
}

// SAFETY: as for `ExternRef`, or null.
unsafe impl ToWasm for Option<ExternRef> {
    const TYPE: ValType = ValType::EXTERNREF;

    #[inline]
    fn slots(&self) -> u32 {
        u32::from(self.is_some())
    }

    #[inline]
    fn lower(self, store: &mut StoreOpaque) -> Result<ValRaw> {
        match self {
            Some(reference) => reference.lower(store),
            None => Ok(ValRaw::from_u32(NULL_SLOT)),
        }
    }
}

// SAFETY: clones whatever slot Wasm holds.
unsafe impl FromWasm for Option<ExternRef> {
    const TYPE: ValType = ValType::EXTERNREF;

    #[inline]
    fn lift(cell: ValRaw, store: &StoreOpaque) -> Result<Self> {
        clone_reference(store, cell.u32())
    }
}

// SAFETY: as above; null is an error.
unsafe impl FromWasm for ExternRef {
    const TYPE: ValType = ValType::EXTERNREF;

    #[inline]
    fn lift(cell: ValRaw, store: &StoreOpaque) -> Result<Self> {
        clone_reference(store, cell.u32())?.ok_or(Trap::NullReference.into())
    }
}

super::host_arg_from_wasm!(ExternRef);
super::host_arg_from_wasm!(Option<ExternRef>);

// SAFETY: the slot is a root of the host frame with this serial number.
unsafe impl HostArg for Rooted {
    const TYPE: ValType = ValType::EXTERNREF;
    const ROOTED: bool = true;

    #[inline]
    fn lift_arg(cell: ValRaw, store: &StoreOpaque, serial: u64) -> Result<Self> {
        Option::<Rooted>::lift_arg(cell, store, serial)?.ok_or(Trap::NullReference.into())
    }
}

// SAFETY: as above, or null.
unsafe impl HostArg for Option<Rooted> {
    const TYPE: ValType = ValType::EXTERNREF;
    const ROOTED: bool = true;

    #[inline]
    fn lift_arg(cell: ValRaw, store: &StoreOpaque, serial: u64) -> Result<Self> {
        let slot = cell.u32();
        Ok((slot != NULL_SLOT).then_some(Rooted { slot, root: NO_ROOT, serial, store: store.id }))
    }
}

// SAFETY: the slot is alive, which `check` has made sure of, and Wasm may hold
// it (G1): whatever keeps it now keeps it until Wasm's frame does. A root is a
// counted place, so passing what it holds is reading it: under `CloneOnRead`
// the slot gets a table entry, under `ZeroCount` it will when it is unrooted.
unsafe impl ToWasm for Rooted {
    const TYPE: ValType = ValType::EXTERNREF;

    #[inline]
    fn check(&self, store: &StoreOpaque) -> Result<()> {
        Rooted::check(self, store)
    }

    #[inline]
    fn lower(self, store: &mut StoreOpaque) -> Result<ValRaw> {
        store.heap.note_read(self.slot);
        Ok(ValRaw::from_u32(self.slot))
    }
}

// SAFETY: as above, or null.
unsafe impl ToWasm for Option<Rooted> {
    const TYPE: ValType = ValType::EXTERNREF;

    #[inline]
    fn check(&self, store: &StoreOpaque) -> Result<()> {
        self.as_ref().map_or(Ok(()), |rooted| ToWasm::check(rooted, store))
    }

    #[inline]
    fn lower(self, store: &mut StoreOpaque) -> Result<ValRaw> {
        match self {
            Some(rooted) => rooted.lower(store),
            None => Ok(ValRaw::from_u32(NULL_SLOT)),
        }
    }
}

// SAFETY: a func ref of this store, which `check` has made sure of (V6).
unsafe impl ToWasm for Func {
    const TYPE: ValType = ValType::FUNCREF;

    #[inline]
    fn check(&self, store: &StoreOpaque) -> Result<()> {
        self.pinned.store().check(store)
    }

    #[inline]
    fn lower(self, _: &mut StoreOpaque) -> Result<ValRaw> {
        Ok(ValRaw::from_func_ref(Func::to_raw(Some(self))))
    }
}

// SAFETY: as above, or null.
unsafe impl ToWasm for Option<Func> {
    const TYPE: ValType = ValType::FUNCREF;

    #[inline]
    fn check(&self, store: &StoreOpaque) -> Result<()> {
        self.as_ref().map_or(Ok(()), |func| func.pinned.store().check(store))
    }

    #[inline]
    fn lower(self, _: &mut StoreOpaque) -> Result<ValRaw> {
        Ok(ValRaw::from_func_ref(Func::to_raw(self)))
    }
}

// SAFETY: Wasm holds func refs of its own store only, which are alive (V6).
unsafe impl FromWasm for Option<Func> {
    const TYPE: ValType = ValType::FUNCREF;

    #[inline]
    fn lift(cell: ValRaw, store: &StoreOpaque) -> Result<Self> {
        // SAFETY: as above.
        Ok(unsafe { Pinned::from_cell(store, cell) }.map(|pinned| Func { pinned }))
    }
}

// SAFETY: as above; null is an error.
unsafe impl FromWasm for Func {
    const TYPE: ValType = ValType::FUNCREF;

    #[inline]
    fn lift(cell: ValRaw, store: &StoreOpaque) -> Result<Self> {
        Option::<Func>::lift(cell, store)?.ok_or(Trap::NullReference.into())
    }
}

super::host_arg_from_wasm!(Func);
super::host_arg_from_wasm!(Option<Func>);
