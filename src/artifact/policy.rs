//! [`ArtifactPolicy`]: who vouches for the bytes of an artifact.

use crate::error::Result;

/// Decides whether the bytes of an artifact are what this crate's compiler made.
/// Nothing else can: whatever checks are made, machine code is run as it is.
///
/// With the feature `signed-artifacts`, `TrustedKeys` is one.
///
/// # Safety
/// What [`Self::vouch`] returns was made by `Artifact::serialize` or
/// `Module::serialize` of an artifact or a module that the compiler made, or that
/// was loaded from such bytes, and has not been changed since.
#[expect(unsafe_code, reason = "whoever implements it vouches for machine code")]
pub unsafe trait ArtifactPolicy {
    /// The artifact in `bytes`, which the policy vouches for: all of them, or
    /// those before a signature.
    ///
    /// # Errors
    /// If it does not: [`crate::Error::Artifact`], for instance with
    /// [`ArtifactFault::Refused`](crate::ArtifactFault::Refused).
    fn vouch<'b>(&self, bytes: &'b [u8]) -> Result<&'b [u8]>;
}
