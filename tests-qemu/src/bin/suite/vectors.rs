//! Vector instructions that are switched off.

use kernref::{Engine, Error, Misuse};
use kernref_qemu::{arch, embedder};
use kernref_testsuite::Setup;

/// An engine made while they are off is refused, by the name of the register and
/// the bit; made when they are on again, it works.
pub fn off_they_are_reported(_: Setup) {
    for way in 0..2 {
        let mut refused = None;
        let named = arch::while_vectors_are_off(way, &mut || {
            refused = Some(Engine::new(&embedder::config()).map(drop));
        });
        match refused {
            Some(Err(Error::Misuse(Misuse::InvalidConfig(why)))) => {
                assert!(why.contains(named), "{why}");
                assert!(why.contains("before Engine::new"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
    Engine::new(&embedder::config()).expect("an engine");
}
