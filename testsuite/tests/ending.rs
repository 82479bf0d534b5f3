//! Ends a guest after each of its instructions, under the processor's trap flag.
//!
//! A process steps through the whole program once. At each instruction of published
//! code it forks, and the child asks for the end there, as a timer's handler would
//! ("not now" is asked again at the next instruction). What follows in the child is
//! the rest of the test: how the guest ends, what is alive, a further run, and the
//! end of the store. The parent notes how the child fared, and steps on.
//!
//! With barriers that write in the wrong order, some child must fail.

fn main() {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    stepped::main();
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    println!("skipped: stepping by the trap flag needs Linux on x86_64");
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod stepped {
    use kernref::__internals::{set_signal_registers, signal_registers};
    use kernref::fault::FaultRegisters;
    use kernref::{Engine, InterruptHandle};
    use kernref_testsuite::ending::{
        ACTIVATIONS, Afterwards, Barriers, Collections, Program, RETURNS,
    };
    use kernref_testsuite::{Hooks, Setup, install};
    use libc::{c_int, c_void, siginfo_t};
    use libtest_mimic::{Arguments, Failed, Trial};
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

    /// What the test is called with to step through one setup.
    const STEP: &str = "--step-through";
    /// The most instructions of published code that a run may have; two thirds more if
    /// compiled as if large.
    const MOST_INSTRUCTIONS: usize = 3000;
    /// Seconds after which a child is taken to hang.
    const CHILD_SECONDS: u32 = 30;

    #[derive(Clone, Copy)]
    struct Test {
        setup: Setup,
        barriers: Barriers,
        collections: Collections,
        /// The program is ended at every instruction whose number is a multiple of this.
        every: usize,
    }

    fn tests() -> Vec<Test> {
        let everywhere = std::env::var_os("KERNREF_END_EVERYWHERE").is_some();
        let of = |setup, barriers, collections, every: usize| {
            let setup = Setup { zeal: false, ..setup };
            Test { setup, barriers, collections, every: if everywhere { 1 } else { every } }
        };
        let plain = [Setup::ALL[0], Setup::ALL[2]];
        let (right, wrong) = (Barriers::Right, Barriers::Wrong);
        let mut tests = Vec::new();
        tests.extend(plain.map(|setup| of(setup, right, Collections::Many, 1)));
        tests.extend(plain.map(|setup| of(setup, right, Collections::Few, 1)));
        for setup in Setup::HARDWARE.into_iter().chain(Setup::LARGE) {
            tests.push(of(setup, right, Collections::Few, 7));
        }
        tests.extend(plain.map(|setup| of(setup, wrong, Collections::Many, 3)));
        tests
    }

    impl Test {
        fn program(self) -> Program {
            Program::new(self.setup, self.barriers, self.collections, |_| {})
        }

        fn name(self) -> String {
            let Self { setup, barriers, collections, .. } = self;
            format!("{barriers:?} barriers, {collections:?} collections [{}]", setup.name())
        }
    }

    pub fn main() {
        let arguments: Vec<_> = std::env::args().collect();
        if let [_, step, number] = &*arguments
            && step == STEP
        {
            return step_through(tests()[number.parse::<usize>().unwrap()]);
        }
        let trials = tests().into_iter().enumerate().map(|(at, test)| {
            Trial::test(test.name(), move || {
                let program = std::env::current_exe()?;
                let output = Command::new(program).args([STEP, &at.to_string()]).output()?;
                let told = String::from_utf8_lossy(&output.stdout).into_owned();
                print!("{told}");
                if output.status.success() {
                    return Ok(());
                }
                let errors = String::from_utf8_lossy(&output.stderr);
                Err(Failed::from(format!("{}\n{told}{errors}", output.status)))
            })
        });
        libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
    }

    /// What parent and children count together.
    #[derive(Default)]
    #[repr(C)]
    struct Counts {
        ended: AtomicUsize,
        /// A nested activation was ended, and the outer one went on; or the program
        /// was about to return.
        went_on: AtomicUsize,
        failed: AtomicUsize,
        not_now: [AtomicUsize; Place::ALL.len()],
    }

    /// Where "not now" may be the answer in published code.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Place {
        /// An entry shim's `push rbp`.
        ShimPush,
        /// Its `mov rbp, rsp`.
        ShimFrame,
        /// Its `ret`.
        ShimReturn,
        /// Any other: there must be none.
        Elsewhere,
    }

    impl Place {
        const ALL: [Self; 4] = [Self::ShimPush, Self::ShimFrame, Self::ShimReturn, Self::Elsewhere];

        /// # Safety
        /// The registers are those of code that was interrupted in published code.
        unsafe fn of(engine: &Engine, registers: &FaultRegisters) -> Self {
            // SAFETY: code can be read, and the frame pointer names a live frame.
            let (code, return_address) = unsafe {
                let code = registers.pc as *const [u8; 3];
                (code.read_unaligned(), (registers.fp as *const usize).add(1).read())
            };
            // Only the frame of the entry returns to code that is not published and is not
            // the entry itself.
            if engine.is_published(return_address) {
                return Self::Elsewhere;
            }
            match code {
                [0x55, ..] => Self::ShimPush,
                [0x48, 0x89, 0xe5] => Self::ShimFrame,
                [0xc3, ..] => Self::ShimReturn,
                _ => Self::Elsewhere,
            }
        }
    }

    struct Stepper {
        engine: Engine,
        handle: InterruptHandle,
        every: usize,
        counts: &'static Counts,
        /// Instructions of published code so far.
        instructions: AtomicUsize,
        /// In a child, before the guest was ended.
        is_asking: AtomicBool,
        /// In a child: the instruction at which it began to ask.
        asked_at: AtomicUsize,
    }

    static STEPPER: AtomicPtr<Stepper> = AtomicPtr::new(std::ptr::null_mut());

    const TRAP_FLAG: i64 = 1 << 8;

    /// Runs after each instruction.
    unsafe extern "C" fn stepped(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
        // SAFETY: set before the first step, and never freed.
        let stepper = unsafe { &*STEPPER.load(Ordering::Relaxed) };
        // SAFETY: the system passes a valid pointer.
        let mut registers = unsafe { signal_registers(context) };
        if !stepper.engine.is_published(registers.pc) {
            return;
        }
        if !stepper.is_asking.load(Ordering::Relaxed) {
            let number = stepper.instructions.fetch_add(1, Ordering::Relaxed) + 1;
            if !number.is_multiple_of(stepper.every) || !stepper.fork_at(number, registers.pc) {
                return;
            }
        }
        // SAFETY: interrupted here, on this stack.
        if unsafe { stepper.engine.handle_interrupt(&mut registers) } {
            stepper.is_asking.store(false, Ordering::Relaxed);
            // SAFETY: the guest goes on as it was told, without further steps.
            unsafe {
                set_signal_registers(context, &registers);
                let context = &mut *context.cast::<libc::ucontext_t>();
                context.uc_mcontext.gregs[libc::REG_EFL as usize] &= !TRAP_FLAG;
            }
            return;
        }
        // SAFETY: as above.
        let place = unsafe { Place::of(&stepper.engine, &registers) };
        stepper.counts.not_now[place as usize].fetch_add(1, Ordering::Relaxed);
    }

    impl Stepper {
        /// Has a child ask for the end. Returns true in the child; in the parent, when the
        /// child has gone.
        fn fork_at(&self, number: usize, pc: usize) -> bool {
            // SAFETY: this process has one thread.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: has no preconditions.
                unsafe { libc::alarm(CHILD_SECONDS) };
                self.asked_at.store(number, Ordering::Relaxed);
                self.is_asking.store(true, Ordering::Relaxed);
                self.handle.interrupt();
                return true;
            }
            let mut status = -1;
            // SAFETY: waits for the child, and writes to a place of its own.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            if status != 0 && self.counts.failed.fetch_add(1, Ordering::Relaxed) < 10 {
                eprintln!("ended at instruction {number}, pc {pc:#x}: status {status:#x}");
            }
            false
        }
    }

    /// Sets or clears the trap flag of this thread.
    fn trace(enable: bool) {
        let (set, keep) = if enable { (TRAP_FLAG, !0) } else { (0, !TRAP_FLAG) };
        // SAFETY: changes this flag only; its handler is installed.
        unsafe {
            std::arch::asm!(
                "pushfq",
                "and qword ptr [rsp], {keep}",
                "or qword ptr [rsp], {set}",
                "popfq",
                keep = in(reg) keep,
                set = in(reg) set,
            );
        }
    }

    /// A page that children share with their parent.
    fn shared_counts() -> &'static Counts {
        // SAFETY: fresh and zeroed, large enough, and never unmapped. Zero is a
        // valid count.
        unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
            let page = libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0);
            assert!(page != libc::MAP_FAILED && size_of::<Counts>() <= 4096);
            &*page.cast::<Counts>()
        }
    }

    fn step_through(test: Test) {
        install(Hooks {
            config: kernref::Config::new,
            engine: Engine::new,
            assemble: |text| wat::parse_str(text).ok(),
        });
        // Without any end, and under each way to look at what is left.
        let rehearsal = |at| {
            let mut guest = test.program().guest();
            assert!(!guest.run());
            guest.check(Afterwards::of(at));
        };
        (0..5).for_each(rehearsal);
        if test.barriers == Barriers::Wrong {
            std::panic::set_hook(Box::new(|_| {}));
        }

        let program = test.program();
        let mut guest = program.guest();
        let counts = shared_counts();
        let stepper = Box::leak(Box::new(Stepper {
            engine: program.engine().clone(),
            handle: guest.interrupt_handle(),
            every: test.every,
            counts,
            instructions: AtomicUsize::new(0),
            is_asking: AtomicBool::new(false),
            asked_at: AtomicUsize::new(0),
        }));
        STEPPER.store(stepper, Ordering::Relaxed);
        // SAFETY: all fields are numbers, for which 0 is valid; the handler does
        // only what a signal handler may do.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = stepped as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            assert_eq!(libc::sigaction(libc::SIGTRAP, &raw const action, std::ptr::null_mut()), 0);
        }
        trace(true);
        let was_ended = guest.run();
        trace(false);
        let asked_at = stepper.asked_at.load(Ordering::Relaxed);
        guest.check(Afterwards::of(asked_at));
        if asked_at != 0 {
            let outcome = if was_ended { &counts.ended } else { &counts.went_on };
            outcome.fetch_add(1, Ordering::Relaxed);
            // SAFETY: this child has nothing to clean up.
            unsafe { libc::_exit(0) };
        }
        report(stepper, test);
    }

    fn report(stepper: &Stepper, Test { setup, barriers, .. }: Test) {
        let load = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        let Counts { ended, went_on, failed, not_now } = stepper.counts;
        let (ended, went_on, failed) = (load(ended), load(went_on), load(failed));
        let instructions = load(&stepper.instructions);
        println!(
            "{instructions} instructions, each {}th ended: {ended} ended, {went_on} went on, \
             {failed} failed",
            stepper.every
        );
        for (place, count) in Place::ALL.into_iter().zip(not_now) {
            println!("    not now at {place:?}: {}", load(count));
        }
        let most = if setup.as_if_large { MOST_INSTRUCTIONS * 5 / 3 } else { MOST_INSTRUCTIONS };
        assert!((500..=most).contains(&instructions));
        let asked = instructions / stepper.every;
        assert_eq!(ended + went_on + failed, asked, "each child has told what became of it");
        match barriers {
            Barriers::Right => assert_eq!(failed, 0),
            Barriers::Wrong => assert!(failed > 0, "nothing was wrong with wrong barriers"),
        }
        if barriers == Barriers::Right {
            assert!(ended > asked / 2 && went_on > 0, "nested activations are ended, too");
            assert_eq!(load(&not_now[Place::Elsewhere as usize]), 0);
            if stepper.every == 1 {
                // Asked first at `push`, a child asks again at `mov`.
                let found = [0, 1, 2].map(|at: usize| load(&not_now[at]));
                assert_eq!(found, [ACTIVATIONS, 2 * ACTIVATIONS, RETURNS]);
            }
        }
    }
}
