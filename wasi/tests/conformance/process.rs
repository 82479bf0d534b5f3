//! Arguments, environment, clocks, randomness, the end.

use crate::guest::{BUFFER, Guest, LIST, OK, RESULT, builder, module};
use kernref::{Error, Linker, Store, Trap};
use kernref_wasi::types::Errno;
use kernref_wasi::{I32Exit, NoMemory, Raised, WasiCtx, add_to_linker, exit_status, run_command};

#[test]
fn arguments_and_environment_arrive() {
    let (mut guest, _, _) = Guest::usual();
    assert_eq!(guest.call("args_sizes_get", &[RESULT.into(), (RESULT + 4).into()]), OK);
    assert_eq!((guest.u32(RESULT), guest.u32(RESULT + 4)), (3, 21));
    assert_eq!(guest.call("args_get", &[LIST.into(), BUFFER.into()]), OK);
    assert_eq!(guest.read(BUFFER, 21), b"program\0first\0second\0");
    let starts: Vec<u32> = (0..3).map(|at| guest.u32(LIST + 4 * at)).collect();
    assert_eq!(starts, [BUFFER, BUFFER + 8, BUFFER + 14]);
    assert_eq!(guest.call("environ_sizes_get", &[RESULT.into(), (RESULT + 4).into()]), OK);
    assert_eq!((guest.u32(RESULT), guest.u32(RESULT + 4)), (1, 11));
    assert_eq!(guest.call("environ_get", &[LIST.into(), BUFFER.into()]), OK);
    assert_eq!(guest.read(BUFFER, 11), b"HOME=/home\0");
}

#[test]
fn strings_for_which_there_is_no_room_are_a_fault() {
    let (mut guest, _, _) = Guest::usual();
    let end = u64::from(crate::guest::MEMORY_BYTES);
    for name in ["args_get", "environ_get"] {
        assert_eq!(guest.call(name, &[end - 3, BUFFER.into()]), Err(Errno::Fault));
        assert_eq!(guest.call(name, &[LIST.into(), end - 10]), Err(Errno::Fault));
        assert_eq!(guest.call(name, &[u64::from(u32::MAX), 0]), Err(Errno::Fault));
    }
    for name in ["args_sizes_get", "environ_sizes_get"] {
        assert_eq!(guest.call(name, &[end - 3, 0]), Err(Errno::Fault));
        assert_eq!(guest.call(name, &[0, end - 3]), Err(Errno::Fault));
    }
}

#[test]
fn a_builder_reports_what_it_cannot_hand_over() {
    for broken in [
        WasiCtx::builder().arg("a\0b").build(),
        WasiCtx::builder().env("A=B", "c").build(),
        WasiCtx::builder().env("A", "c\0").build(),
    ] {
        assert!(matches!(broken, Err(Error::Misuse(_))), "{broken:?}");
    }
}

#[test]
fn clocks_tell_the_time_and_their_resolution() {
    let (mut guest, _, _) = Guest::usual();
    assert_eq!(guest.call("clock_time_get", &[0, 0, RESULT.into()]), OK);
    assert_eq!(guest.u64(RESULT), 1_700_000_000_000_000_000);
    assert_eq!(guest.call("clock_time_get", &[1, 5, RESULT.into()]), OK);
    assert_eq!(guest.u64(RESULT), 1000);
    assert_eq!(guest.call("clock_res_get", &[1, RESULT.into()]), OK);
    assert_eq!(guest.u64(RESULT), 1);
    for name in [["clock_res_get"], ["clock_time_get"]].concat() {
        let args = |id, result| match name {
            "clock_res_get" => vec![id, result],
            _ => vec![id, 0, result],
        };
        assert_eq!(guest.call(name, &args(2, RESULT.into())), Err(Errno::Notsup));
        assert_eq!(guest.call(name, &args(3, RESULT.into())), Err(Errno::Notsup));
        assert_eq!(guest.call(name, &args(4, RESULT.into())), Err(Errno::Inval));
        assert_eq!(guest.call(name, &args(0, u32::MAX.into())), Err(Errno::Fault));
    }
}

#[test]
fn nothing_is_there_that_was_not_handed_over() {
    let mut guest = Guest::new(&mut WasiCtx::builder());
    assert_eq!(guest.call("args_sizes_get", &[RESULT.into(), (RESULT + 4).into()]), OK);
    assert_eq!(guest.u32(RESULT), 0);
    for id in 0..4 {
        assert_eq!(guest.call("clock_time_get", &[id, 0, RESULT.into()]), Err(Errno::Notsup));
    }
    assert_eq!(guest.call("random_get", &[0, 8]), Err(Errno::Notsup));
    for fd in 0..5 {
        assert_eq!(guest.call("fd_close", &[fd]), Err(Errno::Badf));
        assert_eq!(guest.fd_write(fd as u32, b"x"), Err(Errno::Badf));
    }
    assert_eq!(guest.call("sched_yield", &[]), OK);
}

#[test]
fn random_bytes_fill_all_of_a_large_buffer() {
    let (mut guest, _, _) = Guest::usual();
    assert_eq!(guest.call("random_get", &[0, u64::from(crate::guest::MEMORY_BYTES)]), OK);
    let bytes = guest.read(0, crate::guest::MEMORY_BYTES);
    let zeros = bytes.iter().filter(|byte| **byte == 0).count();
    assert!((700..1400).contains(&zeros), "{zeros} zeros");
    let (len, end) = (u64::from(crate::guest::MEMORY_BYTES), u64::from(u32::MAX));
    assert_eq!(guest.call("random_get", &[1, len]), Err(Errno::Fault));
    assert_eq!(guest.call("random_get", &[end, end]), Err(Errno::Fault));
    assert_eq!(guest.call("random_get", &[len, 0]), OK);
}

#[test]
fn long_work_ends_with_the_deadline_and_with_the_fuel() {
    let (mut guest, _, _) = Guest::usual();
    guest.store.set_fuel(1000).unwrap();
    let error = guest.try_call("random_get", &[0, 4 << 16]).unwrap_err();
    assert_eq!(error.as_trap(), Some(Trap::OutOfFuel));
    // The first piece was done, the others were not.
    assert_ne!(guest.read(0, 16), [0; 16]);
    assert_eq!(guest.read((4 << 16) - 16, 16), [0; 16]);

    /// Moves the epoch when it is asked for bytes, as a timer would.
    struct Slow;
    impl kernref_wasi::Random for Slow {
        fn fill(&mut self, buffer: &mut [u8]) -> kernref_wasi::types::Result<()> {
            buffer.fill(1);
            module().0.increment_epoch();
            Ok(())
        }
    }
    let mut guest = Guest::new(WasiCtx::builder().random(Slow));
    guest.store.set_epoch_deadline(1);
    let error = guest.try_call("random_get", &[0, 4 << 16]).unwrap_err();
    assert_eq!(error.as_trap(), Some(Trap::Interrupt));
    assert_eq!(guest.read(1 << 16, 1), [0]);
}

#[test]
fn programs_end_with_their_status() {
    let (mut guest, _, _) = Guest::usual();
    for status in [0, 1, 42, 255, -1] {
        let error = guest.try_call("proc_exit", &[status as u64]).unwrap_err();
        assert_eq!(exit_status(&error), Some(status));
        let Error::Host(error) = error else { panic!("{error}") };
        assert_eq!(error.downcast_ref(), Some(&I32Exit(status)));
    }
}

#[test]
fn signals_end_programs_unless_they_are_ignored() {
    let (mut guest, _, _) = Guest::usual();
    for signal in 0..=30 {
        let is_ignored = [0, 16, 17, 22, 27].contains(&signal);
        match guest.try_call("proc_raise", &[signal]) {
            Ok(errno) => assert!(errno == 0 && is_ignored, "{signal}"),
            Err(error) => {
                assert!(!is_ignored, "{signal}");
                assert_eq!(exit_status(&error), Some(128 + signal as i32));
                assert!(error.to_string().contains("ended by the signal"), "{error}");
                let Error::Host(error) = error else { panic!("{error}") };
                assert!(error.downcast_ref::<Raised>().is_some());
            }
        }
    }
    assert_eq!(guest.call("proc_raise", &[31]), Err(Errno::Inval));
}

/// Runs a command module.
fn run(text: &str) -> kernref::Result<i32> {
    let (engine, _) = module();
    let module = kernref::Module::new(engine, wat::parse_str(text).unwrap())?;
    let mut linker = Linker::new(engine);
    add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
    let mut store = Store::new(engine, builder().0.build()?)?;
    store.set_fuel(1 << 30)?;
    store.set_epoch_deadline(1 << 40);
    let instance = linker.instantiate(&mut store, &module)?;
    kernref_wasi::initialize(&mut store, &instance)?;
    run_command(&mut store, &instance)
}

#[test]
fn commands_and_reactors_run() {
    let exits = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
    let end = "(call $exit (i32.const 7)) unreachable";
    let status = run(&format!("(module {exits} (func (export \"_start\") {end}))"));
    assert_eq!(status.unwrap(), 7);
    assert_eq!(run("(module (func (export \"_start\")))").unwrap(), 0);
    let trap = run("(module (func (export \"_start\") unreachable))").unwrap_err();
    assert_eq!(trap.as_trap(), Some(Trap::UnreachableCodeReached));
    assert!(matches!(run("(module)"), Err(Error::Link(_))));
    let reactor = r#"(module (global $g (mut i32) (i32.const 0))
        (func (export "_initialize") (global.set $g (i32.const 1)))
        (func (export "_start") (if (i32.eqz (global.get $g)) (then unreachable))))"#;
    assert_eq!(run(reactor).unwrap(), 0);
    let early = format!("(module {exits} (func (export \"_initialize\") {end}))");
    assert_eq!(exit_status(&run(&early).unwrap_err()), Some(7));
}

#[test]
fn a_guest_without_a_memory_is_told_so() {
    let without = r#"(module
        (import "wasi_snapshot_preview1" "random_get" (func $f (param i32 i32) (result i32)))
        (func (export "_start") (drop (call $f (i32.const 0) (i32.const 0)))))"#;
    let Error::Host(error) = run(without).unwrap_err() else { panic!() };
    assert!(error.downcast_ref::<NoMemory>().is_some(), "{error}");
    let unneeded = r#"(module
        (import "wasi_snapshot_preview1" "fd_close" (func $f (param i32) (result i32)))
        (func (export "_start") (drop (call $f (i32.const 0)))))"#;
    assert_eq!(run(unneeded).unwrap(), 0);
}
