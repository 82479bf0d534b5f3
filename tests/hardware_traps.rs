//! Hardware traps on a host: on many threads at once, and faults not caused by
//! Kernref, each in its own process.
#![cfg(all(feature = "compile", feature = "std", target_os = "linux"))]

use kernref::fault::FaultRegisters;
use kernref::{
    Config, Engine, Instance, Memory, MemoryType, Module, RefType, Store, Table, TableType, Trap,
    TypedFunc, Val,
};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

const MODULE: &str = r#"(module
    (memory (export "m") 2)
    (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
    (func $deep (export "deep") (param i32 i32) (result i32)
        (if (result i32) (local.get 0)
            (then (i32.add (i32.const 1)
                (call $deep (i32.sub (local.get 0) (i32.const 1)) (local.get 1))))
            (else (i32.load (local.get 1))))))"#;

const OUTSIDE: u32 = 2 << 16;

fn engine() -> Engine {
    Engine::new(Config::new().hardware_traps(true)).unwrap()
}

fn module(engine: &Engine) -> Module {
    Module::new(engine, wat::parse_str(MODULE).unwrap()).unwrap()
}

struct Guest {
    store: Store<()>,
    instance: Instance,
    load: TypedFunc<u32, u32>,
}

impl Guest {
    fn of(module: &Module) -> Self {
        let mut store = Store::new(module.engine(), ()).unwrap();
        let instance = Instance::new(&mut store, module, &[]).unwrap();
        let load = instance.get_typed_func(&mut store, "load").unwrap();
        Self { store, instance, load }
    }

    fn base(&mut self) -> *mut u8 {
        let memory = self.instance.get_memory(&mut self.store, "m").unwrap();
        memory.data_mut(&mut self.store).unwrap().as_mut_ptr()
    }

    fn traps(&mut self) {
        let error = self.load.call(&mut self.store, OUTSIDE).unwrap_err();
        assert_eq!(error.as_trap(), Some(Trap::MemoryOutOfBounds));
        assert_eq!(self.load.call(&mut self.store, 0).unwrap(), 0);
    }
}

/// Modules that call each other in turn, so that each frame is looked up, and the
/// modules of other guests.
#[test]
fn the_time_of_a_fault_does_not_grow_with_other_guests() {
    let engine = Engine::new(Config::new().hardware_traps(true).max_wasm_stack(256 << 10)).unwrap();
    let compile = |text: &str| Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let ty = TableType { element: RefType::FUNCREF, minimum: 6, maximum: None, table64: false };
    let table = Table::new(&mut store, ty, Val::FuncRef(None)).unwrap();
    let ty = MemoryType { minimum: 1, maximum: Some(1), memory64: false };
    let memory = Memory::new(&mut store, ty).unwrap();
    let mut first = None;
    for at in (0..6).rev() {
        let text = format!(
            r#"(module (import "" "t" (table 6 funcref)) (import "" "m" (memory 1 1))
                (type $f (func (param i32)))
                (func (export "f") (param i32)
                    (if (i32.eqz (local.get 0)) (then (drop (i32.load (i32.const 65533)))))
                    (call_indirect (type $f) (i32.sub (local.get 0) (i32.const 1)) (i32.const {}))))"#,
            (at + 1) % 6
        );
        let instance =
            Instance::new(&mut store, &compile(&text), &[table.into(), memory.into()]).unwrap();
        let func = instance.get_func(&mut store, "f").unwrap();
        table.set(&mut store, at, Val::FuncRef(Some(func))).unwrap();
        first = Some(func.typed::<i32, ()>(&store).unwrap());
    }
    let first = first.unwrap();
    let mut best = || {
        let once = |_| {
            let started = Instant::now();
            let error = first.call(&mut store, 1000).unwrap_err();
            let took = started.elapsed();
            assert_eq!(error.as_trap(), Some(Trap::MemoryOutOfBounds));
            took
        };
        (0..20).map(once).min().unwrap()
    };
    let alone = best();
    let others: Vec<_> =
        (0..2000).map(|at| compile(&format!("(module (func (export \"f{at}\")))"))).collect();
    let among_others = best();
    println!("{alone:?} alone, {among_others:?} among {} others", others.len());
    assert!(among_others < 5 * alone + Duration::from_micros(200));
}

#[test]
fn threads_trap_while_modules_come_and_go() {
    let engine = engine();
    let shared = module(&engine);
    let done = AtomicBool::new(false);
    let threads = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut guest = Guest::of(&shared);
                for _ in 0..1000 {
                    guest.traps();
                }
                if threads.fetch_add(1, Ordering::Relaxed) == 2 {
                    done.store(true, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let modules = [(); 3].map(|()| module(&engine));
                let mut guest = Guest::of(&modules[1]);
                drop(modules);
                guest.traps();
                drop(guest);
                // A separate engine in the same process.
                Guest::of(&module(&self::engine())).traps();
            }
        });
    });
}

#[test]
fn traps_deep_on_a_nearly_exhausted_stack() {
    let engine = engine();
    let mut guest = Guest::of(&module(&engine));
    let deep = guest.instance.get_typed_func::<(u32, u32), u32>(&mut guest.store, "deep").unwrap();
    let mut end = |depth, address| match deep.call(&mut guest.store, (depth, address)) {
        Ok(found) => {
            assert_eq!(found, depth);
            None
        }
        Err(error) => Some(error.as_trap().unwrap()),
    };
    let deepest = (1..1 << 20).find(|depth| end(*depth, 0).is_some()).unwrap() - 1;
    assert!(deepest > 500, "{deepest}");
    for depth in deepest - 10..=deepest {
        assert_eq!(end(depth, OUTSIDE), Some(Trap::MemoryOutOfBounds));
        assert_eq!(end(depth, u32::MAX), Some(Trap::MemoryOutOfBounds));
        assert_eq!(end(depth, 0), None);
    }
    assert_eq!(end(deepest + 1, OUTSIDE), Some(Trap::StackOverflow));
}

/// Runs `name` of [`CHILDREN`] in its own process.
fn child(name: &str) -> ExitStatus {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", "in_a_process_of_its_own", "--nocapture"]).env(CHILD, name);
    command.output().unwrap().status
}

const CHILD: &str = "KERNREF_TEST_CHILD";

/// Exit codes of the tests' handlers.
const HANDLED: i32 = 42;
const TRAPPED: i32 = 43;

const CHILDREN: [(&str, fn()); 7] = [
    ("null", null),
    ("null with a handler", null_with_a_handler),
    ("guard from outside", guard_from_outside),
    ("inside the memory", inside_the_memory),
    ("sent", sent),
    ("engine", engines_know_their_own),
    ("exhausted", exhausted),
];

#[test]
fn in_a_process_of_its_own() {
    let Ok(name) = std::env::var(CHILD) else { return };
    let (_, run) = CHILDREN.iter().find(|(known, _)| *known == name).unwrap();
    run();
    std::process::exit(0);
}

#[test]
fn other_faults_are_passed_on() {
    // Without another handler, the process dies as if Kernref had none.
    assert_eq!(child("null").signal(), Some(libc::SIGSEGV));
    assert_eq!(child("null with a handler").code(), Some(HANDLED));
    assert_eq!(child("guard from outside").code(), Some(HANDLED));
    assert_eq!(child("inside the memory").code(), Some(HANDLED));
    assert_eq!(child("sent").code(), Some(HANDLED));
    // The standard library's handler still reports stack overflow.
    assert_eq!(child("exhausted").signal(), Some(libc::SIGABRT));
}

#[test]
fn an_engine_handles_its_own_faults_only() {
    assert_eq!(child("engine").code(), Some(TRAPPED));
}

type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

fn install(handler: Handler) {
    // SAFETY: the handler only does what a signal handler may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        assert_eq!(libc::sigaction(libc::SIGSEGV, &action, std::ptr::null_mut()), 0);
    }
}

extern "C" fn leave(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: `_exit` is allowed in a signal handler.
    unsafe { libc::_exit(HANDLED) }
}

/// A guest whose hardware traps work.
fn guest() -> Guest {
    let mut guest = Guest::of(&module(&engine()));
    guest.traps();
    guest
}

fn touch(address: usize) {
    // SAFETY: not sound: the access faults and the process ends.
    unsafe { std::ptr::with_exposed_provenance::<u8>(address).read_volatile() };
}

fn null() {
    let _guest = guest();
    touch(8);
}

fn null_with_a_handler() {
    install(leave);
    let _guest = guest();
    touch(8);
}

fn guard_from_outside() {
    install(leave);
    let mut guest = guest();
    let base = guest.base().expose_provenance();
    touch(base + OUTSIDE as usize);
}

fn inside_the_memory() {
    install(leave);
    let mut guest = guest();
    let base = guest.base();
    // SAFETY: the second page of the memory, in the guest's mapping.
    unsafe { libc::mprotect(base.add(1 << 16).cast(), 1 << 16, libc::PROT_NONE) };
    _ = guest.load.call(&mut guest.store, 1 << 16);
}

fn sent() {
    install(leave);
    let _guest = guest();
    // SAFETY: raises a signal in this process.
    unsafe { libc::raise(libc::SIGSEGV) };
}

fn exhausted() {
    fn deeper(depth: u64) -> u64 {
        let frame = std::hint::black_box([depth; 64]);
        if depth == u64::MAX { 0 } else { deeper(depth + 1) + frame[7] }
    }
    let _guest = guest();
    std::hint::black_box(deeper(0));
}

static ENGINES: OnceLock<[Engine; 2]> = OnceLock::new();

/// Asks the engine that did not cause the fault, then the one that did.
extern "C" fn ask(_: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some([own, other]) = ENGINES.get() else { return leave(0, info, context) };
    // SAFETY: `info` and `context` are what the kernel passed to the handler.
    unsafe {
        let address = (*info).si_addr() as usize;
        let found = kernref::__internals::signal_registers(context);
        let mut registers = found;
        for wrong in [
            FaultRegisters { pc: ask as *const () as usize, ..found },
            FaultRegisters { pc: 0, ..found },
            FaultRegisters { fp: found.fp + 8, ..found },
            FaultRegisters { sp: found.fp + 16, ..found },
        ] {
            let mut changed = wrong;
            if own.handle_fault(&mut changed, address) || changed != wrong {
                libc::_exit(1);
            }
        }
        for wrong in [0, address - OUTSIDE as usize, address - 1, address + (8 << 30)] {
            if own.handle_fault(&mut registers, wrong) || registers != found {
                libc::_exit(2);
            }
        }
        if other.handle_fault(&mut registers, address) || registers != found {
            libc::_exit(3);
        }
        if !own.handle_fault(&mut registers, address) || registers == found {
            libc::_exit(4);
        }
        kernref::__internals::set_signal_registers(context, &registers);
    }
}

fn engines_know_their_own() {
    let [own, other] = ENGINES.get_or_init(|| [engine(), engine()]);
    install(ask);
    let _loaded = Guest::of(&module(other));
    let mut guest = Guest::of(&module(own));
    guest.traps();
    guest.traps();
    std::process::exit(TRAPPED);
}
