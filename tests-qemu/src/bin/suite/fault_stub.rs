//! Faults that enter through the stub that a kernel may put before its own entry.

use crate::faults;
use kernref_qemu::exceptions::{FaultEntry, handled_by_stub, while_faults_enter};
use kernref_qemu::{arch, faults::handled};
use kernref_testsuite::Setup;

/// Runs `body` with the stub in place: it handles `at_least` faults, and leaves none
/// of the guests' to the kernel's own entry.
fn with_stub(at_least: u64, body: impl FnOnce()) {
    let (by_stub, all) = (handled_by_stub(), handled());
    while_faults_enter(FaultEntry::Stub, body);
    let (by_stub, all) = (handled_by_stub() - by_stub, handled() - all);
    assert_eq!(by_stub, all, "faults that the kernel's own entry handled");
    assert!(by_stub >= at_least, "{by_stub} faults");
}

pub fn it_ends_guests_and_leaves_the_rest(setup: Setup) {
    with_stub(5000, || {
        faults::a_stray_access_ends_the_guest_alone(setup);
        faults::strays_end_one_activation_at_a_time(setup);
        faults::kernel_faults_are_not_blamed_on_guests(setup);
        faults::each_engine_knows_its_own(setup);
        faults::strays_survive_interrupts(setup);
        faults::thousands_of_strays_leak_nothing(setup);
    });
}

/// With the stack of the interrupted code as that of the exception.
#[cfg(target_arch = "aarch64")]
pub fn it_shares_the_stack_of_the_fault(setup: Setup) {
    with_stub(4, || {
        arch::on_the_exceptions_pointer(&mut || faults::each_engine_knows_its_own(setup));
    });
}

pub fn what_is_not_a_guests_arrives_intact(_: Setup) {
    let [alone, behind_stub] = [FaultEntry::Recording, FaultEntry::StubAndRecording]
        .map(|entry| while_faults_enter(entry, || arch::record_fault(8)));
    assert_eq!(alone, behind_stub, "registers and what the processor left");
    let filled = alone.iter().filter(|value| **value >> 48 == 0x1122).count();
    assert!(filled >= 14, "{filled} registers with values of their own");
}
