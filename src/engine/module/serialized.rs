//! Modules from bytes, and back.

use super::{MALFORMED, Module};
use crate::alloc;
use crate::arch;
use crate::artifact::{self, ArtifactFile, ArtifactPolicy};
use crate::engine::handle::Engine;
use crate::error::{ArtifactError, ArtifactFault, ArtifactSection, Result};
use std_alloc::vec::Vec;

impl Module {
    /// The module as bytes, for [`Self::deserialize`] in this engine or any other
    /// that works in the same way (`docs/artifact-format.md`): those that
    /// [`Artifact::serialize`](crate::Artifact::serialize) gives of its artifact.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]; [`crate::Error::Limit`] if it would be 4 GiB
    /// or more.
    pub fn serialize(&self) -> Result<Vec<u8>> {
        let parts = &self.inner.parts;
        let mut code = Vec::new();
        if let Some(published) = &self.inner.code {
            code = alloc::try_vec_with_capacity(published.len())?;
            code.extend_from_slice(published.bytes());
        }
        if let Some(thunk) = parts.raise_thunk {
            let at = thunk as usize + arch::RAISE_WORDS_AT;
            let words = code.get_mut(at..at + size_of::<arch::RaiseWords>());
            words.ok_or(MALFORMED)?.fill(0);
        }
        artifact::write_artifact(parts, &code)
    }

    /// Loads a module from bytes that [`Self::serialize`] or
    /// [`Artifact::serialize`](crate::Artifact::serialize) made. Everything but
    /// the machine code is checked; what is needed of the bytes is copied.
    ///
    /// Takes time linear in their number, but for sorting the names of exports.
    ///
    /// # Errors
    /// [`crate::Error::Artifact`] if the bytes are no artifact of this version of
    /// the format, or were changed; [`Misuse::WrongFlavor`](crate::Misuse) if the
    /// code is for another architecture, or relies on what the engine or the
    /// processor does not offer; [`crate::Error::Limit`];
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Safety
    /// The bytes were made as described, from what the compiler of this crate made,
    /// and have not been changed since: the code is run as it is, and the collector
    /// believes the stack maps. To have that decided by a policy, see
    /// [`Self::deserialize_with`].
    #[expect(unsafe_code, reason = "whatever the code does is the caller's promise")]
    pub unsafe fn deserialize(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Self> {
        Self::load(engine, &ArtifactFile::open(bytes.as_ref())?)
    }

    /// As [`Self::deserialize`], from bytes that stay where they are, such as a
    /// part of the kernel's image. The code is copied once, into memory for code;
    /// stack maps, sites, names and the bytes of data segments are used where they
    /// lie. If the bytes are not aligned to 4, tables are copied.
    ///
    /// # Errors
    /// Those of [`Self::deserialize`].
    ///
    /// # Safety
    /// As for [`Self::deserialize`].
    #[expect(unsafe_code, reason = "whatever the code does is the caller's promise")]
    pub unsafe fn deserialize_in_place(engine: &Engine, bytes: &'static [u8]) -> Result<Self> {
        Self::load(engine, &ArtifactFile::open_in_place(bytes)?)
    }

    /// As [`Self::deserialize`], if `policy` vouches for the bytes.
    ///
    /// # Errors
    /// Those of the policy, and then those of [`Self::deserialize`].
    pub fn deserialize_with(
        engine: &Engine,
        bytes: impl AsRef<[u8]>,
        policy: &impl ArtifactPolicy,
    ) -> Result<Self> {
        Self::load(engine, &ArtifactFile::open(policy.vouch(bytes.as_ref())?)?)
    }

    /// As [`Self::deserialize_in_place`], if `policy` vouches for the bytes.
    ///
    /// # Errors
    /// Those of the policy, and then those of [`Self::deserialize`].
    pub fn deserialize_in_place_with(
        engine: &Engine,
        bytes: &'static [u8],
        policy: &impl ArtifactPolicy,
    ) -> Result<Self> {
        Self::load(engine, &ArtifactFile::open_in_place(policy.vouch(bytes)?)?)
    }

    fn load(engine: &Engine, file: &ArtifactFile<'_>) -> Result<Self> {
        file.flavor().check(engine.flavor())?;
        let (code, parts) = file.read()?.replace_code(());
        if let Some(thunk) = parts.raise_thunk {
            let at = thunk as usize + arch::RAISE_WORDS_AT;
            let words = code.get(at..at + size_of::<arch::RaiseWords>());
            if words.is_none_or(|words| words.iter().any(|byte| *byte != 0)) {
                let fault = ArtifactFault::Malformed("no room for its words");
                return Err(ArtifactError { section: ArtifactSection::RaiseThunk, fault }.into());
            }
        }
        Self::publish(engine, parts, code)
    }
}
