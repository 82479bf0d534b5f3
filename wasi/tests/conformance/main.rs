//! Every function of WASI preview 1, its flags, rights and errors, called through a
//! guest.

mod descriptors;
mod directories;
mod guest;
#[cfg(target_os = "linux")]
mod host_dir;
#[cfg(target_os = "linux")]
mod host_stdin;
mod hostile;
mod images;
mod opening;
mod paths;
mod polling;
mod process;
mod quotas;
mod sockets;

use guest::Guest;

#[test]
fn all_functions_are_defined_and_have_the_standards_types() {
    // Instantiating checks the type of each.
    let _ = Guest::usual();
    let mut names: Vec<&str> = guest::FUNCTIONS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 46);
}
