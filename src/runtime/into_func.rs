//! [`IntoFunc`]: closures that can be host functions as they are, with their
//! types taken from their parameters and results.

use super::caller::Caller;
use super::convert::{HostArg, HostArgs, WasmParams, for_each_arity};
use super::host_func;
use super::store::AsContextMut;
use crate::abi::{ValRaw, VmHostContext};
use crate::artifact::FuncType;
use crate::error::Result;
use crate::vm::host_def::{Closure, HostCall};
use crate::vm::store::StorePtr;

/// What a host function may return: nothing, a value, a tuple of values, or a
/// [`Result`] of one of these.
///
/// # Safety
/// [`Self::Values`] are what the function returns.
pub unsafe trait HostReturn {
    #[doc(hidden)]
    type Values: WasmParams;

    #[doc(hidden)]
    fn into_values(self) -> Result<Self::Values>;
}

// SAFETY: the function returns these values as they are.
unsafe impl<V: WasmParams> HostReturn for V {
    type Values = V;

    #[inline]
    fn into_values(self) -> Result<V> {
        Ok(self)
    }
}

// SAFETY: the function returns these values, or nothing.
unsafe impl<V: WasmParams> HostReturn for Result<V> {
    type Values = V;

    #[inline]
    fn into_values(self) -> Result<V> {
        self
    }
}

/// What a closure becomes.
#[doc(hidden)]
pub struct HostParts {
    pub(super) ty: FuncType,
    pub(super) call: HostCall,
    pub(super) closure: Closure,
}

/// A closure that can be a host function: up to 16 parameters, with or without
/// a leading [`Caller`]. Implemented for all that qualify.
///
/// # Safety
/// The shim in the parts runs closures of the type that the parts have, in a
/// store whose data is of type `T`, and expects nothing else. It reads and writes
/// the cells of a function of their function type.
pub unsafe trait IntoFunc<T, Params, Results>: Send + Sync + 'static {
    #[doc(hidden)]
    fn into_parts(self) -> Result<HostParts>;
}

/// The store of a caller, for reading arguments.
#[inline]
fn store_of<T: 'static>(caller: &mut Caller<'_, T>) -> StorePtr {
    caller.as_context_mut().ptr()
}

macro_rules! functions {
    ($($name:ident $index:tt)*) => {
        functions!(@one ($($name $index)*) (T, F, $($name,)* R) (Caller<'_, T>, $($name,)*) caller (caller));
        functions!(@one ($($name $index)*) (T, F, $($name,)* R) ($($name,)*) _caller ());
    };
    (@one ($($name:ident $index:tt)*) ($($generic:ident),*) ($($param:ty,)*) $caller:ident ($($pass:ident)?)) => {
        // SAFETY: the shim is made for this closure's type and for data of type
        // `T`. It reads the parameters that the function type names.
        unsafe impl<$($generic),*> IntoFunc<T, ($($param,)*), R> for F
        where
            T: 'static,
            F: Fn($($param),*) -> R + Send + Sync + 'static,
            $($name: HostArg,)*
            R: HostReturn,
        {
            fn into_parts(self) -> Result<HostParts> {
                /// # Safety
                /// As for `host_func::run`; the context's closure is an `F`.
                #[allow(unused_variables, reason = "a function without parameters reads nothing")]
                unsafe extern "C" fn shim<$($generic),*>(
                    context: *mut VmHostContext,
                    cells: *mut ValRaw,
                ) -> u64
                where
                    T: 'static,
                    F: Fn($($param),*) -> R + Send + Sync + 'static,
                    $($name: HostArg,)*
                    R: HostReturn,
                {
                    // SAFETY: passed on to the caller.
                    unsafe {
                        host_func::run::<T, ($($name,)*), R::Values>(
                            context,
                            cells,
                            |closure, mut $caller| {
                                let store = store_of(&mut $caller);
                                let args = <($($name,)*) as HostArgs>::lift(
                                    store.get(),
                                    cells,
                                    $caller.serial(),
                                )?;
                                let closure = &*closure.cast::<F>();
                                closure($($pass,)? $(args.$index),*).into_values()
                            },
                        )
                    }
                }
                let params = <($($name,)*) as HostArgs>::TYPES;
                let results = <R::Values as WasmParams>::TYPES;
                Ok(HostParts {
                    ty: FuncType::new(params.iter().copied(), results.iter().copied())?,
                    call: shim::<$($generic),*>,
                    closure: host_func::erase(self)?,
                })
            }
        }
    };
}

for_each_arity!(functions);
