//! Any arguments at all: each call ends, with an error code or with the program.

use crate::guest::{CREAT, FUNCTIONS, Guest, Open, builder};
use kernref_wasi::{Limits, SocketPair, exit_status};

/// SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// An argument: often small, a place in memory, or a limit.
    fn argument(&mut self) -> u64 {
        match self.below(8) {
            0..3 => self.below(10),
            3 => 0x100 + self.below(64),
            4 => self.below(0x40000),
            5 => 0x40000 - self.below(64),
            6 => u64::MAX - self.below(3),
            _ => self.next() >> self.below(64),
        }
    }
}

#[test]
fn any_arguments_end_with_an_error_code() {
    let rounds = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let rounds: u64 = rounds.unwrap_or(64);
    let mut successes = 0;
    for seed in 0..rounds {
        let (mut handed, fs, output) = builder();
        let (_mine, theirs) = SocketPair::new(64).unwrap();
        let mut limits = Limits::default();
        limits.descriptors = 12;
        let mut guest = Guest::new(handed.preopened_socket(theirs).limits(limits));
        fs.write("a", b"content").unwrap();
        fs.create_dir("b").unwrap();
        let mut numbers = Numbers(seed);
        let paths = b"a b/ b/c ../a . .. /a a/b c ./b/../a \xff\0";
        for _ in 0..300 {
            // The memory has paths, lists of buffers, and noise.
            for at in 0..64 {
                let byte = paths[numbers.below(paths.len() as u64) as usize];
                guest.write(at, &[byte]);
            }
            for at in 0..16 {
                let value = numbers.argument() as u32;
                guest.write(0x100 + at * 4, &value.to_le_bytes());
            }
            if numbers.below(20) == 0 {
                let _ = guest.open("b", Open::directory());
                let _ = guest.open("a", Open::file(CREAT));
            }
            let (name, params) = FUNCTIONS[numbers.below(46) as usize];
            let args: Vec<u64> = params.chars().map(|_| numbers.argument()).collect();
            match guest.try_call(name, &args) {
                Ok(0) => successes += 1,
                Ok(errno) => assert!(errno < 77, "{name}: {errno}"),
                Err(error) => {
                    assert!(exit_status(&error).is_some(), "{name}{args:x?}: {error}");
                }
            }
            output.take();
        }
    }
    assert!(successes > rounds * 20, "the arguments are good for nothing: {successes}");
}
